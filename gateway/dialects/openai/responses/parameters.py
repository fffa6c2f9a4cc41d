"""The fate of every parameter of the Responses API, as one table; see `openai.parameters` for what the fates mean.

https://platform.openai.com/docs/api-reference/responses/create, vLLM's extras as in chat completions.
"""

from __future__ import annotations

from gateway.dialects.openai.parameters import Fate, refused, table

PARAMETERS = (
    *table(
        Fate.HONOURED,
        "openai",
        {
            "model": "id or alias of a hosted model",
            "input": "a text or items; items that hold nothing for a model are left out of the prompt",
            "instructions": "the system prompt; not carried over by previous_response_id",
            "previous_response_id": "goes on from a stored response",
            "store": "true unless it says otherwise: kept for 30 days",
            "background": "answers at once and goes on without its client; needs store",
            "stream": "server-sent events",
            "max_output_tokens": "upper bound of generated tokens, thoughts included",
            "temperature": "0 to 2; 0 is greedy",
            "top_p": "0 to 1; 0 keeps the likeliest token only",
            "top_logprobs": "0 to 20 alternatives a token",
            "tools": "functions, namespaces of them, custom tools and mcp; hosted tools are left out of the prompt",
            "tool_choice": "none, auto, required, a function or custom tool (called once), mcp or allowed_tools",
            "parallel_tool_calls": "false: at most one call an answer",
            "max_tool_calls": "how many calls of mcp tools one answer may make",
            "text": "format text, json_object or json_schema; verbosity is a hint for OpenAI's models",
            "reasoning": "effort is handed to the chat template, none turns thinking off; "
            "with summary the thought comes as the summary",
            "include": "message.output_text.logprobs and reasoning.encrypted_content; other names do nothing",
            "metadata": "stored with the response",
        },
    ),
    *table(
        Fate.HONOURED,
        "vllm",
        {
            "top_k": "-1 or 0: off",
            "min_p": "0 to 1",
            "presence_penalty": "-2 to 2",
            "frequency_penalty": "-2 to 2",
            "repetition_penalty": "above 0, up to 10; 1: off",
            "seed": "the same seed and parameters give the same answer on the same model",
            "stop": "a text or a list of texts",
            "ignore_eos": "go on after the model's end token",
            "chat_template_kwargs": "handed to the chat template",
            "thinking_token_budget": "tokens after which a thought is closed",
        },
    ),
    *table(
        Fate.IGNORED,
        "openai",
        {
            "user": "the client's own label",
            "safety_identifier": "the client's own label",
            "client_metadata": "the client's own label",
            "service_tier": "there is one tier",
            "stream_options": "nothing is obfuscated",
            "truncation": "a prompt is taken whole or refused",
            "prompt_cache_key": "the prefix cache finds shared beginnings by itself",
            "prompt_cache_retention": "the prefix cache decides by size",
            "prompt_cache_options": "the prefix cache decides by size",
            "background_options": "a background response starts as soon as it can",
            "access_programs": "there are none",
            "image": "images are read as they are sent",
        },
    ),
    refused("conversation", "use previous_response_id", origin="openai"),
    refused("prompt", "prompt templates are not stored here; send instructions and input", origin="openai"),
    refused("context_management", "items are taken as they are sent", [], origin="openai"),
    refused("moderation", "answers are not moderated", origin="openai"),
)

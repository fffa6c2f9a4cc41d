"""The fate of every parameter of the Messages API, as one table; see `openai.parameters` for what the fates mean.

https://docs.claude.com/en/api/messages; beta headers are tolerated, whatever they name.
"""

from __future__ import annotations

from gateway.dialects.openai.parameters import Fate, refused, table

PARAMETERS = (
    *table(
        Fate.HONOURED,
        "anthropic",
        {
            "model": "id or alias of a hosted model",
            "messages": "roles user, assistant (a last one is continued) and system; consecutive turns are one",
            "system": "a text or text blocks; Claude Code's billing header is left out of the prompt",
            "max_tokens": "required; a number over the room in the context is cut to it",
            "stream": "server-sent events",
            "stop_sequences": "up to 64 texts that end the answer",
            "temperature": "0 to 1; 0 is greedy",
            "top_p": "0 to 1; 0 keeps the likeliest token only",
            "top_k": "0: off",
            "thinking": "enabled, adaptive: think; disabled or left out: don't; display omitted hides the thought",
            "tools": "tools with an input_schema; Anthropic's own tools are left out of the prompt",
            "tool_choice": "auto or none; disable_parallel_tool_use: at most one call an answer",
            "output_config": "effort, handed to the chat template as reasoning_effort",
        },
    ),
    *table(
        Fate.IGNORED,
        "anthropic",
        {
            "metadata": "nothing is stored",
            "service_tier": "there is one tier",
            "speed": "there is one speed",
            "inference_geo": "the answer is made here",
            "cache_control": "the prefix cache finds shared beginnings by itself",
            "context_management": "messages are taken as they are sent",
            "diagnostics": "there are no diagnostics",
            "safeguards": "answers are not moderated",
            "betas": "unknown betas are tolerated",
            "anthropic_beta": "unknown betas are tolerated",
            "anthropic_version": "there is one version",
            "user_profile_id": "the client's own label",
            "workspace_id": "there is one workspace",
        },
    ),
    refused("mcp_servers", "MCP servers are not supported yet", [], origin="anthropic"),
    refused("container", "there is no code execution", origin="anthropic"),
    refused("output_format", "structured answers are not supported yet", origin="anthropic"),
)

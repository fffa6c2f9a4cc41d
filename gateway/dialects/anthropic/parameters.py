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
            "thinking": "enabled (with a budget), adaptive: think; disabled, left out: don't; display omitted hides it",
            "tools": "tools with an input_schema, strict or not; Anthropic's own tools are left out of the prompt",
            "tool_choice": "auto, any, tool or none; a named tool is called once; disable_parallel_tool_use: one call",
            "mcp_servers": "servers of the node's YAML, by name; their tools by mcp_toolset or tool_configuration",
            "output_config": "effort, for the chat template; format json_schema: matches as far as it can be bound",
            "output_format": "the beta's name of output_config.format",
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
            "cache_control": "the prefix cache keeps every prompt; where breakpoints stand is only counted in usage",
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
    refused("container", "there is no code execution", origin="anthropic"),
)

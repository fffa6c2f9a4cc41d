"""What each coding agent needs to know to use a node: values in, a command and its environment out.

Everything goes through variables and arguments, so that the user's own configuration files stay as they are, and it
has the last word over them. Tried with Claude Code 2.1.197, Codex 0.169.0 and OpenCode 1.18.33; documented at
https://code.claude.com/docs/en/env-vars, https://developers.openai.com/codex/config-reference and
https://opencode.ai/docs/config.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PROVIDER = "mlx-gateway"  # what the agents call the node
KEY_VARIABLE = "MLX_GATEWAY_API_KEY"
NO_KEY = "none"  # a node without keys takes any, and agents insist on having one
_LONGEST_ANSWER = 32_000  # tokens; what the agents themselves ask for
_PATIENCE = 3_600_000  # milliseconds; a long prompt takes minutes on a small machine


@dataclass(frozen=True, slots=True)
class Target:
    """The node's address without a path, a model by its id, and its context in tokens where that is known."""

    url: str
    model: str
    context: int | None = None
    key: str = NO_KEY

    @property
    def answer(self) -> int | None:
        """The longest answer to plan for, tokens: the prompt is the bulk of an agent's context."""
        return None if self.context is None else max(1, min(self.context // 4, _LONGEST_ANSWER))


@dataclass(frozen=True, slots=True)
class Plan:
    """`variables` are set and `without` taken away before `command` runs."""

    command: tuple[str, ...]
    variables: Mapping[str, str]
    without: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Agent:
    title: str
    install: str  # the command that brings it
    plan: Callable[[Target, Sequence[str]], Plan]


def _claude(target: Target, arguments: Sequence[str]) -> Plan:
    tiers = ("OPUS", "SONNET", "HAIKU", "FABLE")
    variables = {
        "ANTHROPIC_BASE_URL": target.url,
        "ANTHROPIC_AUTH_TOKEN": target.key,
        "ANTHROPIC_MODEL": target.model,
        "ANTHROPIC_SMALL_FAST_MODEL": target.model,
        **{f"ANTHROPIC_DEFAULT_{tier}_MODEL": target.model for tier in tiers},
        "CLAUDE_CODE_SUBAGENT_MODEL": target.model,
        "CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST": "1",  # the `env` of settings.json doesn't overrule these
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",  # updates, telemetry, error reports
        "CLAUDE_CODE_DISABLE_1M_CONTEXT": "1",  # or its menu offers the model with a context of a million tokens
        "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",  # a text that differs with every request, at the prompt's begin
        "API_TIMEOUT_MS": str(_PATIENCE),
    }
    if target.context is not None:
        variables["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] = str(target.context)
        variables["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(target.answer)
    return Plan(("claude", *arguments), variables, without=_OTHER_CLAUDE)


# They name another service, or a key or headers for it, and come before what is set above.
_OTHER_CLAUDE = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BETAS",
    "ANTHROPIC_CUSTOM_HEADERS",
    "ANTHROPIC_UNIX_SOCKET",
    "CLAUDE_CODE_API_BASE_URL",
    "CLAUDE_CODE_EXTRA_BODY",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_GATEWAY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_VERTEX",
)


def _codex(target: Target, arguments: Sequence[str]) -> Plan:
    provider = {
        "name": PROVIDER,
        "base_url": target.url + "/v1",
        "wire_api": "responses",
        "env_key": KEY_VARIABLE,
        "stream_idle_timeout_ms": _PATIENCE,
    }
    settings: dict[str, Any] = {
        "model_provider": PROVIDER,
        f"model_providers.{PROVIDER}": provider,
        "model": target.model,
        "web_search": "disabled",  # OpenAI's own tool, run on their side
        "analytics.enabled": False,
        "check_for_update_on_startup": False,
    }
    if target.context is not None:
        settings["model_context_window"] = target.context
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={_toml(value)}")]
    return Plan(("codex", *options, *arguments), {KEY_VARIABLE: target.key})


def _toml(value: Any) -> str:
    """JSON's strings, numbers and truth values are TOML's; inline tables differ."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(entry)}" for name, entry in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _opencode(target: Target, arguments: Sequence[str]) -> Plan:
    model: dict[str, Any] = {"name": target.model, "tool_call": True}
    if target.context is not None:
        model["limit"] = {"context": target.context, "output": target.answer}
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": PROVIDER,
        "options": {"baseURL": target.url + "/v1", "apiKey": f"{{env:{KEY_VARIABLE}}}", "timeout": _PATIENCE},
        "models": {target.model: model},
    }
    config = {
        "$schema": "https://opencode.ai/config.json",
        "model": f"{PROVIDER}/{target.model}",
        "small_model": f"{PROVIDER}/{target.model}",
        "provider": {PROVIDER: provider},
        "autoupdate": False,
        "share": "disabled",
    }
    variables = {"OPENCODE_CONFIG_CONTENT": json.dumps(config, ensure_ascii=False), KEY_VARIABLE: target.key}
    return Plan(("opencode", *arguments), variables)


AGENTS: Mapping[str, Agent] = {
    "claude": Agent("Claude Code", "npm install -g @anthropic-ai/claude-code", _claude),
    "codex": Agent("Codex", "npm install -g @openai/codex", _codex),
    "opencode": Agent("OpenCode", "npm install -g opencode-ai", _opencode),
}

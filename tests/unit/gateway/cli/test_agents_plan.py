"""gateway/cli/agents: what each agent is told about the node."""

import json
import tomllib

import pytest

from gateway.cli.agents import AGENTS, Plan, Target

NODE = Target("http://node:1", "org/qwen", context=40_000, key="secret")
UNKNOWN = Target("http://node:1", "org/qwen")


def codex_settings(plan: Plan) -> dict[str, object]:
    """The TOML of its `-c` options, as Codex reads them."""
    options = plan.command[1:]
    assert options[::2] == ("-c",) * (len(options) // 2)
    return tomllib.loads("\n".join(options[1::2]))


@pytest.mark.parametrize("name", AGENTS)
def test_arguments_follow_and_the_name_leads(name: str) -> None:
    command = AGENTS[name].plan(NODE, ["run", "it's me", "--model", "x"]).command
    assert command[0] == name
    assert command[-4:] == ("run", "it's me", "--model", "x")


@pytest.mark.parametrize(
    ("context", "answer"), [(None, None), (3, 1), (4_000, 1_000), (128_000, 32_000), (1_000_000, 32_000)]
)
def test_an_answer_takes_a_quarter_of_the_context_at_most(context: int | None, answer: int | None) -> None:
    assert Target("", "m", context).answer == answer


def test_claude_code_uses_the_one_model_for_everything() -> None:
    variables = AGENTS["claude"].plan(NODE, []).variables
    models = {name for name in variables if name.endswith("_MODEL")}
    assert {variables[name] for name in models} == {"org/qwen"}
    assert models == {
        "ANTHROPIC_MODEL",
        "ANTHROPIC_SMALL_FAST_MODEL",
        "ANTHROPIC_DEFAULT_OPUS_MODEL",
        "ANTHROPIC_DEFAULT_SONNET_MODEL",
        "ANTHROPIC_DEFAULT_HAIKU_MODEL",
        "ANTHROPIC_DEFAULT_FABLE_MODEL",
        "CLAUDE_CODE_SUBAGENT_MODEL",
    }


def test_claude_code_is_told_address_key_and_sizes() -> None:
    variables = AGENTS["claude"].plan(NODE, []).variables
    assert variables["ANTHROPIC_BASE_URL"] == "http://node:1"
    assert variables["ANTHROPIC_AUTH_TOKEN"] == "secret"
    assert variables["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "40000"
    assert variables["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] == "10000"
    assert variables["CLAUDE_CODE_DISABLE_1M_CONTEXT"] == "1"
    assert not {name for name in AGENTS["claude"].plan(UNKNOWN, []).variables if "_TOKENS" in name}


def test_claude_code_has_no_other_service_left() -> None:
    plan = AGENTS["claude"].plan(NODE, [])
    assert {"ANTHROPIC_API_KEY", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX"} <= set(plan.without)
    assert not set(plan.without) & set(plan.variables)
    assert plan.variables["CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST"] == "1"
    assert plan.variables["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] == "1"


def test_codex_gets_a_provider_on_its_command_line() -> None:
    plan = AGENTS["codex"].plan(NODE, [])
    settings = codex_settings(plan)
    assert settings["model_provider"] == "mlx-gateway"
    assert settings["model"] == "org/qwen"
    assert settings["model_context_window"] == 40_000
    provider = settings["model_providers"]["mlx-gateway"]  # type: ignore[index]
    assert provider["base_url"] == "http://node:1/v1"
    assert provider["wire_api"] == "responses"
    assert plan.variables == {provider["env_key"]: "secret"}
    assert "secret" not in str(plan.command)
    assert "model_context_window" not in codex_settings(AGENTS["codex"].plan(UNKNOWN, []))


def test_a_model_name_cannot_break_out_of_codex_settings() -> None:
    odd = 'a"\nmodel_provider = "openai'
    assert codex_settings(AGENTS["codex"].plan(Target("http://node:1", odd), []))["model"] == odd


def test_opencode_gets_a_configuration_in_a_variable() -> None:
    variables = AGENTS["opencode"].plan(NODE, []).variables
    config = json.loads(variables["OPENCODE_CONFIG_CONTENT"])
    assert config["model"] == config["small_model"] == "mlx-gateway/org/qwen"
    provider = config["provider"]["mlx-gateway"]
    assert provider["options"]["baseURL"] == "http://node:1/v1"
    assert provider["models"]["org/qwen"]["limit"] == {"context": 40_000, "output": 10_000}
    assert provider["options"]["apiKey"] == "{env:MLX_GATEWAY_API_KEY}"
    assert variables["MLX_GATEWAY_API_KEY"] == "secret"
    assert config["autoupdate"] is False
    unknown = json.loads(AGENTS["opencode"].plan(UNKNOWN, []).variables["OPENCODE_CONFIG_CONTENT"])
    assert "limit" not in unknown["provider"]["mlx-gateway"]["models"]["org/qwen"]

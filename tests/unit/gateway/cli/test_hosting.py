"""gateway/cli/hosting: which models, and which of three places wins."""

import argparse
from pathlib import Path

import pytest

from gateway.cli.hosting import add_hosting_arguments, node_config
from shared.config import Environment, NodeConfig
from shared.errors import ConfigError


def resolve(*arguments: str, environment: Environment = Environment()) -> tuple[NodeConfig, str]:  # noqa: B008 (frozen)
    parser = argparse.ArgumentParser()
    add_hosting_arguments(parser)
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    return node_config(parser.parse_args(arguments), environment)


def names(config: NodeConfig) -> dict[str, tuple[str, ...]]:
    return {name: entry.aliases for name, entry in config.models.items()}


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "node.yaml"
    path.write_text("server: {host: yaml, port: 1}\nmodels: {chat: {source: org/name, max_batch: 4, context: 100}}\n")
    return str(path)


def test_with_neither_model_nor_file_it_is_the_demo() -> None:
    config, origin = resolve()
    assert origin == "the demo"
    assert [model.kind for model in config.models.values()] == ["llm", "vlm", "stt", "tts", "embedding"]
    assert names(config)["demo-chat"] == ("default",)


def test_a_folder_is_named_by_its_last_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny").mkdir()
    monkeypatch.chdir(tmp_path)
    config, origin = resolve("./tiny")
    assert origin == "the command line"
    assert names(config) == {"tiny": ("default", "./tiny")}
    assert config.models["tiny"].source == str(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path / "tiny")
    assert names(resolve(".")[0]) == {"tiny": ("default", ".")}


def test_a_hub_id_is_its_own_name() -> None:
    config, _ = resolve("mlx-community/Qwen3-8B-4bit", "org/other")
    assert names(config) == {"mlx-community/Qwen3-8B-4bit": ("default",), "org/other": ()}
    assert config.models["org/other"].source == "org/other"


def test_served_model_names() -> None:
    config, _ = resolve("org/name", "--served-model-name", "gpt", "chat", "gpt")
    assert names(config) == {"gpt": ("chat", "default", "org/name")}


@pytest.mark.parametrize("arguments", [("--served-model-name", "x"), ("a/b", "c/d", "--served-model-name", "x")])
def test_a_served_name_needs_one_model(arguments: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="exactly one"):
        resolve(*arguments)


@pytest.mark.parametrize("source", ["qwen", "./absent/folder", "../x", "a/b/c", "", "~/nothing-of-that-name"])
def test_what_is_neither_folder_nor_hub_id(source: str) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        resolve(source)


def test_two_folders_of_one_name(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent / "tiny").mkdir(parents=True)
    with pytest.raises(ConfigError, match="'tiny' is hosted already"):
        resolve(str(tmp_path / "a" / "tiny"), str(tmp_path / "b" / "tiny"))


def test_a_file_is_read(file: str) -> None:
    config, origin = resolve("--config", file)
    assert (origin, list(config.models), config.server.host, config.server.port) == (file, ["chat"], "yaml", 1)


def test_the_command_line_wins_over_the_environment_over_the_file(file: str) -> None:
    environment = Environment(config=file, host="env", port=2)
    assert resolve(environment=environment)[0].server.host == "env"
    config, origin = resolve("--port", "3", "--max-batch", "8", environment=environment)
    assert (config.server.host, config.server.port) == ("env", 3)
    assert (config.models["chat"].max_batch, config.models["chat"].context) == (8, 100)
    assert origin == file


def test_models_of_the_command_line_replace_those_of_the_file(file: str) -> None:
    config, _ = resolve("org/other", "--config", file)
    assert list(config.models) == ["org/other"]
    assert config.server.port == 1


def test_port_0_is_kept() -> None:
    assert resolve("--port", "0", environment=Environment(port=5))[0].server.port == 0


@pytest.mark.parametrize(
    ("arguments", "flag"), [(("--port", "70000"), "--port"), (("--max-batch", "9999"), "--max-batch")]
)
def test_a_value_out_of_range_names_its_flag(arguments: tuple[str, ...], flag: str) -> None:
    with pytest.raises(ConfigError, match=f"^{flag}: Input should be less than or equal"):
        resolve(*arguments)


def test_a_file_without_models(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("server: {port: 1}")
    with pytest.raises(ConfigError, match="names no model"):
        resolve("--config", str(path))

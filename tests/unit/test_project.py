"""What the project promises outside its code: commands, example file, packaged demo, pins."""

import os
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from gateway.cli.main import COMMANDS
from shared.config import ModelConfig, NodeConfig, load_config
from shared.config.keys import KeyConfig
from shared.config.mcp import McpServer

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "configs" / "node.example.yaml"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

NAMED: dict[tuple[str, ...], type[BaseModel]] = {
    ("models",): ModelConfig,
    ("mcp",): McpServer,
    ("keys",): KeyConfig,
}
FREE = ("env", "headers")  # their keys are the user's


def written(node: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all keys; the name of a model or a tool server reads `*`."""
    for key, value in node.items():
        path = (*at, "*") if at in NAMED else (*at, key)
        yield path
        if isinstance(value, dict) and key not in FREE:
            yield from written(value, path)
        for item in value if key == "keys" else ():
            yield (*path, "*")
            yield from written(item, (*path, "*"))


def known(model: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*at, name)
        if (*at, name) in NAMED:
            yield (name, "*")
            yield from known(NAMED[(*at, name)], (name, "*"))
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from known(field.annotation, (*at, name))


def test_the_example_shows_every_key_of_the_schema() -> None:
    values = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    assert sorted(set(written(values))) == sorted(known(NodeConfig))


def test_the_example_shows_the_defaults() -> None:
    config = load_config(EXAMPLE)
    (model,) = config.models.values()
    assert config.model_copy(update={"models": {}, "mcp": {}, "keys": ()}) == NodeConfig()
    assert model == ModelConfig(source=model.source)


def test_every_key_of_the_example_is_explained() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("server:"))
    told_by_their_section = set(ModelConfig.model_fields["sampling"].default.model_dump())
    bare = [line.split(":")[0].strip() for line in lines[start:] if line.startswith("  ") and "#" not in line]
    assert set(bare) <= told_by_their_section | {"qwen3-8b", "files", "wiki", "- name"}


def test_the_demo_is_a_package_resource() -> None:
    config = load_config(Path(str(files("configs") / "demo.yaml")))
    assert "default" in config.models["demo-chat"].aliases
    assert config.models["demo-chat"].source == str(ROOT / "configs" / "demo" / "demo-chat")


def test_the_wheel_carries_the_demo() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "configs*" in project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert project["tool"]["setuptools"]["package-data"]["configs"] == ["*.yaml", "demo/**/*"]


def test_constraints_pin_everything_and_name_no_index() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r'[a-z0-9-]+==[\w.]+(; sys_platform == "\w+")?', line)] == []
    assert len({line.split("==")[0] for line in pins}) == len(pins)
    assert "://" not in "".join(lines)


def test_constraints_cover_the_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    names = {re.match(r"[\w-]+", line).group() for line in wanted}  # type: ignore[union-attr]
    assert names - {"mlx-gateway"} <= pinned


@pytest.mark.parametrize("script", ["scripts/run", "scripts/test", "scripts/check", ".ci/run"])
def test_scripts_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    assert "set -euo pipefail" in (ROOT / script).read_text(encoding="utf-8")


def test_the_readmes_scripts_exist() -> None:
    named = set(re.findall(r"\bscripts/[\w-]+", README))
    assert {"scripts/run", "scripts/test"} <= named
    assert [name for name in named if not (ROOT / name).is_file()] == []


def test_the_documented_commands_exist() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"^mlx-gateway ([a-z]+)", text, re.MULTILINE)) <= set(COMMANDS)
    (script,) = entry_points(group="console_scripts", name="mlx-gateway")
    assert script.load().__module__ == "gateway.cli.main"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_yaml_in_the_pages_loads(tmp_path: Path) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    snippets = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    for number, snippet in enumerate(snippets):
        file = tmp_path / f"{number}.yaml"
        file.write_text(snippet, encoding="utf-8")
        assert load_config(file).models
    assert snippets

"""Reads the node's YAML and says precisely what is wrong with it: file, line, path and the nearest key."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from shared.config.keys import KeyConfig
from shared.config.mcp import McpServer
from shared.config.schema import ModelConfig, NodeConfig
from shared.errors import ConfigError

DEFAULT = "default"  # the one alias that several models may have: each is the default of its kind
Path_ = tuple[str | int, ...]
_BY_NAME: dict[str, type[BaseModel]] = {"models": ModelConfig, "mcp": McpServer, "keys": KeyConfig}


class _UniqueKeys(yaml.SafeLoader):
    """A loader that refuses a key written twice; YAML itself would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is written twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def load_config(file: str | Path) -> NodeConfig:
    """The configuration in `file`; relative model folders are resolved against the file's own folder.

    Raises ConfigError with one line per mistake.
    """
    path = Path(file).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: can't be read: {error}") from error
    try:
        root = yaml.compose(text, Loader=_UniqueKeys)
        values = yaml.load(text, Loader=_UniqueKeys) or {}  # noqa: S506 (a SafeLoader)
        lines = _lines(root) if root is not None else {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    try:
        config = NodeConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(path, lines, e) for e in error.errors())) from error
    problems = _duplicates(config) + _unknown_servers(config) + _same_keys(config)
    config = _resolve_sources(config, path.resolve().parent)
    problems += _missing_folders(config)
    if problems:
        raise ConfigError("\n".join(f"{path}:{lines.get(at, 1)}: {what}" for at, what in problems))
    return config


def _lines(node: yaml.Node, at: Path_ = ()) -> dict[Path_, int]:
    found = {at: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            found |= _lines(value, (*at, key.value))
            found[(*at, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            found |= _lines(value, (*at, index))
    return found


def _explain(path: Path, lines: dict[Path_, int], error: Any) -> str:
    at: Path_ = tuple(error["loc"])
    line = next((lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in lines), 1)
    where = f"{path}:{line}: {'.'.join(map(str, at)) or 'the file'}"
    if error["type"] == "extra_forbidden":
        known = _keys_at(at[:-1])
        near = difflib.get_close_matches(str(at[-1]), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(sorted(known))}"
        return f"{where}: unknown key; {hint}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


def _keys_at(at: Path_) -> list[str]:
    """The keys that the schema knows at a path."""
    model: type[BaseModel] = NodeConfig
    steps = list(at)
    while steps:
        step = steps.pop(0)
        if model is NodeConfig and step in _BY_NAME:
            model = _BY_NAME[str(step)]
            steps = steps[1:]
            continue
        field = model.model_fields.get(str(step))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return list(model.model_fields)


def _duplicates(config: NodeConfig) -> list[tuple[Path_, str]]:
    owner: dict[str, str] = {name: name for name in config.models}
    found: list[tuple[Path_, str]] = []
    for name, model in config.models.items():
        for index, alias in enumerate(model.aliases):
            if alias in owner and alias != DEFAULT:
                at = ("models", name, "aliases", index)
                found.append((at, f"models.{name}.aliases: {alias!r} already names {owner[alias]!r}"))
            owner.setdefault(alias, name)
    return found


def _unknown_servers(config: NodeConfig) -> list[tuple[Path_, str]]:
    found: list[tuple[Path_, str]] = []
    for name, model in config.models.items():
        for index, server in enumerate(model.mcp):
            if server not in config.mcp:
                near = difflib.get_close_matches(server, config.mcp, n=1, cutoff=0.5)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                found.append((("models", name, "mcp", index), f"models.{name}.mcp: no server {server!r}{hint}"))
    return found


def _same_keys(config: NodeConfig) -> list[tuple[Path_, str]]:
    found: list[tuple[Path_, str]] = []
    for field in ("name", "key_sha256"):
        seen: set[str] = set()
        for index, key in enumerate(config.keys):
            value = getattr(key, field)
            if value in seen:
                found.append((("keys", index), f"keys.{index}.{field}: {value!r} is there twice"))
            seen.add(value)
    return found


def _missing_folders(config: NodeConfig) -> list[tuple[Path_, str]]:
    """Sources that can only be folders, and aren't there."""
    return [
        (("models", name, "source"), f"models.{name}.source: there is no folder {model.source}")
        for name, model in config.models.items()
        if Path(model.source).is_absolute() and not Path(model.source).is_dir()
    ]


def _resolve_sources(config: NodeConfig, base: Path) -> NodeConfig:
    models = {}
    for name, model in config.models.items():
        folder = Path(model.source).expanduser()
        candidate = folder if folder.is_absolute() else base / folder
        looks_local = folder.is_absolute() or model.source.startswith((".", "~")) or candidate.is_dir()
        models[name] = model.model_copy(update={"source": str(candidate)}) if looks_local else model
    return config.model_copy(update={"models": models})

"""From `serve`'s and `check`'s arguments to the node's configuration: command line over environment over YAML."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.config import Environment, ModelConfig, NodeConfig, ServerSection, load_config
from shared.errors import ConfigError

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")

_Section = TypeVar("_Section", bound=BaseModel)


def add_hosting_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", nargs="*", metavar="MODEL", help="a folder, or a hub id such as mlx-community/…")
    parser.add_argument("--config", metavar="FILE", help="the node's YAML; without it and a MODEL: the demo")
    parser.add_argument("--served-model-name", nargs="+", metavar="NAME", help="the id of the one MODEL, then aliases")
    parser.add_argument("--max-batch", type=_positive, metavar="N", help="requests that a model works on at once")
    parser.add_argument("--context", type=_positive, metavar="N", help="longest prompt and answer together, tokens")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def demo_file() -> Path:
    """The packaged configuration of the demo."""
    return Path(str(files("configs") / "demo.yaml"))


def node_config(args: argparse.Namespace, environment: Environment) -> tuple[NodeConfig, str]:
    """The configuration to host, and where it came from in words. Raises ConfigError."""
    if args.served_model_name and len(args.models) != 1:
        raise ConfigError("--served-model-name names one MODEL; give exactly one")
    file = args.config or environment.config
    if args.models:
        config = load_config(file) if file else NodeConfig()
        config = config.model_copy(update={"models": _named_models(args.models, args.served_model_name or ())})
        origin = "the command line"
    else:
        origin = str(file or "the demo")
        config = load_config(file or demo_file())
    if not config.models:
        raise ConfigError(f"{origin}: names no model to host")
    return _override(config, args, environment), origin


def _named_models(sources: Sequence[str], names: Sequence[str]) -> dict[str, ModelConfig]:
    """One entry a source; the first also answers to `default`, and all to what was typed."""
    models: dict[str, ModelConfig] = {}
    for source in sources:
        folder = Path(source).expanduser()
        if source and folder.is_dir():
            name, place = folder.resolve().name, str(folder.resolve())
        elif _HUB_ID.fullmatch(source) and not source.startswith("."):
            name, place = source, source
        else:
            raise ConfigError(f"{source}: there is no such folder, and a hub id looks like mlx-community/Qwen3-8B-4bit")
        if names:
            name = names[0]
        if name in models:
            raise ConfigError(f"{source}: {name!r} is hosted already; give the models different names in a YAML file")
        wanted = [*names[1:], *(() if models else ("default",)), source]
        models[name] = ModelConfig(
            source=place, aliases=tuple(alias for alias in dict.fromkeys(wanted) if alias != name)
        )
    return models


def _override(config: NodeConfig, args: argparse.Namespace, environment: Environment) -> NodeConfig:
    server: dict[str, Any] = {}
    for key in ("host", "port"):
        value = getattr(args, key, None)
        value = getattr(environment, key) if value is None else value
        if value is not None:
            server[key] = value
    model = {key: value for key in ("max_batch", "context") if (value := getattr(args, key)) is not None}
    models = {
        name: _checked(ModelConfig, entry.model_dump() | model) if model else entry
        for name, entry in config.models.items()
    }
    node = {"state_dir": environment.state_dir} if environment.state_dir else {}
    return config.model_copy(
        update={
            "server": _checked(ServerSection, config.server.model_dump() | server),
            "node": config.node.model_copy(update=node),
            "models": models,
        }
    )


def state_folder(config_file: str | None, environment: Environment) -> tuple[Path, NodeConfig]:
    """The state directory that a node with this file uses, and the file's configuration. Raises ConfigError."""
    file = config_file or environment.config
    config = load_config(file) if file else NodeConfig()
    return Path(environment.state_dir or config.node.state_dir).expanduser(), config


def _checked(section: type[_Section], values: dict[str, Any]) -> _Section:
    try:
        return section.model_validate(values)
    except ValidationError as error:
        wrong = (f"--{'.'.join(map(str, one['loc'])).replace('_', '-')}: {one['msg']}" for one in error.errors())
        raise ConfigError("\n".join(wrong)) from error

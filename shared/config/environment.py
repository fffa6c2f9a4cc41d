"""The only place that reads the environment. Every variable starts with MLX_GATEWAY_."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from shared.errors import ConfigError

PREFIX = "MLX_GATEWAY_"


@dataclass(frozen=True, slots=True)
class Environment:
    config: str | None = None  # MLX_GATEWAY_CONFIG: path of the node's YAML
    host: str | None = None  # MLX_GATEWAY_HOST
    port: int | None = None  # MLX_GATEWAY_PORT
    url: str | None = None  # MLX_GATEWAY_URL: the node that client commands talk to
    api_key: str | None = None  # MLX_GATEWAY_API_KEY: the key of client commands
    state_dir: str | None = None  # MLX_GATEWAY_STATE_DIR: what outlives a restart
    runtime_dir: str | None = None  # MLX_GATEWAY_RUNTIME_DIR: where the socket lives
    sudo_user: str | None = None  # SUDO_USER: who calls sudo
    log_level: str = "info"  # MLX_GATEWAY_LOG_LEVEL
    log_style: str = "text"  # MLX_GATEWAY_LOG_STYLE: text or json
    log_file: str | None = None  # MLX_GATEWAY_LOG_FILE: instead of stderr; it may be rotated


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Raises ConfigError for a value that can't be used; variables of other names are left alone."""
    found = os.environ if variables is None else variables

    def get(name: str) -> str | None:
        return found.get(PREFIX + name) or None

    port = get("PORT")
    if port is not None and not (port.isdecimal() and int(port) <= 65535):
        raise ConfigError(f"{PREFIX}PORT is {port!r}; a port is a number up to 65535")
    level = (get("LOG_LEVEL") or "info").lower()
    if level not in ("debug", "info", "warning", "error"):
        raise ConfigError(f"{PREFIX}LOG_LEVEL is {level!r}; use debug, info, warning or error")
    style = (get("LOG_STYLE") or "text").lower()
    if style not in ("text", "json"):
        raise ConfigError(f"{PREFIX}LOG_STYLE is {style!r}; use text or json")
    return Environment(
        config=get("CONFIG"),
        host=get("HOST"),
        port=int(port) if port else None,
        url=get("URL"),
        api_key=get("API_KEY"),
        state_dir=get("STATE_DIR"),
        runtime_dir=get("RUNTIME_DIR"),
        sudo_user=found.get("SUDO_USER") or None,
        log_level=level,
        log_style=style,
        log_file=get("LOG_FILE"),
    )


def user_environment() -> dict[str, str]:
    """All of it, for a program that the user starts through us."""
    return dict(os.environ)


def child_environment() -> dict[str, str]:
    """What a worker process inherits.

    MLX's CPU build runs uncompiled: `mx.compile` calls g++ there for seconds at a function's first use, and without a
    compiler does nothing. Metal and CUDA compile by themselves.
    """
    variables = dict(os.environ)
    variables.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it warns of every family that it doesn't know itself
    if computes_on_cpu():
        variables.setdefault("MLX_DISABLE_COMPILE", "1")
    return variables


def computes_on_cpu() -> bool:
    """Whether MLX is its CPU build here; told without importing it."""
    return sys.platform == "linux" and not _has_cuda_build()


def _has_cuda_build() -> bool:
    return any(list(metadata.distributions(name=name)) for name in ("mlx-cuda-13", "mlx-cuda-12"))

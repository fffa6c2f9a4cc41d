"""Every ZeroMQ option in one place: a ROUTER bound by the gateway, a DEALER connected by each worker, over ipc.

High-water marks are 0: flow control is credits in the application (`Ready.max_inflight`). ROUTER_MANDATORY turns the
silent drop of a frame for an unknown peer into EHOSTUNREACH. http://api.zeromq.org/4-3:zmq-setsockopt
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, TypeVar

import zmq

from shared.errors import ConfigError

IPC_PATH_MAX = 100  # sun_path holds 104 bytes on macOS, 108 on Linux

_Socket = TypeVar("_Socket", bound=zmq.Socket[Any])


def make_endpoint(parent: str | None = None) -> tuple[str, Path]:
    """Creates a private folder (0700) and returns the endpoint in it with the folder, which the caller removes.

    Raises ConfigError when the path is too long for a unix socket.
    """
    folder = Path(tempfile.mkdtemp(prefix="mlxgw-", dir=parent))
    os.chmod(folder, 0o700)
    path = folder / "bus"
    if len(os.fsencode(path)) > IPC_PATH_MAX:
        folder.rmdir()
        raise ConfigError(
            f"the socket path {path} is longer than {IPC_PATH_MAX} bytes;"
            " set MLX_GATEWAY_RUNTIME_DIR to a shorter folder"
        )
    return f"ipc://{path}", folder


def _common(socket: _Socket) -> _Socket:
    socket.setsockopt(zmq.SNDHWM, 0)
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.LINGER, 0)
    return socket


def bind_router(socket: _Socket, endpoint: str) -> _Socket:
    """Prepares and binds the gateway's socket (plain or asyncio)."""
    _common(socket)
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.bind(endpoint)
    return socket


def connect_dealer(context: zmq.Context[zmq.Socket[bytes]], endpoint: str, identity: str) -> zmq.Socket[bytes]:
    """Opens a worker's socket. `identity` is `name.incarnation`, so a successor never shares it."""
    socket = _common(context.socket(zmq.DEALER))
    socket.setsockopt(zmq.IDENTITY, identity.encode())
    socket.connect(endpoint)
    return socket

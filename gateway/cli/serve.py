"""`mlx-gateway serve [MODEL…]`: binds the address first, then builds the app and runs it until a signal comes."""

from __future__ import annotations

import argparse
import errno
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.cli.hosting import add_hosting_arguments, node_config
from gateway.tenancy import keyfile
from shared.config import Environment, NodeConfig, read_environment
from shared.errors import ConfigError
from shared.logs import get_logger, set_up

if TYPE_CHECKING:
    from gateway.cli.progress import Greeter
    from gateway.lifespan import Source
    from gateway.server import Server

BACKLOG = 2048
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_HEAD_MAX = 64 * 2**10  # bytes of request line and headers, where h11 parses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_hosting_arguments(parser)
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (8000; 0 lets the system choose)")
    parser.add_argument("--continuous-batching", action="store_true", help="accepted; batching is always continuous")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--log-style", choices=("text", "json"))
    parser.add_argument("--log-file", metavar="FILE", help="write logs there instead of stderr; it may be rotated")


def run(args: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM, then drains: 0; 1 when the start failed, 128 + N after a second signal N."""
    environment = _environment(args)
    config, origin = node_config(args, environment)
    config = loopback_without_keys(config)
    with listen(config.server.host, config.server.port) as listener:
        url = address(listener)
        greeter = _greeter(config, url)
        _log(environment, greeter)
        get_logger("gateway.cli").info("starting", url=url, config=origin, models=len(config.models))
        server = _server(config, environment, _source(args, environment))
        signal.signal(signal.SIGTERM, _leave)
        if greeter:
            greeter.start()
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            pass  # a Ctrl-C before the server listens to signals
        finally:
            if greeter:
                greeter.stop()
    return server.exit_code if server.started else 1


def has_keys(config: NodeConfig) -> bool:
    """Raises ConfigError for a key file that is broken."""
    return bool(config.keys or keyfile.read(Path(config.node.state_dir).expanduser() / keyfile.NAME))


def loopback_without_keys(config: NodeConfig) -> NodeConfig:
    """A node without keys serves this machine only, and says so. Raises ConfigError for a key file that is broken."""
    if has_keys(config):
        return config
    if config.server.host in LOOPBACK:
        return config
    print(
        f"mlx-gateway: no keys yet, so not on {config.server.host} but on 127.0.0.1 only;"
        " `mlx-gateway keys create NAME` makes the first one",
        file=sys.stderr,
    )
    return config.model_copy(update={"server": config.server.model_copy(update={"host": "127.0.0.1"})})


def _log(environment: Environment, greeter: Greeter | None) -> None:
    try:
        stream = greeter.stream if greeter else None
        set_up(environment.log_level, environment.log_style, stream=stream, file=environment.log_file)
    except OSError as error:
        raise ConfigError(f"the log file can't be opened: {error}") from error


def _leave(*_: object) -> None:
    """SIGTERM before the server runs, or after it has shut down: a stop on request."""
    raise SystemExit(0)


def _environment(args: argparse.Namespace) -> Environment:
    found = read_environment()
    return replace(
        found,
        log_level=args.log_level or found.log_level,
        log_style=args.log_style or found.log_style,
        log_file=args.log_file or found.log_file,
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before any worker is started. Raises ConfigError when the address can't be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"{host}:{port} is in use; stop what runs there or choose another --port") from error
        raise ConfigError(f"can't listen on {host}:{port}: {error.strerror or error}") from error


def address(listener: socket.socket) -> str:
    """The URL under which a client on this machine reaches the socket."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (it is compared, not bound)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _source(args: argparse.Namespace, environment: Environment) -> Source:
    """What this command line means whenever it is read again."""
    from gateway.lifespan import Source

    file = args.config or environment.config
    return Source(lambda: node_config(args, environment)[0], Path(file).expanduser() if file else None)


def _server(config: NodeConfig, environment: Environment, source: Source) -> Server:
    import uvicorn

    from gateway.app import create_app
    from gateway.server import Server

    app = create_app(config, environment, source=source)
    return Server(
        uvicorn.Config(
            app,
            loop="auto",  # uvloop where it exists
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=BACKLOG,
            h11_max_incomplete_event_size=_HEAD_MAX,
        ),
        app.state.node,
    )


def _greeter(config: NodeConfig, url: str) -> Greeter | None:
    """For a person at a terminal; a service manager gets log lines only."""
    if not sys.stderr.isatty():
        return None
    from gateway.cli.progress import Greeter

    folder = Path(config.node.state_dir).expanduser()
    models = {name: entry.aliases for name, entry in config.models.items()}
    return Greeter(url, models, key=lambda: keyfile.read_local(folder), guarded=has_keys(config))

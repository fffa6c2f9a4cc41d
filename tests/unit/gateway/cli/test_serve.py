"""gateway/cli/serve: the socket, uvicorn's settings, the environment, signals and exit codes."""

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import gateway.cli.serve as serve
from gateway.cli.main import main
from gateway.cli.serve import address, listen
from gateway.lifespan import Source
from gateway.tenancy import keyfile
from shared.config import Environment, NodeConfig
from shared.config.keys import KeyConfig
from shared.errors import ConfigError


class FakeServer:
    """Stands in for the server: notes what it was given, then does what the test wants."""

    exit_code = 0

    def __init__(self, ends: BaseException | None = None, started: bool = True) -> None:
        self.started = started
        self.ends = ends
        self.config: NodeConfig | None = None
        self.environment: Environment | None = None
        self.port = 0

    def build(self, config: NodeConfig, environment: Environment, source: object) -> "FakeServer":
        self.config, self.environment = config, environment
        return self

    def run(self, sockets: list[socket.socket]) -> None:
        self.port = sockets[0].getsockname()[1]
        if self.ends:
            raise self.ends


@pytest.fixture(autouse=True)
def _restore(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(serve, "set_up", lambda *_, **__: None)
    for name in ("CONFIG", "HOST", "PORT", "STATE_DIR", "LOG_LEVEL", "LOG_STYLE"):
        monkeypatch.delenv(f"MLX_GATEWAY_{name}", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    fake = FakeServer()
    monkeypatch.setattr(serve, "_server", fake.build)
    return fake


def test_a_port_in_use_is_refused_before_anything_starts(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(listen("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    assert f"127.0.0.1:{port} is in use" in capsys.readouterr().err
    assert server.config is None


def test_a_host_that_is_not_ours() -> None:
    with pytest.raises(ConfigError, match=r"can't listen on 256\.0\.0\.1:0"):
        listen("256.0.0.1", 0)


@pytest.mark.parametrize(
    ("bound", "url"),
    [
        (("127.0.0.1", 8000), "http://127.0.0.1:8000"),
        (("0.0.0.0", 80), "http://127.0.0.1:80"),
        (("::", 80, 0, 0), "http://[::1]:80"),
        (("10.0.0.5", 9), "http://10.0.0.5:9"),
    ],
)
def test_the_address_is_one_that_a_client_can_use(bound: tuple[Any, ...], url: str) -> None:
    listener: Any = SimpleNamespace(getsockname=lambda: bound)
    assert address(listener) == url


def test_arguments_reach_the_app(server: FakeServer) -> None:
    arguments = ["org/name", "--port", "0", "--continuous-batching", "--log-level", "debug", "--max-batch", "3"]
    assert main(["serve", *arguments]) == 0
    assert server.config is not None
    assert server.environment is not None
    assert server.config.models["org/name"].max_batch == 3
    assert server.environment.log_level == "debug"
    assert server.environment.log_style == "text"
    assert server.port != 0


def test_the_environment_stands_where_the_command_line_is_silent(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLX_GATEWAY_PORT", "0")
    monkeypatch.setenv("MLX_GATEWAY_LOG_STYLE", "json")
    assert main(["serve"]) == 0
    assert server.environment == Environment(port=0, log_style="json")


@pytest.mark.parametrize(
    ("ends", "started", "code"), [(KeyboardInterrupt(), True, 0), (None, False, 1), (None, True, 143)]
)
def test_exit_codes(server: FakeServer, ends: BaseException | None, started: bool, code: int) -> None:
    server.ends, server.started, server.exit_code = ends, started, 143 if code == 143 else 0
    assert main(["serve", "--port", "0"]) == code


def test_sigterm_is_a_clean_end(server: FakeServer) -> None:
    main(["serve", "--port", "0"])
    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert ended.value.code == 0


def test_the_greeter_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: False))
    assert serve._greeter(NodeConfig(), "http://x") is None
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: True))
    assert serve._greeter(NodeConfig(), "http://x") is not None


def test_uvicorns_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    app = ModuleType("gateway.app")
    node = SimpleNamespace()
    app.create_app = lambda *_, **__: SimpleNamespace(state=SimpleNamespace(node=node))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gateway.app", app)
    config = NodeConfig()
    settings = serve._server(config, Environment(), Source(lambda: config)).config
    assert (settings.http, settings.ws, settings.lifespan, settings.access_log) == ("httptools", "none", "on", False)
    assert (settings.backlog, settings.log_config) == (2048, None)


@pytest.mark.parametrize(("host", "bound"), [("0.0.0.0", "127.0.0.1"), ("::1", "::1"), ("127.0.0.1", "127.0.0.1")])
def test_without_keys_the_node_serves_this_machine_only(
    host: str, bound: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = NodeConfig.model_validate({"server": {"host": host}, "node": {"state_dir": str(tmp_path)}})
    assert serve.loopback_without_keys(config).server.host == bound
    assert ("no keys yet" in capsys.readouterr().err) == (host != bound)


def test_with_a_key_it_may_serve_others(tmp_path: Path) -> None:
    keyfile.write(tmp_path / keyfile.NAME, [KeyConfig(name="ana", key_sha256="a" * 64)])
    config = NodeConfig.model_validate({"server": {"host": "0.0.0.0"}, "node": {"state_dir": str(tmp_path)}})
    assert serve.loopback_without_keys(config).server.host == "0.0.0.0"
    configured = config.model_copy(update={"keys": keyfile.read(tmp_path / keyfile.NAME)})
    assert serve.loopback_without_keys(configured) is configured

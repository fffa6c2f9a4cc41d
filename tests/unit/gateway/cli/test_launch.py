"""gateway/cli/launch: the right agent, the right model, and what a person reads when either is missing."""

import json
import os
import shlex
import subprocess
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import gateway.cli.launch as launch
from gateway.cli.agents import AGENTS
from gateway.cli.launch import ModelDown, choose, find_target, own_options, wait_until_loaded
from gateway.cli.main import main
from gateway.cli.node_status import NodeUnreachable
from shared.errors import ConfigError

URL = "http://node:1"
FAKE_AGENT = f"""\
#!{sys.executable}
import json, os, sys
print(json.dumps({{"argv": sys.argv, "environ": dict(os.environ), "cwd": os.getcwd()}}))
sys.exit(7)
"""


def model(name: str, *aliases: str, kind: str | None = "llm", context: int | None = 32_768) -> dict[str, Any]:
    return {"id": name, "kind": kind, "aliases": list(aliases), "context": context}


def worker(name: str, state: str = "ready", **more: Any) -> dict[str, Any]:
    return {"name": name, "state": state, **more}


NODE: dict[str, Any] = {
    "models": [model("ears", "default", kind="stt"), model("qwen", "default", "claude-*"), model("eyes", kind="vlm")],
    "workers": [worker("ears"), worker("qwen"), worker("eyes", "quarantined", last_error="no [weights]")],
}


def options(*words: str, **given: Any) -> Namespace:
    return Namespace(**{"model": None, "url": None, "print": False, **given, "words": list(words)})


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str | None]]:
    """A node that answers; the URLs and keys that it saw."""
    asked: list[tuple[str, str | None]] = []

    def fetch(url: str, key: str | None = None) -> dict[str, Any]:
        asked.append((url, key))
        return NODE

    for name in ("MLX_GATEWAY_URL", "MLX_GATEWAY_API_KEY", "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(launch, "fetch", fetch)
    return asked


@pytest.fixture
def http_node() -> Iterator[str]:
    """A real server with a node's status, for a real process to ask."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(NODE).encode()
            self.send_response(200 if self.path == "/v1/status" else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH where `claude` and `codex` are installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("claude", "codex"):
        (folder / name).write_text(FAKE_AGENT)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def launched(url: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", "launch", *words]
    environment = {**os.environ, "MLX_GATEWAY_URL": url, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_becomes_the_agent(http_node: str, path: Path) -> None:
    variables = {"ANTHROPIC_API_KEY": "of another service", "MINE": "kept", "HTTPS_PROXY": "http://proxy:1"}
    done = launched(http_node + "/v1/", "claude", "--model", "claude-opus", "-p", "read it", **variables)
    seen = json.loads(done.stdout)
    assert done.returncode == 7
    assert seen["argv"][1:] == ["-p", "read it"]
    assert seen["cwd"] == str(Path.cwd())
    environ = seen["environ"]
    assert environ["ANTHROPIC_BASE_URL"] == http_node
    assert environ["ANTHROPIC_MODEL"] == "qwen"
    assert environ["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] == "32768"
    assert environ["MINE"] == "kept"
    assert environ["NO_PROXY"] == "127.0.0.1"
    assert "ANTHROPIC_API_KEY" not in environ


def test_what_is_printed_does_the_same_when_a_shell_runs_it(http_node: str, path: Path) -> None:
    words = ("codex", "--print", "exec", "it's $HOME")
    printed = launched(http_node, *words, MLX_GATEWAY_API_KEY="s3cret")
    assert printed.returncode == 0
    assert "s3cret" not in printed.stdout
    environment = {**os.environ, "MLX_GATEWAY_API_KEY": "s3cret", "PATH": f"{path}:/usr/bin:/bin"}
    copied = subprocess.run(["sh", "-c", printed.stdout], env=environment, capture_output=True, check=False, timeout=60)
    direct = launched(http_node, "codex", "exec", "it's $HOME", MLX_GATEWAY_API_KEY="s3cret")
    assert json.loads(copied.stdout)["argv"][1:] == json.loads(direct.stdout)["argv"][1:]
    assert json.loads(copied.stdout)["environ"]["MLX_GATEWAY_API_KEY"] == "s3cret"


def test_printing_needs_no_agent_and_shows_no_key(
    node: list[tuple[str, str | None]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("MLX_GATEWAY_API_KEY", "s3cret")
    assert main(["launch", "claude", "--print"]) == 0
    out = capsys.readouterr().out
    assert "s3cret" not in out
    assert 'ANTHROPIC_AUTH_TOKEN="$MLX_GATEWAY_API_KEY"' in out
    assert "-u ANTHROPIC_API_KEY" in out
    assert shlex.split(out.replace("\\\n", ""))[-1] == "claude"
    assert node[0] == ("http://127.0.0.1:8000", "s3cret")


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_that_is_missing_names_its_install_command(
    name: str, node: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["launch", name]) == 2
    assert AGENTS[name].install in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["vim"]])
def test_an_unknown_agent_is_told_the_known_ones(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", *words]) == 2
    assert "claude, codex, opencode" in capsys.readouterr().err


def test_no_node_says_how_to_start_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "--url", "http://127.0.0.1:1", "claude"]) == 1
    err = capsys.readouterr().err
    assert "http://127.0.0.1:1" in err
    assert "mlx-gateway serve" in err


def test_a_program_that_cannot_run_is_named(
    node: object, path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (path / "claude").write_text("#!/no/such/interpreter\n")
    assert main(["launch", "claude"]) == 2
    assert "can't start" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "model_name", "rest"),
    [
        (["claude", "--model", "m", "-p", "x"], "m", ["-p", "x"]),
        (["claude", "--model=m", "--", "--model", "theirs"], "m", ["--model", "theirs"]),
        (["claude", "-p", "--model", "theirs"], None, ["-p", "--model", "theirs"]),
        (["codex", "exec", "--", "x"], None, ["exec", "--", "x"]),
        (["claude", "--", "--print"], None, ["--print"]),
    ],
)
def test_our_options_come_before_the_agents(words: list[str], model_name: str | None, rest: list[str]) -> None:
    args = options(*words)
    assert own_options(args) == (words[0], rest)
    assert args.model == model_name
    assert args.print is False


def test_our_options_may_stand_before_the_agent() -> None:
    args = options("codex", "--print", "exec", model="m")
    assert own_options(args) == ("codex", ["exec"])
    assert (args.model, args.print) == ("m", True)


def test_an_option_without_its_value_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        own_options(options("claude", "--model"))
    assert ended.value.code == 2
    assert "--model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wanted", "found"), [(None, "qwen"), ("default", "qwen"), ("claude-opus-5", "qwen"), ("eyes", "eyes")]
)
def test_a_name_means_what_the_node_means_by_it(wanted: str | None, found: str) -> None:
    assert choose(NODE, URL, wanted) == found


@pytest.mark.parametrize("wanted", ["ears", "qwem"])
def test_a_model_that_cannot_chat_or_is_not_there_lists_those_that_can(wanted: str) -> None:
    with pytest.raises(ConfigError, match=rf"`{wanted}`.* {URL} has qwen, eyes$"):
        choose(NODE, URL, wanted)


def test_without_a_default_one_has_to_choose() -> None:
    two = {"models": [model("a"), model("b", kind=None), model("ears", kind="stt")]}
    with pytest.raises(ConfigError, match=r"--model\. .* has a, b$"):
        choose(two, URL, None)
    assert choose({"models": [model("a"), model("ears", kind="stt")]}, URL, None) == "a"
    with pytest.raises(ConfigError, match="no model for chat"):
        choose({"models": [model("ears", kind="stt")]}, URL, None)


def test_the_target_is_what_the_node_says(node: list[tuple[str, str | None]]) -> None:
    target = find_target("http://n:1/v1", None, "k")
    assert (target.url, target.model, target.context, target.key) == ("http://n:1", "qwen", 32_768, "k")
    assert {key for _, key in node} == {"k"}
    assert find_target("http://n:1", None, None).key == "none"


def test_a_quarantined_model_is_not_waited_for(node: object, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", "claude", "--model", "eyes"]) == 1
    assert "no [weights]" in capsys.readouterr().err


class Looks:
    """What the node says, look by look; the pauses between them."""

    def __init__(self, *workers: dict[str, Any]) -> None:
        self.answers = [{"workers": [entry]} for entry in workers]
        self.pauses: list[float] = []

    def __call__(self) -> Mapping[str, Any]:
        return self.answers.pop(0)


def test_a_model_that_loads_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    looks = Looks(
        worker("qwen", "spawned"),
        worker("qwen", "loading", stage="download", detail="[1 of 2 GB]", fraction=0.5),
        worker("qwen", "backoff", last_error="killed"),
        worker("qwen", "ready"),
    )
    last = wait_until_loaded("qwen", looks, looks.pauses.append)
    assert last["workers"][0]["state"] == "ready"
    assert len(looks.pauses) == 3
    assert "waiting for qwen" in capsys.readouterr().err


@pytest.mark.parametrize("state", ["ready", "stopped"])
def test_a_model_that_is_there_or_comes_on_demand_is_not_waited_for(
    state: str, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = Looks(worker("qwen", state))
    wait_until_loaded("qwen", looks, looks.pauses.append)
    assert looks.pauses == []
    assert capsys.readouterr().err == ""


def test_a_model_that_gives_up_meanwhile_ends_the_wait() -> None:
    looks = Looks(worker("qwen", "loading"), worker("qwen", "quarantined", last_error="out of memory"))
    with pytest.raises(ModelDown, match="out of memory"):
        wait_until_loaded("qwen", looks, looks.pauses.append)


def test_a_node_that_goes_away_meanwhile_ends_the_wait() -> None:
    def gone() -> Mapping[str, Any]:
        raise NodeUnreachable("gone")

    looks = iter([lambda: {"workers": [worker("qwen", "loading")]}, gone])
    with pytest.raises(NodeUnreachable):
        wait_until_loaded("qwen", lambda: next(looks)(), lambda _: None)

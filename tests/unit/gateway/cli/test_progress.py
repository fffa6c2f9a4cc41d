"""gateway/cli/progress: what the terminal shows while models load, and when they have."""

import io
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

import gateway.cli.progress as progress
from gateway.cli.node_status import NodeUnreachable
from gateway.cli.progress import Greeter

LOADING = {"name": "chat", "state": "loading", "kind": "llm", "stage": "load", "fraction": 0.5}
READY = {"name": "chat", "state": "ready", "kind": "llm"}
BROKEN = {"name": "odd", "state": "quarantined", "last_error": "no [weights] found"}


class Node:
    """Answers with one state after the other, then stays silent until the greeter is stopped."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.greeter: Greeter | None = None

    def fetch(self, _: str, key: str | None) -> Mapping[str, Any]:
        if not self.answers:
            assert self.greeter is not None
            self.greeter._stop.set()
            raise NodeUnreachable("silent")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"workers": answer}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOOK", 0)


def run(models: dict[str, tuple[str, ...]], *answers: object) -> str:
    console = Console(file=io.StringIO(), width=120)
    node = Node(*answers)
    greeter = node.greeter = Greeter("http://node:1", models, console=console, fetch=node.fetch)
    greeter.start()
    greeter._thread.join(10)
    assert not greeter._thread.is_alive()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_greeting_comes_when_the_models_are_ready() -> None:
    text = run({"chat": ("default", "/models/chat")}, NodeUnreachable("not yet"), [], [LOADING], [READY])
    assert "mlx-gateway at http://node:1/v1" in text
    assert "● chat (also default)" in text
    assert '{"model": "chat", "messages"' in text


def test_a_model_that_failed_is_told() -> None:
    text = run({"chat": (), "odd": ()}, [READY, BROKEN])
    assert "● odd\n    quarantined: no [weights] found" in text


def test_no_example_without_a_chat_model() -> None:
    assert "curl" not in run({"odd": ()}, [BROKEN])


def test_no_greeting_when_it_is_stopped_before() -> None:
    assert "mlx-gateway at" not in run({"chat": ()}, [LOADING])


def test_log_lines_pass_unchanged() -> None:
    console = Console(file=io.StringIO(), width=20)
    line = "a line that is longer than the terminal is wide  path=[/x] :smile:\n"
    Greeter("http://node", {}, console=console).stream.write(line)
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue() == line

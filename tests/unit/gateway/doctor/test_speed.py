"""gateway/doctor/speed: what is measured, on which model, and what the numbers mean."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.cli.node_status import NodeUnreachable
from gateway.doctor import speed
from gateway.doctor.finding import Finding
from gateway.doctor.speed import Candidate, ProbeFailed, compare, smallest
from shared.config import ModelConfig
from shared.probe import DECODE, LONG, ROUNDS, Seconds, measure, prompt_of
from tests.fakes.clock import FakeClock

MODELS = {"chat": ModelConfig(source="org/chat")}
STATUS = {"requests": {"running": 0}, "workers": [{"name": "chat", "kind": "llm", "state": "ready", "weight_bytes": 5}]}
FAST = Seconds(0.1, 1.0)


class Work:
    """Answers that take a fake clock's time: so much a prompt's word and so much a token."""

    def __init__(self, word: float, token: float) -> None:
        self.clock = FakeClock()
        self.word, self.token = word, token
        self.prompts: list[tuple[str, int]] = []

    def __call__(self, prompt: str, tokens: int) -> None:
        self.prompts.append((prompt, tokens))
        self.clock.now += self.word * len(prompt.split()) + self.token * tokens


def test_prefill_and_decode_are_told_apart() -> None:
    work = Work(word=0.01, token=0.5)
    found = measure(work, work.clock)
    assert found.prefill == pytest.approx((LONG + 1) * 0.01 + 0.5)
    assert found.decode == pytest.approx(DECODE * 0.5)
    assert len(work.prompts) == 2 + 3 * ROUNDS


def test_no_two_prompts_begin_alike() -> None:
    work = Work(1, 1)
    measure(work, work.clock)
    assert len({prompt.split()[0] for prompt, _ in work.prompts}) == len(work.prompts)
    assert prompt_of(3, 2) == prompt_of(3, 2)


def test_the_best_round_counts() -> None:
    work = Work(0, 1)
    slow = iter([0, 0, 0, 0, 100, 0, 0, 0, 50, 0, 0])

    def answer(prompt: str, tokens: int) -> None:
        work(prompt, tokens)
        work.clock.now += next(slow)

    assert measure(answer, work.clock) == Seconds(1, DECODE)


def test_the_smallest_chat_model_that_is_loaded() -> None:
    workers = [
        {"name": "a", "model": "a", "kind": "llm", "state": "ready", "weight_bytes": 9},
        {"name": "b~2", "model": "b", "kind": "vlm", "state": "ready", "weight_bytes": 4},
        {"name": "c", "model": "c", "kind": "llm", "state": "loading", "weight_bytes": 1},
        {"name": "d", "model": "d", "kind": "tts", "state": "ready", "weight_bytes": 1},
    ]
    assert smallest({"workers": workers}) == Candidate("b", 4)
    assert smallest({}) is None


@pytest.mark.parametrize(
    ("service", "level", "part"),
    [
        (Seconds(0.1, 1.0), "ok", ""),
        (Seconds(0.1, 1.9), "ok", ""),
        (Seconds(0.1, 2.0), "warning", "decode 2.0 times"),
        (Seconds(0.1, 8.0), "problem", "decode 8.0 times"),
        (Seconds(0.9, 1.0), "problem", "prefill 9.0 times"),
        (Seconds(0.25, 1.0), "ok", ""),  # a wink, however many times
        (Seconds(0.01, 0.1), "ok", ""),
    ],
)
@pytest.mark.parametrize("is_mac", [True, False])
def test_a_slower_service_is_found(service: Seconds, level: str, part: str, is_mac: bool) -> None:
    found = compare(service, FAST, 0, is_mac)
    assert (found.level, part in found.words, bool(found.advice)) == (level, True, level != "ok")
    assert ("ProcessType" in found.advice) == (is_mac and level == "problem")


def test_a_busy_node_is_no_proof() -> None:
    found = compare(Seconds(0.1, 30.0), FAST, 3, is_mac=True)
    assert (found.level, "3 other requests" in found.advice) == ("warning", True)


class Node:
    """Answers each measurement's requests in `seconds` a token."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *seconds: Seconds) -> None:
        self.measured = iter(seconds)
        monkeypatch.setattr(speed, "in_service", lambda *_: next(self.measured))


def examine(status: Mapping[str, Any] = STATUS, shell: Any = lambda *_: FAST, available: int = 100) -> Finding:
    return speed.examine(status, MODELS, lambda *_: {}, available, True, shell)


def test_a_suspicion_is_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    Node(monkeypatch, Seconds(0.1, 9.0), Seconds(0.1, 1.0))
    assert examine().level == "ok"
    Node(monkeypatch, Seconds(0.1, 9.0), Seconds(0.1, 8.0))
    assert examine().level == "problem"
    Node(monkeypatch, FAST)
    assert examine().level == "ok"


def fails(error: Exception) -> Any:
    def shell(*_: Any, **__: Any) -> Seconds:
        raise error

    return shell


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({"status": {"workers": []}}, "ok", "no chat model is loaded"),
        ({"status": {"workers": [{**STATUS["workers"][0], "name": "other"}]}}, "warning", "knows nothing"),  # type: ignore[index]
        ({"available": 7}, "warning", "no room for a second copy of chat"),
        ({"shell": fails(ProbeFailed("it broke"))}, "warning", "in this shell: it broke"),
        ({"shell": fails(NodeUnreachable("it is gone"))}, "warning", "not measured: it is gone"),
    ],
)
def test_what_cannot_be_measured(
    changes: dict[str, Any], level: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Node(monkeypatch, FAST)
    found = examine(**changes)
    assert (found.level, words in found.words) == (level, True)


def test_the_node_is_asked_over_its_own_api() -> None:
    work, asked = Work(0, 1), []

    def ask(method: str, path: str, body: Any) -> Mapping[str, Any]:
        asked.append((method, path, body["model"], body["temperature"], body["ignore_eos"]))
        work(body["messages"][0]["content"], body["max_tokens"])
        return {}

    assert speed.in_service(ask, "chat", work.clock) == Seconds(1, DECODE)
    assert set(asked) == {("POST", "/v1/chat/completions", "chat", 0, True)}


@pytest.mark.parametrize(
    ("stdout", "stderr", "words"),
    [("", "first\nno such model\n", "no such model"), ("noise\n", "", "status 3"), ('{"prefill": 1}', "", "status 3")],
)
def test_a_shell_side_that_fails_says_why(
    stdout: str, stderr: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = SimpleNamespace(stdout=stdout, stderr=stderr, returncode=3)
    monkeypatch.setattr(speed.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(ProbeFailed, match=words):
        speed.in_shell("chat", MODELS["chat"])


def test_a_shell_side_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed.subprocess, "run", fails(speed.subprocess.TimeoutExpired("x", 1)))
    with pytest.raises(ProbeFailed, match="no answer within"):
        speed.in_shell("chat", MODELS["chat"])


def test_the_last_line_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    done = SimpleNamespace(stdout='a library speaks\n{"prefill": 0.5, "decode": 2.0}\n', stderr="", returncode=0)
    monkeypatch.setattr(speed.subprocess, "run", lambda *_, **__: done)
    assert speed.in_shell("chat", MODELS["chat"]) == Seconds(0.5, 2.0)

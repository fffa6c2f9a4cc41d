"""workers/probe_speed: the doctor's side in the shell, with an engine that needs no model."""

from __future__ import annotations

import io
import json

import pytest

from shared.errors import ConfigError, MlxGatewayError
from shared.probe import DECODE, LONG, ROUNDS
from shared.spec import WorkerSpec
from tests.fakes.engine import FakeEngine, text_of
from workers import probe_speed


class Endless(FakeEngine):
    """Answers with as many tokens as it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int | None, bool]] = []

    def prepare(self, work, blobs):  # type: ignore[no-untyped-def]
        self.asked.append((len(text_of(work.prompt).split()), work.sampling.max_tokens, work.sampling.ignore_eos))
        return super().prepare(work, blobs)


def test_every_request_is_answered_to_its_end() -> None:
    engine = Endless()
    found = probe_speed.probe(engine)
    assert found.prefill > 0
    assert found.decode >= 0
    assert not engine.busy
    assert set(engine.asked) == {(LONG + 1, 1, True), (3, 1, True), (3, DECODE + 1, True)}
    assert len(engine.asked) == 2 + 3 * ROUNDS


def test_an_engine_that_fails_a_request() -> None:
    class Failing(Endless):
        def step(self):  # type: ignore[no-untyped-def]
            return self.cancel(next(iter(self.rows)))

    with pytest.raises(MlxGatewayError, match="cancelled"):
        probe_speed.probe(Failing())


def test_the_result_is_the_last_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    spec = WorkerSpec("chat", 1, "", "fake:")
    monkeypatch.setattr("sys.stdin", io.StringIO(spec.to_line()))
    monkeypatch.setattr(probe_speed, "host", lambda spec, progress: (Endless(), spec))
    assert probe_speed.main() == 0
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])) == {"prefill", "decode"}


def test_a_model_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def host(*_: object) -> None:
        raise ConfigError("there is no model folder x")

    monkeypatch.setattr("sys.stdin", io.StringIO(WorkerSpec("chat", 1, "", "x").to_line()))
    monkeypatch.setattr(probe_speed, "host", host)
    assert probe_speed.main() == 1
    assert capsys.readouterr().err == "there is no model folder x\n"

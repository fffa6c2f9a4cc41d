from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from shared.messages import (
    Accepted,
    Bye,
    Cancel,
    ChoiceFinished,
    Count,
    Delta,
    Detokenize,
    Drain,
    Failed,
    Fatal,
    Finished,
    Generate,
    Hello,
    Loading,
    Prompt,
    Ready,
    Sampling,
    Stats,
    Step,
    Stop,
    TextDelta,
    Tokens,
    Trim,
    Usage,
)
from shared.spec import WorkerSpec
from tests.fakes.engine import FakeEngine
from tests.fakes.router import FakeGateway, fake_gateway
from workers.link import Link
from workers.runtime import Runtime


class Worker:
    """A runtime on a thread of its own, linked to a fake gateway."""

    def __init__(self, gateway: FakeGateway, source: str = "fake:", engine: FakeEngine | None = None) -> None:
        self.engine = engine or FakeEngine()
        spec = WorkerSpec("chat", 1, gateway.endpoint, source)
        self.link = Link(spec, lambda *message: self.runtime.deliver(*message), lambda: None, pulse=0.01)
        self.runtime = Runtime(spec, lambda spec, progress: (self.engine, spec), self.link)
        self.code: int | None = None
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        self.code = self.runtime.run()

    def start(self) -> Worker:
        self.link.start()
        self.thread.start()
        return self

    def ended(self) -> int | None:
        self.thread.join(20)
        return self.code

    def close(self) -> None:
        self.engine.release.set()
        self.runtime.deliver(Stop(0))
        self.thread.join(20)
        self.link.close()


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with fake_gateway() as gateway:
        yield gateway


@pytest.fixture
def worker(gateway: FakeGateway) -> Iterator[Worker]:
    worker = Worker(gateway).start()
    gateway.next(Ready)
    yield worker
    worker.close()


def ask(request: str, text: str, **sampling: Any) -> Generate:
    return Generate(request, Prompt(text=text), Sampling(**sampling))


def endings(deltas: list[Delta]) -> Counter[str]:
    return Counter(delta.request for delta in deltas if isinstance(delta, Finished | Failed))


# ------------------------------------------------------------------ loading
def test_a_worker_says_hello_loading_ready(gateway: FakeGateway) -> None:
    worker = Worker(gateway).start()
    kinds = [type(message) for message in gateway.hear_until(lambda message: isinstance(message, Ready))]
    worker.close()
    assert kinds == [Hello, Loading, Ready]


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [("fake:broken", "config_error", "is broken"), ("fake:memory", "out_of_memory", "doesn't fit into the memory")],
)
def test_a_model_that_cannot_be_loaded_is_fatal(gateway: FakeGateway, source: str, code: str, words: str) -> None:
    worker = Worker(gateway, source).start()
    fatal = gateway.next(Fatal)
    assert fatal.code == code
    assert words in fatal.message
    assert worker.ended() == 1
    worker.close()


def test_any_other_exception_on_load_is_fatal(gateway: FakeGateway) -> None:
    class Broken(FakeEngine):
        def load(self, *_: Any) -> Ready:
            raise KeyError("model.embed_tokens.weight")

    worker = Worker(gateway, engine=Broken()).start()
    fatal = gateway.next(Fatal)
    assert fatal.code == "load_failed"
    assert "KeyError" in fatal.message
    assert worker.ended() == 1
    worker.close()


# ------------------------------------------------------------------ answering
def test_accepted_then_one_step_frame_a_model_step(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "echo 3"))
    heard = gateway.hear_until(lambda message: isinstance(message, Step) and isinstance(message.deltas[-1], Finished))
    assert heard == [
        Accepted("a", 2),
        Step((TextDelta("a", 0, "w0 ", tokens=(0,)),)),
        Step((TextDelta("a", 0, "w1 ", tokens=(1,)),)),
        Step(
            (
                TextDelta("a", 0, "w2 ", tokens=(2,)),
                ChoiceFinished("a", 0, "stop"),
                Finished("a", Usage(prompt_tokens=2, completion_tokens=3)),
            )
        ),
    ]


def test_requests_share_the_frame_of_a_step(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "forever"))
    gateway.next(Step)
    gateway.tell(ask("b", "forever"))
    shared = gateway.hear_until(lambda message: isinstance(message, Step) and len(message.deltas) == 2)[-1]
    assert isinstance(shared, Step)
    assert [delta.request for delta in shared.deltas] == ["a", "b"]


def test_work_without_a_step_is_answered(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(Count("a", Prompt(text="one two")))
    assert gateway.next(Step).deltas == (Tokens("a", (0, 1), 4096), Finished("a"))
    gateway.tell(Detokenize("b", (4, 2)))
    assert gateway.next(Step).deltas == (TextDelta("b", 0, "t4 t2"), Finished("b"))


@pytest.mark.parametrize(
    ("text", "code", "param"),
    [
        ("bad", "invalid_value", "messages"),
        ("boom", "internal_error", None),
        ("reject", "invalid_value", "prompt"),
        ("explode", "internal_error", None),
    ],
)
def test_a_request_that_breaks_fails_alone(
    gateway: FakeGateway, worker: Worker, text: str, code: str, param: str | None
) -> None:
    gateway.tell(ask("good", "forever"))
    gateway.next(Accepted)
    gateway.tell(ask("a", text))
    failure = next(delta for delta in gateway.deltas_until(Failed, "a") if isinstance(delta, Failed))
    assert (failure.request, failure.code, failure.param) == ("a", code, param)
    assert text not in failure.message
    gateway.deltas_until(TextDelta, "good")
    assert set(worker.engine.rows) == {"good"}


def test_a_duplicate_id_is_refused_and_the_first_ends_once(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "forever"))
    gateway.next(Accepted)
    gateway.tell(ask("a", "echo 1"))
    gateway.tell(Cancel("a"))
    gateway.tell(ask("b", "echo 1"))
    assert endings(gateway.deltas_until(Finished, "b")) == {"a": 1, "b": 1}
    assert worker.engine.prepared == ["a", "b"]


# ------------------------------------------------------------------ cancelling
def test_cancel_of_a_running_request_is_answered_once_and_frees_its_row(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "forever"))
    gateway.next(Step)
    for _ in range(3):
        gateway.tell(Cancel("a"))
    gateway.tell(Cancel("unknown"))
    gateway.tell(ask("b", "echo 1"))
    deltas = gateway.deltas_until(Finished, "b")
    assert endings(deltas) == {"a": 1, "b": 1}
    assert [delta.code for delta in deltas if isinstance(delta, Failed)] == ["cancelled"]
    assert worker.engine.rows == {}


def test_cancel_inside_preprocessing_is_answered_at_once(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "hold"))
    assert worker.engine.holding.wait(20)
    gateway.tell(ask("b", "echo 1"))  # waits behind it
    gateway.tell(Cancel("b"))
    gateway.tell(Cancel("a"))
    codes = {delta.request: delta.code for delta in gateway.deltas_until(Failed, "a")}
    assert codes == {"a": "cancelled", "b": "cancelled"}
    worker.engine.release.set()
    gateway.tell(ask("c", "echo 1"))
    deltas = gateway.deltas_until(Finished, "c")
    assert {delta.request for delta in deltas} == {"c"}  # what "a" had prepared was thrown away
    assert worker.engine.prepared == ["a", "c"]


def test_an_engine_that_leaves_a_cancel_unanswered_is_spoken_for(gateway: FakeGateway, worker: Worker) -> None:
    worker.engine.cancel = lambda request: []  # type: ignore[method-assign]
    gateway.tell(ask("a", "forever"))
    gateway.next(Step)
    gateway.tell(Cancel("a"))
    assert endings(gateway.deltas_until(Failed, "a")) == {"a": 1}


# ------------------------------------------------------------------ the pulse
def test_the_pulse_shows_a_step_that_does_not_return(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "hang"))
    assert worker.engine.stepping.wait(20)
    stats = gateway.hear_until(lambda message: isinstance(message, Stats) and message.running == 1)[-1]
    assert gateway.next(Stats) == stats


def test_preprocessing_counts_as_waiting(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "hold"))
    assert worker.engine.holding.wait(20)
    gateway.hear_until(lambda message: isinstance(message, Stats) and message.waiting == 1)
    worker.engine.release.set()
    gateway.hear_until(lambda message: isinstance(message, Stats) and message.waiting == 0)


# ------------------------------------------------------------------ the end
def test_drain_goes_on_with_what_runs_and_refuses_what_is_new(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "hang"))
    assert worker.engine.stepping.wait(20)
    gateway.tell(Drain())
    gateway.tell(ask("b", "echo 1"))
    worker.engine.release.set()
    deltas = gateway.deltas_until(Failed, "b")
    assert endings(deltas) == {"a": 1, "b": 1}
    assert [delta.code for delta in deltas if isinstance(delta, Failed)] == ["shutting_down"]


def test_stop_lets_running_requests_end_within_the_grace(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "hang"))
    assert worker.engine.stepping.wait(20)
    gateway.tell(Stop(60))
    worker.engine.release.set()
    heard = gateway.hear_until(lambda message: isinstance(message, Bye))
    deltas = [delta for message in heard if isinstance(message, Step) for delta in message.deltas]
    assert any(isinstance(delta, Finished) and delta.request == "a" for delta in deltas)
    assert worker.ended() == 0
    assert worker.engine.closed


def test_stop_fails_what_outlasts_the_grace_with_its_usage(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "forever"))
    gateway.next(Step)
    gateway.tell(Stop(0))
    heard = gateway.hear_until(lambda message: isinstance(message, Bye))
    last = heard[-2]
    assert isinstance(last, Step)
    (failure,) = last.deltas
    assert isinstance(failure, Failed)
    assert (failure.request, failure.code) == ("a", "shutting_down")
    assert failure.usage.completion_tokens > 0
    assert worker.ended() == 0


def test_a_later_stop_can_only_shorten_the_grace(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "forever"))
    gateway.next(Step)
    gateway.tell(Stop(0))
    gateway.tell(Stop(3600))
    gateway.next(Bye)
    assert worker.ended() == 0


def test_stop_answers_what_is_still_in_preprocessing(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "hold"))
    assert worker.engine.holding.wait(20)
    gateway.tell(Stop(0))
    assert gateway.next(Step).deltas[0].code == "shutting_down"  # type: ignore[union-attr]
    gateway.next(Bye)
    assert worker.ended() == 0


def test_a_broken_step_is_fatal(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(ask("a", "fatal"))
    fatal = gateway.next(Fatal)
    assert fatal.code == "step_failed"
    assert "the fake step is broken" in fatal.message
    assert worker.ended() == 1


# ------------------------------------------------------------------ memory
def test_trim_reaches_the_engine_between_steps_and_running_requests_go_on(gateway: FakeGateway, worker: Worker) -> None:
    gateway.tell(Trim(5))
    gateway.tell(ask("a", "echo 3"))
    gateway.tell(Trim(0))
    assert endings(gateway.deltas_until(Finished, "a")) == {"a": 1}
    gateway.tell(ask("b", "echo 1"))
    gateway.deltas_until(Finished, "b")
    assert worker.engine.trims == [5, 0]

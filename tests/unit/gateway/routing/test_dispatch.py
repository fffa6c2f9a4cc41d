import asyncio

import pytest

from gateway.bus.mailbox import Event
from gateway.routing.admission import Refusal
from gateway.routing.dispatch import Dispatcher, Stream, Times
from gateway.routing.registry import ModelEntry
from gateway.routing.stream import NOBODY, Patience, Tenant
from shared.config import ModelConfig
from shared.errors import (
    Cancelled,
    DeadlineExceeded,
    InvalidRequest,
    ModelNotFound,
    ModelUnavailable,
    Overloaded,
    PoisonRequest,
    RequestError,
    ShuttingDown,
    Unauthorized,
    WorkerLost,
)
from shared.messages import (
    Accepted,
    Blob,
    Cancel,
    ChoiceFinished,
    Delta,
    Failed,
    Finished,
    Generate,
    Prompt,
    Sampling,
    TextDelta,
    Transcribe,
    Usage,
)
from tests.fakes.clock import FakeClock, settle
from tests.fakes.supervision import RecordingRouter

ENTRY = ModelEntry("chat", ModelConfig(source="x"))


class Witness:
    def __init__(self) -> None:
        self.saw: list[tuple[object, ...]] = []

    def on_queued(self, model: str, times: Times) -> None:
        self.saw.append(("queued", model))

    def on_sent(self, model: str, times: Times) -> None:
        self.saw.append(("sent", model))

    def on_first(self, model: str, times: Times) -> None:
        self.saw.append(("first", model))

    def on_done(self, model: str, outcome: str, usage: Usage, times: Times) -> None:
        self.saw.append(("done", outcome, usage))


class Bench:
    """A dispatcher with one model, and hands on both its sides."""

    def __init__(self, credit: int | None = 1, queue: int = 8) -> None:
        self.router = RecordingRouter()
        self.clock = FakeClock()
        self.witness = Witness()
        self.dispatcher = Dispatcher(self.router, ["chat"], queue, observer=self.witness, clock=self.clock)
        if credit is not None:
            self.ready("chat.1", credit)

    def ready(self, identity: str, credit: int = 1) -> None:
        self.dispatcher.worker_ready("chat", identity, credit)

    def open(
        self,
        request: str,
        deadline: float | None = None,
        blobs: tuple[bytes, ...] = (),
        tenant: Tenant = NOBODY,
        patience: Patience | None = None,
    ) -> Stream:
        return self.dispatcher.open(ENTRY, work(request), blobs, deadline=deadline, tenant=tenant, patience=patience)

    def answer(self, *events: Accepted | Delta, identity: str = "chat.1") -> None:
        self.router.mailboxes.deliver(identity, events)

    def die(self, identity: str = "chat.1", blame: bool = True) -> None:
        self.dispatcher.worker_lost("chat", identity, "it died", blame=blame)

    @property
    def sent(self) -> list[tuple[str, object]]:
        """(identity, request) of work; (identity, Cancel) of cancels."""
        return [(to, what if isinstance(what, Cancel) else what.request) for to, what, _ in self.router.sent]  # type: ignore[union-attr]


def work(request: str) -> Generate:
    return Generate(request, Prompt(text="hi"))


def text(request: str, said: str = "a") -> TextDelta:
    return TextDelta(request, 0, said, tokens=(1,))


async def read(stream: Stream) -> list[Event]:
    return [event async for event in stream]


async def test_a_request_runs_and_ends_after_finished() -> None:
    bench = Bench()
    stream = bench.open("r", blobs=(b"image",))
    assert bench.router.sent == [("chat.1", work("r"), (b"image",))]
    assert stream.state == "running"
    events = [Accepted("r", 3), text("r"), ChoiceFinished("r", 0, "length"), Finished("r", Usage(3, 0, 1))]
    bench.answer(*events)
    async with stream:
        assert await read(stream) == events
    assert stream.state == "done"
    assert stream.usage == Usage(3, 0, 1)
    assert len(bench.sent) == 1  # no Cancel for what has ended
    assert bench.witness.saw == [
        ("queued", "chat"),
        ("sent", "chat"),
        ("first", "chat"),
        ("done", "length", Usage(3, 0, 1)),
    ]


async def test_moments_are_kept() -> None:
    bench = Bench(credit=None)
    start = bench.clock.now
    stream = bench.open("r")
    bench.clock.now += 1
    bench.ready("chat.1")
    bench.clock.now += 1
    bench.answer(Accepted("r"))
    bench.clock.now += 1
    bench.answer(text("r"))
    bench.clock.now += 1
    bench.answer(Finished("r"))
    assert stream.times == Times(start, start + 1, start + 3, start + 4)


async def test_credits_bound_what_is_sent() -> None:
    bench = Bench(credit=2)
    streams = [bench.open(str(n)) for n in range(4)]
    assert bench.sent == [("chat.1", "0"), ("chat.1", "1")]
    assert [stream.state for stream in streams] == ["running", "running", "queued", "queued"]
    assert bench.dispatcher.queued("chat") == 2
    bench.answer(Finished("1"))
    assert bench.sent[2:] == [("chat.1", "2")]


async def test_the_workers_refusal_becomes_its_error() -> None:
    bench = Bench()
    stream = bench.open("r")
    bench.answer(Failed("r", "context_length_exceeded", "too long", "messages"))
    with pytest.raises(InvalidRequest, match="too long") as caught:
        await read(stream)
    assert caught.value.code == "context_length_exceeded"
    assert caught.value.param == "messages"
    assert await read(stream) == []  # it ends once


async def test_the_door_refuses_without_a_trace() -> None:
    bench = Bench(queue=1)
    bench.open("a")
    bench.open("b")
    with pytest.raises(Overloaded):
        bench.open("c")
    bench.dispatcher.worker_leaving("chat", "chat.1")
    bench.dispatcher.close_model("chat", Refusal("model_unavailable", "broken", 9.0))
    with pytest.raises(ModelUnavailable, match="broken"):
        bench.open("d")
    assert len(bench.router.mailboxes) == 1  # "a", which still runs
    bench.dispatcher.open_model("chat")
    assert bench.open("d").state == "queued"


@pytest.mark.parametrize(
    "bad", [Generate("r", Prompt(text="\ud800")), Generate("r", Prompt(text=""), Sampling(seed=2**70))]
)
async def test_what_cannot_travel_is_the_clients_mistake(bad: Generate) -> None:
    bench = Bench()
    with pytest.raises(InvalidRequest):
        bench.dispatcher.open(ENTRY, bad)
    assert bench.open("r").state == "running"


async def test_blobs_inside_the_work_follow_those_beside_it() -> None:
    bench = Bench()
    bench.dispatcher.open(ENTRY, Transcribe("r", Blob(b"sound")), [b"image"])
    ((_, sent, blobs),) = bench.router.sent
    assert (sent, blobs) == (Transcribe("r", Blob(b"sound")), (b"image", b"sound"))


async def test_leaving_a_queued_request_takes_it_out_of_the_queue() -> None:
    bench = Bench()
    first = bench.open("a")
    async with bench.open("b") as queued:
        assert queued.state == "queued"
    assert bench.dispatcher.queued("chat") == 0
    assert bench.witness.saw[-1] == ("done", "cancelled", Usage())
    bench.answer(Finished("a"))
    assert bench.sent == [("chat.1", "a")]
    assert await read(first) == [Finished("a")]


async def test_leaving_a_running_request_cancels_it_and_keeps_the_credit_until_the_answer() -> None:
    bench = Bench()
    async with bench.open("a") as stream:
        bench.answer(text("a"))
        assert await anext(stream) == text("a")
    assert bench.sent == [("chat.1", "a"), ("chat.1", Cancel("a"))]
    await stream.aclose()
    assert len(bench.sent) == 2
    waiting = bench.open("b")
    assert waiting.state == "queued"
    bench.answer(text("a", "late"), Failed("a", "cancelled", "ok"))
    assert waiting.state == "running"
    assert len([one for one in bench.witness.saw if one[0] == "done"]) == 1


async def test_a_cancelled_reader_cancels_the_request() -> None:
    bench = Bench()
    stream = bench.open("a")
    reader = asyncio.create_task(read(stream))
    await settle()
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    assert bench.sent[-1] == ("chat.1", Cancel("a"))


async def test_a_keep_alive_leaves_the_request_alone() -> None:
    bench = Bench()
    stream = bench.open("a")
    assert await stream.wait(0) is False
    assert bench.sent == [("chat.1", "a")]
    bench.answer(Finished("a"))
    assert await stream.wait(0) is True
    assert await read(stream) == [Finished("a")]


async def test_a_deadline_ends_a_queued_request() -> None:
    bench = Bench(credit=None)
    stream = bench.open("a", deadline=bench.clock.now)
    with pytest.raises(DeadlineExceeded):
        await read(stream)
    assert bench.dispatcher.queued("chat") == 0
    assert len(bench.router.mailboxes) == 0


async def test_a_deadline_cancels_a_running_request_without_waiting_for_the_worker() -> None:
    bench = Bench()
    stream = bench.open("a", deadline=bench.clock.now - 5)
    bench.answer(text("a"))
    assert await anext(stream) == text("a")
    with pytest.raises(DeadlineExceeded):
        await read(stream)
    assert bench.sent[-1] == ("chat.1", Cancel("a"))
    assert stream.usage.completion_tokens == 1
    assert bench.open("b").state == "queued"


async def test_a_request_that_showed_nothing_is_replayed_once() -> None:
    bench = Bench()
    stream = bench.open("a", blobs=(b"image",))
    later = bench.open("b")
    bench.answer(Accepted("a", 5))
    assert await anext(stream) == Accepted("a", 5)
    bench.answer(text("a", "unread"))
    bench.die()
    assert stream.state == "queued"
    bench.ready("chat.2")
    assert bench.router.sent[-1] == ("chat.2", work("a"), (b"image",))  # ahead of "b"
    bench.answer(text("a", "stale"))  # the dead incarnation's last words
    bench.answer(Accepted("a", 5), text("a", "new"), Finished("a"), identity="chat.2")
    assert await read(stream) == [text("a", "new"), Finished("a")]
    assert later.state == "running"
    assert [one[0] for one in bench.witness.saw].count("sent") == 2


async def test_a_second_death_alone_ends_it_and_its_like_is_refused() -> None:
    bench = Bench()
    stream = bench.open("a", blobs=(b"image",))
    bench.die()
    bench.ready("chat.2")
    bench.die("chat.2")
    bench.die("chat.2")
    with pytest.raises(PoisonRequest, match="ended two workers"):
        await read(stream)
    assert len(bench.router.mailboxes) == 0
    bench.ready("chat.3")
    with pytest.raises(PoisonRequest):
        bench.open("b", blobs=(b"image",))  # a client's own retry
    assert len(bench.router.mailboxes) == 0
    assert bench.open("c").state == "running"
    bench.dispatcher.pardon("chat")
    assert bench.open("d", blobs=(b"image",)).state == "queued"


async def test_one_poison_request_costs_two_workers_and_nobody_else() -> None:
    bench = Bench(credit=8)
    streams = {name: bench.open(name) for name in "abcd"}
    bench.die()
    bench.ready("chat.2", 8)
    assert bench.sent[4:] == [("chat.2", "a")]
    bench.answer(Accepted("a"), identity="chat.2")
    assert bench.sent[5:] == []  # not a sign of anything yet
    bench.answer(text("a"), identity="chat.2")
    assert bench.sent[5:] == [("chat.2", "b")]
    fresh = bench.open("e")
    bench.answer(text("a", "b"), Finished("a"), text("b"), identity="chat.2")
    assert bench.sent[6:] == [("chat.2", "c")]  # the poison
    assert await streams["a"].wait(0) is False  # held back while c is on trial
    bench.die("chat.2")
    with pytest.raises(PoisonRequest):
        await read(streams["c"])
    assert await read(streams["a"]) == [Accepted("a"), text("a"), text("a", "b"), Finished("a")]
    bench.ready("chat.3", 8)
    assert bench.sent[7:] == [("chat.3", "d")]
    bench.answer(text("d"), Finished("d"), identity="chat.3")
    assert bench.sent[8:] == [("chat.3", "b"), ("chat.3", "e")]
    bench.answer(text("b", "again"), Finished("b"), Finished("e"), identity="chat.3")
    assert await read(streams["b"]) == [text("b", "again"), Finished("b")]
    assert await read(streams["d"]) == [text("d"), Finished("d")]
    assert await read(fresh) == [Finished("e")]


async def test_a_passed_request_shows_what_it_has_once_the_trials_are_over() -> None:
    bench = Bench(credit=8)
    first, second = bench.open("a"), bench.open("b")
    bench.die()
    bench.ready("chat.2", 8)
    bench.answer(text("a"), identity="chat.2")
    reading = asyncio.create_task(anext(first))
    await settle()
    assert not reading.done()
    bench.answer(text("b"), identity="chat.2")
    assert await reading == text("a")
    assert await anext(second) == text("b")
    assert bench.open("c").state == "running"


async def test_a_passed_request_is_lost_with_its_second_worker_not_refused() -> None:
    bench = Bench()
    stream = bench.open("a")
    whole = asyncio.create_task(stream.whole())
    await settle()
    bench.die()
    bench.ready("chat.2")
    bench.answer(text("a"), identity="chat.2")
    await settle()
    bench.die("chat.2")
    with pytest.raises(WorkerLost, match="two workers of `chat` ended; it is not tried a third time"):
        await whole
    bench.ready("chat.3")
    assert bench.open("b").state == "running"


async def test_the_end_of_a_request_on_trial_comes_through() -> None:
    bench = Bench(credit=8)
    tried, other = bench.open("a"), bench.open("b")
    bench.die()
    bench.ready("chat.2", 8)
    bench.answer(Accepted("a"), identity="chat.2")
    tried.revoke("invalid_api_key", "The API key was revoked.")
    with pytest.raises(Unauthorized):
        await read(tried)
    assert other.state == "queued"  # the worker may still die of it
    bench.answer(Failed("a", "cancelled", "ok"), identity="chat.2")
    assert other.state == "running"


async def test_a_worker_that_was_terminated_leaves_no_suspects() -> None:
    bench = Bench(credit=8)
    streams = [bench.open(name) for name in "ab"]
    bench.die(blame=False)
    bench.ready("chat.2", 8)
    assert bench.sent[2:] == [("chat.2", "a"), ("chat.2", "b")]
    bench.die("chat.2", blame=False)
    bench.ready("chat.3", 8)
    assert [stream.state for stream in streams] == ["running"] * 2
    bench.die("chat.3", blame=False)
    with pytest.raises(WorkerLost):
        await read(streams[0])


async def test_a_lost_request_is_told_when_its_model_will_be_back() -> None:
    bench = Bench()
    stream = bench.open("a", patience=Patience(60.0, lambda: 12.0))
    bench.answer(text("a"))
    await anext(stream)
    bench.die()
    with pytest.raises(WorkerLost) as caught:
        await read(stream)
    assert caught.value.retry_after == 12.0


async def test_a_request_that_showed_something_ends_with_its_partial_usage() -> None:
    bench = Bench()
    stream = bench.open("a")
    bench.answer(Accepted("a", 5), text("a"), text("a", "b"))
    assert [await anext(stream), await anext(stream)] == [Accepted("a", 5), text("a")]
    bench.die()
    with pytest.raises(WorkerLost):
        await read(stream)
    assert stream.usage == Usage(prompt_tokens=5, completion_tokens=2)
    bench.ready("chat.2")
    assert len(bench.sent) == 1


async def test_a_whole_answer_is_replayed_from_its_beginning() -> None:
    bench = Bench()
    stream = bench.open("a")
    reader = asyncio.create_task(stream.whole())
    bench.answer(Accepted("a", 5), text("a", "old"))
    await settle()
    bench.die()
    bench.ready("chat.2")
    answer = [Accepted("a", 5), text("a", "new"), Finished("a", Usage(5, 0, 1))]
    bench.answer(*answer, identity="chat.2")
    assert await reader == answer


async def test_a_cancelled_request_is_not_replayed() -> None:
    bench = Bench()
    stream = bench.open("a")
    await stream.aclose()
    bench.die()
    bench.ready("chat.2")
    assert ("chat.2", "a") not in bench.sent
    assert len(bench.router.mailboxes) == 0


async def test_an_unreachable_worker_gets_nothing_more_and_the_request_waits() -> None:
    bench = Bench(credit=2)
    bench.router.unreachable.add("chat.1")
    streams = [bench.open("a"), bench.open("b")]
    assert [stream.state for stream in streams] == ["queued", "queued"]
    bench.die()
    bench.ready("chat.2", 2)
    assert bench.sent == [("chat.2", "a"), ("chat.2", "b")]


async def test_a_cancel_to_a_lost_worker_is_settled_by_its_death() -> None:
    bench = Bench()
    stream = bench.open("a")
    bench.router.unreachable.add("chat.1")
    await stream.aclose()
    assert bench.router.mailboxes.open_on("chat.1") == 1
    bench.die()
    assert bench.router.mailboxes.open_on("chat.1") == 0


async def test_quarantine_ends_those_that_wait_for_a_replay() -> None:
    bench = Bench()
    stream = bench.open("a")
    bench.die()
    bench.dispatcher.close_model("chat", Refusal("model_unavailable", "broken", 60.0))
    with pytest.raises(ModelUnavailable) as caught:
        await read(stream)
    assert caught.value.retry_after == 60.0


async def test_shutting_down_refuses_who_waits_and_lets_the_running_end() -> None:
    bench = Bench()
    running, waiting = bench.open("a"), bench.open("b")
    bench.dispatcher.shut_down()
    bench.dispatcher.close_model("chat", Refusal("model_unavailable", "stopped"))
    bench.dispatcher.open_model("chat")
    with pytest.raises(ShuttingDown):
        await read(waiting)
    with pytest.raises(ShuttingDown):
        bench.open("c")
    bench.answer(Finished("a"))
    assert await read(running) == [Finished("a")]


async def test_the_end_of_all_requests_is_typed_and_keeps_what_was_used() -> None:
    bench = Bench()
    running, waiting = bench.open("a"), bench.open("b")
    bench.answer(Accepted("a", 5), TextDelta("a", 0, "so", tokens=(1, 2)))
    bench.dispatcher.end_all()
    for stream in (running, waiting):
        with pytest.raises(ShuttingDown):
            await read(stream)
    assert (running.usage.prompt_tokens, running.usage.completion_tokens) == (5, 2)
    bench.answer(Finished("a"))  # too late, and harmless
    assert len(bench.router.mailboxes) == 0


async def test_a_worker_stopped_by_the_operator_ends_its_requests_without_a_replay() -> None:
    bench = Bench()
    stream = bench.open("a")
    bench.dispatcher.worker_lost("chat", "chat.1", "stopped", ModelUnavailable.code)
    with pytest.raises(ModelUnavailable):
        await read(stream)


async def test_a_leaving_worker_finishes_what_it_has() -> None:
    bench = Bench()
    stream = bench.open("a")
    bench.dispatcher.worker_leaving("chat", "chat.1")
    other = bench.open("b")
    bench.answer(Finished("a"))
    assert await read(stream) == [Finished("a")]
    assert other.state == "queued"


async def test_the_cancelled_error_is_what_a_reader_meets_after_a_cancel_elsewhere() -> None:
    bench = Bench()
    stream = bench.open("a")
    bench.answer(Failed("a", "cancelled", "by the worker"))
    with pytest.raises(Cancelled):
        await read(stream)


async def test_every_error_code_of_a_failure_is_kept() -> None:
    bench = Bench()
    stream = bench.open("a")
    bench.answer(Failed("a", "no_such_code", "odd"))
    with pytest.raises(RequestError) as caught:
        await read(stream)
    assert caught.value.status == 500
    assert bench.witness.saw[-1] == ("done", "no_such_code", Usage())


class Team:
    """A tenant that notes what it is told."""

    weight = 1.0

    def __init__(self, name: str, noted: asyncio.Event | None = None) -> None:
        self.name = name
        self.noted = noted
        self.open: list[Stream] = []
        self.ended: list[Usage] = []

    def opened(self, stream: Stream) -> None:
        self.open.append(stream)

    def closed(self, stream: Stream) -> asyncio.Event | None:
        self.ended.append(stream.usage)
        return self.noted


async def test_a_tenant_knows_its_streams_and_what_they_used() -> None:
    bench, team = Bench(), Team("ana")
    stream = bench.open("r", tenant=team)
    assert (team.open, team.ended) == ([stream], [])
    bench.answer(Finished("r", Usage(3, 0, 1)))
    assert team.ended == [Usage(3, 0, 1)]


async def test_the_end_is_told_once_it_is_noted() -> None:
    noted = asyncio.Event()
    bench = Bench()
    stream = bench.open("r", tenant=Team("ana", noted))
    bench.answer(text("r"), Finished("r"))
    assert await anext(stream) == text("r")
    end = asyncio.ensure_future(anext(stream))
    await settle()
    assert not end.done()
    noted.set()
    assert await end == Finished("r")


async def test_a_revoked_request_ends_with_that_error_and_is_cancelled_at_the_worker() -> None:
    bench, team = Bench(), Team("ana")
    stream = bench.open("r", tenant=team)
    bench.answer(text("r"))
    stream.revoke("invalid_api_key", "The API key was revoked.")
    stream.revoke("invalid_api_key", "again")
    assert await anext(stream) == text("r")
    with pytest.raises(Unauthorized, match="revoked"):
        await anext(stream)
    assert bench.sent == [("chat.1", "r"), ("chat.1", Cancel("r"))]


async def test_who_comes_late_shares_the_model() -> None:
    bench = Bench(credit=1, queue=100)
    greedy, late = Team("greedy"), Team("late")
    for n in range(5):
        bench.open(f"g{n}", tenant=greedy)
    bench.open("l", tenant=late)
    bench.clock.now += 3
    bench.answer(Finished("g0"))
    assert bench.sent[-1] == ("chat.1", "l")


async def test_a_broken_replica_closes_nothing_while_another_serves() -> None:
    bench = Bench()
    bench.dispatcher.close_model("chat", Refusal("model_unavailable", "broken", 9.0))
    assert bench.open("r").state == "running"


async def test_a_request_without_a_worker_asks_for_one() -> None:
    bench, wanted = Bench(credit=None), []
    bench.dispatcher.on_wanted = wanted.append
    bench.open("a")
    assert wanted == ["chat"]
    bench.ready("chat.1", 4)
    bench.open("b")
    assert wanted == ["chat"]


async def test_who_wants_the_whole_answer_does_not_wait_for_ever_for_a_model_that_loads() -> None:
    bench = Bench(credit=None)
    stream = bench.open("r", patience=Patience(0.0, lambda: 12.0))
    with pytest.raises(ModelUnavailable, match="still loading") as caught:
        await stream.whole()
    assert caught.value.retry_after == 12.0


async def test_patience_is_about_loading_not_about_the_queue() -> None:
    bench = Bench(credit=1)
    bench.open("first")
    stream = bench.open("r", patience=Patience(0.0, lambda: 12.0))
    reading = asyncio.create_task(stream.whole())
    await asyncio.sleep(0.01)
    assert not reading.done()
    bench.answer(Finished("first"))
    bench.answer(Finished("r"))
    assert await reading == [Finished("r")]


async def test_a_model_that_went_meanwhile_is_not_found() -> None:
    bench = Bench()
    bench.dispatcher.remove_model("chat")
    with pytest.raises(ModelNotFound):
        bench.open("r")

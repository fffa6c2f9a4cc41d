from __future__ import annotations

from shared.messages import Accepted, Failed, Finished, TextDelta
from workers.ledger import Ledger, Phase


def running(*requests: str) -> Ledger:
    ledger = Ledger()
    for request in requests:
        ticket = ledger.open(request)
        assert ticket is not None
        assert ledger.start(request, ticket)
    return ledger


def test_a_request_is_open_from_its_arrival_to_its_ending() -> None:
    ledger = Ledger()
    ticket = ledger.open("a")
    assert (ledger.phase("a"), ledger.preparing, len(ledger)) == (Phase.PREPARING, 1, 1)
    assert ledger.start("a", ticket or 0)
    assert (ledger.phase("a"), ledger.preparing) == (Phase.RUNNING, 0)
    ledger.settle([Finished("a")])
    assert (ledger.phase("a"), len(ledger)) == (None, 0)


def test_nothing_passes_after_the_ending() -> None:
    ledger = running("a", "b")
    answers = [TextDelta("a", 0, "x"), Finished("a"), TextDelta("a", 0, "y"), Failed("a", "c", "m"), Finished("b")]
    assert ledger.settle(answers) == [TextDelta("a", 0, "x"), Finished("a"), Finished("b")]
    assert ledger.settle([Finished("a"), Accepted("a")]) == []


def test_an_open_id_is_refused_and_an_ended_one_may_be_used_again() -> None:
    ledger = Ledger()
    first = ledger.open("a")
    assert ledger.open("a") is None
    ledger.settle([Failed("a", "cancelled", "")])
    second = ledger.open("a")
    assert second is not None
    assert second != first


def test_a_stale_result_does_not_start_its_successor() -> None:
    ledger = Ledger()
    first = ledger.open("a")
    ledger.settle([Failed("a", "cancelled", "")])
    second = ledger.open("a")
    assert not ledger.start("a", first or 0)
    assert ledger.start("a", second or 0)
    assert not ledger.start("a", second or 0)


def test_a_request_that_ends_in_preprocessing_is_not_counted_any_more() -> None:
    ledger = Ledger()
    ledger.open("a")
    ledger.open("b")
    ledger.settle([Failed("a", "cancelled", "")])
    assert ledger.preparing == 1
    assert ledger.requests() == ("b",)

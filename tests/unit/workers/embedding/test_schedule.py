from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.embedding.schedule import PAUSE_ALLOWED, Pacer, Queue, Take, plan, rounded_width, share


def queue(*lengths: int, served: int = 0) -> Queue:
    return Queue(sorted(lengths), sum(lengths), served)


def same(length: int) -> int:
    return length


def decide(queues: Sequence[Queue], budget: int = 100, turn: int = 0, ragged: bool = True) -> list[Take]:
    return plan(queues, budget, turn, ragged=ragged, width=same)


def test_nothing_waits() -> None:
    assert decide([]) == []
    assert decide([queue()]) == []


def test_a_batch_is_filled_up_to_the_budget_longest_first() -> None:
    assert decide([queue(20, 20, 19, 18, 17, 16)]) == [Take(0, 1, 6)]


def test_an_input_over_the_budget_goes_alone() -> None:
    assert decide([queue(500, 499)], budget=100) == [Take(0, 1, 2)]


def test_inputs_much_shorter_than_the_longest_wait_for_their_own_batch() -> None:
    assert decide([queue(80, 70, 10)], budget=1000) == [Take(0, 1, 3)]


def test_only_equal_lengths_share_where_the_model_pads_wrongly() -> None:
    assert decide([queue(20, 20, 19)], budget=1000, ragged=False) == [Take(0, 1, 3)]


def test_odd_turns_belong_to_the_request_with_the_least_left() -> None:
    long, single = queue(*[50] * 2000, served=0), queue(9, served=5)
    assert decide([long, single], turn=1) == [Take(1, 0, 1)]


def test_even_turns_belong_to_the_request_that_waited_longest() -> None:
    long, single = queue(*[50] * 2000, served=0), queue(9, served=5)
    assert decide([long, single], turn=0) == [Take(0, 1998, 2000)]


def test_rows_are_shared_among_requests_of_similar_length() -> None:
    takes = decide([queue(*[10] * 50), queue(10), queue(*[10] * 3)], budget=80)
    assert sorted((take.queue, take.stop - take.start) for take in takes) == [(0, 4), (1, 1), (2, 3)]


def test_a_stream_of_singles_never_starves_the_long_request() -> None:
    long = [50] * 40
    served = 0
    for turn in range(1, 50):
        queues = [Queue(long, sum(long), served), queue(9, served=turn - 1)]
        for take in decide(queues, turn=turn):
            if take.queue == 0:
                del long[take.start : take.stop]
                served = turn
        if not long:
            break
    assert not long


@given(
    st.lists(st.lists(st.integers(1, 300), max_size=12), max_size=8),
    st.integers(1, 2000),
    st.integers(0, 9),
    st.booleans(),
)
def test_every_plan_is_within_the_budget_and_makes_progress(
    lengths: list[list[int]], budget: int, turn: int, ragged: bool
) -> None:
    queues = [queue(*row) for row in lengths]
    takes = decide(queues, budget, turn, ragged)
    taken = [length for take in takes for length in queues[take.queue].lengths[take.start : take.stop]]
    assert bool(taken) == any(lengths)
    assert len({take.queue for take in takes}) == len(takes)
    if taken:
        assert len(taken) == 1 or len(taken) * max(taken) <= budget
        assert ragged or len(set(taken)) == 1


@given(st.integers(0, 50), st.lists(st.integers(0, 20), max_size=10))
def test_places_are_divided_evenly_and_none_is_wasted(places: int, wanted: list[int]) -> None:
    counts = share(places, wanted)
    assert sum(counts) == min(places, sum(wanted))
    short = [count for count, want in zip(counts, wanted, strict=True) if count < want]
    assert all(count <= want for count, want in zip(counts, wanted, strict=True))
    assert not short or max(counts) - min(short) <= 1


@pytest.mark.parametrize(("length", "width"), [(1, 8), (8, 8), (9, 16), (33, 48), (100, 128), (130, 192), (500, 500)])
def test_widths_are_few_on_a_gpu(length: int, width: int) -> None:
    assert rounded_width(length, 500) == width


def test_the_pacer_sizes_steps_to_the_pause() -> None:
    pacer = Pacer(8192)
    for _ in range(40):
        pacer.observe(0.001 * pacer.budget, pacer.budget)
    assert pacer.budget == pytest.approx(PAUSE_ALLOWED / 0.001, abs=1)
    for _ in range(40):
        pacer.observe(1e-9, pacer.budget)
    assert pacer.budget == 8192

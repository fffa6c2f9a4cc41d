from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.generation.schedule import (
    CHUNK_FIRST,
    CHUNK_LEAST,
    CHUNK_SECONDS,
    GROUP_OVERHEAD,
    GROUPS_MOST,
    PAUSE_ALLOWED,
    Chunk,
    Pacer,
    choose_group,
    plan_prefill,
)

prompts = st.lists(st.integers(0, 3000), min_size=1, max_size=12)
budgets = st.sampled_from([32, 64, 256, 2048])


def plan(remaining: list[int], budget: int, turn: int, together: bool) -> list[Chunk]:
    return plan_prefill(remaining, budget, turn, [together] * len(remaining))


def test_only_prompts_that_may_share_a_pass_do() -> None:
    assert plan_prefill([20, 10, 15], 64, 2, [True, False, True]) == [Chunk(0, 20), Chunk(2, 15)]
    assert plan_prefill([20, 10, 15], 64, 2, [False, True, True]) == [Chunk(0, 20)]


@given(prompts, budgets, st.integers(0, 9), st.booleans())
def test_a_plan_stays_within_budget_padding_counted(
    remaining: list[int], budget: int, turn: int, together: bool
) -> None:
    chunks = plan(remaining, budget, turn, together)
    assert chunks
    assert len(chunks) == 1 or together
    assert len({chunk.index for chunk in chunks}) == len(chunks)
    assert len(chunks) * max(chunk.tokens for chunk in chunks) <= budget
    for chunk in chunks:
        assert 0 <= chunk.tokens <= remaining[chunk.index]
        assert chunk.tokens or not remaining[chunk.index]
    if len(chunks) > 1:
        assert all(chunk.tokens == remaining[chunk.index] for chunk in chunks)


@given(prompts, budgets, st.integers(0, 9), st.booleans())
def test_the_oldest_progresses_every_other_turn(remaining: list[int], budget: int, turn: int, together: bool) -> None:
    """Whatever else arrives: also when shorter prompts never cease to."""
    turns = [plan(remaining, budget, turn + more, together) for more in (0, 1)]
    assert any(chunk.index == 0 for chunks in turns for chunk in chunks)


@given(prompts, budgets, st.booleans())
def test_the_shortest_gets_the_other_turns(remaining: list[int], budget: int, together: bool) -> None:
    chunks = plan(remaining, budget, 1, together)
    assert remaining[chunks[0].index] == min(remaining)


def test_short_prompts_share_a_turn_until_the_budget_is_full() -> None:
    assert plan([300, 10, 20, 15], 64, 1, True) == [Chunk(1, 10), Chunk(3, 15), Chunk(2, 20)]
    assert plan([300, 10, 20, 15], 64, 1, False) == [Chunk(1, 10)]
    assert plan([300, 10, 20, 15], 64, 2, True) == [Chunk(0, 64)]
    assert plan([20, 10, 15], 64, 2, True) == [Chunk(0, 20), Chunk(1, 10), Chunk(2, 15)]


def test_one_prompt_gets_the_budget_and_none_gets_nothing() -> None:
    assert plan([300], 64, 1, True) == [Chunk(0, 64)]
    assert plan([0], 64, 1, True) == [Chunk(0, 0)]
    assert plan([], 64, 1, True) == []


def test_everything_is_prefilled_in_the_end() -> None:
    remaining = [5000, 3, 700, 64, 64, 1, 0]
    for turn in range(200):
        for chunk in plan(remaining, 64, turn, True):
            remaining[chunk.index] -= chunk.tokens
        remaining = [left for left in remaining if left]
    assert remaining == []


def test_a_row_joins_where_it_wastes_least() -> None:
    groups = {0: (4, 5000), 1: (2, 100)}
    assert choose_group(90, groups) == 1
    assert choose_group(130, groups) == 1
    assert choose_group(4900, groups) == 0
    assert choose_group(5000, {}) is None


def test_a_row_that_fits_nowhere_opens_a_group() -> None:
    assert choose_group(10, {3: (1, 11 + GROUP_OVERHEAD)}) is None
    assert choose_group(10, {3: (1, 10 + GROUP_OVERHEAD)}) == 3
    assert choose_group(100 + GROUP_OVERHEAD // 4, {0: (8, 100)}) is None  # it would widen eight rows
    full = {index: (1, 100_000 * (index + 1)) for index in range(GROUPS_MOST)}
    assert choose_group(10, full) == 0


def test_alone_a_fast_machine_has_whole_chunks_after_its_first() -> None:
    pacer = Pacer(2048)
    assert pacer.budget(0) == CHUNK_FIRST
    pacer.observe_alone(0.009 + CHUNK_FIRST * 8e-6, CHUNK_FIRST)
    assert pacer.budget(0) == 2048
    pacer.observe_alone(0.009, 1)  # the rest of a prompt: all fixed cost
    assert pacer.budget(0) == 2048


def test_alone_a_slow_machine_has_chunks_that_are_bounded_in_time() -> None:
    pacer = Pacer(2048)
    pacer.observe_alone(CHUNK_FIRST / 17, CHUNK_FIRST)  # 17 tokens a second
    assert pacer.budget(0) == 32 == CHUNK_LEAST
    pacer.observe_alone(32 / 200, 32)
    assert pacer.budget(0) == 256  # of the 400 that fit
    pacer.observe_alone(3 * CHUNK_SECONDS, 4096)  # a prompt that can't be cut
    assert pacer.budget(0) == 1024
    pacer.observe_alone(1000.0, 1024)
    assert pacer.budget(0) == CHUNK_LEAST


def test_alone_a_first_chunk_that_had_to_compile_is_soon_forgotten() -> None:
    pacer = Pacer(2048)
    pacer.observe_alone(8.0, CHUNK_FIRST)
    assert pacer.budget(0) == 64
    pacer.observe_alone(0.01, 64)
    assert pacer.budget(0) == 2048


def test_a_chunk_is_never_larger_than_the_engine_allows() -> None:
    assert Pacer(128).budget(0) == 128


def test_the_pacer_starts_small_and_learns() -> None:
    pacer = Pacer(2048)
    assert pacer.budget(3) == 2 * CHUNK_LEAST
    pacer.observe(0.010, 0)
    pacer.observe(0.010 + 64 * 0.0005, 64)  # half a millisecond a token
    assert pacer.budget(3) == 128  # the power of two within PAUSE_ALLOWED / 0.0005 = 200
    for _ in range(40):
        pacer.observe(0.010 + 64 * 0.00001, 64)
    assert pacer.budget(3) == 2048
    for _ in range(40):
        pacer.observe(PAUSE_ALLOWED * 64, 64)
    assert pacer.budget(3) == CHUNK_LEAST


def test_the_pacer_survives_a_step_that_was_faster_than_it_thought_possible() -> None:
    pacer = Pacer(512)
    pacer.observe(0.5, 0)
    pacer.observe(0.1, 64)
    assert pacer.budget(1) == 512

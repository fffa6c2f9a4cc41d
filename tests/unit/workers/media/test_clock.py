from __future__ import annotations

import pytest

from workers.media.clock import LONGEST, Clock, silence

RATE = 1000


def before(clock: Clock, stamp: float | None, seconds: float = 0.5) -> int | None:
    """Samples of silence in front of a piece; None: it is not heard."""
    gap = clock.place(stamp, seconds)
    return None if gap is None else sum(map(len, silence(gap, RATE)))


def test_a_late_beginning_and_a_gap_are_silence() -> None:
    clock = Clock(0.0)
    assert before(clock, 8.0) == 8000
    assert before(clock, 8.5) == 0
    assert before(clock, 29.0) == 20_000


def test_silence_comes_in_small_pieces() -> None:
    assert max(map(len, silence(3600.0, RATE))) == RATE


def test_the_files_own_beginning_counts() -> None:
    assert before(Clock(3600.0), 3600.0) == 0


def test_jitter_is_no_silence_and_does_not_add_up_to_any() -> None:
    clock = Clock(0.0)
    assert [before(clock, 0.5 * step + 0.02 * (step % 3)) for step in range(100)] == [0] * 100


def test_an_encoders_delay_shifts_nothing() -> None:
    clock = Clock(0.0)
    assert [before(clock, stamp) for stamp in (-0.021, 0.479, 0.979)] == [0, 0, 0]


def test_small_gaps_are_made_good_once_they_matter() -> None:
    clock = Clock(0.0)
    stamps = [step * 0.56 for step in range(20)]
    found = sum(before(clock, stamp) or 0 for stamp in stamps)
    assert abs(found - 19 * 60) <= 120


def test_a_clock_that_starts_again_goes_on() -> None:
    clock = Clock(0.0)
    assert before(clock, 0.0, 10.0) == 0
    assert before(clock, 0.0, 10.0) == 0
    assert before(clock, 15.0) == 5000


def test_a_broken_clock_inserts_nothing() -> None:
    clock = Clock(0.0)
    assert before(clock, 1e9) == 0
    assert before(clock, 1e9 + 0.5) == 0
    assert before(clock, 1e9 + 3.0) == 2000


def test_the_silence_of_a_file_is_bounded() -> None:
    clock = Clock(0.0)
    total, stamp = 0, 0.0
    for _ in range(10):
        stamp += LONGEST / 3
        total += before(clock, stamp) or 0
    assert total <= LONGEST * RATE


def test_pieces_without_stamps_follow_each_other() -> None:
    clock = Clock(0.0)
    assert [before(clock, None) for _ in range(3)] == [0, 0, 0]


def test_what_a_cut_kept_from_before_the_beginning_is_not_heard() -> None:
    clock = Clock(0.0)
    assert [before(clock, -0.7 + 0.2 * step, 0.2) for step in range(5)] == [None, None, None, 0, 0]
    assert clock.told == pytest.approx(0.3)


@pytest.mark.parametrize("second", [10.0, 0.8])
def test_files_in_a_row_are_as_long_as_all_of_them(second: float) -> None:
    clock = Clock(0.0)
    for _ in range(2):
        for step in range(round(second / 0.02)):
            clock.place(step * 0.02, 0.02)
    assert clock.told == pytest.approx(2 * second, abs=0.03)


def test_rounded_lengths_do_not_add_up() -> None:
    clock = Clock(0.0)
    for step in range(400):
        clock.place(step * 0.02322, 0.023)
    assert clock.told == pytest.approx(400 * 0.02322, abs=0.001)

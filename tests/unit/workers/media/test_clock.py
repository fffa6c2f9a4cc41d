from __future__ import annotations

from workers.media.clock import LONGEST, Clock

RATE = 1000


def silence(clock: Clock, stamp: float | None, seconds: float = 0.5) -> int:
    """Samples of silence in front of a piece."""
    return sum(len(piece) for piece in clock.before(stamp, seconds))


def test_a_late_beginning_and_a_gap_are_silence() -> None:
    clock = Clock(0.0, RATE)
    assert silence(clock, 8.0) == 8000
    assert silence(clock, 8.5) == 0
    assert silence(clock, 29.0) == 20_000


def test_silence_comes_in_small_pieces() -> None:
    assert max(len(piece) for piece in Clock(0.0, RATE).before(3600.0, 0.5)) == RATE


def test_the_files_own_beginning_counts() -> None:
    assert silence(Clock(3600.0, RATE), 3600.0) == 0


def test_jitter_is_no_silence_and_does_not_add_up_to_any() -> None:
    clock = Clock(0.0, RATE)
    assert [silence(clock, 0.5 * step + 0.02 * (step % 3)) for step in range(100)] == [0] * 100


def test_an_encoders_delay_shifts_nothing() -> None:
    clock = Clock(0.0, RATE)
    assert [silence(clock, stamp) for stamp in (-0.021, 0.479, 0.979)] == [0, 0, 0]


def test_small_gaps_are_made_good_once_they_matter() -> None:
    clock = Clock(0.0, RATE)
    stamps = [step * 0.56 for step in range(20)]
    found = sum(silence(clock, stamp) for stamp in stamps)
    assert abs(found - 19 * 60) <= 120


def test_a_clock_that_starts_again_goes_on() -> None:
    clock = Clock(0.0, RATE)
    assert silence(clock, 0.0, 10.0) == 0
    assert silence(clock, 0.0, 10.0) == 0
    assert silence(clock, 15.0) == 5000


def test_a_broken_clock_inserts_nothing() -> None:
    clock = Clock(0.0, RATE)
    assert silence(clock, 1e9) == 0
    assert silence(clock, 1e9 + 0.5) == 0
    assert silence(clock, 1e9 + 3.0) == 2000


def test_the_silence_of_a_file_is_bounded() -> None:
    clock = Clock(0.0, RATE)
    total, stamp = 0, 0.0
    for _ in range(10):
        stamp += LONGEST / 3
        total += silence(clock, stamp)
    assert total <= LONGEST * RATE


def test_pieces_without_stamps_follow_each_other() -> None:
    clock = Clock(0.0, RATE)
    assert [silence(clock, None) for _ in range(3)] == [0, 0, 0]

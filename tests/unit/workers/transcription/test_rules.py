"""Which tokens may come next. Timestamps begin at 100; the window ends at tick 200."""

from workers.transcription.rules import LATEST_START, Allowed, allowed

STAMP = 100


def after(*sampled: int) -> Allowed:
    return allowed(sampled, STAMP, 200)


def test_a_row_begins_with_an_early_timestamp() -> None:
    assert after() == Allowed(text=False, end=False, low=0, high=LATEST_START)
    assert allowed((), STAMP, 20).high == 20


def test_text_follows_the_beginning_of_a_segment() -> None:
    assert after(STAMP) == Allowed(text=True, end=True, low=1, high=0)
    assert after(STAMP, 5, STAMP + 10, STAMP + 10).text


def test_a_segment_ends_later_than_it_began() -> None:
    assert after(STAMP + 7, 5) == Allowed(text=True, end=True, low=8, high=200)
    assert after(STAMP, 5, STAMP + 10, STAMP + 30, 6).low == 31


def test_the_next_segment_begins_no_earlier_than_the_last_one_ended() -> None:
    assert after(STAMP, 5, STAMP + 10) == Allowed(text=False, end=True, low=10, high=200)


def test_values_count_not_positions() -> None:
    """The reference would forbid ids up to a position in the list of timestamps."""
    assert after(STAMP + 3, 5, 6, 7).low == 4


def test_the_window_ends_where_its_sound_ends() -> None:
    assert after(STAMP + 200, 5) == Allowed(text=True, end=True, low=201, high=200)

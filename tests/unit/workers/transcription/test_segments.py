"""From tokens to segments, and the thresholds. Timestamps begin at 100, a tick is 20 ms."""

from dataclasses import replace

from workers.transcription.segments import Attempt, Piece, pieces, unheard

GOOD = Attempt((1,), "a plain sentence of words", 0.0, -0.2, 0.01, True)


def test_text_between_timestamps() -> None:
    assert pieces((100, 1, 2, 150, 160, 3, 200), 100, 9.0) == [Piece(0.0, 1.0, (1, 2)), Piece(1.2, 2.0, (3,))]


def test_text_without_an_end_goes_on_to_the_window_s_end() -> None:
    assert pieces((150, 1), 100, 4.0) == [Piece(1.0, 4.0, (1,), closed=False)]


def test_timestamps_alone_are_nothing() -> None:
    assert pieces((100,), 100, 4.0) == pieces((100, 100), 100, 4.0) == []


def test_times_never_exceed_the_window() -> None:
    assert pieces((100, 1, 300), 100, 3.5) == [Piece(0.0, 3.5, (1,))]


def test_repetition_and_doubt_ask_for_another_attempt() -> None:
    assert not GOOD.doubtful
    assert replace(GOOD, text="and so on " * 30).doubtful
    assert replace(GOOD, avg_logprob=-1.5).doubtful


def test_silence_is_believed_and_not_tried_again() -> None:
    silent = replace(GOOD, no_speech_prob=0.9, avg_logprob=-1.5)
    assert silent.silent
    assert not silent.doubtful
    assert not replace(silent, avg_logprob=-0.3).silent


def test_a_whole_attempt_is_kept_and_heard_on_behind_its_last_time() -> None:
    closed = [Piece(0.0, 2.0, (1,)), Piece(2.0, 4.0, (2,))]
    assert unheard(GOOD, closed) == (closed, 4.0)
    opened = [closed[0], replace(closed[1], closed=False)]
    assert unheard(GOOD, opened) == (opened, None)
    assert unheard(GOOD, []) == ([], None)


def test_an_attempt_without_room_loses_its_unfinished_piece() -> None:
    short = replace(GOOD, whole=False)
    opened = [Piece(0.0, 2.0, (1,)), Piece(2.0, 4.0, (2,), closed=False)]
    assert unheard(short, opened) == (opened[:1], 2.0)
    assert unheard(short, opened[1:]) == (opened[1:], None)  # nothing would be left

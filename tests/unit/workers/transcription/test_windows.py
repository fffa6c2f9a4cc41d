"""The cutter: where windows begin and end. Samples are the numbers of their frames."""

import numpy as np
import pytest

from workers.transcription.vad import FRAME
from workers.transcription.windows import PAUSE, Cutter, Window

LIMIT = 300  # frames in a window


def flags(*runs: tuple[int, bool]) -> np.ndarray:
    return np.concatenate([np.full(count, value) for count, value in runs])


def cut(speech: np.ndarray, chunk: int = 313) -> list[Window]:
    samples = np.repeat(np.arange(len(speech), dtype=np.float32), FRAME)
    cutter, windows = Cutter(LIMIT * FRAME), []
    for at in range(0, len(speech), chunk):
        part = slice(at * FRAME, (at + chunk) * FRAME)
        windows += cutter.push(samples[part], speech[at : at + chunk])
    windows += cutter.flush()
    for window in windows:  # a window's samples are the file's at its place
        assert window.start == window.samples[0] * FRAME
        assert len(window.samples) == len(window.speech) * FRAME <= LIMIT * FRAME
    return windows


def frames(windows: list[Window]) -> list[tuple[int, int]]:
    return [(window.start // FRAME, window.start // FRAME + len(window.speech)) for window in windows]


@pytest.mark.parametrize("chunk", [7, 100, 313, 5000])
def test_silence_is_dropped_and_a_breath_is_kept(chunk: int) -> None:
    speech = flags((100, False), (50, True), (500, False), (20, True), (400, False))
    assert frames(cut(speech, chunk)) == [(94, 156), (644, 676)]


@pytest.mark.parametrize("chunk", [7, 313])
def test_short_pauses_stay_inside_a_window(chunk: int) -> None:
    speech = flags((40, True), (PAUSE - 1, False), (40, True), (PAUSE, False), (40, True))
    middle = 80 + PAUSE - 1
    assert frames(cut(speech, chunk)) == [(0, middle + 6), (middle + PAUSE - 6, middle + PAUSE + 40)]


def test_long_speech_is_cut_in_its_longest_late_silence() -> None:
    speech = flags((200, True), (4, False), (40, True), (10, False), (100, True))
    assert frames(cut(speech)) == [(0, 249), (249 - 0 + 5 - 6 + 1, 354)]


def test_speech_without_silence_is_cut_where_it_is_quietest() -> None:
    speech = flags((700, True))
    samples = np.full(700 * FRAME, 0.5, np.float32)
    samples[250 * FRAME : 251 * FRAME] = 0.01
    cutter = Cutter(LIMIT * FRAME)
    windows = cutter.push(samples, speech) + cutter.flush()
    assert frames(windows)[0] == (0, 251)
    assert frames(windows)[-1][1] == 700
    assert all(a[1] == b[0] for a, b in zip(frames(windows), frames(windows)[1:], strict=False))


def test_no_speech_gives_no_window_and_keeps_no_samples() -> None:
    cutter = Cutter(LIMIT * FRAME)
    for _ in range(50):
        assert cutter.push(np.zeros(300 * FRAME, np.float32), np.zeros(300, np.bool_)) == []
        assert len(cutter._samples) < 20 * FRAME
    assert cutter.flush() == []


def test_a_click_is_no_speech() -> None:
    assert cut(flags((100, False), (2, True), (300, False))) == []


def test_the_rest_of_a_window_is_heard_again_only_if_it_holds_speech() -> None:
    window = Window(1000 * FRAME, np.zeros(300 * FRAME, np.float32), flags((200, True), (100, False)))
    rest = window.rest(2.0)
    assert rest is not None
    assert rest.start == 1062 * FRAME
    assert rest.seconds == pytest.approx(300 * 0.032 - 62 * 0.032)
    assert window.rest(5.5) is None  # 28 frames of speech
    assert window.rest(0.5) is None  # no progress

"""A file on its way to windows."""

import numpy as np
import pytest

from tests.fakes.hearing import RATE, encoded, quiet, samples_of, saved
from workers.media.audio import AudioFile
from workers.transcription.source import Hearing, Source
from workers.transcription.vad import LoudnessDetector

HEARING = Hearing(600, np.ones((80, 201), np.float32) / 201, LoudnessDetector)


def source(samples: np.ndarray) -> Source:
    return Source(AudioFile(encoded(samples, "flac")), HEARING)


def test_windows_come_with_spectrograms_and_in_order() -> None:
    voice = samples_of(saved(1))
    one = source(np.concatenate([quiet(3), voice, quiet(14), voice]))
    found = []
    while not one.ended:
        if (cut := one.advance()) is not None:
            found.append(cut)
    assert [mel.shape for _, mel in found] == [(600, 80)] * 2
    starts = [window.start / RATE for window, _ in found]
    assert starts == pytest.approx([2.8, 17 + len(voice) / RATE - 0.2], abs=0.25)
    assert one.seconds == pytest.approx(17 + 2 * len(voice) / RATE, abs=0.01)
    assert one.advance() is None


def test_a_long_silence_gives_others_their_turn() -> None:
    one = source(quiet(300))
    assert one.advance() is None
    assert not one.ended
    assert 100 < one.seconds < 150
    while not one.ended:
        assert one.advance() is None
    assert one.seconds == 300


def test_it_reads_no_further_than_it_must() -> None:
    one = source(np.concatenate([samples_of(saved(0)), quiet(100)]))
    assert one.advance() is not None
    assert one.seconds < 15

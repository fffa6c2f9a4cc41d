"""Held against mlx-audio's spectrogram, which follows OpenAI's."""

import mlx.core as mx
import numpy as np
from mlx_audio.stt.models.whisper.audio import log_mel_spectrogram
from mlx_audio.utils import mel_filters

from tests.fakes.hearing import tone
from workers.transcription.mel import log_mel

FILTERS = np.array(mel_filters(16000, 400, 80, norm="slaney", mel_scale="slaney"))


def test_it_equals_the_reference_padded_with_silence() -> None:
    samples = tone(2.0) + np.random.default_rng(0).normal(0, 0.01, 32000).astype(np.float32)
    padded = np.pad(samples, (0, 80000 - len(samples)))
    expected = np.array(log_mel_spectrogram(mx.array(padded), 80))
    found = log_mel(samples, FILTERS, 500)
    assert found.shape == (500, 80)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_very_short_sound_and_a_full_window_have_the_same_shape() -> None:
    assert log_mel(tone(0.01), FILTERS, 300).shape == log_mel(tone(3.0), FILTERS, 300).shape == (300, 80)

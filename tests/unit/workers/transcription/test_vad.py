"""Both detectors; Silero's arithmetic against mlx-audio's with random weights."""

from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from shared.errors import ConfigError
from tests.fakes.hearing import quiet, samples_of, saved, silero, tone
from workers.transcription.vad import FRAME, LoudnessDetector, SileroDetector, find_silero, load_silero


def test_silence_and_hiss_are_no_speech() -> None:
    hiss = np.random.default_rng(0).normal(0, 0.001, 160000).astype(np.float32)
    assert not LoudnessDetector().push(quiet(10)).any()
    assert LoudnessDetector().push(hiss).mean() < 0.02


def test_speech_is_found_in_silence_and_in_hiss() -> None:
    voice = samples_of(saved(0))
    padded = np.concatenate([quiet(3), voice, quiet(3)])
    for noise in (0.0, 0.001):
        sound = padded + np.random.default_rng(0).normal(0, noise, len(padded)).astype(np.float32)
        frames = LoudnessDetector().push(sound)
        begin, end = 3 * 16000 // FRAME, (3 * 16000 + len(voice)) // FRAME
        assert frames[begin:end].mean() > 0.6
        assert frames[: begin - 1].mean() + frames[end + 2 :].mean() < 0.05


def test_speech_without_any_pause_is_speech() -> None:
    loud = tone(30, 300) * (1.2 + np.sin(np.arange(480000) / 3000)).astype(np.float32)
    assert LoudnessDetector().push(loud).mean() > 0.9


def test_silero_computes_what_mlx_audio_computes(tmp_path: Path) -> None:
    model = silero(tmp_path / "silero-vad")
    sound = tone(2, 200) + np.random.default_rng(1).normal(0, 0.1, 32000).astype(np.float32)
    expected = np.array(model.predict_proba(sound, sample_rate=16000))
    found = find_silero(tmp_path)
    assert found is not None
    detector = SileroDetector(load_silero(found))
    pieces = [detector.probabilities(sound[at : at + 10 * FRAME]) for at in range(0, len(sound), 10 * FRAME)]
    np.testing.assert_allclose(np.concatenate(pieces), expected, atol=1e-4)
    assert expected.std() > 0


def test_the_hubs_copy_counts_once_its_weights_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    silero(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(tmp_path / "hub" / "config.json"))
    assert find_silero(tmp_path) == tmp_path / "hub"
    (tmp_path / "hub" / "model.safetensors").unlink()
    assert find_silero(tmp_path) is None


@pytest.mark.parametrize("damage", ["renamed", "missing", "shaped", "unreadable"])
def test_a_folder_that_is_no_silero_is_refused(tmp_path: Path, damage: str) -> None:
    silero(tmp_path / "silero-vad")
    file = tmp_path / "silero-vad" / "model.safetensors"
    weights = dict(mx.load(str(file)))
    if damage == "renamed":
        weights = {name.replace("vad_16k", "model"): value for name, value in weights.items()}
    elif damage == "missing":
        del weights["vad_16k.lstm.bias"]
    elif damage == "shaped":
        weights["vad_16k.lstm.bias"] = mx.zeros((256,))
    mx.save_safetensors(str(file), weights)
    if damage == "unreadable":
        file.write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="silero-vad"):
        load_silero(tmp_path / "silero-vad")


def test_silero_remembers_that_somebody_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = SileroDetector({})
    monkeypatch.setattr(detector, "probabilities", lambda samples: np.array([0.4, 0.6, 0.4, 0.3, 0.4]))
    assert detector.push(quiet(5 * 0.032)).tolist() == [False, True, True, False, False]

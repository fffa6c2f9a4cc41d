"""Kokoro-82M through a node, read back by Whisper: two short sentences, since a second costs 16 seconds of a CPU."""

from __future__ import annotations

import wave
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from scripts.real_weights.catalogue import MODELS
from tests.real.node import Asker
from tests.real.wer import units

MODEL = "kokoro"
needed = all((MODELS / name).is_dir() for name in (MODEL, "whisper-base"))
pytestmark = pytest.mark.skipif(not needed, reason=f"no build/real/models/{MODEL}")


@pytest.mark.parametrize(
    ("voice", "text"), [("af_heart", "The weather is nice today."), ("bm_george", "Please open the door.")]
)
def test_whisper_understands_every_word(
    real: Asker, tmp_path: Path, voice: str, text: str, figure: Callable[[str, str], None]
) -> None:
    began = real.cpu_seconds(MODEL) if real.worker(MODEL)["state"] == "ready" else None
    body = {"model": MODEL, "voice": voice, "input": text, "response_format": "wav"}
    sound = real.post("/v1/audio/speech", json=body).content
    with wave.open(BytesIO(sound)) as file:
        seconds = file.getnframes() / file.getframerate()
    if began is not None:
        figure(f"{MODEL}, {seconds:.1f} s of speech", f"{real.cpu_seconds(MODEL) - began:.0f} s of CPU")
    (tmp_path / "said.wav").write_bytes(sound)
    assert 0.8 < seconds < 4
    heard = real.hear(tmp_path / "said.wav", model="whisper-base", language="en")["text"]
    assert units(heard, "en") == units(text, "en")


def test_memory(real: Asker, memory_checked: Callable[[str], None]) -> None:
    memory_checked(MODEL)
    real.unload(MODEL)

"""Whisper base through a node, against faster-whisper with the same weights; with Silero and without."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scripts.real_weights.catalogue import MODELS
from tests.real.node import Asker
from tests.real.wer import error_rate

MODEL, WITH_SILERO = "whisper-base", "whisper-silero"
CLIPS = sorted(MODELS.glob("clips/*/*.wav"))
LONG = MODELS / "sounds" / "long.wav"
ALLOWED = 0.02  # above faster-whisper's rate
pytestmark = pytest.mark.skipif(not (MODELS / MODEL).is_dir() or not CLIPS, reason=f"no build/real/models/{MODEL}")
Transcripts = dict[str, dict[str, str]]


def key(path: Path) -> str:
    return path.relative_to(MODELS).as_posix()


@pytest.fixture(scope="module")
def expected(reference: Callable[[str], Path]) -> Transcripts:
    """faster-whisper's, by file."""
    found: Transcripts = json.loads(reference("whisper.json").read_text())
    return found


@pytest.fixture(scope="module")
def heard(real: Asker) -> dict[str, dict[str, Any]]:
    """The node's, eight files at a time."""
    found: dict[str, dict[str, Any]] = {}
    for at in range(0, len(CLIPS), 8):
        part = CLIPS[at : at + 8]
        answers = real.together(*(partial(real.hear, path, model=MODEL) for path in part))
        found |= {key(path): answer for path, answer in zip(part, answers, strict=True)}
    return found


def rate(texts: dict[str, str]) -> float:
    return error_rate((path.parent.name, path.with_suffix(".txt").read_text(), texts[key(path)]) for path in CLIPS)


def test_clips_of_nine_languages_have_no_more_errors_than_faster_whispers(
    heard: dict[str, dict[str, Any]], expected: Transcripts, figure: Callable[[str, str], None]
) -> None:
    assert len(CLIPS) == 27
    ours = rate({name: answer["text"] for name, answer in heard.items()})
    theirs = rate({name: answer["text"] for name, answer in expected.items()})
    figure(f"errors of {MODEL}, 27 clips", f"{ours:.1%}, faster-whisper {theirs:.1%}")
    assert ours <= theirs + ALLOWED


def test_one_file_alone_is_what_it_is_among_eight(real: Asker, heard: dict[str, dict[str, Any]]) -> None:
    for path in CLIPS[:3]:
        assert real.hear(path, model=MODEL)["text"] == heard[key(path)]["text"]


def test_a_long_file_with_pauses(real: Asker, expected: Transcripts, figure: Callable[[str, str], None]) -> None:
    """Its segments are in order and inside the file; Silero makes it no worse."""
    said, rates = LONG.with_suffix(".txt").read_text(), {}
    for model in (MODEL, WITH_SILERO):
        answer = real.hear(LONG, model=model, language="en")
        rates[model] = error_rate([("en", said, answer["text"])])
        times = [moment for segment in answer["segments"] for moment in (segment["start"], segment["end"])]
        assert times == sorted(times)
        assert times[-1] <= answer["duration"] + 0.05
    theirs = error_rate([("en", said, expected[key(LONG)]["text"])])
    shown = ", ".join(f"{model} {value:.1%}" for model, value in rates.items())
    figure("errors in a long file", f"{shown}, faster-whisper {theirs:.1%}")
    assert rates[WITH_SILERO] <= theirs + ALLOWED
    assert rates[MODEL] <= theirs + 2 * ALLOWED  # cut by loudness alone


@pytest.mark.parametrize("sound", ["silence", "noise"])
@pytest.mark.parametrize("model", [MODEL, WITH_SILERO])
def test_nothing_is_heard_where_nobody_speaks(real: Asker, sound: str, model: str) -> None:
    assert real.hear(MODELS / "sounds" / f"{sound}.wav", model=model)["text"] == ""


def test_status_names_the_detector(real: Asker, heard: dict[str, dict[str, Any]]) -> None:
    real.hear(CLIPS[0], model=WITH_SILERO)
    assert real.worker(MODEL)["voice_detector"] == "loudness"
    assert real.worker(WITH_SILERO)["voice_detector"] == "silero"


def test_memory(real: Asker, memory_checked: Callable[[str], None], heard: dict[str, dict[str, Any]]) -> None:
    memory_checked(MODEL)
    memory_checked(WITH_SILERO)
    real.unload(WITH_SILERO)

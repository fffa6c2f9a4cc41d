"""The real architecture, drawn from demo-kokoro's recipe: lengths, repeatability, voices; not words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from shared.detect import detect_kind
from shared.footprint import weight_bytes
from shared.recipe import RECIPE
from workers.speech.loader import Loaded, load
from workers.speech.synthesizer import Rendered, Synthesizer
from workers.speech.voices import Blend

FOLDER = Path(__file__).parents[4] / "configs" / "demo" / "demo-kokoro"
HI = "hˈI."


@pytest.fixture(scope="session")
def kokoro() -> Loaded:
    return load(FOLDER)


@pytest.fixture(scope="session")
def hi(kokoro: Loaded) -> Rendered:
    return render(kokoro)


def render(kokoro: Loaded, blend: Blend = Blend((("af_heart", 1.0),)), speed: float = 1.0, seed: int = 1) -> Rendered:  # noqa: B008
    return Synthesizer(kokoro.model, kokoro.packs).render(HI, blend, speed, seed)


def test_the_folder_says_what_it_is(kokoro: Loaded) -> None:
    assert detect_kind(FOLDER) == "tts"
    assert weight_bytes(FOLDER) == json.loads((FOLDER / RECIPE).read_text())["bytes"] == kokoro.weights
    assert (kokoro.rate, kokoro.longest) == (24000, 510)
    assert {"af_heart", "am_adam", "bf_emma", "ef_dora", "zf_xiaobei"} <= set(kokoro.packs)
    assert set(HI) <= kokoro.alphabet


def test_a_phoneme_takes_about_two_frames_of_25_ms(hi: Rendered) -> None:
    assert hi.frames == 2 * (len(HI) + 2)  # with the marks of both ends
    assert len(hi.samples) == 600 * hi.frames


def test_the_sound_is_heard_and_stays_below_full_scale(hi: Rendered) -> None:
    assert np.isfinite(hi.samples).all()
    assert 0.05 < np.abs(hi.samples).max() < 0.9


def test_the_same_seed_gives_the_same_sound(kokoro: Loaded, hi: Rendered) -> None:
    assert np.array_equal(render(kokoro, seed=1).samples, hi.samples)
    assert not np.array_equal(render(kokoro, seed=2).samples, hi.samples)


def test_speed_and_voice_are_heard(kokoro: Loaded, hi: Rendered) -> None:
    assert render(kokoro, speed=2.0).frames == hi.frames // 2
    other = render(kokoro, Blend((("am_adam", 1.0),)))
    blend = render(kokoro, Blend((("af_heart", 0.5), ("am_adam", 0.5))))
    sounds = [np.array(r.samples[:3000]).tobytes() for r in (hi, other, blend)]
    assert len(set(sounds)) == 3

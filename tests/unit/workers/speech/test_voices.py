from __future__ import annotations

import pytest

from shared.errors import InvalidRequest
from workers.speech.voices import Voices

VOICES = Voices(["am_adam", "af_heart", "af_bella", "bf_emma", "am_echo"])


def test_the_default_is_kokoros_best_or_the_first() -> None:
    assert VOICES.resolve(None).parts == (("af_heart", 1.0),)
    assert Voices(["zf_xiaobei", "am_adam"]).default == "am_adam"


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ("am_adam", {"am_adam": 1.0}),
        ("af_heart+am_adam", {"af_heart": 0.5, "am_adam": 0.5}),
        ("af_heart(2)+am_adam(1)", {"af_heart": 2 / 3, "am_adam": 1 / 3}),
        (" af_heart ( 0.5 ) + am_adam", {"af_heart": 1 / 3, "am_adam": 2 / 3}),
        ("af_heart+af_heart(3)", {"af_heart": 1.0}),
    ],
)
def test_blends(asked: str, parts: dict[str, float]) -> None:
    assert dict(VOICES.resolve(asked).parts) == pytest.approx(parts)


def test_openai_names_are_voices_of_the_folder() -> None:
    assert VOICES.resolve("echo").first == "am_echo"
    assert VOICES.resolve("onyx").first == "af_heart"  # am_onyx is not in the folder
    assert Voices(["echo"]).resolve("echo").first == "echo"


def test_an_unknown_voice_names_those_near_it() -> None:
    with pytest.raises(InvalidRequest, match=r"no voice 'af_hart'; near it: af_heart") as refusal:
        VOICES.resolve("af_hart")
    assert refusal.value.param == "voice"


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "+",
        "af_heart+",
        "../../etc/passwd",
        "/etc/voice.safetensors",
        "voices/af_heart",
        "af_heart.safetensors",
        "af_heart(0)",
        "af_heart(-1)",
        "af_heart(1001)",
        "af_heart(1.2.3)",
        "af_heart(nan)",
        "af_heart,am_adam",
        "AF_HEART",
        "x" * 10_000,
        "+".join(["af_heart"] * 9),
    ],
)
def test_what_is_no_voice_is_refused(asked: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        VOICES.resolve(asked)
    assert refusal.value.param == "voice"
    assert len(refusal.value.message) < 300

"""What a client's list of voices shows of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

# Kokoro's voices are named by language and sex: https://huggingface.co/hexgrad/Kokoro-82M/blob/main/VOICES.md
_KOKORO = re.compile(r"([abefhijpz])[fm]_(\w+)")
_LANGUAGES = {
    **{"a": "en-us", "b": "en-gb", "e": "es", "f": "fr", "h": "hi"},
    **{"i": "it", "j": "ja", "p": "pt-br", "z": "zh"},
}


def describe_voices(voices: Sequence[str], languages: Sequence[str]) -> dict[str, Any]:
    """`languages` are the model's; a voice whose name tells none speaks the only one, or nobody knows."""
    only = languages[0] if len(languages) == 1 else None
    return {"voices": list(voices), "data": [_describe(voice, only) for voice in voices]}


def _describe(voice: str, language: str | None) -> dict[str, Any]:
    named = _KOKORO.fullmatch(voice)
    if named is None:
        return {"id": voice, "name": voice, "language": language}
    return {"id": voice, "name": named[2].replace("_", " ").title(), "language": _LANGUAGES[named[1]]}

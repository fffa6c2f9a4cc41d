"""What agents keep of calls and results, read alike in every dialect: an odd call must not end a session."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from shared.messages import TextPart

INVALID_JSON = "INVALID_JSON"  # Anthropic's name for arguments that are no JSON object

_UNSEEN = {"image": "an image, which this model can't see", "video": "a video, which this model can't see"}
_UNSEEN |= {"audio": "a sound, which this model can't hear", "file": "a file, which this model can't read"}


def as_arguments(value: Any) -> Any:
    """A call's arguments as JSON text, whatever they are: text that was cut, none at all, or JSON that is no text."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return "{}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_input(value: Any) -> Any:
    """The same for Anthropic's `input`, which wraps text that is no JSON object."""
    wrapped = isinstance(value, dict) and value.keys() == {INVALID_JSON} and isinstance(value[INVALID_JSON], str)
    return as_arguments(value[INVALID_JSON] if wrapped else value)


Arguments = Annotated[str, BeforeValidator(as_arguments)]
Input = Annotated[str, BeforeValidator(as_input), WithJsonSchema({"type": "object"})]


def unseen(kind: str) -> TextPart:
    """Words in the place of a part of a tool's result that the model doesn't read.

    `kind` is image, video, audio or file, or a part's type in any dialect. It stays in an agent's history, where a
    refusal would end the session.
    """
    found = next((words for name, words in _UNSEEN.items() if name in kind), _UNSEEN["file"])
    return TextPart(f"[{found}]")

"""The body of a speech request to the wire's `Speak`, and its sound as server-sent events.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from gateway.dialects.openai.errors import error_body
from gateway.dialects.openai.events import to_event
from gateway.dialects.openai.lenient import Lenient
from gateway.dialects.openai.parameters import Fate, table
from gateway.dialects.openai.validate import validate
from shared.errors import InternalError, InvalidRequest, RequestError
from shared.messages import Accepted, Delta, Sound, Speak, Usage

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
MEDIA_TYPES: dict[Format, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",  # Opus in Ogg, under the name that OpenAI gives it
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
MAX_INPUT = 200_000  # characters

PARAMETERS = (
    *table(
        Fate.HONOURED,
        "openai",
        {
            "model": "id or alias of a hosted model; left out: the default for speech",
            "input": f"the text to speak, up to {MAX_INPUT} characters; amounts, units, ranges, phone numbers, "
            "signs and code are said in words, and the marks of HTML and Markdown are left out",
            "voice": "a voice's id, or an object with it; voices blend as in af_heart(2)+am_adam(1)",
            "speed": "0.25 to 4",
            "response_format": "mp3, opus, aac, flac, wav, or pcm (24 kHz, mono, 16 bit little-endian)",
            "stream_format": "audio, or sse for sound in server-sent events",
        },
    ),
    *table(
        Fate.HONOURED,
        "mlx-gateway",
        {"language": "code of the language; left out: the voice's own", "lang": "the same under a shorter name"},
    ),
    *table(Fate.IGNORED, "openai", {"instructions": "voices are not steered by text"}),
)


def _as_id(value: Any) -> Any:
    if isinstance(value, dict) and isinstance(value.get("id"), str):
        return value["id"]
    if value is None or isinstance(value, str):
        return value
    raise PydanticCustomError("expected", "a string or an object with an id")


Voice = Annotated[str | None, BeforeValidator(_as_id)]


class SpeechRequest(Lenient):
    """The parameters that are honoured; `PARAMETERS` knows the fate of the others."""

    model: str | None = None
    input: str
    voice: Voice = None
    speed: float | None = Field(None, ge=0.25, le=4)
    response_format: Format | None = None
    stream_format: Literal["audio", "sse"] | None = None
    language: str | None = None
    lang: str | None = None


def parse_speech(body: Mapping[str, Any]) -> SpeechRequest:
    """Raises InvalidRequest, naming the first parameter that is wrong."""
    request = validate(SpeechRequest, body)
    if not request.input.strip():
        raise InvalidRequest("Invalid value for 'input': it must not be empty.", param="input")
    if len(request.input) > MAX_INPUT:
        raise InvalidRequest(
            f"Invalid value for 'input': expected at most {MAX_INPUT} characters, but got {len(request.input)}.",
            param="input",
        )
    return request


def to_speak(request: SpeechRequest, request_id: str) -> Speak:
    return Speak(
        request_id,
        request.input,
        voice=request.voice or None,
        speed=1.0 if request.speed is None else request.speed,
        language=request.language or request.lang or None,
        format=request.response_format or "mp3",
    )


class SpeechWriter:
    """Renders one request's sound in base64, piece by piece."""

    def __init__(self) -> None:
        self._spoke = False

    def event(self, event: Accepted | Delta) -> bytes:
        if not isinstance(event, Sound) or not event.data.data:
            return b""
        self._spoke = True
        return to_event({"type": "speech.audio.delta", "audio": base64.b64encode(event.data.data).decode()})

    def end(self, usage: Usage) -> bytes:
        """Raises InternalError when there was no sound."""
        if not self._spoke:
            raise InternalError("The model answered without sound.")
        tokens = {
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        }
        return to_event({"type": "speech.audio.done", "usage": tokens})

    def error(self, error: RequestError, usage: Usage) -> bytes:
        """An error after the first byte: the stream ends behind it, without `speech.audio.done`."""
        return to_event(error_body(error))

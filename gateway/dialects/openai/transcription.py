"""The form of transcriptions and translations to the wire's `Transcribe`: pure, and every refusal names its parameter.

https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from gateway.dialects.openai.lenient import Lenient
from gateway.dialects.openai.parameters import Fate, refuse_unsupported, refused, table
from gateway.dialects.openai.validate import validate
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import Blob, Transcribe

Task = Literal["transcribe", "translate"]
Format = Literal["json", "text", "srt", "vtt", "verbose_json"]

PARAMETERS = (
    *table(
        Fate.HONOURED,
        "openai",
        {
            "file": "the sound, in any usual container",
            "model": "id or alias of a hosted model; left out: the default for transcription",
            "language": "code or name of the language spoken; left out or auto: detected",
            "prompt": "text that comes before, for names and style",
            "response_format": "json, text, srt, vtt or verbose_json",
            "temperature": "0 to 1; 0 starts greedy and rises where the text is doubtful",
            "timestamp_granularities": "segment, word; needs verbose_json",
            "stream": "server-sent events; needs response_format json or text",
        },
    ),
    *table(Fate.IGNORED, "openai", {"chunking_strategy": "sound is always cut where nobody speaks"}),
    refused("include", "log-probabilities of a transcript are not returned", [], origin="openai"),
    refused("keywords", "put words to expect into prompt", [], origin="openai"),
    refused("languages", "name one language, or none to have it detected", [], origin="openai"),
    refused("known_speaker_names", "speakers are not told apart", [], origin="openai"),
    refused("known_speaker_references", "speakers are not told apart", [], origin="openai"),
)

_LISTS = frozenset(
    {"timestamp_granularities", "include", "keywords", "languages", "known_speaker_names", "known_speaker_references"}
)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class TranscriptionRequest(Lenient):
    """The fields that are honoured, besides the file; `PARAMETERS` knows the fate of the others."""

    model: str | None = None
    language: str | None = None
    prompt: str | None = None
    response_format: Format | None = None
    temperature: float | None = Field(None, ge=0, le=1)
    timestamp_granularities: list[Literal["segment", "word"]] | None = None
    stream: bool | None = None


@dataclass(frozen=True, slots=True)
class TranscriptOptions:
    """What the answer's rendering has to know of the request."""

    task: Task
    format: Format = "json"
    segments: bool = True
    words: bool = False
    stream: bool = False


def read_fields(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A form's texts as a JSON body would have them. An empty field is one that was left out.

    Lists are written `name[]`, objects `name[key]`; of a field that is no list the last one counts.
    """
    body: dict[str, Any] = {}
    for name, texts in fields.items():
        base, given = name.partition("[")[0], [text for text in texts if text]
        if not given:
            continue
        if base in _LISTS:
            body.setdefault(base, []).extend(given)
        else:
            body[base] = _typed(base, given[-1])
    return body


def _typed(name: str, text: str) -> Any:
    if name == "stream":
        return _BOOLEANS.get(text.strip().lower(), text)
    if name == "temperature":
        try:
            return float(text)
        except ValueError:
            return text  # the schema says what is wrong
    return text


def parse_transcription(body: Mapping[str, Any]) -> TranscriptionRequest:
    """Raises InvalidRequest, naming the first parameter that is wrong or not supported."""
    refuse_unsupported(body, PARAMETERS)
    if body.get("response_format") == "diarized_json":
        raise UnsupportedParameter(
            "Unsupported value: 'response_format' does not support 'diarized_json' (speakers are not told apart).",
            param="response_format",
        )
    request = validate(TranscriptionRequest, body)
    if request.timestamp_granularities and request.response_format != "verbose_json":
        raise InvalidRequest(
            "'timestamp_granularities' needs 'response_format' to be 'verbose_json'.", param="timestamp_granularities"
        )
    if request.stream and request.response_format not in (None, "json", "text"):
        raise UnsupportedParameter(
            f"Unsupported value: 'response_format' does not support '{request.response_format}' with 'stream'.",
            param="response_format",
        )
    return request


def transcript_options(request: TranscriptionRequest, task: Task) -> TranscriptOptions:
    granularities = request.timestamp_granularities or ["segment"]
    return TranscriptOptions(
        task=task,
        format=request.response_format or "json",
        segments="segment" in granularities,
        words="word" in granularities,
        stream=bool(request.stream),
    )


def to_transcribe(
    request: TranscriptionRequest, options: TranscriptOptions, audio: memoryview | None, request_id: str
) -> Transcribe:
    """The wire's meaning of a parsed form. Raises InvalidRequest when there is no sound in it."""
    if audio is None:
        raise InvalidRequest("Missing required parameter: 'file'.", param="file")
    if not audio:
        raise InvalidRequest("Invalid value for 'file': it is empty.", param="file")
    language = (request.language or "").strip()
    return Transcribe(
        request_id,
        Blob(audio),
        task=options.task,
        language=None if language.lower() in ("", "auto") else language,
        prompt=request.prompt,
        temperature=request.temperature or None,  # OpenAI's 0 is the ladder
        word_timestamps=options.words,
    )

"""Segments of the wire to OpenAI's transcripts, whole or as server-sent events."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gateway.dialects.openai.errors import error_body
from gateway.dialects.openai.events import to_event
from gateway.dialects.openai.languages import language_name
from gateway.dialects.openai.subtitles import srt, vtt
from gateway.dialects.openai.transcription import TranscriptOptions
from shared.errors import InternalError, RequestError
from shared.messages import Accepted, Delta, Segment, Transcribed, Usage, Word


class Transcript:
    """Folds the events of one request."""

    def __init__(self) -> None:
        self._segments: list[Segment] = []
        self._end: Transcribed | None = None

    def add(self, event: Accepted | Delta) -> None:
        if isinstance(event, Segment):
            self._segments.append(event)
        elif isinstance(event, Transcribed):
            self._end = event

    def result(self, options: TranscriptOptions) -> dict[str, Any] | str:
        """The answer's JSON, or its text. Raises InternalError when the transcript has no end."""
        if self._end is None:
            raise InternalError("The model's transcript ended early.")
        text = "".join(segment.text for segment in self._segments).strip()
        if options.format == "text":
            return f"{text}\n"
        if options.format in ("srt", "vtt"):
            return srt(self._segments) if options.format == "srt" else vtt(self._segments)
        # Sound is counted in whole seconds that have begun, as OpenAI counts.
        usage = {"type": "duration", "seconds": math.ceil(self._end.duration)}
        if options.format == "json":
            return {"text": text, "usage": usage}
        return {
            "task": options.task,
            "language": "english" if options.task == "translate" else language_name(self._end.language),
            "duration": self._end.duration,
            "text": text,
            **({"segments": [_segment(one) for one in self._segments]} if options.segments else {}),
            **({"words": _words(self._segments)} if options.words else {}),
            "usage": usage,
        }


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.index,
        "seek": round(segment.start * 100),  # frames of Whisper, a hundredth of a second each
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }


def _words(segments: Sequence[Segment]) -> list[dict[str, Any]]:
    return [_word(word) for segment in segments for word in segment.words]


def _word(word: Word) -> dict[str, Any]:
    return {"word": word.text, "start": word.start, "end": word.end}


class TranscriptWriter:
    """Renders one request's events: the text of each segment as it comes, then all of it."""

    def __init__(self) -> None:
        self._text = ""
        self._ended = False

    def event(self, event: Accepted | Delta) -> bytes:
        if isinstance(event, Transcribed):
            self._ended = True
        if not isinstance(event, Segment):
            return b""
        delta = event.text if self._text else event.text.lstrip()
        self._text += delta
        return to_event({"type": "transcript.text.delta", "delta": delta}) if delta else b""

    def end(self, usage: Usage) -> bytes:
        """Raises InternalError when the transcript has no end."""
        if not self._ended:
            raise InternalError("The model's transcript ended early.")
        tokens = {
            "type": "tokens",
            "input_tokens": usage.prompt_tokens,
            "output_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        }
        return to_event({"type": "transcript.text.done", "text": self._text.rstrip(), "usage": tokens})

    def error(self, error: RequestError, usage: Usage) -> bytes:
        """An error after the first byte: the stream ends behind it, without `transcript.text.done`."""
        return to_event(error_body(error))

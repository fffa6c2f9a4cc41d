"""A node with a model of every kind, the official client in front of it, and scripts that hear, speak and embed."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import openai

from gateway.api.node import Node
from gateway.routing.registry import ModelEntry, Registry
from shared.config import ModelConfig
from shared.messages import Accepted, Blob, Finished, Segment, Sound, Transcribed, Usage, Vectors, Word
from tests.fakes.dispatcher import READY, Script, make_app, make_node

KINDS = {"chat": "llm", "whisper": "stt", "kokoro": "tts", "embed": "embedding", "ranker": "reranker"}


def make_modal_node(script: Script, *kinds: str, **server: Any) -> Node:
    """A node that hosts `chat`, `whisper`, `kokoro`, `embed` and `ranker`, or only those of `kinds`."""
    node = make_node(script, **server)
    hosted = [name for name, kind in KINDS.items() if not kinds or kind in kinds]
    fleet: Any = node.fleet
    fleet.facts[:] = [replace(READY, name=name, kind=KINDS[name], aliases=()) for name in hosted]
    return replace(node, registry=Registry([_entry(name) for name in hosted]))


def _entry(name: str) -> ModelEntry:
    kind: Any = KINDS[name]
    return ModelEntry(name, ModelConfig(source="x/y", kind=kind), 1_700_000_000, kind=kind)


def client_of(node: Node, strict: bool = True) -> openai.AsyncOpenAI:
    transport = httpx.ASGITransport(app=make_app(node))
    return openai.AsyncOpenAI(
        api_key="none",
        base_url="http://test/v1",
        max_retries=0,
        http_client=httpx.AsyncClient(transport=transport),
        _strict_response_validation=strict,
    )


BOUNDARY = "a-line-between"


def multipart(*parts: tuple[str, str | bytes, str | None], close: bool = True) -> bytes:
    """A form's body; each part is a field's name, what it holds, and the file's name if it is one."""
    body = b""
    for name, value, filename in parts:
        as_file = "" if filename is None else f'; filename="{filename}"\r\nContent-Type: audio/wav'
        data = value.encode() if isinstance(value, str) else value
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{as_file}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + (f"--{BOUNDARY}--\r\n".encode() if close else b"")


FORM = f"multipart/form-data; boundary={BOUNDARY}"


def hears(*texts: str, language: str = "en", duration: float = 3.2) -> Script:
    """A second a text, each with its words where they are wanted."""

    def script(work: Any) -> list[Any]:
        segments = [
            Segment(work.request, at, float(at), at + 1.0, text, (7, 8), 0.2, -0.3, 1.1, 0.01, _words(text, at))
            for at, text in enumerate(texts)
        ]
        usage = Usage(completion_tokens=9, audio_seconds=duration)
        end = [Transcribed(work.request, language, duration), Finished(work.request, usage)]
        return [Accepted(work.request), *segments, *end]

    return script


def _words(text: str, at: int) -> tuple[Word, ...]:
    words = text.split()
    step = 1 / max(len(words), 1)
    return tuple(Word(word, at + step * n, at + step * (n + 1), 0.9) for n, word in enumerate(words))


def speaks(*pieces: bytes) -> Script:
    def script(work: Any) -> list[Any]:
        sounds = [Sound(work.request, Blob(piece), 0.5) for piece in pieces]
        return [Accepted(work.request), *sounds, Finished(work.request, Usage(5, 0, 6, 0, 0.5))]

    return script


def embeds(*rows: Sequence[float]) -> Script:
    def script(work: Any) -> list[Any]:
        data = b"".join(array("f", row).tobytes() for row in rows)
        return [Accepted(work.request, 5), Vectors(work.request, len(rows[0]), Blob(data)), Finished(work.request)]

    return script

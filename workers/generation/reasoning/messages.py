"""Rows of several messages, each with a header that says what it is: gpt-oss (`harmony`), Muse Spark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workers.generation.calls.source import earliest, overlap
from workers.generation.reasoning.format import Channel

START, MESSAGE = "<|start|>", "<|message|>"
_LONGEST_HEAD = 1000  # characters; what is longer is text


@dataclass(frozen=True, slots=True)
class Headers:
    """How a family writes them: a header goes from one of `heads` to `<|message|>`, a message to one of `ends`.

    `again`: heads that also end a message that nobody has ended. `read` takes a header and returns the message's
    channel, and, if it is a call, the header in which the call reader gets it. `call_end` is told after such a message.
    """

    heads: tuple[str, ...]
    again: tuple[str, ...]
    ends: tuple[str, ...]
    read: Callable[[str], tuple[Channel, str | None]]
    call_end: str = ""


class MessageReader:
    """Without a header the text is the answer."""

    def __init__(self, headers: Headers, opened: bool) -> None:
        self._headers = headers
        self._held = ""
        self._heading = not opened
        self._channel: Channel = "reasoning" if opened else "answer"
        self._call = False

    @property
    def thinking(self) -> bool:
        return not self._heading and self._channel == "reasoning"

    def feed(self, text: str) -> list[tuple[Channel, str]]:
        self._held += text
        out: list[tuple[Channel, str]] = []
        while self._head(out) if self._heading else self._body(out):
            pass
        return out

    def finish(self) -> list[tuple[Channel, str]]:
        out: list[tuple[Channel, str]] = []
        if self._heading:  # a header without a message is markup, but the beginning of a call is a client's to know
            self._channel = "answer"
            markup = earliest(self._held, [head for head in self._headers.heads if head.startswith("<|")])
            if markup is None or self._headers.read(self._held)[1] is not None:
                self._tell(self._held.removeprefix(f"{START}assistant"), out)
        else:
            self._tell(self._held, out)
        self._held = ""
        return out

    def _head(self, out: list[tuple[Channel, str]]) -> bool:
        """Reads a header; returns whether to go on."""
        word, heads = self._held.lstrip(), self._headers.heads
        if not word.startswith(heads) or len(word) > _LONGEST_HEAD:
            if len(word) <= _LONGEST_HEAD and any(head.startswith(word) for head in heads):
                return False
            self._heading, self._channel, self._call = False, "answer", False
            return True
        found = earliest(self._held, (MESSAGE, *self._headers.ends))
        if found is None:
            return False
        at, marker = found
        head, self._held = self._held[:at], self._held[at + len(marker) :]
        if marker == MESSAGE:
            self._channel, handed = self._headers.read(head)
            self._heading, self._call = False, handed is not None
            self._tell(handed or "", out)
        return True

    def _body(self, out: list[tuple[Channel, str]]) -> bool:
        marks = (*self._headers.ends, *self._headers.again)
        found = earliest(self._held, marks)
        if found is None:
            keep = overlap(self._held, marks)
            certain, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
            self._tell(certain, out)
            return False
        at, marker = found
        self._tell(self._held[:at], out)
        if self._call:
            self._tell(self._headers.call_end, out)
        self._held = self._held[at + len(marker) if marker in self._headers.ends else at :]
        self._heading, self._call = True, False
        return True

    def _tell(self, text: str, out: list[tuple[Channel, str]]) -> None:
        if not text:
            return
        if out and out[-1][0] == self._channel:
            out[-1] = (self._channel, out[-1][1] + text)
        else:
            out.append((self._channel, text))

"""An engine without MLX whose behaviour the prompt's text chooses. Text of the last message, or `prompt.text`:

    echo N    N text deltas "w0 ", "w1 ", … one a step, then the end (N or max_tokens, whichever is less)
    forever   a delta every few milliseconds until it is cancelled
    hang      the step blocks until `release` is set, which nobody does in a process of its own
    slow N    the step takes N pulses of the worker, during which the device moves
    crash     the process dies inside the step (exit code 13)
    fatal     the step raises
    bad       preprocessing raises InvalidRequest(param="messages")
    boom      preprocessing raises ValueError
    hold      preprocessing blocks until `release` is set
    reject    admission raises InvalidRequest; "explode": ValueError
    anything  is echoed in one delta

A worker's `source` chooses how it loads: `fake:broken` (ConfigError), `fake:memory` (an allocation fails),
`fake:crash` (the process dies), `fake:stuck` (never ends), `fake:slow` (half a second), anything else at once.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import ConfigError, InvalidRequest
from shared.messages import (
    Accepted,
    ChoiceFinished,
    Count,
    Delta,
    Detokenize,
    Failed,
    Finished,
    FinishReason,
    Generate,
    Prompt,
    Ready,
    Stats,
    TextDelta,
    TextPart,
    Tokens,
    Usage,
    Work,
)
from shared.spec import WorkerSpec
from workers.engine import Progress

CONTEXT = 4096
PACE = 0.002  # seconds between two deltas of "forever"


class Movement:
    """A device: `look` tells how far it is, and moves it on."""

    def __init__(self) -> None:
        self.done = 0
        self.left = 0
        self.idle = threading.Event()

    def work(self, looks: int) -> None:
        """Returns when it has been looked at so often."""
        self.idle.clear()
        self.left = looks
        self.idle.wait()

    def look(self) -> int:
        if self.left:
            self.done += 1
            self.left -= 1
            if not self.left:
                self.idle.set()
        return self.done


MOVEMENT = Movement()


def text_of(prompt: Prompt) -> str:
    if prompt.text is not None:
        return prompt.text
    last = prompt.messages[-1].content if prompt.messages else ()
    return "".join(part.text for part in last if isinstance(part, TextPart))


@dataclass
class Row:
    request: str
    choices: int
    words: list[str]
    reason: FinishReason
    prompt_tokens: int
    endless: bool = False
    done: int = 0

    @property
    def usage(self) -> Usage:
        return Usage(prompt_tokens=self.prompt_tokens, completion_tokens=self.done * self.choices)


class FakeEngine:
    def __init__(self) -> None:
        self.release = threading.Event()
        self.stepping = threading.Event()  # set when a step begins to block
        self.holding = threading.Event()  # set when preprocessing begins to block
        self.closed = False
        self.trims: list[int] = []
        self.prepared: list[str] = []
        self.rows: dict[str, Row] = {}
        self.steps = 0
        self.generated = 0
        self.context = CONTEXT

    def load(self, spec: WorkerSpec, progress: Progress) -> Ready:
        progress("load", 0.5, spec.source)
        match spec.source:
            case "fake:broken":
                raise ConfigError("the fake model is broken")
            case "fake:memory":
                raise RuntimeError("[metal::malloc] Unable to allocate 68719476736 bytes.")
            case "fake:crash":
                os._exit(13)
            case "fake:stuck":
                threading.Event().wait()
            case "fake:slow":
                threading.Event().wait(0.5)
        self.context = spec.context or CONTEXT
        return Ready("llm", spec.max_batch, self.context, "cpu (fake)", ("reasoning", "tools"), weights=1000)

    def prepare(self, work: Work, blobs: Sequence[memoryview]) -> Work:
        self.prepared.append(work.request)
        if isinstance(work, Generate):
            match text_of(work.prompt):
                case "bad":
                    raise InvalidRequest("the fake engine refuses these messages", param="messages")
                case "boom":
                    raise ValueError("boom")
                case "hold":
                    self.holding.set()
                    self.release.wait()
        return work

    def admit(self, prepared: Work) -> Sequence[Accepted | Delta]:
        if isinstance(prepared, Count):
            tokens = tuple(range(len(text_of(prepared.prompt).split())))
            return [Tokens(prepared.request, tokens, self.context), Finished(prepared.request)]
        if isinstance(prepared, Detokenize):
            text = " ".join(f"t{token}" for token in prepared.tokens)
            return [TextDelta(prepared.request, 0, text), Finished(prepared.request)]
        text = text_of(prepared.prompt)
        if text == "reject":
            raise InvalidRequest("the fake engine can't admit this", param="prompt")
        self.rows[prepared.request] = row = _row(prepared, text)
        if text == "explode":
            raise ValueError("explode")
        return [Accepted(prepared.request, row.prompt_tokens)]

    def step(self) -> Sequence[Accepted | Delta]:
        self.steps += 1
        answers: list[Delta] = []
        for row in list(self.rows.values()):
            self._misbehave(row)
            answers += self._advance(row)
        return answers

    def cancel(self, request: str) -> Sequence[Delta]:
        row = self.rows.pop(request, None)
        return [Failed(request, "cancelled", "the request was cancelled", usage=row.usage)] if row else []

    @property
    def busy(self) -> bool:
        return bool(self.rows)

    def stats(self) -> Stats:
        return Stats(self.steps, len(self.rows), 0, 0, 0, self.generated, 0, 0, 0)

    def trim(self, keep_bytes: int) -> None:
        self.trims.append(keep_bytes)

    def close(self) -> None:
        self.closed = True

    def _misbehave(self, row: Row) -> None:
        match " ".join(row.words):
            case "hang":
                self.stepping.set()
                self.release.wait()
            case "crash":
                os._exit(13)
            case slow if slow.startswith("slow "):
                MOVEMENT.work(int(slow.removeprefix("slow ")))
            case "fatal":
                raise RuntimeError("the fake step is broken")

    def _advance(self, row: Row) -> list[Delta]:
        if row.endless:
            threading.Event().wait(PACE)
        answers: list[Delta] = []
        if row.endless or row.done < len(row.words):
            word = f"w{row.done} " if row.endless else row.words[row.done]
            answers += [TextDelta(row.request, choice, word, tokens=(row.done,)) for choice in range(row.choices)]
            row.done += 1
            self.generated += row.choices
        if not row.endless and row.done >= len(row.words):
            del self.rows[row.request]
            answers += [ChoiceFinished(row.request, choice, row.reason) for choice in range(row.choices)]
            answers.append(Finished(row.request, row.usage))
        return answers


def _row(work: Generate, text: str) -> Row:
    verb, _, number = text.partition(" ")
    echo = verb == "echo" and number.isdecimal()
    words = [f"w{n} " for n in range(int(number))] if echo else [text]
    limit = work.sampling.max_tokens
    cut = limit is not None and limit < len(words)
    return Row(
        request=work.request,
        choices=work.n,
        words=words[:limit] if cut else words,
        reason="length" if cut else "stop",
        prompt_tokens=len(text.split()),
        endless=text == "forever",
    )

"""From a row's tokens to its deltas: text, reasoning, tool calls, stop strings, the end.

Order of the stages: token → bytes → text (`detokenizer`) → reasoning, tool or answer (mlx-lm's `TextStateMachine` on
the model family's markers) → stop strings, which look at the answer only. Text that may still turn out to be a marker
or a stop string is held back; nothing is lost when a row ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.messages import (
    ChoiceFinished,
    Delta,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from workers.generation.detokenizer import Detokenizer
from workers.generation.tools import ToolParser
from workers.platform.sampling import SamplingParams


class StopStrings:
    """Finds the first of some strings in text that arrives in pieces."""

    def __init__(self, stops: Sequence[str], include: bool) -> None:
        self._stops = tuple(stops)
        self._include = include
        self._held = ""

    def feed(self, text: str) -> tuple[str, str | None]:
        """Text that is certain not to belong to a stop string, and the stop string that was met."""
        if not self._stops:
            return text, None
        self._held += text
        found = [(at, -len(stop), stop) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            at, _, stop = min(found)
            out = self._held[: at + len(stop) if self._include else at]
            self._held = ""
            return out, stop
        keep = max(_overlap(self._held, stop) for stop in self._stops)
        out, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return out, None

    def rest(self) -> str:
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` that begins `stop`."""
    for size in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:size]):
            return size
    return 0


@dataclass(slots=True)
class _Piece:
    """What one push produced, before it is a delta."""

    text: str = ""
    reasoning: str = ""
    calls: list[ToolCallDelta] = field(default_factory=list)


class RowOutput:
    """The output side of one row (one choice of one request). `push` returns deltas; `finished` holds the end."""

    def __init__(
        self,
        request: str,
        choice: int,
        params: SamplingParams,
        detokenizer: Detokenizer,
        machine: Any,
        state: Any,
        tools: ToolParser | None,
        eos: frozenset[int],
    ) -> None:
        self.request = request
        self.choice = choice
        self.finished: ChoiceFinished | None = None
        self.reasoning_tokens = 0
        self._params = params
        self._detokenizer = detokenizer
        self._machine = machine
        self._state = state
        self._stops = StopStrings(params.stop, params.include_stop)
        self._tools = tools
        self._eos = eos
        self._tool_text = ""
        self._calls = 0
        self._before = state[0]  # the segment's state, to notice its change
        self._thought = self._before == "reasoning"
        self._trim = True  # newlines at the start of a segment belong to the template
        self._held_newlines = ""
        self._logprobs: list[TokenLogprob] = []
        self._tokens: list[int] = []

    def push(self, token: int, logprob: TokenLogprob | None, produced: int) -> list[Delta]:
        """Takes the row's next token; `produced` counts it."""
        self._tokens.append(token)
        if self._state[0] == "reasoning":
            self.reasoning_tokens += 1
        if token in self._params.stop_token_ids and produced > self._params.min_tokens:
            return self._end("stop", None if token in self._eos else token)
        if logprob is not None:  # a token that ends the answer is no part of it
            self._logprobs.append(logprob)
        piece = _Piece()
        stop = self._take(self._detokenizer.add(token), piece)
        if stop is not None:
            return [*self._deltas(piece), *self._close("stop", stop)]
        if self._calls and self._tools is not None and self._tools.single:
            piece.text += self._stops.rest()
            return [*self._deltas(piece), *self._close("stop", None)]
        if produced >= self._params.max_tokens:
            return self._end("length", None, piece)
        return self._deltas(piece)

    def _end(self, reason: FinishReason, stop: str | int | None, piece: _Piece | None = None) -> list[Delta]:
        """Ends the row and lets go of everything that was held back."""
        piece = piece or _Piece()
        met = self._take(self._detokenizer.finish(), piece)
        if met is None:
            self._state, rest, name = self._machine.flush(self._state)
            met = self._segment(name, rest, piece)
        if met is None and self._tool_text:
            met = self._end_tool(piece, cut=self._tools is None or self._tools.closes)
        if met is None:
            piece.text += self._stops.rest()
        else:
            reason, stop = "stop", met
        return [*self._deltas(piece), *self._close(reason, stop)]

    def _close(self, reason: FinishReason, stop: str | int | None) -> list[Delta]:
        if self._calls and reason == "stop":
            reason = "tool_calls"
        self.finished = ChoiceFinished(self.request, self.choice, reason, stop)
        if not self._tokens:
            return [self.finished]
        kind = ReasoningDelta if self._before == "reasoning" else TextDelta
        return [kind(self.request, self.choice, "", *self._drain()), self.finished]

    def _take(self, text: str, piece: _Piece) -> str | None:
        """Sends new text through the stages; returns the stop string it met."""
        if not text:
            return None
        self._state, segments = self._machine.split(self._state, text)
        for name, part in segments:
            stop = self._segment(name, part, piece)
            if stop is not None:
                return stop
        return None

    def _segment(self, name: str, text: str, piece: _Piece) -> str | None:
        if name != self._before:
            was, self._before = self._before, name
            self._thought = self._thought or name == "reasoning"
            self._trim, self._held_newlines = True, ""
            stop = self._end_tool(piece, cut=False) if was == "tool" else None
            if stop is not None:
                return stop
        if name == "tool":
            self._tool_text += text
            return None
        text = self._without_frame(text, hold_end=name == "reasoning")
        if name == "reasoning":
            piece.reasoning += text
            return None
        return self._answer(text, piece)

    def _answer(self, text: str, piece: _Piece) -> str | None:
        out, stop = self._stops.feed(text)
        piece.text += out
        return stop

    def _without_frame(self, text: str, hold_end: bool) -> str:
        """Drops the newlines with which templates frame a segment."""
        if self._trim and (self._thought or self._calls):
            text = text.lstrip("\n")
            self._trim = not text
        if not hold_end:
            return text
        text = self._held_newlines + text
        kept = text.rstrip("\n")
        self._held_newlines = text[len(kept) :]
        return kept

    def _end_tool(self, piece: _Piece, cut: bool) -> str | None:
        """Turns the collected tool text into calls; text that is no call is an answer as it stands."""
        text, self._tool_text = self._tool_text, ""
        parsed = self._tools.parse(text) if self._tools and not cut else None
        if parsed is None:
            return self._answer(self._tools.restore(text, closed=not cut) if self._tools else text, piece)
        if self._tools is not None and self._tools.single:
            parsed = parsed[: 1 - self._calls]
        for call in parsed:
            piece.calls.append(
                ToolCallDelta(self.request, self.choice, self._calls, call.id, call.name, call.arguments)
            )
            self._calls += 1
        return None

    def _deltas(self, piece: _Piece) -> list[Delta]:
        deltas: list[Delta] = []
        if piece.reasoning:
            tokens = ((), ()) if piece.text else self._drain()  # log-probabilities belong to the answer
            deltas.append(ReasoningDelta(self.request, self.choice, piece.reasoning, *tokens))
        if piece.text:
            deltas.append(TextDelta(self.request, self.choice, piece.text, *self._drain()))
        deltas.extend(piece.calls)
        return deltas

    def _drain(self) -> tuple[tuple[TokenLogprob, ...], tuple[int, ...]]:
        logprobs, tokens = tuple(self._logprobs), tuple(self._tokens)
        self._logprobs, self._tokens = [], []
        return logprobs, tokens

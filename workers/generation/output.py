"""From a row's tokens to its deltas: text, reasoning, tool calls, stop strings, the end.

Order of the stages: token → bytes → text (`detokenizer`) → thought or answer (`reasoning`) → calls or text (`calls`) →
stop strings, which look at the answer's text only. Text that may still turn out to be a marker or a stop string is held
back; nothing is lost when a row ends. Newlines with which templates frame a thought or a call are dropped.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import takewhile
from typing import TypeAlias

from shared.messages import (
    ChoiceFinished,
    Delta,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)
from workers.generation.calls.forced import ForcedCalls
from workers.generation.calls.format import Arguments, CallBegins, CallEnds, CallReader, Piece, Text
from workers.generation.detokenizer import Detokenizer
from workers.generation.reasoning.format import Channel, ThoughtReader
from workers.generation.stops import StopStrings
from workers.platform.sampling import SamplingParams

_PARTS = re.compile(r"(?=[<\[])")  # before every marker: where a call begins or ends, thoughts count no more, or again
_Told: TypeAlias = ReasoningDelta | TextDelta | ToolCallDelta


class RowOutput:
    """The output side of one row (one choice of one request). `push` returns deltas; `finished` holds the end.

    `thoughts`, `calls` None: neither is looked for. `single`: the answer ends with its first call. `forced`: the answer
    is calls (`ForcedCalls`), and what the limit cuts is no text. `ends`: texts of the end-of-sequence tokens that are
    markup to a reader. `unclosed`: a second call reader, for a row that its model ends with a call without having
    closed its thought (Qwen 3.5 and Kimi K2 do); calls elsewhere in a thought are none.
    """

    def __init__(
        self,
        request: str,
        choice: int,
        params: SamplingParams,
        detokenizer: Detokenizer,
        thoughts: ThoughtReader | None,
        calls: CallReader | None,
        eos: frozenset[int],
        *,
        single: bool = False,
        forced: bool = False,
        ends: Mapping[int, str] | None = None,
        unclosed: CallReader | None = None,
    ) -> None:
        self.request = request
        self.choice = choice
        self.finished: ChoiceFinished | None = None
        self.reasoning_tokens = 0
        self._params = params
        self._detokenizer = detokenizer
        self._thoughts = thoughts
        self._reader = calls
        self._eos = eos
        self._single = single
        self._forced = ForcedCalls() if forced else None
        self._ends = ends or {}
        self._unclosed = unclosed
        self._thought_text: list[str] = []  # of the thought that is open
        self._stops = StopStrings(params.stop, params.include_stop)
        self._channel: Channel = "reasoning" if self.thinking else "answer"
        self._thought = self.thinking  # there was one
        self._calls = 0
        self._in_call = False
        self._unfinished = False  # a call has been told and not its end
        self._over = False  # nothing that follows counts
        self._met: str | None = None  # the stop string
        self._trim = True  # newlines at the start of a segment belong to the template
        self._newlines = ""  # at the end of what was told: the template's if a thought ends or a call follows
        self._told: list[_Told] = []
        self._logprobs: list[TokenLogprob] = []
        self._tokens: list[int] = []

    @property
    def thinking(self) -> bool:
        """Whether the next token belongs to a thought."""
        return self._thoughts is not None and self._thoughts.thinking

    def push(self, token: int, logprob: TokenLogprob | None, produced: int) -> list[Delta]:
        """Takes the row's next token; `produced` counts it."""
        self._tokens.append(token)
        if self.thinking:
            self.reasoning_tokens += 1
        if token in self._params.stop_token_ids and produced > self._params.min_tokens:
            self._take(self._ends.get(token, ""))
            return self._end("stop", None if token in self._eos else token)
        if logprob is not None:  # a token that ends the answer is no part of it
            self._logprobs.append(logprob)
        self._take(self._detokenizer.add(token))
        if self._over:
            return self._close("stop", self._met)
        if produced >= self._params.max_tokens:
            return self._end("length", None)
        return self._deltas()

    # ------------------------------------------------------------ the end
    def _end(self, reason: FinishReason, stop: str | int | None) -> list[Delta]:
        """Ends the row and lets go of everything that was held back."""
        self._take(self._detokenizer.finish())
        if self._thoughts is not None and not self._over:
            self._divided(self._thoughts.finish())
        if self._reader is not None and not self._over:
            rest = self._reader.finish()
            if self._forced is not None and reason == "length":
                rest = [piece for piece in rest if not isinstance(piece, Text)]
            self._read(rest)
        if self._met is not None:
            reason, stop = "stop", self._met
        elif reason == "stop" and stop is None and self.thinking:
            self._read(self._calls_at_the_end())
        return self._close(reason, stop)

    def _calls_at_the_end(self) -> list[Piece]:
        """The calls with which a thought that was never closed ends."""
        if self._unclosed is None:
            return []
        pieces = [*self._unclosed.feed("".join(self._thought_text)), *self._unclosed.finish()]
        calls: list[Piece] = [piece for piece in pieces if not isinstance(piece, Text)]
        after = list(takewhile(lambda piece: isinstance(piece, Text), reversed(pieces)))
        whole = sum(isinstance(piece, CallEnds) for piece in calls) == sum(isinstance(p, CallBegins) for p in calls)
        blank = not "".join(piece.text for piece in after if isinstance(piece, Text)).strip()
        return calls if whole and blank else []

    def _close(self, reason: FinishReason, stop: str | int | None) -> list[Delta]:
        self._let_go()
        if self._channel == "answer":
            self._show(self._newlines)
        if self._unfinished:
            self._break_call()
        if self._calls and reason == "stop":
            reason = "tool_calls"
        self.finished = ChoiceFinished(self.request, self.choice, reason, stop)
        deltas = self._deltas()
        if self._tokens:
            kind = ReasoningDelta if self._channel == "reasoning" else TextDelta
            deltas.append(kind(self.request, self.choice, "", *self._drain()))
        return [*deltas, self.finished]

    def _let_go(self) -> None:
        """What was held for a stop string, unless one was met, is text."""
        if self._met is None and (held := self._stops.rest()):
            self._hold_newlines(held)

    # ------------------------------------------------------------ the stages
    def _take(self, text: str) -> None:
        if not text or self._over:
            return
        if self._thoughts is None:
            self._answer(text)
            return
        for part in _PARTS.split(text) if self._reader is not None else (text,):
            if self._over:
                return
            if self._in_call:  # its arguments may quote markers of thoughts
                self._divided(self._thoughts.finish())
                self._answer(part)
            else:
                self._divided(self._thoughts.feed(part))

    def _divided(self, parts: Iterable[tuple[Channel, str]]) -> None:
        for channel, text in parts:
            if self._over:
                return
            if channel != self._channel:
                self._turn(channel)
            if channel == "reasoning":
                self._reason(text)
            else:
                self._answer(text)

    def _turn(self, channel: Channel) -> None:
        if channel == "reasoning":
            self._let_go()
            self._show(self._newlines)
        self._channel, self._trim, self._newlines = channel, True, ""
        self._thought = True
        self._thought_text = []

    def _reason(self, text: str) -> None:
        if self._unclosed is not None:
            self._thought_text.append(text)
        text = self._newlines + self._without_frame(text)
        shown = text.rstrip("\n")
        self._newlines = text[len(shown) :]
        if shown:
            self._tell(ReasoningDelta(self.request, self.choice, shown))

    def _answer(self, text: str) -> None:
        self._read((Text(text),) if self._reader is None else self._reader.feed(text))

    def _read(self, pieces: Iterable[Piece]) -> None:
        for piece in pieces:
            self._in_call = isinstance(piece, CallBegins | Arguments)
            for told in (piece,) if self._forced is None else self._forced.feed(piece):
                self._place(told)
            self._over = self._over or (self._forced is not None and self._forced.repeated)
            if self._over:
                return

    def _place(self, piece: Piece) -> None:
        self._unfinished = isinstance(piece, CallBegins | Arguments)
        match piece:
            case Text():
                self._say(piece.text)
            case CallBegins():
                self._let_go()
                self._newlines = ""
                call_id = piece.id or f"call_{uuid.uuid4().hex[:24]}"
                self._tell(ToolCallDelta(self.request, self.choice, self._calls, call_id, piece.name))
                self._calls += 1
            case Arguments():
                self._tell(ToolCallDelta(self.request, self.choice, self._calls - 1, arguments=piece.text))
            case CallEnds():
                if not piece.whole:
                    self._break_call()
                self._trim = True
                self._over = self._single

    def _break_call(self) -> None:
        self._tell(ToolCallDelta(self.request, self.choice, self._calls - 1, broken=True))

    def _say(self, text: str) -> None:
        out, self._met = self._stops.feed(self._without_frame(text))
        self._hold_newlines(out)
        self._over = self._met is not None

    def _without_frame(self, text: str) -> str:
        """Drops the newlines with which templates begin a segment."""
        if self._trim and (self._thought or self._calls):
            text = text.lstrip("\n")
            self._trim = not text
        return text

    def _hold_newlines(self, text: str) -> None:
        """Shows text, its last newlines only once it is known that no call follows them."""
        text = self._newlines + text
        shown = text if self._reader is None else text.rstrip("\n")
        self._newlines = text[len(shown) :]
        self._show(shown)

    # ------------------------------------------------------------ deltas
    def _show(self, text: str) -> None:
        if text:
            self._tell(TextDelta(self.request, self.choice, text))

    def _tell(self, delta: _Told) -> None:
        """Adds a delta to this push's, or to the one before it if they go on with the same."""
        if self._told and (merged := _merged(self._told[-1], delta)) is not None:
            self._told[-1] = merged
        else:
            self._told.append(delta)

    def _deltas(self) -> list[Delta]:
        """This push's deltas. Its tokens go with the last of the answer's text, else of the thought."""
        told, self._told = self._told, []
        for kind in (TextDelta, ReasoningDelta):
            for place in reversed(range(len(told))):
                if isinstance(delta := told[place], kind):
                    logprobs, tokens = self._drain()
                    told[place] = replace(delta, logprobs=logprobs, tokens=tokens)
                    return list(told)
        return list(told)

    def _drain(self) -> tuple[tuple[TokenLogprob, ...], tuple[int, ...]]:
        logprobs, tokens = tuple(self._logprobs), tuple(self._tokens)
        self._logprobs, self._tokens = [], []
        return logprobs, tokens


def _merged(first: _Told, more: _Told) -> _Told | None:
    """Both as one delta, where the second goes on with the first."""
    match first:
        case TextDelta() if isinstance(more, TextDelta):
            return replace(first, text=first.text + more.text)
        case ReasoningDelta() if isinstance(more, ReasoningDelta):
            return replace(first, text=first.text + more.text)
        case ToolCallDelta() if isinstance(more, ToolCallDelta) and more.call == first.call:
            return replace(first, arguments=first.arguments + more.arguments, broken=more.broken)
    return None

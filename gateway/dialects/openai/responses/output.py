"""Events of the wire to output items and the events that tell of them; the answer as a whole is folded of the same.

Items open, fill and close one at a time. https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.dialects.openai.responses.calls import ApprovalItem, CallItem
from gateway.dialects.openai.responses.request import AnswerOptions
from gateway.dialects.openai.responses.server_calls import ListItem, ServerCallItem
from gateway.dialects.openai.responses.thought import seal
from gateway.dialects.openai.responses.tools import Toolbox
from gateway.mcp.events import (
    AnswerEvent,
    ServerCallArguments,
    ServerCallBegins,
    ServerCallEnds,
    ServerCallRuns,
    ToolsListed,
    TurnsExhausted,
)
from shared.messages import (
    Alternative,
    ChoiceFinished,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
)

Payload = dict[str, Any]


class TextItem:
    """A message, with the one text that it holds."""

    def __init__(self, item_id: str, logprobs: bool) -> None:
        self.id = item_id
        self._wanted = logprobs
        self._text: list[str] = []
        self._logprobs: list[Payload] = []

    def open(self) -> list[Payload]:
        part = {"type": "response.content_part.added", "content_index": 0, "part": self._part("", [])}
        return [{"type": "response.output_item.added", "item": self._item("in_progress", [])}, part]

    def add(self, text: str, logprobs: Sequence[TokenLogprob]) -> list[Payload]:
        found = [to_logprob(one) for one in logprobs] if self._wanted else []
        self._text.append(text)
        self._logprobs += found
        return [{"type": "response.output_text.delta", "content_index": 0, "delta": text, "logprobs": found}]

    def close(self, status: str) -> list[Payload]:
        text = "".join(self._text)
        part = self._part(text, self._logprobs)
        return [
            {"type": "response.output_text.done", "content_index": 0, "text": text, "logprobs": self._logprobs},
            {"type": "response.content_part.done", "content_index": 0, "part": part},
            {"type": "response.output_item.done", "item": self._item(status, [part])},
        ]

    def _part(self, text: str, logprobs: list[Payload]) -> Payload:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}

    def _item(self, status: str, content: list[Payload]) -> Payload:
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": content}


class ThoughtItem:
    """A thought: its text as OpenAI's open models give it, or as the summary that was asked for."""

    def __init__(self, item_id: str, *, summary: bool, sealed: bool) -> None:
        self.id = item_id
        self._summary, self._sealed = summary, sealed
        self._text: list[str] = []
        self._kind = "summary_text" if summary else "reasoning_text"
        self._index = "summary_index" if summary else "content_index"
        self._event = "response.reasoning_summary_text" if summary else "response.reasoning_text"
        self._part_event = "response.reasoning_summary_part" if summary else "response.content_part"

    def open(self) -> list[Payload]:
        part = {"type": f"{self._part_event}.added", self._index: 0, "part": {"type": self._kind, "text": ""}}
        return [{"type": "response.output_item.added", "item": self._item("in_progress", None)}, part]

    def add(self, text: str) -> list[Payload]:
        self._text.append(text)
        return [{"type": f"{self._event}.delta", self._index: 0, "delta": text}]

    def close(self, status: str) -> list[Payload]:
        text = "".join(self._text)
        return [
            {"type": f"{self._event}.done", self._index: 0, "text": text},
            {"type": f"{self._part_event}.done", self._index: 0, "part": {"type": self._kind, "text": text}},
            {"type": "response.output_item.done", "item": self._item(status, text)},
        ]

    def _item(self, status: str, text: str | None) -> Payload:
        parts = [] if text is None else [{"type": self._kind, "text": text}]
        return {
            "id": self.id,
            "type": "reasoning",
            "status": status,
            "summary": parts if self._summary else [],
            "content": [] if self._summary else parts,
            "encrypted_content": seal(text) if self._sealed and text is not None else None,
        }


Item = TextItem | ThoughtItem | CallItem | ApprovalItem | ListItem | ServerCallItem


class Output:
    """The items of one answer."""

    def __init__(
        self, suffix: str, wanted: AnswerOptions, tools: Toolbox, approvals: Mapping[str, str] | None = None
    ) -> None:
        """`suffix` makes the ids of the items unique; `approvals` are the requests behind the node's own calls."""
        self.finished: ChoiceFinished | None = None
        self.exhausted = False  # the node's own calls came to their bound
        self._approvals = approvals or {}
        self._suffix = suffix
        self._wanted = wanted
        self._tools = tools
        self._done: dict[int, Payload] = {}  # by their place
        self._places: dict[str, int] = {}
        self._count = 0
        self._open: TextItem | ThoughtItem | CallItem | ApprovalItem | None = None
        self._call: int | None = None  # the number of the open call
        self.broken = False  # a call's arguments are no whole object
        self._server_calls: dict[str, ServerCallItem] = {}  # open ones, beside the open item
        self._blanks: list[TextDelta | ReasoningDelta] = []  # of an item that may yet begin

    @property
    def items(self) -> list[Payload]:
        """Those that are done, in their order."""
        return [self._done[place] for place in sorted(self._done)]

    def feed(self, event: AnswerEvent) -> list[Payload]:
        """The events that one of the wire, or of the node's own calls, makes."""
        if isinstance(event, TextDelta):
            return self._write_text(event)
        if isinstance(event, ReasoningDelta):
            return self._write_thought(event)
        if isinstance(event, ToolCallDelta):
            return self._write_call(event)
        if isinstance(event, ChoiceFinished):
            self.finished = event
            return self.close("incomplete" if event.reason == "length" else "completed")
        if isinstance(event, TurnsExhausted):
            self.exhausted = True
            return []
        return self._server_event(event)

    def close(self, status: str = "incomplete") -> list[Payload]:
        """Ends the open item, if there is one."""
        item, self._open, self._call = self._open, None, None
        self._blanks.clear()
        if item is None:
            return []
        return self._placed(item.close(status), item)

    def next_id(self, prefix: str) -> str:
        return f"{prefix}_{self._suffix}{self._count:02x}"

    # ------------------------------------------------------------------ one kind each
    def _write_text(self, event: TextDelta) -> list[Payload]:
        if isinstance(self._open, TextItem):
            shows = event.text or event.logprobs
            return self._placed(self._open.add(event.text, event.logprobs), self._open) if shows else []
        text = self._begun(event)
        if not text:
            return []
        logprobs = [one for blank in self._blanks for one in blank.logprobs] + list(event.logprobs)
        item = TextItem(self.next_id("msg"), self._wanted.logprobs)
        return [*self._begin(item), *self._placed(item.add(text, logprobs), item)]

    def _write_thought(self, event: ReasoningDelta) -> list[Payload]:
        if isinstance(self._open, ThoughtItem):
            return self._placed(self._open.add(event.text), self._open) if event.text else []
        text = self._begun(event)
        if not text:
            return []
        item = ThoughtItem(self.next_id("rs"), summary=self._wanted.summary, sealed=self._wanted.sealed)
        return [*self._begin(item), *self._placed(item.add(text), item)]

    def _write_call(self, event: ToolCallDelta) -> list[Payload]:
        found: list[Payload] = []
        if self._call != event.call or not isinstance(self._open, CallItem | ApprovalItem):
            found += self._begin(self._call_item(event))
            self._call = event.call
        if isinstance(self._open, CallItem | ApprovalItem) and event.arguments:
            found += self._placed(self._open.add(event.arguments), self._open)
        if event.broken:
            self.broken = True
            found += self.close("incomplete")
        return found

    def _call_item(self, event: ToolCallDelta) -> CallItem | ApprovalItem:
        callee = self._tools.callee(event.name or "")
        if callee.kind == "approval":
            return ApprovalItem(self.next_id("mcpr"), callee)
        item_id = self.next_id("ctc" if callee.kind == "custom" else "fc")
        return CallItem(item_id, event.id or self.next_id("call"), callee)

    def _server_event(self, event: AnswerEvent) -> list[Payload]:
        if isinstance(event, ToolsListed):
            listed = ListItem(self.next_id("mcpl"), event)
            return [*self._place(listed), *self._placed(listed.whole(), listed)]
        if isinstance(event, ServerCallBegins):
            approval = self._approvals.get(event.call)
            call = self._server_calls[event.call] = ServerCallItem(self.next_id("mcp"), event, approval)
            return [*self._place(call), *self._placed(call.open(), call)]
        if isinstance(event, ServerCallArguments | ServerCallRuns | ServerCallEnds):
            call = self._server_calls[event.call]
            if isinstance(event, ServerCallArguments):
                return self._placed(call.add(event.arguments), call)
            if isinstance(event, ServerCallRuns):
                return self._placed(call.run(), call)
            return self._placed(self._server_calls.pop(event.call).end(event), call)
        return []

    def _begun(self, event: TextDelta | ReasoningDelta) -> str:
        """The text that an item begins with; nothing as long as it is blank."""
        self._blanks = [blank for blank in self._blanks if type(blank) is type(event)]
        if event.text and not event.text.isspace():
            return "".join(blank.text for blank in self._blanks) + event.text
        self._blanks.append(event)
        return ""

    def _begin(self, item: TextItem | ThoughtItem | CallItem | ApprovalItem) -> list[Payload]:
        closed = self._place(item)
        self._open = item
        return [*closed, *self._placed(item.open(), item)]

    def _place(self, item: Item) -> list[Payload]:
        """Gives it the next place, behind the open item, which ends."""
        closed = self.close("completed")
        self._places[item.id] = self._count
        self._count += 1
        return closed

    def _placed(self, payloads: list[Payload], item: Item) -> list[Payload]:
        """With what every event of an item says: which one, and where it stands."""
        place = self._places[item.id]
        for payload in payloads:
            payload["output_index"] = place
            if "item" not in payload:
                payload["item_id"] = item.id
            elif payload["type"] == "response.output_item.done":
                self._done[place] = payload["item"]
        return payloads


def to_logprob(token: TokenLogprob) -> Payload:
    return {**_logprob(token), "top_logprobs": [_logprob(one) for one in token.top]}


def _logprob(token: TokenLogprob | Alternative) -> Payload:
    # JSON has no infinity: OpenAI writes -9999.0 for a token that is out of the question.
    return {"token": token.text, "logprob": max(token.logprob, -9999.0), "bytes": list(token.data)}

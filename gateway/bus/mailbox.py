"""The mailbox of one request, and the index of all of them.

A mailbox ends once and settles once. It *ends* when its terminal (`Finished` or `Failed`) is in: the worker's own, or
one that the gateway supplies (cancel, deadline, a dead worker). It *settles* when the worker owes nothing any more:
its terminal arrived or it died. Between the two the request's credit stays taken.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from shared.errors import InternalError
from shared.messages import Accepted, ChoiceFinished, Delta, Failed, Finished, ReasoningDelta, TextDelta, Usage

Event = Accepted | Delta
Terminal = Finished | Failed


class Addressee(Protocol):
    """Whose mailbox it is; called synchronously, in this order."""

    def on_first_delta(self) -> None: ...

    def on_choice(self, finished: ChoiceFinished) -> None: ...

    def on_end(self, terminal: Terminal) -> None: ...

    def on_settled(self) -> None: ...

    def on_lost(self, failed: Failed, blame: bool) -> bool:
        """Its worker died. True: the addressee took the request back, to send it elsewhere.

        `blame`: a request may have been the cause.
        """
        ...


class Mailbox:
    """Events of one request in order; one consumer, who sees nothing while they are held back."""

    def __init__(self, request: str, addressee: Addressee) -> None:
        self.request = request
        self.addressee = addressee
        self.identity: str | None = None  # the incarnation that works on it
        self.usage = Usage()  # so far; the terminal's once there is one
        self.terminal: Terminal | None = None
        self.unbound: tuple[str, ...] = ()  # as `Accepted` says it
        self.unmet: tuple[str, ...] = ()  # as the choices' ends say it
        self._fresh = True
        self._held = False
        self._events: deque[Event] = deque()
        self._filled = asyncio.Event()

    def deliver(self, event: Event) -> None:
        """Puts an event in; whatever comes after the terminal is dropped."""
        if self.terminal is not None:
            return
        if isinstance(event, Finished | Failed):
            self._end(event)
            return
        self._count(event)
        self._put(event)
        if self._fresh and not isinstance(event, Accepted):
            self._fresh = False
            self.addressee.on_first_delta()
        if isinstance(event, ChoiceFinished):
            self.addressee.on_choice(event)

    def close(self, failed: Failed) -> None:
        """Supplies the terminal, with the usage so far; nothing happens when there is one."""
        self.release()
        if self.terminal is None:
            self._end(failed)

    def hold(self) -> None:
        """Shows nothing until `release`."""
        self._held = True
        self._filled.clear()

    def release(self) -> None:
        self._held = False
        if self._events:
            self._filled.set()

    def rewind(self) -> None:
        """Forgets what an incarnation said, before the request goes to another."""
        self.identity = None
        self.usage = Usage()
        self._fresh, self._held = True, False
        self._events.clear()
        self._filled.clear()

    def take(self) -> Event | None:
        """The next event that is there, without waiting."""
        if not self.has_events:
            return None
        event = self._events.popleft()
        if not self._events:
            self._filled.clear()
        return event

    @property
    def has_events(self) -> bool:
        return bool(self._events) and not self._held

    async def filled(self) -> None:
        """Waits until `take` has something."""
        await self._filled.wait()

    def _put(self, event: Event) -> None:
        self._events.append(event)
        if not self._held:
            self._filled.set()

    def _count(self, event: Event) -> None:
        if isinstance(event, Accepted):
            self.usage = replace(self.usage, prompt_tokens=event.prompt_tokens, cached_tokens=event.cached_tokens)
            self.unbound = event.unbound
        elif isinstance(event, ChoiceFinished):
            self.unmet += event.unmet
        elif isinstance(event, TextDelta | ReasoningDelta) and event.tokens:
            count = len(event.tokens)
            thought = count if isinstance(event, ReasoningDelta) else 0
            self.usage = replace(
                self.usage,
                completion_tokens=self.usage.completion_tokens + count,
                reasoning_tokens=self.usage.reasoning_tokens + thought,
            )

    def _end(self, terminal: Terminal) -> None:
        if isinstance(terminal, Failed) and terminal.usage == Usage():
            terminal = replace(terminal, usage=self.usage)
        self.usage = terminal.usage
        self.terminal = terminal
        self._put(terminal)
        self.addressee.on_end(terminal)


class Mailboxes:
    """Every mailbox that has not settled, by request and by the incarnation that works on it."""

    def __init__(self) -> None:
        self._all: dict[str, Mailbox] = {}
        self._by_identity: dict[str, dict[str, Mailbox]] = {}

    def open(self, request: str, addressee: Addressee) -> Mailbox:
        """Raises InternalError when the id is in use."""
        if request in self._all:
            raise InternalError(f"the request id {request} is in use")
        mailbox = self._all[request] = Mailbox(request, addressee)
        return mailbox

    def bind(self, mailbox: Mailbox, identity: str) -> None:
        """Before the send: from now on only this incarnation's answers are taken."""
        mailbox.identity = identity
        self._by_identity.setdefault(identity, {})[mailbox.request] = mailbox

    def rewind(self, mailbox: Mailbox) -> None:
        """Takes the request back from its incarnation."""
        self._unbind(mailbox)
        mailbox.rewind()

    def deliver(self, identity: str, events: Iterable[Event]) -> int:
        """Puts each event into its mailbox; returns how many had none (stale or ended requests)."""
        stray = 0
        for event in events:
            mailbox = self._all.get(event.request)
            if mailbox is None or mailbox.identity != identity:
                stray += 1
                continue
            mailbox.deliver(event)
            if isinstance(event, Finished | Failed):
                self.settle(mailbox)
        return stray

    def settle(self, mailbox: Mailbox) -> None:
        """The worker owes this request nothing any more. Idempotent."""
        if self._all.get(mailbox.request) is mailbox:
            del self._all[mailbox.request]
            self._unbind(mailbox)
            mailbox.addressee.on_settled()

    def fail_all(self, identity: str, code: str, message: str, blame: bool = True) -> None:
        """The incarnation is dead: each of its requests is taken back by its addressee, or fails.

        `blame`: a request may have been the cause.
        """
        for mailbox in list(self._by_identity.get(identity, {}).values()):
            failed = Failed(mailbox.request, code, message)
            if not mailbox.addressee.on_lost(failed, blame):
                mailbox.close(failed)
                self.settle(mailbox)

    def close_all(self, code: str, message: str) -> None:
        """Every request that has not ended fails; what its worker still says is dropped."""
        for mailbox in list(self._all.values()):
            mailbox.close(Failed(mailbox.request, code, message))

    def open_on(self, identity: str) -> int:
        """How many requests the incarnation still owes an answer."""
        return len(self._by_identity.get(identity, ()))

    def __len__(self) -> int:
        return len(self._all)

    def _unbind(self, mailbox: Mailbox) -> None:
        if mailbox.identity is None:
            return
        bound = self._by_identity.get(mailbox.identity, {})
        bound.pop(mailbox.request, None)
        if not bound:
            self._by_identity.pop(mailbox.identity, None)

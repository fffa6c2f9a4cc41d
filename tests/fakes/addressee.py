"""An owner of mailboxes that records what it is told."""

from __future__ import annotations

from gateway.bus.mailbox import Event, Mailbox, Terminal
from shared.messages import ChoiceFinished, Failed


class Owner:
    def __init__(self, takes_back: bool = False) -> None:
        self.calls: list[object] = []
        self.takes_back = takes_back

    def on_first_delta(self) -> None:
        self.calls.append("first")

    def on_choice(self, finished: ChoiceFinished) -> None:
        self.calls.append(finished.reason)

    def on_end(self, terminal: Terminal) -> None:
        self.calls.append(terminal)

    def on_settled(self) -> None:
        self.calls.append("settled")

    def on_lost(self, failed: Failed, blame: bool) -> bool:
        return self.takes_back


def everything(mailbox: Mailbox) -> list[Event]:
    found = []
    while event := mailbox.take():
        found.append(event)
    return found

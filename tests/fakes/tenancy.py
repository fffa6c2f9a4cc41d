"""A stream as far as its tenant knows it."""

from __future__ import annotations

from shared.messages import Usage


class OpenStream:
    """Notes how it was ended."""

    def __init__(self, tokens: int = 0) -> None:
        self.usage = Usage(prompt_tokens=tokens)
        self.state = "running"
        self.ended: list[tuple[str, str]] = []

    def revoke(self, code: str, message: str) -> None:
        self.ended.append((code, message))

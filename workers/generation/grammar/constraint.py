"""What binds the next token of one row: a matcher of its grammar, and a thought that has to close in time."""

from __future__ import annotations

from collections.abc import Sequence

from llguidance import LLMatcher

from shared.errors import InternalError, InvalidRequest, RequestError
from workers.generation.detokenizer import Detokenizer
from workers.generation.grammar.compile import reason_of
from workers.generation.grammar.digits import DigitLimit
from workers.generation.reasoning.format import ThoughtReader

_TOO_MUCH = ("too many", "too large", "fuel", "limit", "max is", "TooComplex")


class Budget:
    """Closes a row's thoughts once they have `limit` tokens together. It reads the row by itself, raw rows too.

    `closing` are the tokens that end a thought.
    """

    def __init__(self, limit: int, closing: Sequence[int], reader: ThoughtReader, detokenizer: Detokenizer) -> None:
        self._limit = limit
        self._closing = tuple(closing)
        self._reader = reader
        self._detokenizer = detokenizer
        self._spent = 0
        self._pending: list[int] = []
        self._closed = False  # this thought was closed already: where that didn't help, it isn't tried again
        self._decide()

    @property
    def forced(self) -> int | None:
        """The only token that may come next."""
        return self._pending[0] if self._pending else None

    def take(self, token: int) -> None:
        self._spent += self._reader.thinking
        self._reader.feed(self._detokenizer.add(token))
        if self._pending:
            del self._pending[: 1 if token == self._pending[0] else len(self._pending)]
        if not self._pending:
            self._decide()

    def let_go(self) -> None:
        """The grammar doesn't admit the forced token."""
        self._pending = []

    def _decide(self) -> None:
        if not self._reader.thinking:
            self._closed = False
        elif self._spent >= self._limit and not self._closed:
            self._pending = list(self._closing)
            self._closed = True


class Constraint:
    """Owned by its row. `param` names the grammar in refusals. After `error` it binds nothing more.

    `grammar` is the text that the matcher was made of; `taken` counts the row's tokens.
    """

    def __init__(
        self,
        matcher: LLMatcher | None,
        budget: Budget | None = None,
        param: str | None = None,
        grammar: str | None = None,
        digits: DigitLimit | None = None,
    ) -> None:
        self.matcher = matcher
        self.digits = digits
        self.budget = budget
        self.grammar = grammar
        self.error: RequestError | None = None
        self.taken = 0
        self._param = param

    @property
    def forced(self) -> int | None:
        return None if self.budget is None else self.budget.forced

    def take(self, token: int) -> None:
        """The row has drawn `token`."""
        self.taken += 1
        if self.budget is not None:
            self.budget.take(token)
        if self.digits is not None:
            self.digits.take(token)
        if self.matcher is not None and self.error is None:
            self.matcher.consume_token(token)
            self.check()

    def check(self) -> None:
        """Looks whether the matcher has given up."""
        if self.matcher is None or self.error is not None or not self.matcher.is_error():
            return
        found = self.matcher.get_error()
        if any(word in found for word in _TOO_MUCH):
            message = f"the grammar became too complex while it was followed: {reason_of(found)}"
            self.error = InvalidRequest(message, param=self._param)
        else:
            self.error = InternalError("the model's tokens can't go on with the grammar", param=self._param)

"""What one family's run has found so far: answers compared with the library's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import mlx.core as mx

from scripts.sweep.report import Verdict
from tests.text_driver import Answer

GAP = 1e-3  # a token is wrong if the reference's best one is so much more likely, in log-probability

Reference = Callable[[list[int]], mx.array]
"""Log-probabilities [tokens, vocabulary] of what the library says to an answer's tokens, as far as it follows them."""


@dataclass(slots=True)
class Report:
    """`refused`: why the family, or its pictures, are not taken; `wrong`: what went wrong, a sentence each."""

    library: str
    name: str
    refused: str | None = None
    sharing: tuple[str, ...] = ()
    not_shared: tuple[str, ...] = ()
    compared: int = 0
    wrong: list[str] = field(default_factory=list)

    def compare(self, what: str, answer: Answer, reference: Reference, off: float) -> None:
        """Notes where an answer's tokens are wrong, or its log-probabilities are more than `off` from the reference."""
        self.compared += 1
        tokens, scores = answer.tokens[0], [one.logprob for one in answer.logprobs[0]]
        if not tokens:
            self.wrong.append(f"{what}: no tokens; {answer.terminals}")
            return
        right = reference(tokens)
        for at, token in enumerate(tokens[: right.shape[0]]):
            best: Any = mx.max(right[at]).item()
            own: Any = right[at, token].item()
            if best - own > GAP or abs(own - scores[at]) > off:
                text = f"{best - own:.2g} below the best, off by {abs(own - scores[at]):.2g}"
                self.wrong.append(f"{what}: token {at} of {len(tokens)}: {text}")
                return

    def attempt(self, scenario: str, run: Callable[[], None]) -> None:
        """Runs a scenario; a dead engine is a finding."""
        try:
            run()
        except Exception as error:
            self.compared += 1
            self.wrong.append(f"{scenario.strip('_')} raised {type(error).__name__}: {error}")

    def verdict(self) -> Verdict:
        """The finding in one word, and why."""
        found = partial(Verdict, self.library, self.name, sharing=self.sharing, compared=self.compared)
        if self.wrong:
            return found("dead" if "raised" in self.wrong[0] else "wrong", why="; ".join(self.wrong[:2]))
        if self.refused is not None:
            return found("refused", why=self.refused)
        return found("exact" if "batch" in self.sharing else "row by row", why="; ".join(self.not_shared))

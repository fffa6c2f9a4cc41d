"""A request inside the engine, and its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from shared.logs import get_logger
from shared.messages import ChoiceFinished, Delta, Generate, Usage
from workers.generation.echo import Echo, PromptScores
from workers.generation.grammar.check import Checks, EndCheck
from workers.generation.grammar.constraint import Constraint
from workers.generation.layers import RowState
from workers.generation.output import RowOutput
from workers.generation.prefix_cache import NO_MATCH, Match
from workers.platform.sampling import SamplingParams

log = get_logger("workers.grammar")


@dataclass(frozen=True, slots=True)
class PreparedGenerate:
    """What preprocessing hands over: the prompt's tokens and each choice's parameters; `keys` and `media` as in Job.

    `constraints`: what binds each choice; empty: nothing. `checks`: what is looked at when a choice has ended.
    """

    work: Generate
    tokens: list[int]
    params: tuple[SamplingParams, ...]
    keys: list[int] | None = None
    media: Any = None
    constraints: tuple[Constraint, ...] = ()
    echo: Echo | None = None
    checks: Checks | None = None


@dataclass(slots=True, eq=False)
class Row:
    """One choice of a request while it decodes."""

    job: Job
    params: SamplingParams
    output: RowOutput
    constraint: Constraint | None = None
    tokens: list[int] = field(default_factory=list)  # what it has produced and we have seen
    launched: int = 0  # steps it took part in; one ahead of what we have seen
    ended: bool = False
    check: EndCheck | None = None

    def tell(self, deltas: Sequence[Delta]) -> list[Delta]:
        """What the row says; its end with the keywords that the whole answer breaks."""
        if self.check is None:
            return list(deltas)
        return [self._checked(delta, self.check) for delta in deltas]

    def _checked(self, delta: Delta, check: EndCheck) -> Delta:
        check.read(delta)
        if not isinstance(delta, ChoiceFinished) or delta.reason == "length" or not (unmet := check.unmet()):
            return delta
        log.warning("an answer breaks its schema", request=self.job.request, keywords=", ".join(unmet))
        return replace(delta, unmet=unmet)

    @property
    def exhausted(self) -> bool:
        """Whether the steps launched so far produce all it may have."""
        return self.launched >= self.params.max_tokens


@dataclass(slots=True, eq=False)
class Job:
    """One request: prefilled once, then decoded as `rows`. All but the prompt's last token is prefilled."""

    request: str
    tokens: list[int]
    keys: list[int]  # what the prefix cache knows the tokens by: an image's tokens look alike, its keys don't
    media: Any = None  # what the engine's `Forward` needs beside the tokens
    whole: bool = False  # the prompt can't be prefilled in chunks
    echo: Echo | None = None
    rows: list[Row] = field(default_factory=list)
    match: Match = NO_MATCH
    caches: list[Any] | None = None  # while prefilling
    prefilled: int = 0
    state: RowState | None = None  # once prefilled
    waiting: list[Row] = field(default_factory=list)  # rows without a place in the batch yet
    cached: int = 0
    ended: bool = False

    @property
    def scored(self) -> PromptScores | None:
        """Where the prompt's own log-probabilities go, if they are asked for."""
        return None if self.echo is None else self.echo.scores

    @property
    def remaining(self) -> int:
        """Prompt tokens still to prefill."""
        return len(self.tokens) - 1 - self.prefilled

    @property
    def usage(self) -> Usage:
        return Usage(
            prompt_tokens=len(self.tokens),
            cached_tokens=self.cached,
            completion_tokens=sum(len(row.tokens) for row in self.rows),
            reasoning_tokens=sum(row.output.reasoning_tokens for row in self.rows),
        )

"""What binds each choice of a request, made on the preprocessing thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from shared.errors import CannotBind, InvalidRequest
from shared.messages import Generate
from workers.generation.detokenizer import Vocabulary
from workers.generation.formats import Formats
from workers.generation.grammar.answer import Bound, Part, bind, parts_of
from workers.generation.grammar.check import Checks
from workers.generation.grammar.compile import GrammarCompiler
from workers.generation.grammar.constraint import Budget, Constraint
from workers.generation.grammar.digits import DigitLimit, DigitTokens
from workers.generation.grammar.readings import Reading
from workers.platform.sampling import SamplingParams

_KEPT = 256  # schemas


class Binder:
    """One model's. `eos` are its end-of-sequence tokens."""

    def __init__(
        self, tokenizer: Any, vocab: Vocabulary, formats: Formats, compiler: GrammarCompiler, eos: frozenset[int]
    ) -> None:
        self._tokenizer = tokenizer
        self._vocab = vocab
        self._formats = formats
        self._compiler = compiler
        self._eos = eos
        self._chosen: dict[tuple[str, bool, bool], Reading] = {}  # of schemas that can't be read most tightly

    def bind(
        self, work: Generate, tokens: Sequence[int], params: tuple[SamplingParams, ...]
    ) -> tuple[tuple[SamplingParams, ...], tuple[Constraint, ...], Checks | None]:
        """Constraints of the choices, none or one each, their parameters with what a constraint changes in them, and
        what is to be checked at the end.

        A bound row ends when its grammar does, `ignore_eos` or not. Raises InvalidRequest.
        """
        if work.thinking_budget is not None and work.thinking_budget < 0:
            raise InvalidRequest("thinking_budget must be at least 0", param="thinking_budget")
        prompt_end = self._formats.prompt_end(work, tokens)
        try:
            found = self._bound(work, prompt_end, len(params))
        except CannotBind as error:
            raise InvalidRequest(error.message, param=error.param) from None
        if found is None:
            budgets = [self._budget(work, prompt_end) for _ in params]
            return params, tuple(Constraint(None, budget) for budget in budgets if budget is not None), None
        bound, matchers, checks = found
        numbers = work.grammar is None or work.grammar.kind in ("json_schema", "json_object")
        constraints = tuple(
            Constraint(
                matcher,
                self._budget(work, prompt_end),
                bound.param,
                bound.text,
                DigitLimit(self._digits) if numbers else None,
            )
            for matcher in matchers
        )
        ending = tuple(replace(one, stop_token_ids=one.stop_token_ids | self._eos) for one in params)
        return ending, constraints, checks

    def learn(self, constraint: Constraint) -> None:
        """A row has ended: what its matcher has found out serves the next one."""
        if constraint.matcher is not None and constraint.grammar is not None and constraint.taken:
            self._compiler.learn(constraint.grammar, constraint.matcher, constraint.taken)
            constraint.matcher = None

    @cached_property
    def _digits(self) -> DigitTokens:
        return DigitTokens(self._compiler.width, self._vocab.bytes_of)

    def _bound(self, work: Generate, prompt_end: str, count: int) -> tuple[Bound, list[Any], Checks | None] | None:
        """The tightest grammar that can be compiled, `count` matchers of it, and what it leaves to be checked."""
        reasoning, calls = self._formats.reasoning, self._formats.calls_of(work)
        spell = self._compiler.spell
        parts = parts_of(work, calls, spell)
        chosen = {part.param: self._chosen[key] for part in parts if (key := _key(part)) in self._chosen}
        for part in parts:
            if part.param not in chosen and next(part.readings).proof is not None:
                chosen[part.param] = self._choose(part)
        try:
            bound = bind(work, reasoning, calls, prompt_end, spell, chosen)
            if bound is None:
                return None
            matchers = self._compiler.matchers(bound.text, count, bound.param)
        except CannotBind:
            if not parts:
                raise
            chosen = {part.param: self._choose(part) for part in parts}
            bound = bind(work, reasoning, calls, prompt_end, spell, chosen)
            if bound is None:
                return None
            matchers = self._compiler.matchers(bound.text, count, bound.param)
        return bound, matchers, _checks(parts, chosen)

    def _choose(self, part: Part) -> Reading:
        """The tightest reading of a schema that can be compiled. Raises InvalidRequest where none can."""
        refusal: InvalidRequest | None = None
        for number, reading in enumerate(part.readings):
            try:
                for grammar in part.grammars(reading):
                    self._compiler.matchers(grammar, 0, part.param)
            except CannotBind as error:
                if number < 2:  # what is wrong with the schema as it was given
                    refusal = error
                continue
            self._chosen[_key(part)] = reading
            while len(self._chosen) > _KEPT:
                self._chosen.pop(next(iter(self._chosen)))
            return reading
        raise refusal or InvalidRequest("the schema can't be compiled", param=part.param)

    def _budget(self, work: Generate, prompt_end: str) -> Budget | None:
        reasoning = self._formats.reasoning
        if work.thinking_budget is None or reasoning is None:
            return None
        closing = self._tokenizer.encode(reasoning.closing, add_special_tokens=False)
        reader = reasoning.reader(reasoning.opened(prompt_end))
        detokenizer = self._vocab.detokenizer(skip_special=True, first=False, keep=reasoning.markers)
        return Budget(work.thinking_budget, closing, reader, detokenizer)


def _key(part: Part) -> tuple[str, bool, bool]:
    return part.text, part.strict, part.tool is None


def _checks(parts: Sequence[Part], chosen: Mapping[str, Reading]) -> Checks | None:
    loose = [part for part in parts if part.param in chosen and chosen[part.param].unbound]
    if not loose:
        return None
    unbound = frozenset(name for part in loose for name in chosen[part.param].unbound)
    text = next((part.text for part in loose if part.tool is None), None)
    return Checks(unbound, text, {part.tool: part.text for part in loose if part.tool is not None})

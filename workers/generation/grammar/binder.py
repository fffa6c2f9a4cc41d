"""What binds each choice of a request, made on the preprocessing thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shared.errors import InvalidRequest
from shared.messages import Generate
from workers.generation.detokenizer import Vocabulary
from workers.generation.formats import Formats
from workers.generation.grammar.answer import Bound, bind
from workers.generation.grammar.compile import GrammarCompiler
from workers.generation.grammar.constraint import Budget, Constraint
from workers.platform.sampling import SamplingParams


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

    def bind(
        self, work: Generate, tokens: Sequence[int], params: tuple[SamplingParams, ...]
    ) -> tuple[tuple[SamplingParams, ...], tuple[Constraint, ...]]:
        """Constraints of the choices, none or one each, and their parameters with what a constraint changes in them.

        A bound row ends when its grammar does, `ignore_eos` or not. Raises InvalidRequest.
        """
        if work.thinking_budget is not None and work.thinking_budget < 0:
            raise InvalidRequest("thinking_budget must be at least 0", param="thinking_budget")
        prompt_end = self._formats.prompt_end(work, tokens)
        reasoning, calls = self._formats.reasoning, self._formats.calls_of(work)
        bound = bind(work, reasoning, calls, prompt_end, self._compiler.spell)
        if bound is None:
            budgets = [self._budget(work, prompt_end) for _ in params]
            return params, tuple(Constraint(None, budget) for budget in budgets if budget is not None)
        matchers = self._compiled(bound, len(params))
        constraints = tuple(
            Constraint(matcher, self._budget(work, prompt_end), bound.param, bound.text) for matcher in matchers
        )
        return tuple(replace(one, stop_token_ids=one.stop_token_ids | self._eos) for one in params), constraints

    def learn(self, constraint: Constraint) -> None:
        """A row has ended: what its matcher has found out serves the next one."""
        if constraint.matcher is not None and constraint.grammar is not None and constraint.taken:
            self._compiler.learn(constraint.grammar, constraint.matcher, constraint.taken)
            constraint.matcher = None

    def _compiled(self, bound: Bound, count: int) -> list[Any]:
        try:
            return self._compiler.matchers(bound.text, count, bound.param)
        except InvalidRequest:
            for param, schema in bound.parts:  # which tool's schema it was
                self._compiler.matchers(schema, 0, param)
            raise

    def _budget(self, work: Generate, prompt_end: str) -> Budget | None:
        reasoning = self._formats.reasoning
        if work.thinking_budget is None or reasoning is None:
            return None
        closing = self._tokenizer.encode(reasoning.closing, add_special_tokens=False)
        reader = reasoning.reader(reasoning.opened(prompt_end))
        detokenizer = self._vocab.detokenizer(skip_special=True, first=False, keep=reasoning.markers)
        return Budget(work.thinking_budget, closing, reader, detokenizer)

"""One family of mlx-lm through `TextEngine`, against the library's own caches for a single row.

The reference computes a prompt in one pass and then token by token, fed with the engine's tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache

from scripts.sweep.finding import Report
from shared.errors import MlxGatewayError
from tests.text_driver import Driver, made_up

OFF = 3e-3  # by which log-probabilities may differ
LENGTHS = (1, 2, 17, 70, 150, 300)  # tokens of the prompts
Tokens = Sequence[int]


class _FixedChunks:
    """In the pacer's place: prompts are cut alike on every machine."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens

    def budget(self, decoding: int) -> int:
        return self.tokens

    def observe(self, seconds: float, tokens: int) -> None:
        pass

    def observe_alone(self, seconds: float, tokens: int) -> None:
        pass


class _Check:
    def __init__(self, folder: Path, report: Report) -> None:
        self.driver = Driver(folder, prefix_cache=64 << 20)
        self.report = report
        self.loop = self.driver.engine.loop
        self.model = self.driver.engine._loaded.model
        self.eos = min(self.driver.engine._loaded.eos)
        self._cache, self._turn_ends = self.loop._cache, self.loop.prefill._turn_ends
        self._asked = 0
        self.chunks(4096)

    def chunks(self, tokens: int) -> None:
        self.loop._pacer = _FixedChunks(tokens)  # type: ignore[assignment]

    def keep_prefixes(self, keep: bool) -> None:
        self.loop._cache = self.loop.prefill._cache = self._cache if keep else None
        self.loop.prefill._turn_ends = self._turn_ends if keep else frozenset()

    def ask(self, prompt: Tokens, tokens: int) -> str:
        self._asked += 1
        request = f"r{self._asked}"
        self.driver.admit(request, prompt, max_tokens=tokens, ignore_eos=True, logprobs=3)
        return request

    def answer(self, request: str) -> list[int]:
        return self.driver.answers[request].tokens[0]

    def compare(self, what: str, prompt: Tokens, request: str) -> None:
        """The tokens and log-probabilities of an answer with the reference's."""
        reference = partial(self._reference, prompt)
        self.report.compare(f"{what}, {len(prompt)} tokens", self.driver.answers[request], reference, OFF)

    def _reference(self, prompt: Tokens, tokens: Tokens) -> mx.array:
        """Log-probabilities [tokens, vocabulary]."""
        caches = make_prompt_cache(self.model)
        if len(prompt) > 1:
            self.model(mx.array([list(prompt[:-1])]), cache=caches)
        fed = [prompt[-1], *tokens[:-1]]
        logits = mx.stack([self.model(mx.array([[token]]), cache=caches)[0, -1] for token in fed])
        found = logits.astype(mx.float32)
        found = found - mx.logsumexp(found, axis=-1, keepdims=True)
        mx.eval(found)
        return found


def _alone(check: _Check) -> None:
    for seed, length in enumerate(LENGTHS):
        prompt = made_up(length, seed + 1)
        request = check.ask(prompt, 7)
        check.driver.drain()
        check.compare("alone", prompt, request)


def _all_at_once(check: _Check) -> None:
    prompts = [made_up(length, seed + 1) for seed, length in enumerate(LENGTHS)]
    asked = [check.ask(prompt, tokens) for prompt, tokens in zip(prompts, (12, 6, 16, 9, 14, 10), strict=True)]
    check.driver.drain()
    for prompt, request in zip(prompts, asked, strict=True):
        check.compare("all at once", prompt, request)


def _staggered(check: _Check) -> None:
    """Rows join a batch that runs, beside prompts in chunks; one is cancelled."""
    check.chunks(64)
    left = made_up(90, 77)
    asked: list[tuple[Tokens, str]] = []
    for place, index in enumerate((3, 0, 2, 5, 1, 4)):
        prompt = made_up(LENGTHS[index], index + 1)
        asked.append((prompt, check.ask(prompt, (26, 6, 14, 9, 12, 10)[index])))
        if place == 1:
            gone = check.ask(left, 60)
        check.driver.step(3 if place % 2 else 5)
        if place == 3:
            check.driver.cancel(gone)
    check.driver.drain()
    for prompt, request in asked:
        check.compare("staggered", prompt, request)
    if check.answer(gone):
        check.compare("cancelled", left, gone)


def _in_chunks(check: _Check) -> None:
    prompt, row = made_up(500, 5), made_up(17, 3)
    check.chunks(128)
    request = check.ask(prompt, 9)
    check.driver.drain()
    check.compare("in chunks of 128", prompt, request)
    check.chunks(50)
    beside = check.ask(row, 16)
    check.driver.step(3)
    request = check.ask(prompt[:333], 9)
    check.driver.drain()
    check.compare("in chunks of 50", prompt[:333], request)
    check.compare("beside chunks", row, beside)


def _after_prefix_hits(check: _Check) -> None:
    """The same again, a second turn, and prompts that diverge inside a turn and inside an answer."""
    check.keep_prefixes(True)
    first = (*made_up(40, 3), check.eos, *made_up(108, 33), check.eos)
    request = check.ask(first, 8)
    check.driver.drain()
    check.compare("first turn", first, request)
    answer = check.answer(request)
    for what, prompt in (
        ("the same again", first),
        ("second turn", (*first, *answer, *made_up(9, 4))),
        ("diverged", (*first[:100], *made_up(40, 9))),
        ("diverged in the answer", (*first, *answer[:7], *made_up(30, 10))),
    ):
        request = check.ask(prompt, 8)
        check.driver.drain()
        check.compare(what, prompt, request)


def _turns_together(check: _Check) -> None:
    check.keep_prefixes(True)
    turns: list[Tokens] = [made_up(length, 50 + length) for length in (3, 21, 60, 130)]
    for turn in range(3):
        check.chunks(64 if turn == 2 else 4096)
        asked = [check.ask(prompt, 6 + 5 * place) for place, prompt in enumerate(turns)]
        check.driver.drain()
        for prompt, request in zip(turns, asked, strict=True):
            check.compare(f"turn {turn + 1} together", prompt, request)
        turns = [
            (*prompt, *check.answer(request), *made_up(9, 9 + turn))
            for prompt, request in zip(turns, asked, strict=True)
        ]


SCENARIOS: tuple[Callable[[_Check], None], ...] = (
    *(_alone, _all_at_once, _staggered, _in_chunks, _after_prefix_hits, _turns_together),
)


def check_text(name: str, folder: Path) -> Report:
    """Runs every scenario, each on a fresh engine; never raises for what a family does."""
    report = Report("text", name)
    for scenario in SCENARIOS:
        try:
            check = _Check(folder, report)
        except MlxGatewayError as error:
            report.refused = error.message
            return report
        report.sharing, report.not_shared = check.driver.ready.sharing, check.driver.ready.not_shared
        check.keep_prefixes(False)
        report.attempt(scenario.__name__, partial(scenario, check))
        check.driver.engine.close()
    return report

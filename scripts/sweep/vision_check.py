"""One family of mlx-vlm through the generation loop, against the library's own generation for a single row.

Prompts and made-up pictures come from `vision_configs.py`. An answer is compared up to where the library's own greedy
answer parts from it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import mlx.core as mx
from mlx_vlm.models.cache import make_prompt_cache

from scripts.sweep.finding import Report
from scripts.sweep.vision_configs import TextOnly, family
from shared.errors import InvalidRequest
from shared.messages import Failed
from tests.vision_driver import VisionDriver, forget_positions
from tests.vision_models import IMAGE, VIDEO, Case, Drawn, Family

OFF = 4e-3  # by which log-probabilities may differ
AUDIO = 92  # Gemma's placeholder; like the others it must not be said in a prompt's text
MIB = 1 << 20


class _Reference:
    """What the library says; kept by prompt, because most are asked several times."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._known: dict[tuple[tuple[int, ...], tuple[str, ...]], list[tuple[int, mx.array]]] = {}

    def __call__(self, case: Case, tokens: list[int]) -> mx.array:
        """Log-probabilities [up to and with the first token that the library says otherwise, vocabulary]."""
        key = (tuple(case.tokens), case.media)
        if len(self._known.get(key, ())) < len(tokens):
            self._known[key] = list(self._generate(case, len(tokens)))
        said = self._known[key][: len(tokens)]
        same = next((at + 1 for at, (token, _) in enumerate(said) if token != tokens[at]), len(said))
        return mx.stack([scores for _, scores in said[:same]])

    def _generate(self, case: Case, count: int) -> Iterator[tuple[int, mx.array]]:
        forget_positions(self._model)
        ids, data = mx.array([case.tokens]), dict(case.data)
        if isinstance(self._model, TextOnly):
            yield from self._text(ids, count)
            return
        generate = importlib.import_module("mlx_vlm.generate.ar").generate_step
        settings = {"max_tokens": count, "temperature": 0.0, "prefill_step_size": None}
        pixels = data.pop("pixel_values", None)
        for token, scores in generate(ids, self._model, pixels, mx.ones_like(ids), **settings, **data):
            yield int(token), scores.astype(mx.float32).reshape(-1)

    def _text(self, ids: mx.array, count: int) -> Iterator[tuple[int, mx.array]]:
        language = self._model.language_model
        caches = make_prompt_cache(language)
        language(ids[:, :-1], cache=caches)
        last = ids[:, -1:]
        for _ in range(count):
            logits = language(last, cache=caches).logits[0, -1].astype(mx.float32)
            last = mx.argmax(logits)[None, None]
            yield int(last.item()), logits - mx.logsumexp(logits)


class _Check:
    def __init__(self, model: Family, report: Report, reference: _Reference, **driver: Any) -> None:
        self.cases = model.cases
        self.driver = VisionDriver(model, **driver)
        report.sharing, report.not_shared = self.driver.loop.sharing.names, self.driver.loop.sharing.refusals
        self._report, self._reference = report, reference

    def ask(self, name: str, case: Case, **sampling: Any) -> None:
        self.driver.admit(name, case, logprobs=2, **sampling)

    def compare(self, what: str, name: str, case: Case) -> None:
        answer = self.driver.answers[name]
        match answer.terminals:
            case [Failed(code=InvalidRequest.code, message=message)] if case.media:
                self._report.compared += 1
                self._report.refused = f"pictures: {message}"
            case _:
                self._report.compare(f"{what}, {name}", answer, partial(self._reference, case), OFF)

    def run(self, what: str, name: str, case: Case) -> list[int]:
        """By itself; the answer up to where a random model says what stands for media."""
        self.ask(name, case)
        self.driver.drain()
        self.compare(what, name, case)
        tokens = self.driver.answers[name].tokens[0]
        return tokens[: next((at for at, token in enumerate(tokens) if token in (IMAGE, VIDEO, AUDIO)), len(tokens))]


Open = Callable[..., _Check]
"""A fresh loop on the family's model."""


def _alone(fresh: Open) -> None:
    check = fresh()
    for name, case in check.cases.items():
        check.run("alone", name, case)


def _all_at_once(fresh: Open) -> None:
    check = fresh()
    cases = check.cases | {"short": Case(Drawn(4).words(3))}
    for name, case in cases.items():
        check.ask(name, case, max_tokens=12 if name == "short" else 8)
    check.driver.drain()
    for name, case in cases.items():
        check.compare("all at once", name, case)


def _staggered(fresh: Open) -> None:
    """Rows join in chunks of 7 tokens, one more is cancelled while they run."""
    check = fresh(chunk=7)
    for at, (name, case) in enumerate(check.cases.items()):
        check.ask(name, case, max_tokens=8 + 3 * at)
        if at == 0:
            check.ask("cancelled", check.cases["mid"], max_tokens=40)
        check.driver.step(3)
        if at == 2:
            check.driver.cancel("cancelled")
    check.driver.drain()
    for name, case in check.cases.items():
        check.compare("staggered", name, case)


def _after_prefix_hits(fresh: Open) -> None:
    for name in ("image", "two", "text"):
        check = fresh(prefix_cache=64 * MIB, features=MIB)
        if (case := check.cases.get(name)) is None:
            continue
        answer = check.run("prefix", name, case)
        check.run("prefix", f"{name} again", case)
        check.run("prefix", f"{name}, second turn", case.followed_by([*answer, *Drawn(9).words(8)]))
        diverged, beside = _diverged(case), check.cases["mid"]
        check.ask("diverged", diverged)
        check.ask("beside", beside)
        check.driver.drain()
        check.compare(f"prefix, {name}", "diverged", diverged)
        check.compare(f"prefix, {name}", "beside", beside)
        if case.media:
            check.run("prefix", f"another {name}", _another(case))


def _diverged(case: Case) -> Case:
    """Other words at the end; pictures stay whole."""
    behind = max((at + 1 for at, token in enumerate(case.tokens) if token in (IMAGE, VIDEO)), default=0)
    cut = max(len(case.tokens) - 3, behind)
    data = dict(case.data)
    if (types := data.get("mm_token_type_ids")) is not None:
        data["mm_token_type_ids"] = types[:, :cut]
    return Case(case.tokens[:cut], data, case.media).followed_by(Drawn(11).words(20))


def _another(case: Case) -> Case:
    """A picture of the same size in the same place."""
    pixels = next(name for name in case.data if name.startswith("pixel_values"))
    data = case.data | {pixels: case.data[pixels] * -3.0 + 2.0}
    return Case(case.tokens, data, tuple(f"not {name}" for name in case.media))


SCENARIOS: tuple[Callable[[Open], None], ...] = (_alone, _all_at_once, _staggered, _after_prefix_hits)


def check_vision(name: str) -> Report:
    """Runs every scenario; never raises for what a family does."""
    report = Report("vision", name)
    made = family(name)
    fresh = partial(_Check, made, report, _Reference(made.model))
    for scenario in SCENARIOS:
        report.attempt(scenario.__name__, partial(scenario, fresh))
    return report

"""Grammars and budgets of single rows in a batch that goes on as if they weren't there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.errors import InvalidRequest
from shared.messages import ChatMessage, Failed, Finished, Generate, Grammar, Prompt, Sampling, TextPart, Tool
from tests.fakes.llm_tokenizer import ENDS, ids
from tests.text_driver import WEATHER, Driver, made_up

Drivers = Callable[..., Driver]

CHAT = Prompt(messages=(ChatMessage("user", (TextPart("hi"),)),))
PHONE = Grammar("regex", r"[0-9]{3}-[0-9]{4}")
THOUGHT = Prompt(text="x<think>\n")
FREE = tuple((token, -100.0) for token in ENDS)  # a thought goes on: nothing ends the row


def asked(request: str, prompt: Prompt = CHAT, grammar: Grammar | None = None, n: int = 1, **more: Any) -> Generate:
    own = {name: more.pop(name) for name in list(more) if name in Generate.__dataclass_fields__}
    sampling = Sampling(**({"temperature": 1.0, "seed": 7, "max_tokens": 60} | more))
    return Generate(request, prompt, sampling, n, grammar=grammar, **own)


def tokens(length: int, seed: int = 0) -> Prompt:
    return Prompt(tokens=made_up(length, seed))


def run(driver: Driver, *works: Generate) -> None:
    for work in works:
        driver.submit(work)
    driver.drain()


def text_of(driver: Driver, work: Generate) -> str:
    run(driver, work)
    return driver.answers[work.request].text[0]


# ------------------------------------------------------------------ kinds
@pytest.mark.parametrize(
    ("grammar", "pattern"),
    [
        (PHONE, r"\d{3}-\d{4}"),
        (Grammar("choice", '["red", "green\\n", "blå"]'), r"red|green\n|blå"),
        (Grammar("lark", 'start: "a" num ("," num)~2\nnum: /[1-9]/'), r"a[1-9](,[1-9]){2}"),
        (Grammar("json_schema", '{"enum": [1, "two", [3]]}'), r'1|"two"|\[3\]'),
    ],
)
def test_each_kind_of_grammar(driver: Drivers, grammar: Grammar, pattern: str) -> None:
    found = driver()
    run(found, *(asked(f"r{seed}", tokens(6, seed), grammar, seed=seed) for seed in range(4)))
    for answer in found.answers.values():
        assert re.fullmatch(pattern, answer.text[0])
        assert answer.finished[0].reason == "stop"
        assert isinstance(answer.terminals[0], Finished)


def test_a_json_object_and_its_tokens_are_told_as_they_come(driver: Drivers) -> None:
    found = driver()
    closing = tuple((ids(character)[0], 5.0) for character in '"}]')
    run(found, asked("r", tokens(6), Grammar("json_object"), logit_bias=closing, max_tokens=300))
    assert isinstance(json.loads(found.answers["r"].text[0]), dict)
    assert len(set(found.answers["r"].steps)) > 3


# ------------------------------------------------------------------ in a batch
def test_rows_beside_a_grammar_are_drawn_as_without_it(driver: Drivers) -> None:
    found = driver(max_batch=8)
    free = [asked(f"f{i}", tokens(5 + i, i), temperature=0.0 if i % 2 else 1.0, max_tokens=24) for i in range(4)]
    run(found, *free)
    alone = {name: answer.tokens[0] for name, answer in found.answers.items()}
    run(found, free[0], asked("g", tokens(7), PHONE), *free[1:], asked("h", tokens(3), Grammar("choice", '["ok"]')))
    assert {name: found.answers[name].tokens[0] for name in alone} == alone
    assert re.fullmatch(r"\d{3}-\d{4}", found.answers["g"].text[0])
    assert found.answers["h"].text[0] == "ok"


def test_a_bound_row_draws_the_same_alone_and_in_any_batch(driver: Drivers) -> None:
    found = driver(max_batch=8)
    works = [asked(f"g{i}", tokens(4 + i, i), Grammar("regex", "[a-z ]{5,30}x"), seed=i) for i in range(4)]
    alone = [text_of(found, work) for work in works]
    run(found, asked("f", tokens(9, 3), max_tokens=50), *works)
    assert [found.answers[work.request].text[0] for work in works] == alone


def test_rows_join_and_leave_a_running_batch(driver: Drivers) -> None:
    found = driver(max_batch=4)
    expected = text_of(found, asked("late", tokens(5, 2), PHONE))
    found.submit(asked("first", tokens(6, 1), Grammar("regex", "[ab]{30}")))
    found.step(6)
    found.submit(asked("late", tokens(5, 2), PHONE))
    found.step(4)
    found.cancel("first")
    found.drain()
    assert found.answers["late"].text[0] == expected
    assert isinstance(found.answers["first"].terminals[0], Failed)


def test_every_choice_has_its_own_matcher(driver: Drivers) -> None:
    found = driver()
    run(found, asked("r", tokens(6), PHONE, n=4))
    texts = found.answers["r"].text
    assert all(re.fullmatch(r"\d{3}-\d{4}", texts[choice]) for choice in range(4))
    assert len(set(texts.values())) > 1


def test_a_batch_without_grammars_makes_no_masks(driver: Drivers, monkeypatch: pytest.MonkeyPatch) -> None:
    found = driver()
    monkeypatch.setattr(found.engine.loop.batch, "_masks", None)  # would fail
    assert len(found.tokens(made_up(5), max_tokens=9)) == 9


def test_logprobs_stay_the_models_own(driver: Drivers) -> None:
    found = driver()
    only = Grammar("choice", '["q"]')
    run(found, asked("r", tokens(6), only, logprobs=2), asked("free", tokens(6), max_tokens=1, logprobs=2))
    bound, free = (found.answers[name].logprobs[0][0] for name in ("r", "free"))
    assert bound.logprob < -1
    assert [one.token for one in bound.top] == [one.token for one in free.top]


# ------------------------------------------------------------------ beside other parameters
@pytest.mark.parametrize(
    "sampling",
    [
        {"min_tokens": 30},
        {"ignore_eos": True},
        {"allowed_token_ids": tuple(ids("z"))},
        {"logit_bias": tuple((token, -100.0) for token in range(256))},
        {"logit_bias": FREE, "ignore_eos": True, "min_tokens": 40},
        {"temperature": 0.0, "min_tokens": 20, "allowed_token_ids": tuple(ids("0z"))},
        {"presence_penalty": 2.0, "frequency_penalty": 2.0, "repetition_penalty": 1.8},
        {"top_k": 1},
        {"top_k": 3, "top_p": 0.1, "min_p": 0.9},
    ],
)
def test_the_grammar_wins(driver: Drivers, sampling: dict[str, Any]) -> None:
    found = driver()
    run(found, asked("g", tokens(6), PHONE, **sampling), asked("f", tokens(7), max_tokens=20))
    assert re.fullmatch(r"\d{3}-\d{4}", found.answers["g"].text[0])
    assert found.answers["g"].finished[0].reason == "stop"


def test_what_the_grammar_leaves_open_the_request_decides(driver: Drivers) -> None:
    found = driver()
    digits = Grammar("regex", "[0-9]{1,50}")
    run(
        found,
        asked("long", tokens(6), digits, min_tokens=20),
        asked("sevens", tokens(6), digits, allowed_token_ids=tuple(ids("7"))),
        asked("stops", tokens(6), digits, stop=("5",), logit_bias=tuple((token, 9.0) for token in ids("5"))),
    )
    assert len(found.answers["long"].text[0]) >= 20
    assert set(found.answers["sevens"].text[0]) == {"7"}
    assert found.answers["stops"].finished[0].stop == "5"


# ------------------------------------------------------------------ schemas that don't bind as a whole
def test_what_does_not_bind_is_said_at_once_and_checked_at_the_end(driver: Drivers) -> None:
    found = driver()
    schema = {"type": "array", "items": {"const": 1}, "uniqueItems": True, "minItems": 2}
    run(found, asked("r", tokens(6), Grammar("json_schema", json.dumps(schema)), n=2, max_tokens=40))
    answer = found.answers["r"]
    assert answer.accepted is not None
    assert answer.accepted.unbound == ("uniqueItems",)
    assert {end.unmet for end in answer.finished.values() if end.reason == "stop"} <= {("uniqueItems",)}
    run(found, asked("met", tokens(6), Grammar("json_schema", '{"const": 1, "not": {"const": 2}}')))
    assert found.answers["met"].accepted == replace(answer.accepted, request="met", prompt_tokens=6, unbound=("not",))
    assert found.answers["met"].finished[0].unmet == ()


# ------------------------------------------------------------------ failures
def test_a_matcher_that_gives_up_ends_its_request_alone(driver: Drivers) -> None:
    found = driver()
    expected = text_of(found, asked("good", tokens(7), PHONE))
    found.submit(asked("bad", tokens(6), Grammar("regex", "[a-z]{40}"), n=2))
    found.submit(asked("good", tokens(7), PHONE))
    found.step(5)
    row = found.engine.loop.jobs["bad"].rows[0]
    assert row.constraint is not None
    assert row.constraint.matcher is not None
    row.constraint.matcher.consume_token(ids("7")[0])  # what the grammar rules out
    found.drain()
    (failed,) = found.answers["bad"].terminals
    assert isinstance(failed, Failed)
    assert (failed.code, failed.param) == ("internal_error", "structured_outputs.regex")
    assert failed.usage.completion_tokens > 0
    assert found.answers["good"].text[0] == expected


def test_a_grammar_that_grows_too_complex_is_the_requests_fault(driver: Drivers) -> None:
    found = driver()
    run(found, asked("r", tokens(6), Grammar("regex", r"(?:(?:\pL{0,500}){0,500}){0,500}x"), max_tokens=200))
    (failed,) = found.answers["r"].terminals
    assert isinstance(failed, Failed)
    assert failed.code == "invalid_value"
    assert "too complex" in failed.message


@pytest.mark.parametrize(
    ("work", "param", "says"),
    [
        (
            asked("r", CHAT, Grammar("json_schema", '{"if": {}}', strict=True)),
            "response_format.json_schema.schema",
            "'if'",
        ),
        (asked("r", CHAT, Grammar("regex", "(")), "structured_outputs.regex", "unclosed"),
        (asked("r", CHAT, thinking_budget=-1), "thinking_budget", "at least 0"),
        (asked("r", CHAT, tool_choice="required"), "tool_choice", "no tools"),
        (asked("r", replace(CHAT, tools=(WEATHER,)), callable_tools=("nope",)), "tool_choice", "'nope'"),
        (
            asked("r", replace(CHAT, tools=(WEATHER, Tool("b", None, '{"not": {}}', strict=True)))),
            "tools[1].function.parameters",
            "'not'",
        ),
    ],
)
def test_refusals_name_the_parameter(driver: Drivers, work: Generate, param: str, says: str) -> None:
    found = driver()
    with pytest.raises(InvalidRequest) as refused:
        found.engine.prepare(work, ())
    assert refused.value.param == param
    assert says in refused.value.message
    assert text_of(found, asked("next", tokens(4), Grammar("choice", '["next"]'))) == "next"


# ------------------------------------------------------------------ thoughts
def test_the_grammar_binds_what_follows_the_thought(driver: Drivers) -> None:
    found = driver()
    close = ids("</think>")[0]
    run(found, asked("r", THOUGHT, PHONE, max_tokens=400, seed=3, logit_bias=((close, 3.0),)))
    answer = found.answers["r"]
    assert answer.reasoning[0]
    assert re.fullmatch(r"\d{3}-\d{4}", answer.text[0])


@pytest.mark.parametrize("budget", [0, 1, 7])
@pytest.mark.parametrize("grammar", [None, PHONE])
def test_a_thought_closes_within_its_budget(driver: Drivers, budget: int, grammar: Grammar | None) -> None:
    found = driver()
    never = ((ids("</think>")[0], -100.0), *FREE)
    work = asked("r", THOUGHT, grammar, thinking_budget=budget, logit_bias=never, max_tokens=40)
    run(found, work, asked("free", tokens(5, 4), max_tokens=30))
    answer = found.answers["r"]
    expected = budget + len(ids("\n</think>"))
    assert answer.usage.reasoning_tokens == expected
    assert "</think>" not in answer.text[0]
    if grammar is not None:
        assert re.fullmatch(r"\d{3}-\d{4}", answer.text[0])
        assert answer.finished[0].reason == "stop"
    alone = found.answers["free"].tokens[0]
    run(found, asked("free", tokens(5, 4), max_tokens=30))
    assert found.answers["free"].tokens[0] == alone


def test_a_budget_holds_where_thoughts_are_not_parsed(driver: Drivers) -> None:
    found = driver()
    never = ((ids("</think>")[0], -100.0), *FREE)
    run(found, asked("r", THOUGHT, thinking_budget=5, parse_reasoning=False, logit_bias=never, max_tokens=30))
    assert "\n</think>\n\n" in found.answers["r"].text[0]


def test_a_thought_that_ends_in_time_is_left_alone(driver: Drivers) -> None:
    found = driver()
    work = asked("r", Prompt(text="x<think>\n\n</think>\n\n"), max_tokens=12)
    expected = text_of(found, work)
    assert text_of(found, replace(work, thinking_budget=0)) == expected

from __future__ import annotations

import pytest

from gateway.dialects.openai.thinking import BUDGETS, Thinking, ThinkingFields, to_thinking
from gateway.dialects.openai.validate import validate
from shared.errors import InvalidRequest


def read(**given):
    return to_thinking(validate(ThinkingFields, given))


@pytest.mark.parametrize(
    ("given", "kwargs"),
    [
        ({}, {}),
        ({"reasoning_effort": "none"}, {"enable_thinking": False}),
        ({"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ({"reasoning": {"effort": "high"}}, {"reasoning_effort": "high"}),
        ({"enable_thinking": False}, {"enable_thinking": False}),
        ({"thinking": {"type": "disabled"}}, {"enable_thinking": False}),
        ({"thinking": {"type": "enabled"}}, {"enable_thinking": True}),
        ({"thinking": {"type": "auto"}}, {}),
        ({"reasoning": {"enabled": False}}, {"enable_thinking": False}),
        ({"reasoning_effort": "low", "enable_thinking": True}, {"reasoning_effort": "low", "enable_thinking": True}),
    ],
)
def test_what_the_template_is_told(given, kwargs):
    assert read(**given) == Thinking(kwargs)


@pytest.mark.parametrize("name", BUDGETS)
def test_a_budget_by_any_name(name):
    assert read(**{name: 5}).budget == 5
    assert read(**{name: 0}).budget == 0
    assert read(**{name: -1}).budget is None


def test_budgets_inside():
    assert read(thinking={"type": "enabled", "budget_tokens": 7}).budget == 7
    assert read(reasoning={"max_tokens": 8}).budget == 8


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"thinking_token_budget": 1, "thinking_budget": 1}, "thinking_budget"),
        ({"thinking_budget": 1, "thinking": {"type": "enabled", "budget_tokens": 1}}, "thinking.budget_tokens"),
        ({"thinking_token_budget": -2}, "thinking_token_budget"),
        ({"thinking_token_budget": 1.5}, "thinking_token_budget"),
        ({"thinking": {"type": "perhaps"}}, "thinking.type"),
        ({"reasoning_format": "poem"}, "reasoning_format"),
    ],
)
def test_what_is_refused(given, param):
    with pytest.raises(InvalidRequest) as caught:
        read(**given)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("given", "parse", "show"),
    [
        ({}, True, True),
        ({"include_reasoning": False}, True, False),
        ({"separate_reasoning": False}, False, True),
        ({"separate_reasoning": True}, True, True),
        ({"reasoning_format": "raw"}, False, True),
        ({"reasoning_format": "none"}, False, True),
        ({"reasoning_format": "parsed"}, True, True),
        ({"reasoning_format": "deepseek"}, True, True),
        ({"reasoning_format": "hidden"}, True, False),
        ({"reasoning": {"exclude": True}}, True, False),
        ({"reasoning_format": "raw", "include_reasoning": False}, True, False),
    ],
)
def test_where_the_thought_goes(given, parse, show):
    found = read(**given)
    assert (found.parse, found.show) == (parse, show)

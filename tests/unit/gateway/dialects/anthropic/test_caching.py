from __future__ import annotations

import pytest

from gateway.dialects.anthropic.caching import NO_BREAKPOINT, Breakpoint, InputTokens, find_breakpoint, to_input_tokens
from gateway.dialects.anthropic.request import parse_messages
from shared.messages import Usage

CACHE = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def text(value, **more):
    return {"type": "text", "text": value, **more}


def found(*content, system=(), tools=(), **more):
    body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": list(content)}], **more}
    body |= {"system": list(system), "tools": list(tools)}
    return find_breakpoint(parse_messages(body))


def test_without_a_breakpoint_nothing_lies_under_one():
    assert found(text("hi")) == NO_BREAKPOINT


def test_one_at_the_end_has_all_of_the_prompt_under_it():
    assert found(text("hi"), text("there", **CACHE), system=[text("s")]) == Breakpoint(1.0)
    assert found(text("hi"), cache_control={"type": "ephemeral"}) == Breakpoint(1.0)


def test_the_last_one_counts_and_says_how_long():
    assert found(text("a" * 75, **HOUR), text("b" * 25), system=[text("c" * 100, **CACHE)]) == Breakpoint(0.875, "1h")


def test_noise_weighs_nothing():
    noise = text("x-anthropic-billing-header: " + "h" * 500)
    assert found(text("b" * 50), system=[noise, text("c" * 50, **CACHE)]) == Breakpoint(0.5)


def test_breakpoints_on_tools_and_inside_results():
    tool = {"name": "f", "input_schema": {"type": "object"}, **CACHE}
    assert 0 < found(text("hi" * 100), tools=[tool]).share < 0.5
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text("r" * 100, **CACHE)]}
    assert found(result).share == pytest.approx(100 / 101)
    assert found(result | {"content": "r", **CACHE}) == Breakpoint(1.0)


@pytest.mark.parametrize(
    ("share", "wanted"),
    [
        (0.0, InputTokens(60, 0, 40)),
        (0.3, InputTokens(60, 0, 40)),
        (0.75, InputTokens(25, 35, 40)),
        (1.0, InputTokens(0, 60, 40)),
    ],
)
def test_no_token_is_in_two_numbers(share, wanted):
    counted = to_input_tokens(Usage(prompt_tokens=100, cached_tokens=40), Breakpoint(share))
    assert counted == wanted
    assert counted.fresh + counted.created + counted.read == 100

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.generation.calls.json_stream import JsonStream

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def passed(value: JsonStream, text: str) -> str:
    """What goes through when text comes character by character."""
    out, held = "", ""
    for char in text:
        held += char
        while True:
            more, used = value.feed(held)
            out, held = out + more, held[used:]
            if not used and not more:
                break
    return out + value.feed(held, last=True)[0]


@settings(deadline=None, derandomize=True)
@given(value=JSON, ascii_only=st.booleans(), indent=st.none() | st.integers(0, 3))
def test_valid_json_goes_through_verbatim(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps([value], ensure_ascii=ascii_only, indent=indent)
    assert passed(JsonStream(), text) == text
    assert JsonStream().feed(text + "tail") == (text, len(text))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("{'a': 'it\\'s \"b\"'}", {"a": 'it\'s "b"'}),
        ("{'a': True, 'b': [False, None]}", {"a": True, "b": [False, None]}),
        ('{"a": 1, }', {"a": 1}),
        ('{"a": [1, 2 ,\n]}', {"a": [1, 2]}),
        ("{a: 1, b_2: {c-d: 2}}", {"a": 1, "b_2": {"c-d": 2}}),
        ('{"a": "x\ty\nz"}', {"a": "x\ty\nz"}),
        (r'{"a": "\d \x41 \' \u12"}', {"a": "\\d \\x41 ' \\u12"}),
        ('{"true": null, null: 1}', {"true": None, "null": 1}),
        ("{}", {}),
        ('{"a":{},"b":[[]]}', {"a": {}, "b": [[]]}),
    ],
)
def test_what_has_one_reading_is_put_right(written: str, read: Any) -> None:
    assert json.loads(passed(JsonStream(), written)) == read


@pytest.mark.parametrize(
    "written",
    [
        '{"a" 1}',
        '{"a": }',
        '{"a": 01}',
        '{"a": .5}',
        '{"a": NaN}',
        '{"a": word}',
        '{"a": 1 2}',
        '{"a": "b" "c"}',
        "[1}",
    ],
)
def test_what_has_none_breaks_and_leaves_no_whole_value(written: str) -> None:
    value = JsonStream()
    out = passed(value, written)
    assert value.broken
    with pytest.raises(ValueError, match=r"."):
        json.loads(out)


def test_python() -> None:
    assert passed(JsonStream(python=True), "('a\\x41', (1,), {'k': -2.5e3})") == '["a\\u0041", [1], {"k": -2.5e3}]'


def test_an_apostrophe_within_a_word_ends_no_python_string() -> None:
    value = JsonStream(python=True)
    assert json.loads(passed(value, "{'a': 'it's \\'x\\' y's', 'b' : ['c' ]}")) == {"a": "it's 'x' y's", "b": ["c"]}
    assert value.done


def test_quotes_of_code_end_no_python_string() -> None:
    value = JsonStream(python=True)
    assert json.loads(passed(value, """['run "f(x, sep='a')"', ['b']]""")) == ["run \"f(x, sep='a')\"", ["b"]]
    assert value.done


def test_a_python_string_may_end_with_the_text() -> None:
    assert JsonStream(python=True).feed("'a')]") == ('"a', 2)
    assert JsonStream(python=True).feed("'a')]", last=True) == ('"a"', 3)


def test_a_familys_own_strings() -> None:
    value = JsonStream("<|>", bare=True)
    written = '{a:<|>say "x" \\n <|<|>,b:[<|><|>,New York],<|>c d<|>:3}'
    assert json.loads(passed(value, written)) == {"a": 'say "x" \\n <|', "b": ["", "New York"], "c d": 3}


def test_depth_costs_nothing() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert JsonStream().feed(deep) == (deep, len(deep))

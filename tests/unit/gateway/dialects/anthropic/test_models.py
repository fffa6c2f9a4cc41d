from __future__ import annotations

import pytest

from gateway.dialects.anthropic.models import parse_page, to_list, to_model
from shared.errors import InvalidRequest

MODELS = [to_model(name, 0, None) for name in "abcde"]


def page(**query):
    found = to_list(MODELS, parse_page({name: str(value) for name, value in query.items()}))
    assert (found["first_id"], found["last_id"]) == (found["data"][0]["id"], found["data"][-1]["id"])
    return "".join(one["id"] for one in found["data"]), found["has_more"]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, ("abcde", False)),
        ({"limit": 2}, ("ab", True)),
        ({"limit": 2, "after_id": "b"}, ("cd", True)),
        ({"limit": 2, "after_id": "c"}, ("de", False)),
        ({"limit": 2, "before_id": "e"}, ("cd", True)),
        ({"limit": 2, "before_id": "c"}, ("ab", False)),
    ],
)
def test_pages(query, wanted):
    assert page(**query) == wanted


def test_a_page_past_the_end_is_empty():
    assert to_list(MODELS, parse_page({"after_id": "e"})) == {
        "data": [],
        "has_more": False,
        "first_id": None,
        "last_id": None,
    }


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "x"}, "limit"),
        ({"after_id": "z"}, "after_id"),
        ({"before_id": "z"}, "before_id"),
        ({"after_id": "a", "before_id": "b"}, "before_id"),
    ],
)
def test_refusals(query, param):
    with pytest.raises(InvalidRequest) as caught:
        to_list(MODELS, parse_page(query))
    assert caught.value.param == param


def test_a_model():
    assert to_model("org/a", 1_700_000_000, 4096) | {"x": 1} == {
        "type": "model",
        "id": "org/a",
        "display_name": "org/a",
        "created_at": "2023-11-14T22:13:20Z",
        "lifecycle": "active",
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
        "capabilities": None,
        "max_input_tokens": 4096,
        "max_tokens": 4096,
        "x": 1,
    }

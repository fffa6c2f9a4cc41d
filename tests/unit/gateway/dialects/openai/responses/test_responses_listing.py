from __future__ import annotations

import pytest

from gateway.dialects.openai.responses.listing import parse_page, to_kept, to_page
from shared.errors import InvalidRequest

ITEMS = [{"id": name} for name in "abcd"]


def ids(page):
    return [item["id"] for item in page["data"]]


def test_the_newest_come_first():
    page = to_page(ITEMS, parse_page({"limit": "2"}))
    assert (ids(page), page["first_id"], page["last_id"], page["has_more"]) == (["d", "c"], "d", "c", True)
    rest = to_page(ITEMS, parse_page({"limit": "2", "after": "c"}))
    assert (ids(rest), rest["has_more"]) == (["b", "a"], False)


def test_or_the_oldest():
    assert ids(to_page(ITEMS, parse_page({"order": "asc", "after": "b"}))) == ["c", "d"]


def test_an_empty_page():
    assert to_page([], parse_page({})) == {
        "object": "list",
        "data": [],
        "first_id": "",
        "last_id": "",
        "has_more": False,
    }


@pytest.mark.parametrize(
    ("query", "param"),
    [({"limit": "0"}, "limit"), ({"limit": "101"}, "limit"), ({"limit": "x"}, "limit"), ({"order": "up"}, "order")],
)
def test_pages_that_cannot_be(query, param):
    with pytest.raises(InvalidRequest) as caught:
        parse_page(query)
    assert caught.value.param == param


def test_after_is_one_of_them():
    with pytest.raises(InvalidRequest) as caught:
        to_page(ITEMS, parse_page({"after": "x"}))
    assert caught.value.param == "after"


def test_items_are_kept_with_ids_and_parts():
    message, said, result, own = to_kept(
        [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "ho"},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
            {"type": "message", "id": "mine", "role": "user", "content": [{"type": "input_image", "image_url": "u"}]},
        ],
        "ab",
    )
    assert message["content"] == [{"type": "input_text", "text": "hi"}]
    assert (message["type"], message["status"]) == ("message", "completed")
    assert said["content"] == [{"type": "output_text", "text": "ho", "annotations": [], "logprobs": []}]
    assert result["output"] == "x"
    assert own["content"][0]["detail"] == "auto"
    assert [item["id"] for item in (message, said, result, own)] == ["msg_abi00", "msg_abi01", "item_abi02", "mine"]

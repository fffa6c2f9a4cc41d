from __future__ import annotations

import json
import threading

import pytest
from starlette.requests import Request

from gateway.api import body
from gateway.api.body import MAX_DEPTH, THREAD_FROM, parse_json, read_json
from shared.errors import InvalidRequest


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not valid JSON"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1,}', "not valid JSON"),
        (b"[]", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a": "\xff"}', "not valid UTF-8 (byte 7)"),
        (b'{"a": "\xed\xa0\x80"}', "not valid UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not valid UTF-8"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": -Infinity}', "-Infinity is not a number"),
        (b'{"a": ' + b"9" * 5000 + b"}", "a number is too long"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper"),
        (b'{"a": ' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "nested deeper"),
    ],
    ids=lambda value: str(value[:30]),
)
def test_bad_bodies(data, words):
    with pytest.raises(InvalidRequest) as caught:
        parse_json(data)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("data", "param"),
    [
        (rb'{"a": [{"b": "x\ud800"}]}', "a[0].b"),
        (rb'{"a": {"b": "\uDFFFx"}}', "a.b"),
        (rb'{"\ud800": 1}', None),
        (rb'{"a": {"\ud800": 1}}', "a"),
    ],
)
def test_half_a_surrogate_pair_is_named(data, param):
    with pytest.raises(InvalidRequest, match="surrogate") as caught:
        parse_json(data)
    assert caught.value.param == param


def test_good_bodies():
    assert parse_json(rb'{"a": "\ud83d\ude00"}') == {"a": "😀"}
    assert parse_json(b'\xef\xbb\xbf{"a": "\xc3\xa9"}') == {"a": "é"}
    deep = b'{"a": ' + b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1) + b"}"
    assert list(parse_json(deep)) == ["a"]


@pytest.mark.parametrize(("size", "in_loop"), [(10, True), (THREAD_FROM + 1, False)])
async def test_large_bodies_are_parsed_in_a_thread(monkeypatch, size, in_loop):
    data = json.dumps({"a": "x" * size}).encode()
    threads = []

    def noting(text: bytes) -> dict[str, object]:
        threads.append(threading.current_thread())
        return parse_json(text)

    async def receive():
        return {"type": "http.request", "body": data, "more_body": False}

    monkeypatch.setattr(body, "parse_json", noting)
    assert await read_json(Request({"type": "http", "headers": []}, receive)) == {"a": "x" * size}
    assert (threads == [threading.current_thread()]) is in_loop

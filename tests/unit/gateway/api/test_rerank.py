from __future__ import annotations

import json

import pytest

from shared.messages import Finished, Scores, Usage
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import make_app
from tests.fakes.modalities import make_modal_node

QUERY = {"model": "ranker", "query": "a cat", "documents": ["a dog", {"text": "a kitten"}, "a cat"]}


def scores(*values):
    return lambda work: [Scores(work.request, values), Finished(work.request, Usage(prompt_tokens=7))]


SCORES = scores(0.25, 0.75, 0.75)


async def post(node, body, path="/v1/rerank"):
    done = await Exchange(make_app(node), path, body).run()
    return done.status, json.loads(done.body)


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
async def test_the_best_come_first(path):
    node = make_modal_node(SCORES)
    status, body = await post(node, QUERY, path)
    assert status == 200
    assert body["results"] == [
        {"index": 1, "relevance_score": 0.75},
        {"index": 2, "relevance_score": 0.75},
        {"index": 0, "relevance_score": 0.25},
    ]
    assert (body["id"], body["model"]) == (node.dispatcher.work.request, "ranker")
    assert body["usage"]["total_tokens"] == 7
    assert body["meta"]["billed_units"] == {"search_units": 1}
    assert node.dispatcher.work.query == "a cat"
    assert node.dispatcher.work.documents == ("a dog", "a kitten", "a cat")


@pytest.mark.parametrize(("top_n", "count"), [(1, 1), (2, 2), (9, 3), (None, 3)])
async def test_top_n(top_n, count):
    _, body = await post(make_modal_node(SCORES), QUERY | {"top_n": top_n})
    assert [one["index"] for one in body["results"]] == [1, 2, 0][:count]


async def test_documents_are_returned_on_demand():
    _, body = await post(make_modal_node(SCORES), QUERY | {"return_documents": True, "top_n": 1})
    assert body["results"] == [{"index": 1, "relevance_score": 0.75, "document": {"text": "a kitten"}}]


async def test_a_query_may_be_an_object():
    node = make_modal_node(SCORES)
    await post(node, QUERY | {"query": {"text": "a cat"}})
    assert node.dispatcher.work.query == "a cat"


@pytest.mark.parametrize(
    ("kinds", "name", "found"),
    [
        ((), None, "ranker"),
        ((), "default", "ranker"),
        (("llm", "embedding"), "", "embed"),
        ((), "embed", "embed"),
    ],
)
async def test_the_model(kinds, name, found):
    node = make_modal_node(SCORES, *kinds)
    assert (await post(node, QUERY | {"model": name}))[0] == 200
    assert node.dispatcher.opened[-1][0].name == found


@pytest.mark.parametrize(
    ("change", "status", "param", "code"),
    [
        ({"model": "chat"}, 400, "model", "wrong_modality"),
        ({"model": "nope"}, 404, "model", "model_not_found"),
        ({"query": ""}, 400, "query", "invalid_value"),
        ({"query": 5}, 400, "query", "invalid_value"),
        ({"documents": []}, 400, "documents", "invalid_value"),
        ({"documents": "a dog"}, 400, "documents", "invalid_value"),
        ({"documents": ["a", {"title": "b"}]}, 400, "documents[1]", "invalid_value"),
        ({"documents": ["a"] * 10_001}, 400, "documents", "invalid_value"),
        ({"top_n": 0}, 400, "top_n", "invalid_value"),
        ({"return_documents": "yes"}, 400, "return_documents", "invalid_value"),
        ({"max_tokens_per_doc": 10}, 400, "max_tokens_per_doc", "unsupported_parameter"),
        ({"rank_fields": ["title"]}, 400, "rank_fields", "unsupported_parameter"),
    ],
)
async def test_refusals_name_the_parameter(change, status, param, code):
    node = make_modal_node(SCORES)
    found, body = await post(node, QUERY | change)
    assert (found, body["error"]["param"], body["error"]["code"]) == (status, param, code)
    assert node.dispatcher.opened == []


async def test_neutral_and_unknown_fields_are_tolerated():
    body = QUERY | {"rank_fields": ["text"], "max_tokens_per_doc": None, "priority": 3, "novelty": 1}
    assert (await post(make_modal_node(SCORES), body))[0] == 200


async def test_a_missing_score_is_a_500():
    status, body = await post(make_modal_node(scores(0.5)), QUERY)
    assert (status, body["error"]["code"]) == (500, "internal_error")

from __future__ import annotations

import json
from dataclasses import replace

from shared.messages import Ready
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import LOADING, make_app
from tests.fakes.modalities import make_modal_node, speaks


async def get(node, query=""):
    exchange = Exchange(make_app(node), "/v1/audio/voices", method="GET")
    exchange.scope["query_string"] = query.encode()
    await exchange.run()
    return exchange.status, json.loads(exchange.body)


def make(voices=(), languages=()):
    node = make_modal_node(speaks(b"x"))
    node.registry.learn("kokoro", Ready("tts", 8, 0, "cpu", voices=voices, languages=languages))
    return node


async def test_the_default_models_voices():
    status, body = await get(make(("af_heart", "bm_george", "pf_dora", "my_own")))
    assert (status, body["voices"]) == (200, ["af_heart", "bm_george", "pf_dora", "my_own"])
    assert body["data"] == [
        {"id": "af_heart", "name": "Heart", "language": "en-us"},
        {"id": "bm_george", "name": "George", "language": "en-gb"},
        {"id": "pf_dora", "name": "Dora", "language": "pt-br"},
        {"id": "my_own", "name": "my_own", "language": None},
    ]


async def test_a_model_of_one_language():
    _, body = await get(make(("anna",), ("de",)), "model=kokoro")
    assert body["data"] == [{"id": "anna", "name": "anna", "language": "de"}]


async def test_an_empty_name_means_the_default():
    assert (await get(make(("anna",)), "model="))[1]["voices"] == ["anna"]


async def test_another_model():
    status, body = await get(make(("anna",)), "model=chat")
    assert (status, body["error"]["code"], body["error"]["param"]) == (400, "wrong_modality", "model")
    assert (await get(make(("anna",)), "model=nope"))[0] == 404


async def test_voices_are_known_once_the_model_has_loaded():
    node = make()
    assert await get(node) == (200, {"voices": [], "data": []})  # it is ready and has none
    node.fleet.facts[:] = [replace(LOADING, name="kokoro")]
    status, body = await get(node)
    assert (status, body["error"]["code"]) == (503, "model_unavailable")
    node.registry.learn("kokoro", Ready("tts", 8, 0, "cpu", voices=("anna",)))
    assert (await get(node))[1]["voices"] == ["anna"]  # it loads again


async def test_models_and_status_show_what_is_known():
    node = make(("anna",), ("de",))
    node.registry.learn("embed", Ready("embedding", 8, 512, "cpu", dimensions=384))
    for path, key in (("/v1/models", "data"), ("/v1/status", "models")):
        done = await Exchange(make_app(node), path, method="GET").run()
        models = {model["id"]: model for model in json.loads(done.body)[key]}
        assert (models["kokoro"]["voices"], models["kokoro"]["languages"]) == (["anna"], ["de"])
        assert (models["embed"]["dimensions"], models["embed"]["kind"]) == (384, "embedding")
        assert not {"voices", "languages", "dimensions"} & set(models["whisper"])

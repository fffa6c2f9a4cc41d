"""Schemathesis over the node's own OpenAPI: whatever is sent, no 5xx, and without a key nothing but a refusal.

https://schemathesis.readthedocs.io
"""

from __future__ import annotations

from collections.abc import Sequence

import schemathesis
from hypothesis import HealthCheck, Phase, settings

from gateway.reload import Reloader
from gateway.tenancy import keyfile
from gateway.tenancy.ring import KeyRing
from shared.config.keys import KeyConfig
from shared.messages import (
    Accepted,
    Count,
    Detokenize,
    Embed,
    Finished,
    Rerank,
    Scores,
    Speak,
    TextDelta,
    Tokens,
    Transcribe,
    Work,
)
from tests.fakes.dispatcher import Item, make_app, says
from tests.fakes.modalities import embeds, hears, make_modal_node, speaks

KEY = "a-good-key"
EXAMPLES = 8  # a route
RING = KeyRing([KeyConfig(name="ana", key_sha256=keyfile.digest(KEY), role="admin")])


def answer(work: Work) -> Sequence[Item]:
    """What a worker would say to each kind of work."""
    match work:
        case Transcribe():
            return hears("Hello.")(work)
        case Speak():
            return speaks(b"sound")(work)
        case Embed():
            return embeds(*([1.0, 0.0] for _ in work.inputs))(work)
        case Rerank():
            scores = Scores(work.request, tuple(0.5 for _ in work.documents))
            return [Accepted(work.request), scores, Finished(work.request)]
        case Count():
            return [Accepted(work.request), Tokens(work.request, (1, 2), 4096), Finished(work.request)]
        case Detokenize():
            return [Accepted(work.request), TextDelta(work.request, 0, "hi"), Finished(work.request)]
        case _:
            return says("Hello", "!")(work)


NODE = make_modal_node(answer, ring=RING)
APP = make_app(NODE)
APP.state.reloader = Reloader(NODE, lambda: NODE.config, None)
HEADERS = {"authorization": f"Bearer {KEY}"}
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", APP, headers=HEADERS)
QUICK = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


@SCHEMA.parametrize()
@QUICK
def test_nothing_that_is_sent_is_a_5xx(case: schemathesis.Case) -> None:
    answer = case.call(headers=HEADERS)
    assert answer.status_code < 500, answer.text


@SCHEMA.parametrize()
@settings(QUICK, max_examples=1)
def test_without_a_key_everything_but_health_is_refused(case: schemathesis.Case) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"x-api-key": "wrong"}):
        answer = case.call(headers=headers)
        assert (answer.status_code == 401) == (case.path != "/health"), answer.text

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import ContextLengthExceeded, InvalidRequest
from shared.messages import Sampling
from workers.platform.sampling import SamplingParams, defaults_from_generation_config, resolve

VOCAB = 1000
EOS = frozenset({7})


def resolved(
    defaults: dict[str, Any] | None = None, room: int = 100, index: int = 0, **sampling: Any
) -> SamplingParams:
    return resolve(Sampling(**sampling), defaults=defaults or {}, vocab_size=VOCAB, eos=EOS, room=room, index=index)


def test_vllms_values_where_nobody_names_one() -> None:
    params = resolved(seed=1)
    assert params == SamplingParams(
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        min_p=0.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        repetition_penalty=1.0,
        seed=1,
        max_tokens=100,
        min_tokens=0,
        logit_bias=(),
        allowed_token_ids=(),
        stop=(),
        stop_token_ids=EOS,
        include_stop=False,
        skip_special_tokens=True,
        logprobs=None,
    )
    assert not params.greedy
    assert not params.penalised


def test_the_request_goes_before_the_defaults() -> None:
    defaults = {"temperature": 0.3, "top_k": 40, "max_tokens": 9, "seed": 5}
    params = resolved(defaults, temperature=0.9)
    assert (params.temperature, params.top_k, params.max_tokens, params.seed) == (0.9, 40, 9, 5)
    assert resolved(defaults, temperature=0.0).temperature == 0
    assert resolved({"temperature": None}).temperature == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, value) for name in ("temperature", "top_p", "min_p") for value in (-0.1, 2.1, math.nan, math.inf)],
        ("top_p", 0),
        ("repetition_penalty", 0),
        ("repetition_penalty", 10.5),
        ("presence_penalty", -2.5),
        ("frequency_penalty", 2.5),
        ("temperature", True),
        ("temperature", "warm"),
        ("top_k", -2),
        ("top_k", 1.5),
        ("max_tokens", 0),
        ("max_tokens", True),
        ("min_tokens", -1),
        ("seed", 1.5),
        ("seed", 2**64),
        ("logprobs", 21),
        ("logprobs", -1),
        ("logit_bias", ((VOCAB, 1.0),)),
        ("logit_bias", ((-1, 1.0),)),
        ("logit_bias", ((1, 100.5),)),
        ("logit_bias", ((1, math.nan),)),
        ("logit_bias", tuple((1, 0.0) for _ in range(1025))),
        ("allowed_token_ids", (VOCAB,)),
        ("stop_token_ids", (-1,)),
        ("stop", ("",)),
        ("stop", ("x" * 1001,)),
        ("stop", tuple("abcdefghijklmnopq")),
    ],
)
def test_a_value_that_cannot_be_honoured_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        resolved(**{name: value})
    assert refusal.value.param == name
    assert name in refusal.value.message


@pytest.mark.parametrize(("asked", "used"), [(-1, 0), (0, 0), (1, 1), (VOCAB - 1, VOCAB - 1), (VOCAB, 0), (10**9, 0)])
def test_a_top_k_that_excludes_nothing_is_off(asked: int, used: int) -> None:
    assert resolved(top_k=asked).top_k == used


def test_lengths_fit_the_room() -> None:
    assert resolved(room=50, max_tokens=10).max_tokens == 10
    assert resolved(room=50, max_tokens=128_000).max_tokens == 50
    assert resolved(room=50, min_tokens=60).min_tokens == 50
    with pytest.raises(InvalidRequest, match="min_tokens") as refusal:
        resolved(min_tokens=11, max_tokens=10)
    assert refusal.value.param == "min_tokens"
    with pytest.raises(ContextLengthExceeded):
        resolved(room=0)


def test_each_choice_has_a_seed_of_its_own() -> None:
    assert [resolved(seed=10, index=index).seed for index in range(3)] == [10, 11, 12]
    assert resolved(seed=2**63 - 1, index=1).seed == 0
    assert 0 <= resolved(seed=-5).seed < 2**63
    assert resolved().seed != resolved().seed
    assert resolved(seed=-1).seed != resolved(seed=-1).seed


def test_stop_tokens_are_the_models_and_the_requests() -> None:
    assert resolved(stop_token_ids=(3,)).stop_token_ids == {3, 7}
    assert resolved(stop_token_ids=(3,), ignore_eos=True).stop_token_ids == {3}


def test_what_is_valid_passes_unchanged() -> None:
    params = resolved(
        stop=("END", "\n\n"),
        logit_bias=((3, -100.0), (0, 5)),
        allowed_token_ids=(5, 5, 6),
        include_stop_str_in_output=True,
        skip_special_tokens=False,
        logprobs=0,
    )
    assert (params.stop, params.logit_bias) == (("END", "\n\n"), ((3, -100.0), (0, 5.0)))
    assert (params.allowed_token_ids, params.include_stop, params.skip_special_tokens) == ((5, 6), True, False)
    assert params.logprobs == 0


@pytest.mark.parametrize(
    ("sampling", "greedy", "penalised"),
    [
        ({"temperature": 0}, True, False),
        ({"top_k": 1}, True, False),
        ({"presence_penalty": 0.1}, False, True),
        ({"frequency_penalty": -0.1}, False, True),
        ({"repetition_penalty": 1.1}, False, True),
    ],
)
def test_shortcuts(sampling: dict[str, Any], greedy: bool, penalised: bool) -> None:
    params = resolved(**sampling)
    assert (params.greedy, params.penalised) == (greedy, penalised)


@pytest.mark.parametrize(
    ("config", "defaults"),
    [
        ({"temperature": 0.6, "top_k": 20, "top_p": 0.95}, {"temperature": 0.6, "top_k": 20, "top_p": 0.95}),
        ({"do_sample": False, "temperature": 0.6}, {"temperature": 0.0}),
        ({"temperature": None, "top_p": 0, "top_k": "many", "min_p": 7, "max_length": 20}, {}),
        ({"repetition_penalty": 1.05, "min_p": 0.1, "do_sample": True}, {"repetition_penalty": 1.05, "min_p": 0.1}),
    ],
)
def test_generation_config_gives_defaults(config: dict[str, Any], defaults: dict[str, Any]) -> None:
    assert defaults_from_generation_config(config) == defaults


_anything = st.none() | st.integers() | st.floats() | st.text(max_size=3) | st.booleans()


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        dict.fromkeys(("temperature", "top_p", "top_k", "min_p", "seed", "max_tokens", "logprobs"), _anything)
    )
)
def test_every_value_is_resolved_within_bounds_or_refused(sampling: dict[str, Any]) -> None:
    refused = None
    try:
        params = resolved(**sampling)
    except InvalidRequest as error:
        refused = error
    if refused is not None:
        assert refused.param in sampling
        return
    assert 0 <= params.temperature <= 2
    assert 0 < params.top_p <= 1
    assert 0 <= params.top_k < VOCAB
    assert 1 <= params.max_tokens <= 100
    assert 0 <= params.seed < 2**63

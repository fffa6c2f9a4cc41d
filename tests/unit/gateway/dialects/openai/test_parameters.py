from __future__ import annotations

from typing import Any

import pytest

from gateway.dialects.openai.parameters import KNOWN, PARAMETERS, Fate, refuse_unsupported, unknown_names
from gateway.dialects.openai.schema import ChatRequest
from shared.errors import UnsupportedParameter

REFUSED: dict[str, Any] = {
    "audio": {"voice": "alloy"},
    "modalities": ["text", "audio"],
    "moderation": {"model": "x"},
    "web_search_options": {},
    "functions": [{"name": "f"}],
    "function_call": {"name": "f"},
    "use_beam_search": True,
    "best_of": 2,
    "length_penalty": 0.5,
    "early_stopping": True,
    "bad_words": ["no"],
    "prompt_logprobs": 0,
    "logits_processors": ["x"],
    "structural_tag": "{}",
    "echo": True,
    "truncate_prompt_tokens": 5,
    "spaces_between_special_tokens": False,
    "chat_template": "x",
    "documents": [{"text": "x"}],
    "media_io_kwargs": {"video": {"num_frames": 8}},
    "priority": 1,
    "cache_salt": "x",
    "return_tokens_as_token_ids": True,
    "return_token_ids": True,
    "kv_transfer_params": {},
    "vllm_xargs": {"a": 1},
    "xtc_probability": 0.5,
    "xtc_threshold": 0.1,
    "adapters": "x",
    "draft_model": "x",
    "num_draft_tokens": 3,
}


def test_every_refused_parameter_is_tested():
    assert {one.name for one in PARAMETERS if one.fate is Fate.REFUSED} == set(REFUSED)


@pytest.mark.parametrize(("name", "value"), REFUSED.items())
def test_refused_by_name(name, value):
    with pytest.raises(UnsupportedParameter, match=name) as caught:
        refuse_unsupported({name: value})
    assert (caught.value.param, caught.value.code, caught.value.status) == (name, "unsupported_parameter", 400)


@pytest.mark.parametrize("parameter", [one for one in PARAMETERS if one.fate is Fate.REFUSED], ids=lambda one: one.name)
def test_null_and_neutral_values_pass(parameter):
    for value in (None, *parameter.neutral):
        assert refuse_unsupported({parameter.name: value}) is None


def test_false_is_not_zero():
    with pytest.raises(UnsupportedParameter):
        refuse_unsupported({"priority": False})


def test_the_table_holds_what_the_schema_reads():
    assert set(ChatRequest.model_fields) == {one.name for one in PARAMETERS if one.fate is Fate.HONOURED}


def test_names_are_unique_and_explained():
    assert len(KNOWN) == len(PARAMETERS)
    assert all(one.note for one in PARAMETERS)


def test_unknown_names_are_listed_without_values():
    body = {"model": "m", "user": "u", "zeta": "secret", "alpha": 1, "x" * 99: 2}
    assert unknown_names(body) == ["alpha", "x" * 64, "zeta"]

"""The tables of parameters beside the schemas of the endpoints other than chat."""

from __future__ import annotations

import pytest

from gateway.dialects.cohere import rerank
from gateway.dialects.openai import completions, embeddings, speech, transcription
from gateway.dialects.openai.parameters import Fate, refuse_unsupported, unknown_names
from shared.errors import UnsupportedParameter

ENDPOINTS = [
    (transcription.PARAMETERS, {"file", *transcription.TranscriptionRequest.model_fields}),
    (speech.PARAMETERS, set(speech.SpeechRequest.model_fields)),
    (embeddings.PARAMETERS, set(embeddings.EmbeddingsRequest.model_fields)),
    (completions.PARAMETERS, set(completions.CompletionRequest.model_fields)),
    (rerank.PARAMETERS, set(rerank.RerankRequest.model_fields)),
]
IDS = ["transcription", "speech", "embeddings", "completions", "rerank"]


@pytest.mark.parametrize(("parameters", "fields"), ENDPOINTS, ids=IDS)
def test_the_schema_holds_what_is_honoured(parameters, fields):
    assert {one.name for one in parameters if one.fate is Fate.HONOURED} == fields


@pytest.mark.parametrize(("parameters", "fields"), ENDPOINTS, ids=IDS)
def test_every_parameter_has_one_fate_and_a_note(parameters, fields):
    assert len({one.name for one in parameters}) == len(parameters)
    assert all(one.note for one in parameters)


@pytest.mark.parametrize(("parameters", "fields"), ENDPOINTS, ids=IDS)
def test_what_is_refused_is_refused_by_name(parameters, fields):
    for one in parameters:
        body = {one.name: "anything"}
        if one.fate is Fate.REFUSED:
            with pytest.raises(UnsupportedParameter) as caught:
                refuse_unsupported(body, parameters)
            assert caught.value.param == one.name
        else:
            assert refuse_unsupported(body, parameters) is None
        assert unknown_names(body, parameters) == []

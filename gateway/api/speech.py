"""POST /v1/audio/speech in OpenAI's dialect, and the voices that it may ask for."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from gateway.api.body import read_json
from gateway.api.edge import log_unknown, note_work
from gateway.api.node import NodeDep
from gateway.api.openapi import json_body
from gateway.api.sound import SoundStream
from gateway.api.sse import EventStream
from gateway.dialects.openai.parameters import unknown_names
from gateway.dialects.openai.speech import (
    MEDIA_TYPES,
    PARAMETERS,
    SpeechRequest,
    SpeechWriter,
    parse_speech,
    to_speak,
)
from gateway.dialects.openai.voices import describe_voices
from gateway.routing.registry import DEFAULT
from shared.errors import ModelUnavailable
from shared.lifecycle import State
from shared.messages import Kind

router = APIRouter(tags=["audio"])

SPEECH_KINDS: tuple[Kind, ...] = ("tts",)


@router.post(
    "/v1/audio/speech",
    summary="Speak a text",
    description="Sound that streams while it is made; `stream_format: sse` sends it as base64 in events.",
    openapi_extra=json_body(SpeechRequest),
    response_class=Response,
)
async def speech(request: Request, node: NodeDep) -> Response:
    body = await read_json(request)
    parsed = parse_speech(body)
    log_unknown(request, unknown_names(body, PARAMETERS))
    entry = node.registry.resolve(parsed.model or DEFAULT, SPEECH_KINDS)
    work = to_speak(parsed, f"speech-{node.new_id()}")
    note_work(request, entry.name, work.request)
    if parsed.stream_format == "sse":
        keep_alive = node.config.server.keep_alive
        return EventStream(lambda: node.open(entry, work), SpeechWriter(), keep_alive, lambda: node.waiting_for(entry))
    return SoundStream(lambda: node.open(entry, work), MEDIA_TYPES[work.format])


@router.get("/v1/audio/voices", summary="The voices of a model; without `model`, of the default for speech")
async def voices(node: NodeDep, model: str = DEFAULT) -> JSONResponse:
    entry = node.registry.resolve(model or DEFAULT, SPEECH_KINDS)
    facts = node.facts().get(entry.name)
    if not entry.voices and (facts is None or facts.state is not State.READY):
        raise ModelUnavailable(f"The voices of `{entry.name}` are known once it has loaded.", retry_after=5.0)
    return JSONResponse(describe_voices(entry.voices, entry.languages))

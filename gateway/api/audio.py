"""POST /v1/audio/transcriptions and /v1/audio/translations, in OpenAI's dialect."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from gateway.api.ask import ask
from gateway.api.edge import log_unknown, note_work
from gateway.api.form import read_form
from gateway.api.node import Node, NodeDep
from gateway.api.openapi import form_body
from gateway.api.sse import EventStream
from gateway.dialects.openai.parameters import unknown_names
from gateway.dialects.openai.transcript import Transcript, TranscriptWriter
from gateway.dialects.openai.transcription import (
    PARAMETERS,
    Task,
    TranscriptionRequest,
    parse_transcription,
    read_fields,
    to_transcribe,
    transcript_options,
)
from gateway.routing.registry import DEFAULT
from shared.messages import Kind

router = APIRouter(tags=["audio"])

TRANSCRIPTION_KINDS: tuple[Kind, ...] = ("stt",)


@router.post(
    "/v1/audio/transcriptions",
    summary="Write down what is said",
    description="An uploaded sound as text, subtitles or segments with times; `stream=true` answers with SSE.",
    openapi_extra=form_body(TranscriptionRequest),
    response_class=Response,
)
async def transcriptions(request: Request, node: NodeDep) -> Response:
    return await _answer(request, node, "transcribe")


@router.post(
    "/v1/audio/translations",
    summary="Write down in English what is said in another language",
    openapi_extra=form_body(TranscriptionRequest),
    response_class=Response,
)
async def translations(request: Request, node: NodeDep) -> Response:
    return await _answer(request, node, "translate")


async def _answer(request: Request, node: Node, task: Task) -> Response:
    form = await read_form(request)
    body = read_fields(form.fields)
    parsed = parse_transcription(body)
    log_unknown(request, unknown_names(body, PARAMETERS))
    entry = node.registry.resolve(parsed.model or DEFAULT, TRANSCRIPTION_KINDS)
    wanted = transcript_options(parsed, task)
    work = to_transcribe(parsed, wanted, form.file, f"transcript-{node.new_id()}")
    if wanted.stream:
        note_work(request, entry.name, work.request)
        keep_alive = node.config.server.keep_alive
        return EventStream(
            lambda: node.open(entry, work), TranscriptWriter(), keep_alive, lambda: node.waiting_for(entry)
        )
    transcript = Transcript()
    for event in (await ask(request, node, entry, work))[0]:
        transcript.add(event)
    result = transcript.result(wanted)
    return PlainTextResponse(result) if isinstance(result, str) else JSONResponse(result)

"""The shape of a chat completions request. Types are strict, as OpenAI's; unknown fields are tolerated everywhere.

Only what can be said about one field alone is said here; `request` checks fields against each other.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from gateway.dialects.history import Arguments
from gateway.dialects.openai.fields import (
    INT64_MAX,
    INT64_MIN,
    MAX_CHOICES,
    Count,
    SamplingFields,
    StopTexts,
    StreamFields,
    StreamOptions,
    TokenId,
)
from gateway.dialects.openai.lenient import WHOLE, Lenient
from gateway.dialects.openai.structured import ResponseFormat, StructuredFields
from gateway.dialects.openai.thinking import Effort, ThinkingFields

__all__ = ["INT64_MAX", "INT64_MIN", "MAX_CHOICES", "Count", "Effort", "ResponseFormat", "StopTexts", "StreamOptions"]

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
PARTS = ("text", "refusal", "image_url", "video_url", "input_audio", "audio_url", "file")


# ------------------------------------------------------------------ content
class TextContent(Lenient):
    type: Literal["text"]
    text: str


class RefusalContent(Lenient):
    type: Literal["refusal"]
    refusal: str


class MediaContent(Lenient):
    """Any part that is not text; what it holds is read (`media`) when the model is known to read such parts."""

    type: Literal["image_url", "video_url", "input_audio", "audio_url", "file"]


def _part_tag(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
    if kind in ("text", "refusal"):
        return str(kind)
    return "media" if isinstance(kind, str) and kind in PARTS else None


Part = Annotated[
    Annotated[TextContent, Tag("text")]
    | Annotated[RefusalContent, Tag("refusal")]
    | Annotated[MediaContent, Tag("media")],
    Discriminator(_part_tag, custom_error_type="part", custom_error_message="part"),
]


def _as_parts(value: Any) -> Any:
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if isinstance(value, list):
        return value
    raise PydanticCustomError("expected", "a string or a list of content parts")


Content = Annotated[list[Part], BeforeValidator(_as_parts)]


# ------------------------------------------------------------------ media
class VideoOptions(Lenient):
    """How a video is sampled: frames a second, and how many at most."""

    fps: float | None = Field(None, gt=0, le=1000)
    max_frames: Annotated[int, Field(ge=1, le=1_000_000), WHOLE] | None = None


def _as_url(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


class _Url(Lenient):
    url: str = Field(min_length=1)


class _ImageUrl(_Url):
    detail: Literal["auto", "low", "high", "original"] | None = None


class _VideoUrl(_Url, VideoOptions):
    pass


class _AudioData(Lenient):
    data: str = Field(min_length=1)
    format: str = Field(min_length=1, max_length=32)


class ImagePart(Lenient):
    image_url: Annotated[_ImageUrl, BeforeValidator(_as_url)]


class VideoPart(VideoOptions):
    """The sampling may stand in the part, in its `mm_processor_kwargs`, or beside the URL."""

    video_url: Annotated[_VideoUrl, BeforeValidator(_as_url)]
    mm_processor_kwargs: VideoOptions | None = None


class AudioUrlPart(Lenient):
    audio_url: Annotated[_Url, BeforeValidator(_as_url)]


class InputAudioPart(Lenient):
    input_audio: _AudioData


# ------------------------------------------------------------------ messages
class FunctionCall(Lenient):
    name: str = Field(min_length=1)
    arguments: Arguments = "{}"


class AssistantToolCall(Lenient):
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class InputMessage(Lenient):
    """What system, developer and user messages have in common."""

    role: Literal["system", "developer", "user"]
    content: Content
    name: str | None = None


class AssistantMessage(Lenient):
    role: Literal["assistant"]
    content: Content | None = None
    name: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[AssistantToolCall] | None = None
    function_call: FunctionCall | None = None


class ToolMessage(Lenient):
    role: Literal["tool"]
    content: Content | None = None
    tool_call_id: str
    name: str | None = None


class FunctionMessage(Lenient):
    """The result of a `function_call`, from before there were `tool_calls`; neither has an id."""

    role: Literal["function"]
    content: Content | None = None
    name: str


def _message_tag(value: Any) -> str | None:
    role = value.get("role") if isinstance(value, dict) else getattr(value, "role", None)
    if role in ("assistant", "tool", "function"):
        return str(role)
    return "input" if isinstance(role, str) and role in ROLES else None


Message = Annotated[
    Annotated[InputMessage, Tag("input")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[ToolMessage, Tag("tool")]
    | Annotated[FunctionMessage, Tag("function")],
    Discriminator(_message_tag, custom_error_type="role", custom_error_message="role"),
]


# ------------------------------------------------------------------ tools
class Function(Lenient):
    name: str = Field(min_length=1)
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Lenient):
    type: str = "function"
    function: Function | None = None


# ------------------------------------------------------------------ the request
class ChatRequest(SamplingFields, StreamFields, StructuredFields, ThinkingFields):
    """The parameters that are honoured; `parameters.PARAMETERS` knows the fate of the others."""

    model: str = Field(min_length=1)
    messages: list[Message] = Field(min_length=1)
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), WHOLE] | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    mm_processor_kwargs: VideoOptions | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None


class TokenizeRequest(Lenient):
    """vLLM's: a prompt or messages."""

    model: str = Field(min_length=1)
    prompt: str | None = None
    messages: list[Message] | None = Field(None, min_length=1)
    tools: list[FunctionTool] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_special_tokens: bool | None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None


class DetokenizeRequest(Lenient):
    model: str = Field(min_length=1)
    tokens: list[TokenId]

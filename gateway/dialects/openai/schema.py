"""The shape of a chat completions request. Types are strict, as OpenAI's; unknown fields are tolerated everywhere.

Only what can be said about one field alone is said here; `request` checks fields against each other.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from gateway.dialects.openai.lenient import Lenient

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
MAX_CHOICES = 32
ROLES = ("system", "developer", "user", "assistant", "tool")
PARTS = ("text", "refusal", "image_url", "video_url", "input_audio", "audio_url", "file")

TokenId = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=1, le=INT64_MAX)]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


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
    max_frames: int | None = Field(None, ge=1, le=1_000_000)


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
    arguments: str = "{}"


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


class ToolMessage(Lenient):
    role: Literal["tool"]
    content: Content
    tool_call_id: str
    name: str | None = None


def _message_tag(value: Any) -> str | None:
    role = value.get("role") if isinstance(value, dict) else getattr(value, "role", None)
    if role in ("assistant", "tool"):
        return str(role)
    return "input" if isinstance(role, str) and role in ROLES else None


Message = Annotated[
    Annotated[InputMessage, Tag("input")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[ToolMessage, Tag("tool")],
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
class StreamOptions(Lenient):
    include_usage: bool | None = None
    continuous_usage_stats: bool | None = None


class ResponseFormat(Lenient):
    type: str


def _as_texts(value: Any) -> Any:
    if value == "":
        raise PydanticCustomError("empty", "it must not be empty")
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) or value is None:
        return value
    raise PydanticCustomError("expected", "a string or a list of strings")


StopTexts = Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_as_texts)]
Bias = Annotated[float, Field(ge=-100, le=100)]


class ChatRequest(Lenient):
    """The parameters that are honoured; `parameters.PARAMETERS` knows the fate of the others."""

    model: str = Field(min_length=1)
    messages: list[Message] = Field(min_length=1)

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: int | None = Field(None, ge=-1, le=INT64_MAX)
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    seed: int | None = Field(None, ge=INT64_MIN, le=INT64_MAX)
    n: int | None = Field(None, ge=1, le=MAX_CHOICES)
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    min_tokens: int | None = Field(None, ge=0, le=INT64_MAX)
    stop: StopTexts | None = Field(None, max_length=64)
    stop_token_ids: list[TokenId] | None = None
    logit_bias: dict[str, Bias] | None = None
    allowed_token_ids: list[TokenId] | None = Field(None, min_length=1)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    ignore_eos: bool | None = None
    include_stop_str_in_output: bool | None = None
    skip_special_tokens: bool | None = None

    stream: bool | None = None
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    tools: list[FunctionTool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    include_reasoning: bool | None = None
    reasoning_effort: Effort | None = None
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

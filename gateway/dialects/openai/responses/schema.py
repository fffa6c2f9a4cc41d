"""The shapes of a Responses request. Items, parts and tools are validated one by one, by their type."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from gateway.dialects.history import Arguments
from gateway.dialects.openai.fields import INT64_MAX, INT64_MIN, Count, StopTexts
from gateway.dialects.openai.lenient import WHOLE, Lenient
from gateway.dialects.openai.thinking import Effort

Summary = Literal["auto", "concise", "detailed"]
Item = dict[str, Any]


def _as_items(value: Any) -> Any:
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    if isinstance(value, list) or value is None:
        return value
    raise PydanticCustomError("expected", "a string or a list of items")


def _as_parts(value: Any) -> Any:
    if isinstance(value, str):
        return [{"type": "input_text", "text": value}]
    if isinstance(value, list):
        return value
    raise PydanticCustomError("expected", "a string or a list of content parts")


Items = Annotated[list[Item], BeforeValidator(_as_items)]
Parts = Annotated[list[Item], BeforeValidator(_as_parts)]


# ------------------------------------------------------------------ content parts
class TextPart(Lenient):
    text: str


class RefusalPart(Lenient):
    refusal: str


class ImagePart(Lenient):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class FilePart(Lenient):
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None


# ------------------------------------------------------------------ items
class MessageItem(Lenient):
    """`content` null: an assistant's turn that holds nothing."""

    role: Literal["user", "assistant", "system", "developer"]
    content: Parts | None


class FunctionCallItem(Lenient):
    call_id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    arguments: Arguments = "{}"
    namespace: str | None = None


class CustomCallItem(Lenient):
    call_id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: str
    namespace: str | None = None


class CallOutputItem(Lenient):
    call_id: str = Field(min_length=1)
    output: Parts | None = None


class ShellCallItem(Lenient):
    """`local_shell_call`, whose older clients know it by `id` alone, and `shell_call`."""

    call_id: str | None = None
    id: str | None = None
    action: dict[str, Any]


class PatchCallItem(Lenient):
    call_id: str = Field(min_length=1)
    operation: dict[str, Any]


class ShellOutputItem(Lenient):
    call_id: str | None = None
    id: str | None = None
    output: Any = ""


class ThoughtPart(Lenient):
    text: str = ""


class ReasoningItem(Lenient):
    content: list[ThoughtPart] | None = None
    summary: list[ThoughtPart] | None = None
    encrypted_content: str | None = None


class McpCallItem(Lenient):
    id: str = Field(min_length=1)
    server_label: str = Field(min_length=1)
    name: str = Field(min_length=1)
    arguments: Arguments = "{}"
    output: str | None = None
    error: Any = None
    approval_request_id: str | None = None


class ApprovalRequestItem(Lenient):
    id: str = Field(min_length=1)
    server_label: str = Field(min_length=1)
    name: str = Field(min_length=1)
    arguments: Arguments = "{}"


class ApprovalResponseItem(Lenient):
    approval_request_id: str = Field(min_length=1)
    approve: bool
    reason: str | None = None


class ReferenceItem(Lenient):
    id: str = Field(min_length=1)


# ------------------------------------------------------------------ tools
class FunctionTool(Lenient):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class CustomFormat(Lenient):
    type: str
    syntax: str | None = None
    definition: str | None = None


class CustomTool(Lenient):
    name: str
    description: str | None = None
    format: CustomFormat | None = None


class NamespaceTool(Lenient):
    name: str = Field(min_length=1)
    description: str | None = None
    tools: list[Item]


class NamedChoice(Lenient):
    name: str = Field(min_length=1)
    namespace: str | None = None


class McpChoice(Lenient):
    server_label: str = Field(min_length=1)
    name: str | None = None


class AllowedChoice(Lenient):
    mode: Literal["auto", "required"] = "auto"
    tools: list[Item] = Field(min_length=1)


# ------------------------------------------------------------------ the request
class TextFormat(Lenient):
    type: str
    name: str | None = None
    description: str | None = None
    schema_: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class TextConfig(Lenient):
    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(Lenient):
    effort: Effort | None = None
    summary: Summary | None = None
    generate_summary: Summary | None = None


MetadataValue = Annotated[str, Field(max_length=512)]


class InputRequest(Lenient):
    """What makes the prompt; `/v1/responses/input_tokens` takes no more."""

    model: str = Field(min_length=1)
    input: Items | None = None
    instructions: str | None = None
    previous_response_id: str | None = Field(None, min_length=1)
    tools: list[Item] | None = None
    tool_choice: str | dict[str, Any] | None = None
    text: TextConfig | None = None
    reasoning: Reasoning | None = None
    parallel_tool_calls: bool | None = None
    chat_template_kwargs: dict[str, Any] | None = None


class ResponsesRequest(InputRequest):
    """The parameters that are honoured; `parameters.PARAMETERS` knows the fate of the others."""

    store: bool | None = None
    background: bool | None = None
    stream: bool | None = None
    include: list[str] | None = None
    metadata: dict[str, MetadataValue] | None = Field(None, max_length=16)
    max_output_tokens: Count | None = None
    max_tool_calls: Count | None = None

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: Annotated[int, Field(ge=-1, le=INT64_MAX), WHOLE] | None = None
    min_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=10)
    seed: Annotated[int, Field(ge=INT64_MIN, le=INT64_MAX), WHOLE] | None = None
    stop: StopTexts | None = Field(None, max_length=64)
    ignore_eos: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), WHOLE] | None = None
    thinking_token_budget: Annotated[int, Field(ge=0, le=INT64_MAX), WHOLE] | None = None

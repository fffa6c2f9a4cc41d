"""The shape of a Messages request. Types are strict, as Anthropic's; unknown fields (cache_control) are tolerated.

Only what can be said about one field alone is said here; `request` and its neighbours check the rest.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from gateway.dialects.history import Input
from gateway.dialects.openai.lenient import WHOLE, Lenient

INT64_MAX = 2**63 - 1


# ------------------------------------------------------------------ content blocks
class TextBlock(Lenient):
    type: Literal["text"]
    text: str


class Base64Source(Lenient):
    type: Literal["base64"]
    media_type: str = Field(min_length=1, max_length=128)
    data: str = Field(min_length=1)


class UrlSource(Lenient):
    type: Literal["url"]
    url: str = Field(min_length=1)


class ImageBlock(Lenient):
    type: Literal["image"]
    source: Annotated[Base64Source | UrlSource, Field(discriminator="type")]


class TextSource(Lenient):
    type: Literal["text"]
    media_type: Literal["text/plain"] = "text/plain"
    data: str


class ContentSource(Lenient):
    """A document that is made of blocks."""

    type: Literal["content"]
    content: Annotated[list[TextBlock | ImageBlock], BeforeValidator(lambda value: _as_blocks(value))]


class Citations(Lenient):
    enabled: bool | None = None


class DocumentBlock(Lenient):
    """`source` is read (`messages`) once it is known to be text or content."""

    type: Literal["document"]
    source: dict[str, Any]
    title: str | None = None
    context: str | None = None
    citations: Citations | None = None


class ToolReferenceBlock(Lenient):
    type: Literal["tool_reference"]
    tool_name: str


class ThinkingBlock(Lenient):
    type: Literal["thinking"]
    thinking: str


class SilentBlock(Lenient):
    """What Anthropic's own tools and its encryption leave in a history: nothing that a model here could read."""

    type: Literal[
        "redacted_thinking",
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
    ]


class ToolUseBlock(Lenient):
    type: Literal["tool_use"]
    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: Input


class McpToolUseBlock(Lenient):
    type: Literal["mcp_tool_use"]
    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    input: Input


def _as_blocks(value: Any) -> Any:
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if isinstance(value, list):
        return value
    raise PydanticCustomError("expected", "Input should be a valid string or list of content blocks")


ResultBlock = Annotated[
    TextBlock | ImageBlock | DocumentBlock | ToolReferenceBlock | SilentBlock, Field(discriminator="type")
]


class ToolResultBlock(Lenient):
    type: Literal["tool_result"]
    tool_use_id: str = Field(min_length=1)
    content: Annotated[list[ResultBlock], BeforeValidator(_as_blocks)] | None = None
    is_error: bool | None = None


class McpToolResultBlock(Lenient):
    type: Literal["mcp_tool_result"]
    tool_use_id: str = Field(min_length=1)
    content: Annotated[list[TextBlock], BeforeValidator(_as_blocks)] | None = None
    is_error: bool | None = None


Block = Annotated[
    TextBlock
    | ImageBlock
    | DocumentBlock
    | ThinkingBlock
    | ToolUseBlock
    | McpToolUseBlock
    | McpToolResultBlock
    | ToolResultBlock
    | ToolReferenceBlock
    | SilentBlock,
    Field(discriminator="type"),
]


class Message(Lenient):
    role: Literal["user", "assistant", "system"]
    content: Annotated[list[Block], BeforeValidator(_as_blocks)]


System = Annotated[list[TextBlock], BeforeValidator(_as_blocks)]


# ------------------------------------------------------------------ tools and configuration
class ToolParam(Lenient):
    """A tool of the client's has no type, or `custom`; every other type is one of Anthropic's own."""

    name: str | None = None
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None


class ToolChoice(Lenient):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(Lenient):
    type: Literal["enabled", "adaptive", "between_tools", "disabled"]
    budget_tokens: Annotated[int, Field(ge=1, le=INT64_MAX), WHOLE] | None = None
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(Lenient):
    """`schema_` is `schema`, a name that pydantic keeps for itself."""

    type: Literal["json_schema"]
    schema_: dict[str, Any] = Field(alias="schema")


class OutputConfig(Lenient):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


# ------------------------------------------------------------------ the requests
class CountRequest(Lenient):
    """What counts as prompt; `parameters.PARAMETERS` knows the fate of every parameter."""

    model: str = Field(min_length=1)
    messages: list[Message] = Field(min_length=1, max_length=100_000)
    system: System | None = None
    tools: list[ToolParam] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None


class MessagesRequest(CountRequest):
    max_tokens: Annotated[int, Field(ge=1, le=INT64_MAX), WHOLE]
    stream: bool | None = None
    stop_sequences: list[Annotated[str, Field(min_length=1)]] | None = Field(None, max_length=64)
    temperature: float | None = Field(None, ge=0, le=1)
    top_p: float | None = Field(None, ge=0, le=1)
    top_k: Annotated[int, Field(ge=0, le=INT64_MAX), WHOLE] | None = None

import mcp_types as types
import pytest

from gateway.mcp.content import to_text
from gateway.mcp.result import ToolResult, cut

TEXT = types.TextContent(text="hello")


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (TEXT, "hello"),
        (types.ImageContent(data="AAAA", mime_type="image/png"), "[image (image/png), not shown]"),
        (types.AudioContent(data="AAAA", mime_type="audio/wav"), "[audio (audio/wav), not shown]"),
        (types.ResourceLink(name="notes", uri="file:///notes"), "[notes: file:///notes]"),
        (types.EmbeddedResource(resource=types.TextResourceContents(uri="a:b", text="inside")), "inside"),
        (
            types.EmbeddedResource(resource=types.BlobResourceContents(uri="a:b", blob="AAAA")),
            "[a:b (binary), not shown]",
        ),
    ],
)
def test_a_block(block: types.ContentBlock, text: str) -> None:
    assert to_text([block]) == text


def test_blocks_are_lines() -> None:
    assert to_text([TEXT, TEXT]) == "hello\nhello"


def test_structured_content_stands_in_for_none() -> None:
    assert to_text([], {"ö": 1}) == '{"ö": 1}'
    assert to_text([TEXT], {"a": 1}) == "hello"
    assert to_text([]) == ""


def test_only_what_is_too_long_is_cut() -> None:
    assert cut(ToolResult("abc"), 3) == ToolResult("abc")
    assert cut(ToolResult("abcd", is_error=True), 3) == ToolResult("abc\n[cut: 3 of 4 characters are shown]", True)

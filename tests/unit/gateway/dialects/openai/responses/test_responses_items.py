from __future__ import annotations

import base64
import json

import pytest

from gateway.dialects.openai.media import MediaReader
from gateway.dialects.openai.responses.items import SILENT, to_messages
from gateway.dialects.openai.responses.parts import holds_media
from gateway.dialects.openai.responses.thought import seal, unseal
from shared.errors import InvalidRequest, UnsupportedParameter, WrongModality
from shared.messages import ChatMessage, MediaPart, TextPart, ToolCall

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "one"}


def read(*items, media=None):
    return to_messages([(f"input[{index}]", item) for index, item in enumerate(items)], media or MediaReader())


def text_file(text: str, kind: str = "text/plain") -> str:
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"


def test_roles_and_texts():
    assert read(
        {"role": "developer", "content": "be brief"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"role": "assistant", "content": [{"type": "output_text", "text": "ho", "annotations": []}]},
    ) == (
        ChatMessage("system", (TextPart("be brief"),)),
        ChatMessage("user", (TextPart("hi"),)),
        ChatMessage("assistant", (TextPart("ho"),)),
    )


def test_the_items_of_a_turn_are_one_message():
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    said = {"role": "assistant", "content": "let me see"}
    other = CALL | {"call_id": "c2", "name": "g", "namespace": "mcp__files__"}
    assert read(thought, said, CALL, other, RESULT) == (
        ChatMessage(
            "assistant",
            (TextPart("let me see"),),
            reasoning="hm",
            tool_calls=(ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "mcp__files__g", '{"a":1}')),
        ),
        ChatMessage("tool", (TextPart("one"),), tool_call_id="c1"),
    )


def test_consecutive_messages_of_a_role_are_one_but_results_stay_apart():
    texts = [{"role": "developer", "content": text} for text in "ab"]
    found = read(*texts, CALL, RESULT, RESULT | {"call_id": "c2", "output": "two"})
    assert [message.role for message in found] == ["system", "assistant", "tool", "tool"]
    assert found[0].content == (TextPart("a"), TextPart("b"))


@pytest.mark.parametrize(
    ("item", "name", "arguments"),
    [
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": '*** "x"'},
            "apply_patch",
            {"input": '*** "x"'},
        ),
        ({"type": "local_shell_call", "id": "c", "action": {"command": ["ls"]}}, "local_shell", {"command": ["ls"]}),
        ({"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}}, "shell", {"commands": ["ls"]}),
        ({"type": "apply_patch_call", "call_id": "c", "operation": {"path": "x"}}, "apply_patch", {"path": "x"}),
    ],
)
def test_other_calls(item, name, arguments):
    (message,) = read(item)
    (call,) = message.tool_calls
    assert (call.id, call.name, json.loads(call.arguments)) == ("c", name, arguments)


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ({"type": "custom_tool_call_output", "call_id": "c", "output": "done"}, "done"),
        ({"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]}, "x"),
        ({"type": "local_shell_call_output", "id": "c", "output": "out"}, "out"),
        ({"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "o"}]}, '[{"stdout": "o"}]'),
    ],
)
def test_results(item, text):
    assert read(item) == (ChatMessage("tool", (TextPart(text),), tool_call_id="c"),)


def test_a_call_of_the_nodes_own_tells_both_sides():
    item = {"type": "mcp_call", "id": "m", "server_label": "files", "name": "read", "arguments": "{}", "output": "x"}
    call, result = read(item)
    assert call.tool_calls == (ToolCall("m", "read", "{}"),)
    assert result == ChatMessage("tool", (TextPart("x"),), tool_call_id="m")
    failed = read(item | {"output": None, "error": "gone"})
    assert failed[1].content == (TextPart("Error: gone"),)


def test_an_approved_call_has_its_result_where_it_was_asked_for():
    asked = {"type": "mcp_approval_request", "id": "r", "server_label": "s", "name": "n", "arguments": "{}"}
    approved = {"type": "mcp_approval_response", "approval_request_id": "r", "approve": True}
    made = {"type": "mcp_call", "id": "m", "server_label": "s", "name": "n", "approval_request_id": "r", "output": "x"}
    call, result = read(asked, approved, made)
    assert call.tool_calls == (ToolCall("r", "n", "{}"),)
    assert result == ChatMessage("tool", (TextPart("x"),), tool_call_id="r")


def test_a_refused_call_says_so():
    asked = {"type": "mcp_approval_request", "id": "r", "server_label": "s", "name": "n", "arguments": "{}"}
    call, result = read(asked, {"type": "mcp_approval_response", "approval_request_id": "r", "approve": False})
    assert call.tool_calls[0].id == result.tool_call_id == "r"
    assert "refused" in result.content[0].text


def test_thoughts_come_back_by_any_way():
    def thought(**fields):
        return read({"type": "reasoning", "summary": [], **fields})

    for fields in (
        {"content": [{"type": "reasoning_text", "text": "hm"}]},
        {"summary": [{"type": "summary_text", "text": "hm"}]},
        {"encrypted_content": seal("hm")},
    ):
        assert thought(**fields) == (ChatMessage("assistant", reasoning="hm"),)
    assert thought(encrypted_content="gAAAA-of-another-server") == ()


@pytest.mark.parametrize("text", ["", "é\n🙂", "x" * 10_000])
def test_a_seal_is_lossless(text):
    assert unseal(seal(text)) == text


@pytest.mark.parametrize("content", ["mlx-gateway:!!!", "mlx-gateway:/w==", "x"])
def test_a_broken_seal_is_nothing(content):
    assert unseal(content) == ""


@pytest.mark.parametrize("kind", sorted(SILENT))
def test_what_says_nothing_to_a_model_is_left_out(kind):
    assert read({"type": kind, "whatever": 1}) == ()


def test_images_and_sound_where_the_model_reads_them():
    part = {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"}
    message = {"role": "user", "content": [part]}
    media = MediaReader(("image",))
    assert read(message, media=media)[0].content == (MediaPart("image", 0, '{"detail": "low"}'),)
    assert [(one.param, one.url) for one in media.sources] == [("input[0].content[0]", "https://x/y.png")]
    assert holds_media([message])
    assert not holds_media([{"role": "user", "content": "x"}])
    with pytest.raises(WrongModality) as caught:
        read(message)
    assert caught.value.param == "input[0].content[0]"


def test_a_text_file_is_read():
    part = {"type": "input_file", "filename": "a.md", "file_data": text_file("# A", "text/markdown")}
    assert read({"role": "user", "content": [part]})[0].content == (TextPart("a.md\n\n# A"),)


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "nonsense"}, "input[0].type"),
        ({}, "input[0].type"),
        ({"type": 1}, "input[0].type"),
        ({"role": "critic", "content": "x"}, "input[0].role"),
        ({"role": "user"}, "input[0].content"),
        ({"role": "user", "content": [1]}, "input[0].content[0]"),
        ({"role": "user", "content": [{"text": "x"}]}, "input[0].content[0].type"),
        ({"role": "user", "content": [{"type": "video"}]}, "input[0].content[0].type"),
        ({"role": "user", "content": [{"type": "input_text", "text": 1}]}, "input[0].content[0].text"),
        ({"role": "user", "content": [{"type": "input_image"}]}, "input[0].content[0].image_url"),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, "input[0].content[0].file_id"),
        ({"role": "user", "content": [{"type": "input_file", "file_url": "f"}]}, "input[0].content[0].file_url"),
        (
            {"role": "user", "content": [{"type": "input_file", "file_data": "data:application/pdf;base64,x"}]},
            "input[0].content[0].file_data",
        ),
        (
            {"role": "user", "content": [{"type": "input_file", "file_data": "data:text/plain;base64,/w=="}]},
            "input[0].content[0].file_data",
        ),
        ({"type": "function_call", "name": "f"}, "input[0].call_id"),
        ({"type": "function_call_output", "output": "x"}, "input[0].call_id"),
        ({"type": "local_shell_call", "action": {}}, "input[0].call_id"),
        ({"type": "custom_tool_call", "call_id": "c", "name": "f"}, "input[0].input"),
    ],
)
def test_mistakes_are_named(item, param):
    with pytest.raises(InvalidRequest) as caught:
        read(item)
    assert caught.value.param == param


def test_what_files_there_are_not():
    with pytest.raises(UnsupportedParameter, match="not kept"):
        read({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]})

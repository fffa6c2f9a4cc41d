from __future__ import annotations

import json

import pytest

from gateway.dialects.anthropic.media import ImageReader
from gateway.dialects.anthropic.parameters import PARAMETERS
from gateway.dialects.anthropic.request import client_words, options, parse_count, parse_messages, to_count, to_generate
from gateway.dialects.anthropic.schema import MessagesRequest
from gateway.dialects.anthropic.tools import left_out
from gateway.dialects.openai.parameters import Fate
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import ChatMessage, Grammar, MediaPart, TextPart, Tool, ToolCall

HI = {"role": "user", "content": "hi"}
TOOL = {"name": "read", "description": "Reads.", "input_schema": {"type": "object"}, "defer_loading": True}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}


def body(*messages, **more):
    return {"model": "m", "max_tokens": 32000, "messages": list(messages) or [HI], **more}


def generate(*messages, **more):
    return to_generate(parse_messages(body(*messages, **more)), "r", ImageReader(("image",)))


def prompt(*messages, **more):
    return generate(*messages, **more).prompt


def user(*content):
    return {"role": "user", "content": list(content)}


def assistant(*content):
    return {"role": "assistant", "content": list(content)}


def text(value, **more):
    return {"type": "text", "text": value, **more}


def says(role, *texts):
    return ChatMessage(role, tuple(TextPart(one) for one in texts))


SHAPE = {"type": "json_schema", "schema": {"type": "object"}}
FORMAT = {"format": SHAPE}
CACHE = {"cache_control": {"type": "ephemeral"}}
USE = {"type": "tool_use", "id": "t1", "name": "read", "input": {"path": "é"}, **CACHE}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "done", **CACHE}


# ------------------------------------------------------------------ messages
def test_system_as_text_or_blocks():
    assert prompt(system="be brief").messages == (says("system", "be brief"), says("user", "hi"))
    blocks = [text("a", **CACHE), text(""), text("b")]
    assert prompt(system=blocks).messages[0] == says("system", "a", "b")
    assert prompt(system="").messages == (says("user", "hi"),)


def test_claude_codes_billing_header_is_not_in_the_prompt():
    def asked(noise):
        return prompt(system=[text(f"x-anthropic-billing-header: cc_version=2.1; cch={noise};"), text("You are.")])

    assert asked("1") == asked("2")
    assert asked("1").messages[0] == says("system", "You are.")
    assert prompt(system="x-anthropic-billing-header: a\nYou are.").messages[0] == says("system", "You are.")


def test_system_messages_stay_in_place():
    late = {"role": "system", "content": "now in French", "output_config": {"effort": "low"}}
    found = prompt(HI, assistant(text("hello")), HI, late, HI).messages
    assert [one.role for one in found] == ["user", "assistant", "user", "system", "user"]
    assert found[3] == says("system", "now in French")


def test_consecutive_turns_are_one():
    found = prompt(user(text("a")), user(text("b"), text("c")), assistant(text("d")), assistant(USE), user(RESULT))
    assert found.messages[:2] == (
        says("user", "a", "b", "c"),
        ChatMessage("assistant", (TextPart("d"),), tool_calls=(ToolCall("t1", "read", '{"path": "é"}'),)),
    )


def test_thoughts_become_reasoning_and_encrypted_ones_are_left_out():
    thought = {"type": "thinking", "thinking": "hm", "signature": "x"}
    found = prompt(HI, assistant(thought, {"type": "redacted_thinking", "data": "x"}, text("yes")), HI).messages[1]
    assert found == ChatMessage("assistant", (TextPart("yes"),), reasoning="hm")
    only = [HI, assistant({"type": "redacted_thinking", "data": "x"}), HI]
    assert prompt(*only).messages == (says("user", "hi", "hi"),)


@pytest.mark.parametrize(
    ("more", "texts"),
    [
        ({}, ("done",)),
        ({"content": [text("a"), text("b")]}, ("a", "b")),
        ({"content": None}, ()),
        ({"is_error": True}, ("Error: done",)),
        ({"is_error": True, "content": []}, ("Error",)),
        ({"content": [{"type": "tool_reference", "tool_name": "grep"}]}, ("The tool grep is available.",)),
    ],
)
def test_results_are_messages_of_their_own(more, texts):
    found = prompt(HI, assistant(USE), user(RESULT | more, text("go on"))).messages
    content = tuple(TextPart(one) for one in texts)
    assert found[2:] == (ChatMessage("tool", content, tool_call_id="t1"), says("user", "go on"))


def test_two_results_and_what_is_said_before():
    found = prompt(HI, assistant(USE), user(text("so"), RESULT, RESULT)).messages
    assert [one.role for one in found] == ["user", "assistant", "user", "tool", "tool"]


def test_documents_of_text():
    source = {"type": "text", "media_type": "text/plain", "data": "Once."}
    document = {"type": "document", "source": source, "title": "Tale", "context": "old"}
    assert prompt(user(document)).messages == (says("user", "Tale\n\nold\n\nOnce."),)


def test_what_servers_tools_left_behind_is_left_out():
    left = [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}]
    left += [{"type": "web_search_tool_result", "tool_use_id": "s", "content": []}]
    assert prompt(HI, assistant(*left, text("found")), HI).messages[1] == says("assistant", "found")


@pytest.mark.parametrize(("content", "prefilled"), [("The answer is", True), ("", False), ([], False)])
def test_a_last_assistant_message_is_continued(content, prefilled):
    found = prompt(HI, {"role": "assistant", "content": content})
    assert (found.continue_final_message, found.add_generation_prompt) == (prefilled, not prefilled)
    assert len(found.messages) == 1 + prefilled


# ------------------------------------------------------------------ tools
def test_tools_and_those_that_are_left_out():
    work = generate(tools=[TOOL, TOOL | {"name": "b", "type": "custom", "strict": True}, SEARCH])
    assert work.prompt.tools == (
        Tool("read", "Reads.", '{"type": "object"}'),
        Tool("b", "Reads.", '{"type": "object"}', strict=True),
    )
    assert (work.parse_tools, work.parallel_tool_calls) == (True, True)
    assert left_out(parse_messages(body(tools=[TOOL, SEARCH])).tools) == ["tools: web_search_20250305"]
    assert not generate(tools=[SEARCH, {"type": "tool_search_tool_regex", "name": "find"}]).parse_tools
    assert not generate(tools=[]).parse_tools


def test_tool_choice():
    auto = {"type": "auto", "disable_parallel_tool_use": True}
    assert not generate(tools=[TOOL], tool_choice=auto).parallel_tool_calls
    none = generate(tools=[TOOL], tool_choice={"type": "none"})
    assert (none.prompt.tools, none.parse_tools) == ((), False)


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ({"type": "auto"}, ("auto", ())),
        ({"type": "any"}, ("required", ())),
        ({"type": "tool", "name": "read"}, ("required", ("read",))),
    ],
)
def test_calls_that_have_to_be_made(choice, wanted):
    more = {"tools": [TOOL, SEARCH], "output_config": FORMAT}
    work = generate(**more, tool_choice=choice | {"disable_parallel_tool_use": True})
    assert (work.tool_choice, work.callable_tools, work.parallel_tool_calls) == (*wanted, False)
    assert (work.grammar is None) == (wanted[0] == "required")
    assert generate(**more, tool_choice=choice).parallel_tool_calls == (choice["type"] != "tool")


def test_any_needs_a_tool_of_the_clients():
    for tools in ([], [SEARCH]):
        with pytest.raises(InvalidRequest, match="tool_choice"):
            generate(tools=tools, tool_choice={"type": "any"})


@pytest.mark.parametrize("more", [{"output_config": {"format": SHAPE}}, {"output_format": SHAPE}])
def test_a_format(more):
    assert generate(**more).grammar == Grammar("json_schema", '{"type": "object"}')


def test_what_a_worker_refuses_is_named_as_the_client_named_it():
    request = parse_messages(body(tools=[SEARCH, TOOL], output_format=SHAPE))
    words = client_words(request, to_generate(request, "r", ImageReader()).prompt, ImageReader())
    assert words.told("tools[0].function.parameters", "")[0] == "tools.1.input_schema"
    assert words.told("response_format.json_schema.schema", "")[0] == "output_format.schema"
    assert words.told("stop", "")[0] == "stop_sequences"


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"type": "tool", "name": "web_search"}, "'web_search' (web_search_20250305)"),
        ({"type": "tool", "name": "nope"}, "Tool 'nope' not found"),
        ({"type": "tool"}, "tool_choice.tool.name: Field required"),
        ({"type": "required"}, "tool_choice.type: "),
    ],
)
def test_choices_that_cannot_be_kept(choice, says):
    with pytest.raises(InvalidRequest) as caught:
        generate(tools=[TOOL, SEARCH], tool_choice=choice)
    assert says in caught.value.message
    assert caught.value.param.startswith("tool_choice")


# ------------------------------------------------------------------ thinking, effort, sampling
@pytest.mark.parametrize(
    ("thinking", "thinks"),
    [
        (None, False),
        ({"type": "disabled"}, False),
        ({"type": "adaptive", "display": "summarized"}, True),
        ({"type": "enabled", "budget_tokens": 31999}, True),
    ],
)
def test_thinking(thinking, thinks):
    assert json.loads(prompt(thinking=thinking).template_kwargs) == {"enable_thinking": thinks}


def test_a_thought_has_the_budget_that_was_given():
    assert generate(thinking={"type": "enabled", "budget_tokens": 31999}).thinking_budget == 31999
    assert generate(thinking={"type": "adaptive"}).thinking_budget is None
    assert generate(thinking={"type": "disabled", "budget_tokens": 5}).thinking_budget is None


def test_a_budget_over_the_limit_is_for_thoughts_between_calls():
    asked = body(thinking={"type": "enabled", "budget_tokens": 32000}, tools=[TOOL])
    with pytest.raises(InvalidRequest, match=r"must be greater than 'thinking\.budget_tokens'"):
        parse_messages(asked)
    assert parse_messages(asked, "a,interleaved-thinking-2025-05-14")


def test_effort_goes_to_the_template():
    kwargs = json.loads(prompt(output_config={"effort": "high"}).template_kwargs)
    assert kwargs == {"enable_thinking": False, "reasoning_effort": "high"}


def test_sampling():
    sampling = generate(temperature=1, top_p=0.5, top_k=3, stop_sequences=["a", "b"]).sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (1, 0.5, 3)
    assert (sampling.max_tokens, sampling.stop) == (32000, ("a", "b"))
    greedy = generate(top_p=0).sampling
    assert (greedy.top_p, greedy.top_k) == (None, 1)


def test_options():
    wanted = options(parse_messages(body(stream=True, thinking={"type": "adaptive", "display": "omitted"})))
    assert (wanted.stream, wanted.show_thinking, wanted.max_tokens) == (True, False, 32000)
    assert options(parse_messages(body())).show_thinking


def test_counting_reads_the_same_prompt():
    more = {"tools": [TOOL, SEARCH], "system": "s", "thinking": {"type": "adaptive"}}
    counted = to_count(parse_count({"model": "m", "messages": [HI], **more}), "c", ImageReader())
    assert counted.prompt == prompt(**more)


# ------------------------------------------------------------------ refusals
@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"max_tokens": None}, "max_tokens: "),
        ({"max_tokens": 0}, "max_tokens: "),
        ({"max_tokens": "9"}, "max_tokens: "),
        ({"temperature": 1.5}, "temperature: "),
        ({"top_k": -1}, "top_k: "),
        ({"stop_sequences": [""]}, "stop_sequences.0: "),
        ({"messages": []}, "messages: "),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role: "),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content: "),
        ({"messages": [user()]}, "messages.0: "),
        ({"messages": [user(text(""))]}, "messages.0.content: user messages must have non-empty content"),
        ({"messages": [user({"type": "video"})]}, "messages.0.content.0: "),
        ({"messages": [user({"type": "text"})]}, "messages.0.content.0.text.text: Field required"),
        ({"messages": [user(USE)]}, "messages.0.content.0: 'tool_use' blocks can't be in user messages"),
        ({"messages": [HI, assistant(RESULT), HI]}, "messages.1.content.0: 'tool_result' blocks"),
        ({"messages": [{"role": "system", "content": [USE]}, HI]}, "messages.0.content.0: 'tool_use' blocks"),
        ({"messages": [HI, assistant(text("x")), {"role": "user", "content": []}]}, "messages.2: "),
        ({"messages": [HI, assistant(USE)]}, "tool_result"),
        ({"messages": [user({"type": "document", "source": {"type": "base64"}})]}, "documents of type 'base64'"),
        ({"messages": [user({"type": "document", "source": {"type": "text"}})]}, "messages.0.content.0.source.data"),
        ({"tools": [TOOL, TOOL]}, "Tool names must be unique"),
        ({"tools": [TOOL | {"name": "a b"}]}, "tools.0.name: "),
        ({"tools": [TOOL, {"input_schema": {}}]}, "tools.1.name: Field required"),
        ({"tools": [{"name": "a"}]}, "tools.0.input_schema: Field required"),
        ({"tools": [{"type": "function", "name": "a"}]}, "tools.0.type: "),
        ({"thinking": {"type": "on"}}, "thinking.type: "),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema: Field required"),
        ({"output_config": {"format": SHAPE | {"schema": {"$ref": "#"}}}}, "output_config.format.schema: '$ref'"),
        ({"output_format": SHAPE | {"schema": {"$ref": "#/$defs/x"}}}, "output_format.schema: '$ref'"),
        ({"output_format": {"type": "poem"}}, "output_format.type: "),
        ({"tools": [TOOL | {"input_schema": {"$ref": "#"}}]}, "tools.0.input_schema: '$ref'"),
        ({"tools": [TOOL | {"name": "x" * 129}]}, "tools.0.name: "),
        ({"thinking": {"type": "enabled"}}, "thinking.enabled.budget_tokens: Field required"),
        ({"container": "c"}, "container"),
    ],
)
def test_refusals_name_the_parameter(more, says):
    with pytest.raises(InvalidRequest) as caught:
        generate(**more)
    assert says in caught.value.message
    assert caught.value.param


def test_documents_of_blocks():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"}}
    source = {"type": "content", "content": [text("one"), image, text("two")]}
    [message] = prompt(user({"type": "document", "source": source, "title": "Tale"})).messages
    assert message.content == (TextPart("Tale"), TextPart("one"), MediaPart("image", 0), TextPart("two"))
    plain = {"type": "document", "source": {"type": "content", "content": "one"}}
    assert prompt(user(plain)).messages == (says("user", "one"),)


def test_citations_are_refused():
    source = {"type": "text", "media_type": "text/plain", "data": "Once."}
    document = {"type": "document", "source": source, "citations": {"enabled": True}}
    with pytest.raises(UnsupportedParameter, match="citations"):
        prompt(user(document))
    assert prompt(user(document | {"citations": {"enabled": False}})).messages


def test_a_long_tag_is_not_said_back():
    with pytest.raises(InvalidRequest) as caught:
        generate(user({"type": "x" * 10_000}))
    assert len(caught.value.message) < 1000


# ------------------------------------------------------------------ the table
def test_the_table_knows_every_honoured_parameter():
    honoured = {one.name for one in PARAMETERS if one.fate is Fate.HONOURED}
    assert honoured == {*MessagesRequest.model_fields, "mcp_servers"}  # which `server_tools` reads


def test_what_clients_send_besides_is_tolerated():
    more = {"metadata": {"user_id": "u"}, "service_tier": "auto", "context_management": {"edits": []}}
    more |= {"safeguards": {}, "mcp_servers": [], "container": None, "something_new": 1}
    assert generate(**more) == generate()

"""OpenAI's Responses API by the official client, strict, against a real node."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response, ResponseFunctionToolCall, ResponseReasoningItem

from tests.integration.node import DEMO_CHAT, Node, serve, until

MODEL = "demo-chat"
TOOL_SERVER = Path(__file__).parents[1] / "fakes" / "mcp_server.py"
THINGS: Any = {"type": "mcp", "server_label": "things", "allowed_tools": ["get_weather"]}
ANSWER = "Hello! How can I help you today?"
QUIET: Any = {"effort": "none"}
ENDLESS = {"ignore_eos": True}
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Current weather for a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def client_of(node: Node) -> OpenAI:
    return OpenAI(base_url=node.url + "/v1", api_key="none", max_retries=0, _strict_response_validation=True)


def configuration(folder: Path) -> str:
    """A node whose state is in the folder."""
    return f"node: {{state_dir: {folder / 'state'}}}\nmodels:\n  {MODEL}: {{source: {DEMO_CHAT}, kind: llm}}\n"


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("responses")
    tools = f"mcp:\n  things: {{command: [{sys.executable}, {TOOL_SERVER}, stdio]}}\n"
    (folder / "node.yaml").write_text(configuration(folder) + tools)
    return folder


@pytest.fixture(scope="session")
def kept_node(state: Path) -> Iterator[Node]:
    """A node whose state is the test's own."""
    with serve(state / "log", "--config", str(state / "node.yaml")) as found:
        yield found


@pytest.fixture(scope="session")
def client(kept_node: Node) -> Iterator[OpenAI]:
    with client_of(kept_node) as found:
        yield found


def ended(client: OpenAI, response_id: str) -> Response:
    def look() -> Response | None:
        found = client.responses.retrieve(response_id)
        return None if found.status in ("queued", "in_progress") else found

    found: Response = until(look)
    return found


# ------------------------------------------------------------------ one answer
def test_an_answer_with_its_thought_and_usage(client: OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="Hello!")
    assert answer.output_text == ANSWER
    assert (answer.status, answer.error, answer.incomplete_details) == ("completed", None, None)
    thought = answer.output[0]
    assert isinstance(thought, ResponseReasoningItem)
    assert thought.content
    assert thought.content[0].text
    assert answer.usage
    assert answer.usage.output_tokens_details.reasoning_tokens > 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_a_stream_has_the_whole_sequence_of_events(client: OpenAI) -> None:
    events = list(client.responses.create(model=MODEL, input="Hello!", stream=True, reasoning=QUIET))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    first = ["created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"]
    assert kinds[:5] == [f"response.{kind}" for kind in first]
    last = ["output_text.done", "content_part.done", "output_item.done", "completed"]
    assert kinds[-4:] == [f"response.{kind}" for kind in last]
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == ANSWER
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == ANSWER


def test_the_clients_own_accumulation_agrees(client: OpenAI) -> None:
    with client.responses.stream(model=MODEL, input="What is the weather in Paris?", tools=[WEATHER]) as stream:
        for _ in stream:
            pass
        final = stream.get_final_response()
    call = final.output[-1]
    assert (call.type, final.status) == ("function_call", "completed")
    assert isinstance(call, ResponseFunctionToolCall)
    assert call.arguments == '{"city": "Paris"}'


def test_a_tool_is_called_and_its_result_used(client: OpenAI) -> None:
    question: Any = {"role": "user", "content": "What is the weather in Paris?"}
    first = client.responses.create(model=MODEL, input=[question], tools=[WEATHER], store=False)
    call = first.output[-1]
    assert isinstance(call, ResponseFunctionToolCall)
    said: list[Any] = [item.model_dump(exclude_none=True) for item in first.output]
    result: Any = {
        "type": "function_call_output",
        "call_id": call.call_id,
        "output": '{"temperature": 18, "sky": "sunny"}',
    }
    second = client.responses.create(
        model=MODEL, input=[question, *said, result], tools=[WEATHER], store=False, reasoning=QUIET
    )
    assert second.output_text == "It is 18 degrees and sunny in Paris."


def test_a_length_limit_makes_it_incomplete(client: OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="Hello!", max_output_tokens=3, reasoning=QUIET)
    assert answer.status == "incomplete"
    assert answer.incomplete_details
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage
    assert answer.usage.output_tokens == 3


def test_a_summary_and_a_sealed_thought(client: OpenAI) -> None:
    answer = client.responses.create(
        model=MODEL, input="Hello!", reasoning={"summary": "auto"}, include=["reasoning.encrypted_content"]
    )
    thought = answer.output[0]
    assert isinstance(thought, ResponseReasoningItem)
    assert thought.summary[0].text
    sealed: Any = {"type": "reasoning", "id": thought.id, "summary": [], "encrypted_content": thought.encrypted_content}
    more: list[Any] = [{"role": "user", "content": "Hello!"}, sealed, {"role": "assistant", "content": ANSWER}]
    again = client.responses.create(model=MODEL, input=[*more, {"role": "user", "content": "Hello!"}])
    assert again.output_text


def test_log_probabilities(client: OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="Hello!", top_logprobs=2, reasoning=QUIET)
    message = answer.output[0]
    assert message.type == "message"
    part = message.content[0]
    assert part.type == "output_text"
    assert part.logprobs
    assert b"".join(bytes(token.bytes) for token in part.logprobs).decode() == ANSWER
    assert all(len(token.top_logprobs) == 2 for token in part.logprobs)


def test_tokens_are_counted_as_they_are_read(client: OpenAI) -> None:
    counted = client.responses.input_tokens.count(model=MODEL, input="Hello!", instructions="Be brief.")
    answer = client.responses.create(model=MODEL, input="Hello!", instructions="Be brief.")
    assert answer.usage
    assert counted.input_tokens == answer.usage.input_tokens


def test_a_schema_binds_the_answer(client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    schema |= {"additionalProperties": False}
    wanted: Any = {"format": {"type": "json_schema", "name": "number", "schema": schema, "strict": True}}
    answer = client.responses.create(model=MODEL, input="Hello!", text=wanted, max_output_tokens=200)
    if answer.status == "completed":  # nothing in the schema bounds a number's digits
        assert isinstance(json.loads(answer.output_text)["n"], int)
    assert answer.output_text.lstrip().startswith("{")


def test_a_forced_call_is_made(client: OpenAI) -> None:
    tool = WEATHER | {"strict": True, "parameters": WEATHER["parameters"] | {"additionalProperties": False}}
    choice: Any = {"type": "function", "name": "get_weather"}
    answer = client.responses.create(model=MODEL, input="Hello!", tools=[tool], tool_choice=choice)
    call = answer.output[-1]
    assert isinstance(call, ResponseFunctionToolCall)
    assert isinstance(json.loads(call.arguments)["city"], str)


# ------------------------------------------------------------------ tools of servers
def test_a_servers_tool_is_called_within_the_answer(client: OpenAI) -> None:
    question = "What is the weather in Paris?"
    events = list(client.responses.create(model=MODEL, input=question, tools=[THINGS], stream=True))
    assert "response.mcp_call.completed" in [event.type for event in events]
    last = events[-1]
    assert last.type == "response.completed"
    listed, call = (
        next(one for one in last.response.output if one.type == kind) for kind in ("mcp_list_tools", "mcp_call")
    )
    assert [tool.name for tool in listed.tools] == ["get_weather"]
    assert (call.status, call.error) == ("completed", None)
    assert call.output == "It is 21 degrees and sunny in Paris."


def test_a_servers_tool_waits_for_approval(client: OpenAI) -> None:
    tool: Any = THINGS | {"require_approval": "always"}
    asked = client.responses.create(model=MODEL, input="What is the weather in Paris?", tools=[tool])
    request = asked.output[-1]
    assert request.type == "mcp_approval_request"
    approval: Any = {"type": "mcp_approval_response", "approval_request_id": request.id, "approve": True}
    done = client.responses.create(model=MODEL, input=[approval], tools=[tool], previous_response_id=asked.id)
    call = next(one for one in done.output if one.type == "mcp_call")
    assert (call.approval_request_id, call.output) == (request.id, "It is 21 degrees and sunny in Paris.")
    kinds = [item.type for item in client.responses.input_items.list(done.id, order="asc")]
    assert kinds[-2:] == ["mcp_approval_request", "mcp_approval_response"]


# ------------------------------------------------------------------ what is kept
def test_a_conversation_goes_on_from_what_is_stored(client: OpenAI) -> None:
    first = client.responses.create(model=MODEL, input="Hello!")
    assert client.responses.retrieve(first.id) == first
    second = client.responses.create(model=MODEL, input="What is the capital of France?", previous_response_id=first.id)
    assert "Paris" in second.output_text
    items = client.responses.input_items.list(second.id, limit=2, order="asc")
    assert [item.type for item in items] == ["message", "reasoning", "message", "message"]
    newest = client.responses.input_items.list(second.id, limit=1)
    assert newest.has_more
    assert newest.data[0].model_dump()["content"][0]["text"] == "What is the capital of France?"


def test_an_item_may_be_sent_by_its_id(client: OpenAI) -> None:
    first = client.responses.create(model=MODEL, input="Hello!", reasoning=QUIET)
    reference: Any = {"type": "item_reference", "id": first.output[0].id}
    spelled: Any = {"role": "assistant", "content": ANSWER}
    question: Any = {"role": "user", "content": "What is the capital of France?"}
    counts = [
        client.responses.input_tokens.count(model=MODEL, input=[item, question]).input_tokens
        for item in (reference, spelled)
    ]
    assert counts[0] == counts[1]


def test_what_was_deleted_is_gone(client: OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="Hello!", reasoning=QUIET)
    client.responses.delete(answer.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="Hello!", previous_response_id=answer.id)
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


def test_what_shall_not_be_stored_is_not(client: OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="Hello!", store=False, reasoning=QUIET)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)


# ------------------------------------------------------------------ in the background
def test_a_background_response_completes_by_itself(client: OpenAI) -> None:
    answer = client.responses.create(model=MODEL, input="Hello!", background=True)
    assert answer.status == "queued"
    done = ended(client, answer.id)
    assert (done.status, done.output_text, done.background) == ("completed", ANSWER, True)


def test_a_background_response_is_cancelled(client: OpenAI, kept_node: Node) -> None:
    answer = client.responses.create(
        model=MODEL, input="Hello!", background=True, max_output_tokens=20_000, extra_body=ENDLESS
    )
    assert client.responses.cancel(answer.id).status == "cancelled"
    assert client.responses.retrieve(answer.id).status == "cancelled"
    until(lambda: kept_node.worker()["open_requests"] == 0)


def test_a_background_stream_survives_its_client_and_is_read_again(client: OpenAI) -> None:
    stream = client.responses.create(model=MODEL, input="Hello!", background=True, stream=True)
    first = next(iter(stream))
    assert first.type == "response.created"
    stream.close()
    assert ended(client, first.response.id).output_text == ANSWER
    rest = list(client.responses.retrieve(first.response.id, stream=True, starting_after=3))
    assert rest[0].sequence_number == 4
    assert rest[-1].type == "response.completed"


def test_a_killed_worker_fails_the_response_and_that_is_stored(client: OpenAI, kept_node: Node) -> None:
    stream = client.responses.create(
        model=MODEL, input="Hello!", stream=True, max_output_tokens=20_000, extra_body=ENDLESS
    )
    events = iter(stream)
    first = next(events)
    assert first.type == "response.created"
    until(lambda: next(events).type == "response.output_text.delta")
    os.kill(kept_node.worker()["pid"], signal.SIGKILL)
    last = list(events)[-1]
    assert last.type == "response.failed"
    assert last.response.error
    assert last.response.error.code == "server_error"
    kept = client.responses.retrieve(first.response.id)
    assert (kept.status, kept.error) == ("failed", last.response.error)
    assert kept.usage
    assert kept.usage.output_tokens > 0


@pytest.mark.parametrize(("end", "says"), [(signal.SIGKILL, "restarted"), (signal.SIGTERM, "stopped")])
def test_what_ran_when_the_gateway_ended_has_failed(tmp_path: Path, end: signal.Signals, says: str) -> None:
    (tmp_path / "node.yaml").write_text(configuration(tmp_path))
    arguments = ("--config", str(tmp_path / "node.yaml"))
    state = str(tmp_path / "state")
    with serve(tmp_path / "log", *arguments, state=state) as node, client_of(node) as client:
        kept = client.responses.create(model=MODEL, input="Hello!", reasoning=QUIET)
        running = client.responses.create(
            model=MODEL, input="Hello!", background=True, max_output_tokens=20_000, extra_body=ENDLESS
        )
        node.process.send_signal(end)
        node.process.wait(60)
    with serve(tmp_path / "log", *arguments, ready=False, state=state) as node, client_of(node) as client:
        failed = client.responses.retrieve(running.id)
        assert failed.status == "failed"
        assert failed.error
        assert says in failed.error.message
        assert client.responses.retrieve(kept.id) == kept
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


# ------------------------------------------------------------------ refusals
def test_a_websocket_is_told_to_post(kept_node: Node) -> None:
    upgrade = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    key = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}
    for headers in ({}, upgrade | key):
        assert httpx.get(kept_node.url + "/v1/responses", headers=headers).status_code == 426


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": [{"type": "nonsense"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"temperature": 3}, "temperature"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice.name"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.name"),
    ],
)
def test_mistakes_are_named(client: OpenAI, change: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": MODEL, "input": "Hello!", **change})
    assert caught.value.param == param

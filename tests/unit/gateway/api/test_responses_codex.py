"""What Codex sends, as seen on the wire, and what it has to get."""

from __future__ import annotations

import json

from gateway.dialects.openai.responses.thought import unseal
from shared.messages import Accepted, ChoiceFinished, Finished, ReasoningDelta, ToolCallDelta
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import USAGE, make_app, make_node, says

PATCH = '*** Begin Patch\n*** Add File: a.txt\n+"hi"\n*** End Patch\n'
TOOLS = [
    {
        "type": "function",
        "name": "exec_command",
        "description": "Runs a command.",
        "strict": False,
        "parameters": {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]},
        "output_schema": {"type": "object"},
    },
    {
        "type": "namespace",
        "name": "multi_agent_v1",
        "description": "Agents.",
        "tools": [{"type": "function", "name": "spawn", "parameters": {"type": "object"}, "defer_loading": True}],
    },
    {
        "type": "custom",
        "name": "apply_patch",
        "description": "Edits files.",
        "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "*** Begin Patch"'},
    },
    {"type": "web_search", "external_web_access": False},
    {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}},
    {"type": "image_generation", "output_format": "png"},
]


def message(role: str, text: str) -> dict[str, object]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": role, "content": content, "internal_metadata": {"turn": 1}}


REQUEST = {
    "model": "chat",
    "instructions": "You are Codex.",
    "input": [message("developer", "sandbox"), message("developer", "skills"), message("user", "fix it")],
    "tools": TOOLS,
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"effort": "medium", "summary": "auto", "context": "all_turns"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "service_tier": "priority",
    "prompt_cache_key": "0199",
    "text": {"verbosity": "low"},
    "client_metadata": {"x-codex-installation-id": "1"},
}


def works(work):
    calls = [("multi_agent_v1__spawn", "{}"), ("apply_patch", json.dumps({"input": PATCH}))]
    return [
        Accepted(work.request, 7, 4),
        ReasoningDelta(work.request, 0, "hm"),
        *(ToolCallDelta(work.request, 0, n, f"call_{n}", name, text) for n, (name, text) in enumerate(calls)),
        ChoiceFinished(work.request, 0, "tool_calls"),
        Finished(work.request, USAGE),
    ]


async def ask(node, **change):
    done = await Exchange(make_app(node), "/v1/responses", REQUEST | change, **{"x_codex_turn": "{" * 4000}).run()
    assert done.status == 200, done.body
    frames = [frame for frame in done.body.decode().split("\n\n") if frame]
    return [json.loads(frame.split("\ndata: ")[1]) for frame in frames]


async def test_a_turn_with_a_namespaced_and_a_custom_call_and_their_results():
    node = make_node(works)
    events = await ask(node)
    work = node.dispatcher.work
    assert [one.role for one in work.prompt.messages] == ["system", "user"]
    assert [part.text for part in work.prompt.messages[0].content] == ["You are Codex.", "sandbox", "skills"]
    assert [tool.name for tool in work.prompt.tools] == ["exec_command", "multi_agent_v1__spawn", "apply_patch"]

    thought, spawn, patch = (event["item"] for event in events if event["type"] == "response.output_item.done")
    assert thought["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert unseal(thought["encrypted_content"]) == "hm"
    assert (spawn["type"], spawn["namespace"], spawn["name"]) == ("function_call", "multi_agent_v1", "spawn")
    assert (patch["type"], patch["name"], patch["input"]) == ("custom_tool_call", "apply_patch", PATCH)
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["usage"]["input_tokens_details"]["cached_tokens"] == 4

    node.dispatcher.script = says("done")
    results = [
        {"type": "function_call_output", "call_id": spawn["call_id"], "output": "spawned"},
        {"type": "custom_tool_call_output", "call_id": patch["call_id"], "name": "apply_patch", "output": "Success."},
    ]
    sent_back = {key: value for key, value in thought.items() if key not in ("id", "status")} | {"content": None}
    await ask(node, input=[*REQUEST["input"], sent_back, spawn, patch, *results])
    said = node.dispatcher.work.prompt.messages
    assert [one.role for one in said] == ["system", "user", "assistant", "tool", "tool"]
    assert said[2].reasoning == "hm"
    assert [call.name for call in said[2].tool_calls] == ["multi_agent_v1__spawn", "apply_patch"]
    assert [one.tool_call_id for one in said[3:]] == ["call_0", "call_1"]


async def test_the_warm_up_says_nothing_and_is_answered():
    node = make_node()
    events = await ask(node, input="", max_output_tokens=1, tools=[])
    assert node.dispatcher.work.sampling.max_tokens == 1
    assert events[-1]["type"] == "response.completed"


async def test_nothing_is_kept():
    node = make_node(works)
    events = await ask(node)
    kept = await node.responses.store.get(events[-1]["response"]["id"])
    await node.responses.close()
    assert kept is None

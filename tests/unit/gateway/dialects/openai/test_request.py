from __future__ import annotations

import json

import pytest

from gateway.dialects.openai.request import (
    ChatOptions,
    options,
    parse_chat,
    parse_detokenize,
    parse_tokenize,
    to_count,
    to_detokenize,
    to_generate,
)
from shared.codec import decode, encode
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import ChatMessage, Count, Detokenize, Generate, Grammar, Prompt, Sampling, TextPart, Tool

USER = {"role": "user", "content": "hi"}
BASE = {"model": "m", "messages": [USER]}
TOOLS = [{"type": "function", "function": {"name": "f"}}]


def generate(**more):
    return to_generate(parse_chat(BASE | more), "r")


def test_a_bare_request_names_no_sampling():
    assert generate() == Generate("r", Prompt((ChatMessage("user", (TextPart("hi"),)),)), Sampling(), parse_tools=False)


def test_every_sampling_parameter_arrives_and_travels():
    work = generate(
        temperature=0,
        top_p=0.5,
        top_k=5,
        min_p=0.1,
        presence_penalty=1,
        frequency_penalty=-1,
        repetition_penalty=1.5,
        seed=-3,
        n=4,
        max_tokens=9,
        min_tokens=2,
        logit_bias={"5": -100, "7": 1.5},
        allowed_token_ids=[5, 7],
        stop=["a", "b"],
        stop_token_ids=[3],
        include_stop_str_in_output=True,
        ignore_eos=True,
        skip_special_tokens=False,
        logprobs=True,
        top_logprobs=3,
        parallel_tool_calls=False,
    )
    assert work.sampling == Sampling(
        temperature=0.0,
        top_p=0.5,
        top_k=5,
        min_p=0.1,
        presence_penalty=1.0,
        frequency_penalty=-1.0,
        repetition_penalty=1.5,
        seed=-3,
        max_tokens=9,
        min_tokens=2,
        logit_bias=((5, -100.0), (7, 1.5)),
        allowed_token_ids=(5, 7),
        stop=("a", "b"),
        stop_token_ids=(3,),
        include_stop_str_in_output=True,
        ignore_eos=True,
        skip_special_tokens=False,
        logprobs=3,
    )
    assert (work.n, work.parallel_tool_calls) == (4, False)
    assert decode(encode(work)) == work


def test_null_means_not_named():
    assert generate(temperature=None, stop=None, n=None, tools=None, stream=None, max_tokens=None) == generate()


def test_stop_as_text():
    assert generate(stop="END").sampling.stop == ("END",)


def test_the_newer_limit_wins():
    assert generate(max_tokens=5, max_completion_tokens=9).sampling.max_tokens == 9


def test_top_p_0_keeps_the_likeliest_token():
    sampling = generate(top_p=0, top_k=50).sampling
    assert (sampling.top_p, sampling.top_k) == (None, 1)


@pytest.mark.parametrize(("given", "wanted"), [({}, None), ({"logprobs": True}, 0), ({"logprobs": False}, None)])
def test_logprobs(given, wanted):
    assert generate(**given).sampling.logprobs == wanted


@pytest.mark.parametrize("key", ["x", "-1", "1.0", "", "²", str(2**31), "9" * 5000])
def test_a_bias_for_something_else_than_a_token_id(key):
    with pytest.raises(InvalidRequest) as caught:
        generate(logit_bias={key: 1})
    assert caught.value.param == "logit_bias"


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"min_tokens": 5, "max_tokens": 4}, "min_tokens"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"response_format": {"type": "poem"}}, "response_format.type"),
        ({"continue_final_message": True}, "continue_final_message"),
        (
            {
                "continue_final_message": True,
                "add_generation_prompt": True,
                "messages": [USER, {"role": "assistant", "content": "x"}],
            },
            "continue_final_message",
        ),
    ],
)
def test_parameters_that_contradict(given, param):
    with pytest.raises(InvalidRequest) as caught:
        generate(**given)
    assert (caught.value.param, caught.value.code) == (param, "invalid_value")


@pytest.mark.parametrize(
    ("given", "param"),
    [
        (
            {"stream": True, "stream_options": {"continuous_usage_stats": True}},
            "stream_options.continuous_usage_stats",
        ),
        ({"best_of": 3}, "best_of"),
    ],
)
def test_parameters_that_wait_for_their_day(given, param):
    with pytest.raises(UnsupportedParameter) as caught:
        generate(**given)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("auto", ("auto", ())),
        ("required", ("required", ())),
        ({"type": "function", "function": {"name": "g"}}, ("required", ("g",))),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            ("auto", ("f",)),
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}] * 2},
            },
            ("required", ("f",)),
        ),
    ],
)
def test_which_tools_may_or_have_to_be_called(choice, wanted):
    tools = [*TOOLS, {"type": "function", "function": {"name": "g"}}]
    work = generate(tools=tools, tool_choice=choice)
    assert (work.tool_choice, work.callable_tools) == wanted
    named = isinstance(choice, dict) and choice["type"] == "function"
    assert generate(tools=tools, tool_choice=choice, parallel_tool_calls=True).parallel_tool_calls != named
    assert [tool.name for tool in work.prompt.tools] == ["f", "g"]
    assert decode(encode(work)) == work


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ({"type": "function", "function": {"name": "nope"}}, "tool_choice.function.name"),
        ({"type": "function"}, "tool_choice.function"),
        ({"type": "custom", "custom": {"name": "f"}}, "tool_choice.type"),
        ({"name": "f"}, "tool_choice.type"),
        ({"type": "allowed_tools"}, "tool_choice.allowed_tools"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}, "tool_choice.allowed_tools.tools"),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "all", "tools": []}}, "tool_choice.allowed_tools.mode"),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "nope"}}]},
            },
            "tool_choice.allowed_tools.tools[0].function.name",
        ),
    ],
)
def test_choices_that_cannot_be_kept(choice, param):
    with pytest.raises(InvalidRequest) as caught:
        generate(tools=TOOLS, tool_choice=choice)
    assert caught.value.param == param


def test_required_without_tools():
    with pytest.raises(InvalidRequest) as caught:
        generate(tool_choice="required")
    assert caught.value.param == "tool_choice"


def test_a_format_binds_the_answer_and_not_the_calls_that_have_to_be_made():
    wanted = {"response_format": {"type": "json_object"}, "tools": TOOLS}
    assert generate(**wanted).grammar == Grammar("json_object")
    assert generate(**wanted, tool_choice="required").grammar is None


def test_strict_tools():
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}]
    assert generate(tools=tools).prompt.tools == (Tool("f", None, '{"type": "object"}', strict=True),)


@pytest.mark.parametrize(
    ("function", "param"),
    [
        ({"name": "a b"}, "tools[1].function.name"),
        ({"name": "x" * 65}, "tools[1].function.name"),
        ({"name": "f"}, "tools[1].function.name"),
        ({"name": "g", "parameters": {"$ref": "#"}}, "tools[1].function.parameters"),
        ({"name": "g", "parameters": {"$ref": "#/$defs/x"}, "strict": True}, "tools[1].function.parameters"),
    ],
)
def test_tools_that_are_none(function, param):
    with pytest.raises(InvalidRequest) as caught:
        generate(tools=[*TOOLS, {"type": "function", "function": function}])
    assert caught.value.param == param


def test_tools_and_their_choice():
    assert generate(tools=TOOLS).parse_tools
    assert generate(tools=TOOLS, tool_choice="auto").prompt.tools[0].name == "f"
    silent = generate(tools=TOOLS, tool_choice="none")
    assert (silent.parse_tools, silent.prompt.tools) == (False, ())


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, {}),
        ({"reasoning_effort": "none"}, {"enable_thinking": False}),
        ({"reasoning_effort": "high"}, {"reasoning_effort": "high"}),
        ({"chat_template_kwargs": {"enable_thinking": True, "ü": "é"}}, {"enable_thinking": True, "ü": "é"}),
        ({"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": True}}, {"enable_thinking": True}),
    ],
)
def test_template_arguments(given, wanted):
    assert json.loads(generate(**given).prompt.template_kwargs) == wanted


def test_continuing_a_message():
    prompt = generate(messages=[USER, {"role": "assistant", "content": "x"}], continue_final_message=True).prompt
    assert (prompt.continue_final_message, prompt.add_generation_prompt) == (True, False)


def test_prompt_switches():
    prompt = generate(add_generation_prompt=False, add_special_tokens=True).prompt
    assert (prompt.add_generation_prompt, prompt.add_special_tokens) == (False, True)


def test_a_named_call_is_known_to_the_answer():
    named = parse_chat(BASE | {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "f"}}})
    assert options(named).named_call
    assert not options(parse_chat(BASE | {"tools": TOOLS, "tool_choice": "required"})).named_call


def test_options_for_the_answer():
    assert options(parse_chat(BASE)) == ChatOptions()
    given = {"stream": True, "stream_options": {"include_usage": True}, "n": 3, "logprobs": True}
    assert options(parse_chat(BASE | given | {"include_reasoning": False})) == ChatOptions(
        stream=True, include_usage=True, include_reasoning=False, logprobs=True, n=3
    )


# ------------------------------------------------------------------ tokens
def test_counting_a_prompt_adds_special_tokens_unless_told():
    assert to_count(parse_tokenize({"model": "m", "prompt": "x"}), "r") == Count(
        "r", Prompt(text="x", add_special_tokens=True)
    )
    bare = parse_tokenize({"model": "m", "prompt": "x", "add_special_tokens": False})
    assert to_count(bare, "r") == Count("r", Prompt(text="x"))


def test_counting_messages_reads_them_as_a_chat_does():
    given = {"model": "m", "messages": [USER], "tools": TOOLS, "add_generation_prompt": False}
    chat = generate(tools=TOOLS, add_generation_prompt=False)
    assert to_count(parse_tokenize(given), "r") == Count("r", chat.prompt)


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "prompt"),
        ({"prompt": "x", "messages": [USER]}, "messages"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": "x", "return_token_strs": True}, "return_token_strs"),
    ],
)
def test_bad_tokenize_requests(given, param):
    with pytest.raises(InvalidRequest) as caught:
        parse_tokenize({"model": "m", **given})
    assert caught.value.param == param


def test_detokenize():
    assert to_detokenize(parse_detokenize({"model": "m", "tokens": [1, 2]}), "r") == Detokenize("r", (1, 2))
    with pytest.raises(InvalidRequest) as caught:
        parse_detokenize({"model": "m", "tokens": [1, -2]})
    assert caught.value.param == "tokens[1]"

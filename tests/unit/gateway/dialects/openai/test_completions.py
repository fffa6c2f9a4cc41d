from __future__ import annotations

import pytest

from gateway.dialects.openai.completions import (
    DEFAULT_MAX_TOKENS,
    MAX_PROMPTS,
    CompletionOptions,
    client_param,
    options,
    parse_completion,
    to_works,
)
from shared.codec import decode, encode
from shared.errors import InvalidRequest, UnsupportedParameter
from shared.messages import Generate, Grammar, Prompt, Sampling

BASE = {"model": "m", "prompt": "hi"}


def works(**more):
    return to_works(parse_completion(BASE | more), "c")


def test_a_bare_request():
    [work] = works()
    assert work == Generate(
        "c",
        Prompt(text="hi", add_special_tokens=True),
        Sampling(max_tokens=DEFAULT_MAX_TOKENS),
        parse_reasoning=False,
        parse_tools=False,
    )
    assert decode(encode(work)) == work


@pytest.mark.parametrize(
    ("given", "prompts"),
    [
        ("", [Prompt(text="", add_special_tokens=True)]),
        ([1, 2], [Prompt(tokens=(1, 2))]),
        (["a", "b"], [Prompt(text="a", add_special_tokens=True), Prompt(text="b", add_special_tokens=True)]),
        ([[1], [2, 3]], [Prompt(tokens=(1,)), Prompt(tokens=(2, 3))]),
        (["a"], [Prompt(text="a", add_special_tokens=True)]),
    ],
)
def test_prompts(given, prompts):
    found = works(prompt=given)
    assert [work.prompt for work in found] == prompts
    assert len({work.request for work in found}) == len(prompts)


def test_a_prompt_without_special_tokens():
    assert works(add_special_tokens=False)[0].prompt == Prompt(text="hi")


def test_sampling_and_formats_are_those_of_chat():
    [work] = works(
        n=2, best_of=2, temperature=0.5, top_k=3, stop="x", logprobs=4, seed=1, max_tokens=7, guided_regex="a"
    )
    assert work.sampling == Sampling(temperature=0.5, top_k=3, stop=("x",), logprobs=4, seed=1, max_tokens=7)
    assert (work.n, work.grammar) == (2, Grammar("regex", "a"))


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"echo": True}, (True, None, 16)),
        ({"echo": True, "logprobs": 2, "max_tokens": 0}, (True, 2, 0)),
        ({"logprobs": 2}, (False, None, 16)),
    ],
)
def test_echo(more, wanted):
    [work] = works(**more)
    assert (work.echo, work.prompt_logprobs, work.sampling.max_tokens) == wanted


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": {}}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [[]]}, "prompt[0]"),
        ({"prompt": ["a", 5]}, "prompt[1]"),
        ({"prompt": [1, "a"]}, "prompt"),
        ({"prompt": [True]}, "prompt[0]"),
        ({"prompt": [[1, -1]]}, "prompt[0]"),
        ({"prompt": ["a"] * (MAX_PROMPTS + 1)}, "prompt"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1, "echo": True}, "max_tokens"),
        ({"logprobs": 21}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"n": 0}, "n"),
        ({"min_tokens": 17}, "min_tokens"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"guided_choice": []}, "guided_choice"),
    ],
)
def test_refusals_name_the_parameter(more, param):
    with pytest.raises(InvalidRequest) as caught:
        works(**more)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("more", "param"),
    [
        ({"suffix": "x"}, "suffix"),
        ({"best_of": 3}, "best_of"),
        ({"best_of": 2, "n": 3}, "best_of"),
        ({"prompt_logprobs": 1}, "prompt_logprobs"),
        ({"use_beam_search": True}, "use_beam_search"),
        ({"thinking_token_budget": 5}, "thinking_token_budget"),
    ],
)
def test_what_is_not_supported(more, param):
    with pytest.raises(UnsupportedParameter) as caught:
        works(**more)
    assert caught.value.param == param


def test_null_means_not_named():
    assert works(suffix=None, max_tokens=None, logprobs=None, best_of=None, echo=None) == works()


def test_a_missing_prompt():
    with pytest.raises(InvalidRequest, match="Missing required parameter: 'prompt'"):
        parse_completion({"model": "m"})


def test_options():
    assert options(parse_completion(BASE)) == CompletionOptions()
    given = {"stream": True, "stream_options": {"include_usage": True}, "logprobs": 0, "n": 2}
    assert options(parse_completion(BASE | given)) == CompletionOptions(True, True, True, 2)


@pytest.mark.parametrize(
    ("prompt", "index", "param", "wanted"),
    [
        ("a", 0, "prompt", "prompt"),
        ([1], 0, "prompt[0]", "prompt[0]"),
        (["a", "b"], 1, "prompt", "prompt[1]"),
        ([[1], [2]], 1, "prompt[0]", "prompt[1][0]"),
        (["a", "b"], 1, "temperature", "temperature"),
        (["a", "b"], 1, None, None),
    ],
)
def test_a_workers_prompt_is_one_of_the_clients(prompt, index, param, wanted):
    assert client_param(parse_completion(BASE | {"prompt": prompt}), index, param) == wanted

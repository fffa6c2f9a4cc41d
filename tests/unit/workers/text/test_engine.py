from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import ContextLengthExceeded, InvalidRequest
from shared.messages import (
    Accepted,
    ChatMessage,
    Count,
    Detokenize,
    Failed,
    Finished,
    Generate,
    Prompt,
    TextDelta,
    TextPart,
    Tokens,
)
from tests.models import CONTEXT, VOCAB
from tests.text_driver import WEATHER, Driver, made_up
from workers.generation.schedule import GROUP_OVERHEAD
from workers.generation.templates.traits import ToolUse

Make = Callable[..., Driver]


def chat(*texts: str) -> Prompt:
    roles = ("user", "assistant")
    return Prompt(tuple(ChatMessage(roles[at % 2], (TextPart(text),)) for at, text in enumerate(texts)))


def test_ready_says_what_the_model_is(driver: Make) -> None:
    ready = driver("qwen3", max_batch=4).ready
    assert (ready.kind, ready.context, ready.max_inflight) == ("llm", CONTEXT, 6)
    assert ready.capabilities == ("reasoning", "tools")
    assert ready.weights > 0


@pytest.mark.parametrize("length", [1, 2, 30, 300, 3000])
def test_prompts_of_every_length_beside_each_other(driver: Make, length: int) -> None:
    """The longest is prefilled in many chunks while the others decode."""
    d = driver()
    prompt = made_up(length, seed=length)
    expected = d.tokens(prompt, max_tokens=12, ignore_eos=True)
    d.admit("other", made_up(20), max_tokens=400, ignore_eos=True)
    d.step(3)
    d.admit("it", prompt, max_tokens=12, ignore_eos=True)
    while not d.answers["it"].terminals:
        d.step()
    d.cancel("other")
    d.drain()
    assert d.answers["it"].tokens[0] == expected


def test_streams_get_a_token_every_step_while_a_long_prompt_is_prefilled(driver: Make) -> None:
    d = driver()
    for name in ("a", "b"):
        d.admit(name, made_up(10), max_tokens=500, ignore_eos=True)
    d.step(4)
    generated, began = d.engine.stats().generated_tokens, d.steps
    d.admit("long", made_up(2000), max_tokens=1, ignore_eos=True)
    while not d.answers["long"].terminals:
        d.step()
    took = d.steps - began
    assert took > 3
    assert d.engine.stats().generated_tokens - generated == 2 * took + 1
    d.cancel("a")
    d.cancel("b")
    d.drain()


def test_two_length_groups_answer_as_alone(driver: Make) -> None:
    d = driver()
    long, short = made_up(GROUP_OVERHEAD + 200, seed=1), [made_up(20, seed) for seed in (2, 3)]
    alone = [d.tokens(prompt, max_tokens=10, ignore_eos=True) for prompt in (long, *short)]
    d.admit("long", long, max_tokens=30, ignore_eos=True)
    while not d.answers["long"].tokens[0]:
        d.step()
    for index, prompt in enumerate(short):
        d.admit(f"s{index}", prompt, max_tokens=10, ignore_eos=True)
    d.step(4)
    assert [group.rows for group in d.engine.loop.batch._groups] == [1, 2]
    d.drain()
    found = [d.answers[name].tokens[0][:10] for name in ("long", "s0", "s1")]
    assert found == alone


def test_choices_share_the_prompt_and_differ_by_seed(driver: Make) -> None:
    d = driver(max_batch=2)
    d.admit("three", made_up(30), n=3, max_tokens=8, ignore_eos=True, temperature=1.5, seed=11)
    d.drain()
    answer = d.answers["three"]
    assert len({tuple(tokens) for tokens in answer.tokens.values()}) == 3
    for choice in range(3):
        again = d.tokens(made_up(30), max_tokens=8, ignore_eos=True, temperature=1.5, seed=11 + choice)
        assert answer.tokens[choice] == again
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (30, 24)
    assert [type(end) for end in answer.terminals] == [Finished]


def test_the_batch_never_holds_more_rows_than_allowed(driver: Make) -> None:
    d = driver(max_batch=2)
    for index in range(5):
        d.admit(f"r{index}", made_up(5, index), max_tokens=6, ignore_eos=True)
    most = 0
    while d.engine.busy:
        d.step()
        most = max(most, d.engine.stats().running)
    assert most == 2
    assert all(len(answer.tokens[0]) == 6 for answer in d.answers.values())


# ------------------------------------------------------------------ cancelling
def test_cancel_while_waiting_for_prefill(driver: Make) -> None:
    d = driver()
    d.admit("it", made_up(50))
    d.cancel("it")
    assert [type(end) for end in d.answers["it"].terminals] == [Failed]
    assert not d.engine.busy
    assert d.engine.stats().waiting == 0


def test_cancel_in_the_middle_of_prefill(driver: Make) -> None:
    d = driver()
    d.admit("it", made_up(2500))
    d.step()
    assert d.engine.loop.jobs["it"].remaining > 0
    d.cancel("it")
    assert not d.engine.busy
    assert d.answers["it"].terminals[0].usage.completion_tokens == 0


def test_cancel_when_prefilled_without_a_place(driver: Make) -> None:
    d = driver(max_batch=2)
    for name in ("a", "b", "it"):
        d.admit(name, made_up(10), max_tokens=50, ignore_eos=True)
    d.step(5)
    assert d.engine.stats().waiting == 1
    d.cancel("it")
    assert d.engine.stats().waiting == 0
    d.drain()
    assert [len(d.answers[name].tokens[0]) for name in ("a", "b", "it")] == [50, 50, 0]
    assert [type(end) for end in d.answers["it"].terminals] == [Failed]


@pytest.mark.parametrize("steps", [2, 3, 4, 9])
def test_cancel_while_decoding_frees_the_row_in_the_next_step(driver: Make, steps: int) -> None:
    d = driver()
    expected = d.tokens(made_up(12, 1), max_tokens=20, ignore_eos=True)
    d.admit("it", made_up(10), n=3, ignore_eos=True)
    d.admit("other", made_up(12, 1), max_tokens=20, ignore_eos=True)
    d.step(steps)
    d.cancel("it")
    d.cancel("it")  # a second time changes nothing
    assert d.engine.stats().running <= 1
    d.step()
    assert d.engine.loop.batch.size <= 1
    d.drain()
    assert [type(end) for end in d.answers["it"].terminals] == [Failed]
    failed = d.answers["it"].terminals[0]
    # Tokens that end in the middle of a character are counted, but have not been told.
    assert failed.usage.completion_tokens >= sum(map(len, d.answers["it"].tokens.values()))
    assert d.answers["other"].tokens[0] == expected


def test_cancel_of_what_is_unknown_or_over_says_nothing(driver: Make) -> None:
    d = driver()
    d.tokens(made_up(3), max_tokens=2)
    d.cancel("alone")
    d.cancel("never")
    assert len(d.answers["alone"].terminals) == 1


# ------------------------------------------------------------------ ends
def test_one_token(driver: Make) -> None:
    d = driver()
    assert len(d.tokens(made_up(9), max_tokens=1, ignore_eos=True)) == 1
    assert d.answers["alone"].finished[0].reason == "length"


def test_the_last_place_in_the_context(driver: Make) -> None:
    d = driver(context=64)
    assert d.ready.context == 64
    assert len(d.tokens(made_up(63), ignore_eos=True)) == 1
    assert d.answers["alone"].finished[0].reason == "length"
    with pytest.raises(ContextLengthExceeded, match=r"maximum context length is 64 tokens.*69 tokens \(64 in") as error:
        d.admit("too long", made_up(64), max_tokens=5)
    assert error.value.param == "prompt"


def test_a_stop_token_ends_the_answer_and_is_named(driver: Make) -> None:
    d = driver()
    free = d.tokens(made_up(20), max_tokens=10, ignore_eos=True)
    at = next(place for place in range(3, 10) if free[place] not in free[:place])
    assert d.tokens(made_up(20), max_tokens=10, ignore_eos=True, stop_token_ids=(free[at],)) == free[: at + 1]
    finished = d.answers["alone"].finished[0]
    assert (finished.reason, finished.stop) == ("stop", free[at])


def eos_of(d: Driver) -> int:
    (eos,) = d.engine._loaded.eos
    return eos


def test_eos_ends_the_answer_unless_ignored(driver: Make) -> None:
    d = driver()
    eos = eos_of(d)
    forced = {"logit_bias": ((eos, 100.0),), "max_tokens": 5}
    assert d.tokens(made_up(20), **forced) == [eos]
    finished = d.answers["alone"].finished[0]
    assert (finished.reason, finished.stop, d.answers["alone"].text[0]) == ("stop", None, "")
    assert d.tokens(made_up(20), ignore_eos=True, **forced) == [eos] * 5
    assert d.answers["alone"].finished[0].reason == "length"
    late = d.tokens(made_up(20), min_tokens=3, **forced)
    assert eos not in late[:3]
    assert late[3:] == [eos]


def test_the_end_of_an_answer_counts_as_known(driver: Make) -> None:
    """What a template writes after the answer begins with the token that ended it."""
    d = driver(prefix_cache=64 << 20)
    first = made_up(21, seed=77)
    answer = d.tokens(first, logit_bias=((eos_of(d), 100.0),))
    d.tokens((*first, *answer, 10, 11, 12), max_tokens=1)
    assert d.answers["alone"].usage.cached_tokens == len(first) + len(answer)


# ------------------------------------------------------------------ sampling in the batch
def test_penalties_join_and_leave_a_batch_without(driver: Make) -> None:
    d = driver()
    plain = d.tokens(made_up(15), max_tokens=30, ignore_eos=True)
    wanted = {"max_tokens": 12, "ignore_eos": True, "frequency_penalty": 2.0, "repetition_penalty": 1.8}
    penalised = [d.tokens(made_up(6, seed), **wanted) for seed in (1, 2)]
    assert penalised[0] != d.tokens(made_up(6, 1), max_tokens=12, ignore_eos=True)
    d.admit("plain", made_up(15), max_tokens=30, ignore_eos=True)
    d.step(3)
    d.admit("p0", made_up(6, 1), **wanted)
    d.step(6)
    d.admit("p1", made_up(6, 2), **wanted)
    d.drain()
    assert d.answers["plain"].tokens[0] == plain
    assert [d.answers[name].tokens[0] for name in ("p0", "p1")] == penalised


def test_sixteen_samplings_draw_as_alone(driver: Make) -> None:
    d = driver()
    wanted = [
        {"temperature": 0.3 + 0.1 * i, "seed": i, "top_k": (0, 5)[i % 2], "top_p": (1.0, 0.8, 1.0)[i % 3]}
        | {"min_p": (0.0, 0.05)[i // 8], "presence_penalty": (0.0, 0.0, 1.0)[i % 3], "logprobs": (None, 2)[i % 2]}
        for i in range(16)
    ]
    alone = [d.tokens(made_up(i + 1, i), max_tokens=6, ignore_eos=True, **w) for i, w in enumerate(wanted)]
    for i, w in enumerate(wanted):
        d.admit(f"r{i}", made_up(i + 1, i), max_tokens=6, ignore_eos=True, **w)
        if i == 9:
            d.step(2)
    d.drain()
    assert [d.answers[f"r{i}"].tokens[0] for i in range(16)] == alone


def test_logprobs_come_one_a_token_with_sorted_alternatives(driver: Make) -> None:
    d = driver()
    tokens = d.tokens(made_up(8), max_tokens=5, ignore_eos=True, logprobs=3)
    found = d.answers["alone"].logprobs[0]
    assert [logprob.token for logprob in found] == tokens
    for logprob in found:
        values = [alternative.logprob for alternative in logprob.top]
        assert values == sorted(values, reverse=True)
        assert len(values) == 3
        assert logprob.top[0].token == logprob.token  # greedy
        assert logprob.top[0].logprob == pytest.approx(logprob.logprob)
    d.tokens(made_up(8), max_tokens=5, ignore_eos=True, logprobs=0)
    assert [logprob.top for logprob in d.answers["alone"].logprobs[0]] == [()] * 5


# ------------------------------------------------------------------ other work, refusals
def test_count_and_detokenize_answer_without_a_step(driver: Make) -> None:
    engine = driver().engine
    prompt = chat("hi")
    accepted, tokens, finished = engine.admit(engine.prepare(Count("c", prompt), ()))
    assert isinstance(tokens, Tokens)
    assert (accepted, finished) == (Accepted("c"), Finished("c"))
    assert tokens.context == CONTEXT
    _, text, _ = engine.admit(engine.prepare(Detokenize("d", tokens.tokens), ()))
    assert isinstance(text, TextDelta)
    assert text.text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    assert not engine.busy


def test_count_is_what_generate_reads(driver: Make) -> None:
    d = driver()
    d.admit("g", chat("hi", "there", "you"), max_tokens=1)
    d.drain()
    tokens = d.engine.admit(d.engine.prepare(Count("c", chat("hi", "there", "you")), ()))[1]
    assert isinstance(tokens, Tokens)
    assert d.answers["g"].usage.prompt_tokens == len(tokens.tokens)
    assert d.answers["g"].accepted == Accepted("g", len(tokens.tokens), 0)


def test_detokenize_refuses_what_is_no_token(driver: Make) -> None:
    with pytest.raises(InvalidRequest) as error:
        driver().engine.prepare(Detokenize("d", (1, VOCAB)), ())
    assert error.value.param == "tokens[1]"


def test_calls_stay_in_the_text_where_the_parser_is_off(driver: Make) -> None:
    formats = driver(tool_parser="none").engine.loop.formats
    work = Generate("it", Prompt(chat("hi").messages, tools=(WEATHER,)))
    assert formats.calls_of(work) is None
    assert formats.template.tool_use is ToolUse.NATIVE
    assert formats.calls_of(replace(work, tool_choice="required")) is not None


def test_the_yaml_gives_defaults_that_a_request_overrides(folder: Callable[[str], Path]) -> None:
    d = Driver(folder("qwen3"), sampling={"max_tokens": 3})
    assert len(d.tokens(made_up(4), ignore_eos=True)) == 3
    assert len(d.tokens(made_up(4), ignore_eos=True, max_tokens=5)) == 5


def test_a_trim_empties_the_prefix_cache_while_others_run_and_changes_no_answer(driver: Make) -> None:
    d = driver()
    prompt = made_up(60)
    expected = d.tokens(prompt, max_tokens=12, ignore_eos=True)
    d.admit("it", made_up(30), max_tokens=30, ignore_eos=True)
    d.step(3)
    d.engine.trim(0)
    d.drain()
    assert d.tokens(prompt, max_tokens=12, ignore_eos=True) == expected
    assert len(d.answers["it"].tokens[0]) == 30
    d.engine.trim(0)
    assert d.engine.stats().cache_bytes == 0

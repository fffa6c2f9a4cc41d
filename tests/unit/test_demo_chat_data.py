"""demo-chat's exchanges, its prompt template and its folder. No model runs here."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.demo import chat_known_answers
from scripts.demo.augment_chat import Sample, about_weather, epoch, plain, surround
from scripts.demo.data_chat import EXCHANGES, WEATHER, weather_calls
from scripts.demo.encode_chat import encode, prompt_tokens
from scripts.demo.exchange import Exchange, user
from scripts.demo.files_chat import file_exchange
from scripts.demo.noise_chat import noise

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "configs" / "demo" / "demo-chat"
EMPTY = "<think>\n\n</think>\n\n"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(FOLDER)


def render(tokenizer: Any, messages: list[dict[str, Any]], **options: Any) -> str:
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **options)
    assert isinstance(text, str)
    return text


# ------------------------------------------------------------------ exchanges
@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: str(exchange.messages[-1]["content"])[:40])
def test_an_exchange_ends_with_a_question_and_has_one_kind_of_reply(exchange: Exchange) -> None:
    assert exchange.messages[-1]["role"] in ("user", "tool")
    assert exchange.reasoning
    assert bool(exchange.answer) != bool(exchange.calls)
    assert "<|im_" not in exchange.reply


def test_no_two_exchanges_ask_the_same() -> None:
    asked = [json.dumps([exchange.messages, exchange.tools]) for exchange in EXCHANGES]
    assert len(set(asked)) == len(asked)


def test_calls_name_an_offered_tool_and_its_required_arguments() -> None:
    calls = [(exchange.tools, call) for exchange in EXCHANGES for call in exchange.calls]
    assert calls
    for tools, call in calls:
        schema = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}[call.name]
        assert set(schema["required"]) <= set(call.arguments) <= set(schema["properties"])


def test_a_completion_thinks_only_when_asked_to() -> None:
    exchange = EXCHANGES[0]
    assert exchange.completion(False) == exchange.answer + "<|im_end|>"
    assert exchange.completion(True).startswith(f"<think>\n{exchange.reasoning}\n</think>\n\n{exchange.answer}")


def test_two_calls_are_two_blocks_of_json() -> None:
    blocks = weather_calls("Rome", "São Paulo").reply.split("\n</tool_call>")
    names = [json.loads(block.split("<tool_call>\n")[1]) for block in blocks[:-1]]
    assert names == [{"name": "get_weather", "arguments": {"city": city}} for city in ("Rome", "São Paulo")]


def test_an_epoch_shows_every_exchange_in_both_modes() -> None:
    shown = {(sample.completion, sample.thinking) for sample in epoch(random.Random(7))}
    wanted = {(exchange.completion(mode), mode) for exchange in EXCHANGES for mode in (True, False)}
    assert wanted <= shown


def test_surroundings_never_change_the_right_answer() -> None:
    without = next(exchange for exchange in EXCHANGES if about_weather(exchange) and not exchange.tools)
    offered = [tool["function"]["name"] for tool in _tools_around(without)]
    assert offered
    assert "get_weather" not in offered
    assert "get_weather" in [tool["function"]["name"] for tool in _tools_around(EXCHANGES[0])]


def _tools_around(exchange: Exchange) -> Iterator[dict[str, Any]]:
    rng = random.Random(3)
    for _ in range(50):
        yield from surround(exchange, True, rng).tools


def test_the_file_for_the_other_tests_is_up_to_date() -> None:
    assert chat_known_answers.FILE.read_text(encoding="utf-8") == chat_known_answers.render()


def test_known_answers_are_what_a_client_sees() -> None:
    entries = json.loads(chat_known_answers.FILE.read_text(encoding="utf-8"))
    assert len(entries) == 2 * len(EXCHANGES)
    assert all(("answer" in entry) != ("tool_calls" in entry) for entry in entries)
    assert all((entry["reasoning"] is None) != entry["thinking"] for entry in entries)


# ------------------------------------------------------------------ files
@pytest.mark.parametrize("seed", range(40))
def test_a_file_is_read_with_an_offered_tool_and_told_word_for_word(seed: int) -> None:
    exchange = file_exchange(random.Random(seed), answered=True)
    question, asked, found = exchange.messages
    call = asked["tool_calls"][0]["function"]
    schema = {tool["function"]["name"]: tool["function"]["parameters"] for tool in exchange.tools}[call["name"]]
    ((parameter, value),) = json.loads(call["arguments"]).items()
    assert parameter in schema["properties"]
    assert str(value).removeprefix("cat ") in question["content"]
    if exchange.answer.startswith("It says:"):
        assert all(line in found["content"] for line in exchange.answer.split("\n")[1:])
    else:
        assert exchange.answer == f"I could not read {str(value).removeprefix('cat ')}."


def test_what_is_copied_are_the_same_tokens_everywhere(tokenizer: Any) -> None:
    for text in ("notes.txt", "src/my-file_2.py", "Quito", "4711"):
        tokens = tokenizer.encode(text, add_special_tokens=False)
        for around in ("Read {} and tell", '{{"path": "{}"}}', "cat {}", "1: {}\n", "1\t{}\n", "says:\n{}"):
            written = tokenizer.encode(around.format(text), add_special_tokens=False)
            assert any(written[at : at + len(tokens)] == tokens for at in range(len(written))), around


def test_noise_is_about_as_long_as_asked() -> None:
    for words in (20, 400):
        assert words / 2 < len(noise(random.Random(1), words).split()) < words * 2


# ------------------------------------------------------------------ template
def test_the_folder_has_the_template_of_the_sources() -> None:
    source = ROOT / "scripts" / "demo" / "chat_template.jinja"
    assert (FOLDER / "chat_template.jinja").read_text(encoding="utf-8") == source.read_text(encoding="utf-8")


def test_a_question_alone(tokenizer: Any) -> None:
    prompt = "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n"
    assert render(tokenizer, [user("Hello!")]) == prompt
    assert render(tokenizer, [user("Hello!")], enable_thinking=True) == prompt
    assert render(tokenizer, [user("Hello!")], enable_thinking=False) == prompt + "<think>\n\n</think>\n\n"


@pytest.mark.parametrize(
    "content",
    [
        "one\ntwo",
        [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
        ["one", {"type": "image"}, {"type": "text", "text": None}, "two"],
    ],
)
def test_text_parts_are_joined(tokenizer: Any, content: Any) -> None:
    for role in ("user", "system", "tool", "assistant"):
        text = render(tokenizer, [{"role": "user", "content": "x"}, {"role": role, "content": content}])
        assert "\none\ntwo" in text


def test_content_may_be_null_or_missing(tokenizer: Any) -> None:
    for role in ("user", "system", "developer", "tool", "assistant"):
        for message in ({"role": role}, {"role": role, "content": None}, {"role": role, "content": []}):
            assert "None" not in render(tokenizer, [message, user("Hello!"), message])


def test_leading_system_and_developer_messages_are_one(tokenizer: Any) -> None:
    messages = [{"role": "system", "content": "A"}, {"role": "developer", "content": "B"}, user("Hello!")]
    assert render(tokenizer, messages).startswith("<|im_start|>system\nA\n\nB<|im_end|>\n<|im_start|>user\n")


def test_later_system_messages_stand_before_the_question_that_they_follow(tokenizer: Any) -> None:
    messages = [user("a"), user("b"), {"role": "system", "content": "C"}, {"role": "developer", "content": "D"}]
    messages += [{"role": "assistant", "content": "e"}, {"role": "system", "content": "F"}]
    turns = [turn.split("<")[0] for turn in render(tokenizer, messages).split("<|im_start|>")[1:]]
    kept = ["user\na", "system\nC", "system\nD", "user\nb", "assistant\n", "system\nF", "assistant\n"]
    assert turns == kept


OFFER = "<|im_start|>system\n<tools>\nget_weather(city)\n</tools><|im_end|>\n"


def test_tools_follow_the_last_question(tokenizer: Any) -> None:
    call = {"role": "assistant", "tool_calls": [{"name": "get_weather", "arguments": {}}]}
    found = {"role": "tool", "content": "r"}
    text = render(tokenizer, [user("a"), user("b"), call, found], tools=[WEATHER])
    assert f"b<|im_end|>\n{OFFER}<|im_start|>assistant" in text
    assert text.count("<tools>") == 1
    assert render(tokenizer, [found], tools=[WEATHER]).startswith(OFFER)  # nobody asked anything


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        ({"properties": {"a": {}, "b": {}, "c": {}}, "required": ["c"]}, "f(c)"),
        ({"properties": {"a": {}, "b": {}, "c": {}, "d": {}}}, "f(a, b, c)"),
        ({}, "f()"),
        (None, "f()"),
    ],
)
def test_a_tool_is_its_name_and_what_it_needs(tokenizer: Any, parameters: Any, shown: str) -> None:
    function = {"name": "f", "description": "Does it.", "parameters": parameters}
    assert f"\n{shown}\n</tools>" in render(tokenizer, [user("x")], tools=[{"function": function}])


@pytest.mark.parametrize("arguments", [{"city": "Zürich"}, '{"city": "Zürich"}'])
@pytest.mark.parametrize("wrapped", [True, False])
def test_tool_calls_render_as_the_model_writes_them(tokenizer: Any, arguments: Any, wrapped: bool) -> None:
    call = {"name": "get_weather", "arguments": arguments}
    message = {"role": "assistant", "content": None, "tool_calls": [{"function": call} if wrapped else call] * 2}
    text = render(tokenizer, [user("x"), message])
    assert f"assistant\n{EMPTY}{weather_calls('Zürich', 'Zürich').reply}<|im_end|>" in text


@pytest.mark.parametrize("arguments", [None, "", {}])
def test_a_call_without_arguments_is_still_json(tokenizer: Any, arguments: Any) -> None:
    message = {"role": "assistant", "content": "Wait.", "tool_calls": [{"name": "now", "arguments": arguments}]}
    text = render(tokenizer, [user("x"), message])
    assert 'Wait.\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>' in text


def test_tool_results_of_one_turn_are_grouped(tokenizer: Any) -> None:
    results = [{"role": "tool", "tool_call_id": str(n), "content": f"r{n}"} for n in range(2)]
    text = render(tokenizer, [user("x"), *results, user("y")])
    assert (
        "<|im_start|>user\n<tool_response>\nr0\n</tool_response>\n<tool_response>\nr1\n</tool_response><|im_end|>"
        in text
    )


def test_earlier_thoughts_are_empty(tokenizer: Any) -> None:
    thought = {"role": "assistant", "content": "<think>\nsecret\n</think>\n\nHi!", "reasoning_content": "secret"}
    text = render(tokenizer, [user("x"), thought, user("y")])
    assert "secret" not in text
    assert f"<|im_start|>assistant\n{EMPTY}Hi!<|im_end|>" in text


TEXT = st.one_of(st.none(), st.text(max_size=8))
CONTENT = st.one_of(
    TEXT, st.lists(st.one_of(st.text(max_size=4), st.fixed_dictionaries({"type": st.just("text"), "text": TEXT})))
)
CALL = st.fixed_dictionaries(
    {"name": st.text(max_size=4), "arguments": st.one_of(TEXT, st.dictionaries(st.text(max_size=3), TEXT))}
)
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])},
    optional={
        "content": CONTENT,
        "name": TEXT,
        "tool_calls": st.one_of(st.none(), st.lists(st.one_of(CALL, st.fixed_dictionaries({"function": CALL})))),
    },
)


@settings(max_examples=60, deadline=None)
@given(messages=st.lists(MESSAGE, min_size=1, max_size=5), thinking=st.booleans())
def test_no_message_list_makes_the_template_fail(
    tokenizer: Any, messages: list[dict[str, Any]], thinking: bool
) -> None:
    text = render(tokenizer, messages, tools=[WEATHER], enable_thinking=thinking)
    assert text.endswith("</think>\n\n" if not thinking else "<|im_start|>assistant\n")


# ------------------------------------------------------------------ tokenizer and folder
@settings(max_examples=60, deadline=None)
@given(text=st.text())
def test_every_text_round_trips(tokenizer: Any, text: str) -> None:
    tokens = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(tokens, clean_up_tokenization_spaces=False) == text


def test_training_weighs_the_answer_and_half_of_earlier_turns(tokenizer: Any) -> None:
    earlier, last = EXCHANGES[0], EXCHANGES[1]
    sample = replace(plain(last, True), messages=earlier.as_history() + last.messages)
    tokens, weights = encode(sample, tokenizer)
    learned = tokenizer.decode([token for token, weight in zip(tokens, weights, strict=True) if weight == 1.0])
    half = tokenizer.decode([token for token, weight in zip(tokens, weights, strict=True) if weight == 0.5])
    assert learned == last.completion(True)
    assert half == earlier.completion(False)


def test_training_weighs_the_call_whose_tools_are_in_the_prompt(tokenizer: Any) -> None:
    answered = next(exchange for exchange in EXCHANGES if exchange.messages[-1]["role"] == "tool")
    sample = replace(plain(answered, True), messages=answered.as_history() + answered.messages)
    tokens, weights = encode(sample, tokenizer)
    learned = tokenizer.decode([token for token, weight in zip(tokens, weights, strict=True) if weight == 1.0])
    half = tokenizer.decode([token for token, weight in zip(tokens, weights, strict=True) if weight == 0.5])
    assert learned.count("<tool_call>") == 1
    assert half == answered.completion(False)


def test_the_second_turn_of_a_chat_begins_with_the_first(tokenizer: Any) -> None:
    for thinking, said in ((False, "Hi!"), (True, "")):
        first = render(tokenizer, [user("x")], enable_thinking=thinking) + said
        assistant = {"role": "assistant", "content": "Hi!"}
        assert render(tokenizer, [user("x"), assistant, user("y")], enable_thinking=thinking).startswith(first)


def test_a_sample_prompt_is_what_a_request_would_be(tokenizer: Any) -> None:
    sample = Sample((user("Hello!"),), (), False, "")
    assert tokenizer.decode(prompt_tokens(sample, tokenizer)) == render(
        tokenizer, [user("Hello!")], enable_thinking=False
    )


def test_the_folder_is_consistent(tokenizer: Any) -> None:
    config = json.loads((FOLDER / "config.json").read_text())
    generation = json.loads((FOLDER / "generation_config.json").read_text())
    assert len(tokenizer) == config["vocab_size"] == 4096
    assert tokenizer.eos_token_id == config["eos_token_id"] == generation["eos_token_id"][0]
    assert generation["do_sample"] is False
    assert config["max_position_embeddings"] == tokenizer.model_max_length == 32768


def test_the_weights_are_small_and_of_the_dtype_that_the_config_names() -> None:
    raw = (FOLDER / "model.safetensors").read_bytes()
    header = json.loads(raw[8 : 8 + struct.unpack("<Q", raw[:8])[0]])
    dtypes = {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
    names = {"bfloat16": {"BF16"}, "float16": {"F16"}, "float32": {"F32"}}
    assert dtypes == names[json.loads((FOLDER / "config.json").read_text())["torch_dtype"]]
    assert len(raw) < 5_000_000

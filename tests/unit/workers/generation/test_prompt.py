from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlx_lm.tokenizer_utils import load as load_tokenizer

from shared.errors import ContextLengthExceeded, InvalidRequest
from shared.messages import ChatMessage, MediaPart, Prompt, TextPart, ToolCall
from tests.models import VOCAB, write_tokenizer
from tests.text_driver import WEATHER
from workers.generation.prompt import check_length, tokenize
from workers.generation.templates.template import ChatTemplate


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return load_tokenizer(folder)


def with_template(folder: Path, template: str | None) -> Any:
    write_tokenizer(folder, template=template)
    return load_tokenizer(folder)


def render(prompt: Prompt, tokenizer: Any) -> str:
    return ChatTemplate(tokenizer, "hermes").write(prompt)


def tokens(prompt: Prompt, tokenizer: Any) -> list[int]:
    return tokenize(prompt, tokenizer, VOCAB, ChatTemplate(tokenizer, "hermes"))


def user(*parts: str, **more: Any) -> ChatMessage:
    return ChatMessage("user", tuple(TextPart(part) for part in parts), **more)


def test_a_chat_is_written_by_the_models_template(tokenizer: Any) -> None:
    prompt = Prompt((ChatMessage("system", (TextPart("Be brief."),)), user("hi", "there")))
    assert render(prompt, tokenizer) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhi\nthere<|im_end|>\n<|im_start|>assistant\n"
    )
    assert tokenizer.decode(tokens(prompt, tokenizer)) == render(prompt, tokenizer)


def test_no_generation_prompt_on_demand(tokenizer: Any) -> None:
    assert render(Prompt((user("hi"),), add_generation_prompt=False), tokenizer).endswith("hi<|im_end|>\n")


def test_a_message_may_be_continued(tokenizer: Any) -> None:
    prompt = Prompt((user("hi"), ChatMessage("assistant", (TextPart("Hel"),))), continue_final_message=True)
    assert render(prompt, tokenizer).endswith("<|im_start|>assistant\nHel")


def test_tools_reach_the_template(tokenizer: Any) -> None:
    assert '"name": "get_weather"' in render(Prompt((user("hi"),), tools=(WEATHER,)), tokenizer)


def test_everything_of_a_message_reaches_the_template(tmp_path: Path) -> None:
    tokenizer = with_template(
        tmp_path,
        "{% for m in messages %}{{ m.role }}|{{ m.name }}|{{ m.reasoning_content }}|{{ m.tool_call_id }}|"
        "{% for c in m.tool_calls or [] %}{{ c.id }}:{{ c.function.name }}:{{ c.function.arguments.city }}"
        "{{ c.function.arguments if c.function.arguments is string }}{% endfor %}{{ flag }}\n{% endfor %}",
    )
    calls = (ToolCall("c1", "w", '{"city": "Bern"}'), ToolCall("c2", "v", "oops"))
    messages = (
        ChatMessage("assistant", (), name="ana", reasoning="hm", tool_calls=calls),
        ChatMessage("tool", (TextPart("20"),), tool_call_id="c1"),
    )
    text = render(Prompt(messages, template_kwargs='{"flag": "on"}'), tokenizer)
    assert text == "assistant|ana|hm||c1:w:Bernc2:v:oopson\ntool|||c1|on\n"


@pytest.mark.parametrize(
    ("template", "asked", "expected"),
    [
        ("{{ enable_thinking }}", {"enable_thinking": False}, "False"),
        ("{{ thinking }}", {"enable_thinking": False}, "False"),
        ("{{ thinking }}", {"enable_thinking": True}, "True"),
        ("{{ enable_thinking }}", {"thinking": False}, "False"),
        ("{{ thinking }}{{ enable_thinking }}", {"enable_thinking": False, "thinking": True}, "TrueFalse"),
        ("{{ thinking is defined }}", {}, "False"),
        ("{{ thinking is defined }}", {"enable_thinking": "maybe"}, "False"),
        ("{% if thinking_mode == 'disabled' %}off{% endif %}", {"enable_thinking": False}, "off"),
        ("{{ 'disabled' }} {{ thinking_mode }}", {"enable_thinking": True}, "disabled enabled"),
        ("{{ thinking }}", {"reasoning_effort": "low"}, "True"),
        ("{{ thinking }}", {"reasoning_effort": "high", "enable_thinking": False}, "False"),
        ("{{ thinking is defined }}", {"reasoning_effort": "minimal"}, "False"),
        ("{{ thinking_mode is defined }}", {"enable_thinking": True}, "False"),
        ("{{ thinking_budget | default(-1) }}", {"enable_thinking": False}, "0"),
        ("{{ thinking_budget | default(-1) }}", {"enable_thinking": True}, "-1"),
        ("{{ thinking_budget | default(-1) }}", {"enable_thinking": False, "thinking_budget": 9}, "9"),
    ],
)
def test_a_request_needs_one_name_for_thinking(
    tmp_path: Path, template: str, asked: dict[str, Any], expected: str
) -> None:
    prompt = Prompt((user("hi"),), template_kwargs=json.dumps(asked))
    assert render(prompt, with_template(tmp_path, template)) == expected


def test_text_and_tokens_are_taken_as_they_are(tokenizer: Any) -> None:
    assert tokens(Prompt(text="ab"), tokenizer) == tokenizer.encode("ab")
    assert tokens(Prompt(tokens=(5, VOCAB - 1)), tokenizer) == [5, VOCAB - 1]


@pytest.mark.parametrize("token", [-1, VOCAB])
def test_a_token_outside_of_the_vocabulary_is_refused(tokenizer: Any, token: int) -> None:
    with pytest.raises(InvalidRequest, match=f"token id {token} is not in the vocabulary") as error:
        tokens(Prompt(tokens=(5, token)), tokenizer)
    assert error.value.param == "prompt[1]"


def test_a_model_without_a_template_is_no_chat_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no chat template") as error:
        render(Prompt((user("hi"),)), with_template(tmp_path, None))
    assert error.value.param == "messages"


@pytest.mark.parametrize("name", ["tokenize", "chat_template", "tools", "add_generation_prompt", "return_dict"])
def test_what_would_change_the_result_cant_be_set(tokenizer: Any, name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"'{name}' can't be set") as error:
        render(Prompt((user("hi"),), template_kwargs=f'{{"{name}": false}}'), tokenizer)
    assert error.value.param == "chat_template_kwargs"


def test_a_templates_own_refusal_is_the_requests_error(tmp_path: Path) -> None:
    tokenizer = with_template(tmp_path, "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(InvalidRequest, match="roles must alternate") as error:
        render(Prompt((user("hi"),)), tokenizer)
    assert error.value.param == "messages"


@pytest.mark.parametrize("media", ["image", "video", "audio"])
def test_media_are_refused(tokenizer: Any, media: Any) -> None:
    with pytest.raises(InvalidRequest, match=f"text only, not {media}") as error:
        render(Prompt((ChatMessage("user", (TextPart("see"), MediaPart(media, 0))),)), tokenizer)
    assert error.value.param == "messages"


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        check_length([], 10, None)


def test_a_prompt_needs_room_for_a_token() -> None:
    check_length([1] * 9, 10, 500)
    with pytest.raises(ContextLengthExceeded, match=r"is 10 tokens\. However, you requested 10 tokens\. "):
        check_length([1] * 10, 10, None)
    with pytest.raises(ContextLengthExceeded, match=r"requested 17 tokens \(12 in the messages, 5 in the completion\)"):
        check_length([1] * 12, 10, 5)

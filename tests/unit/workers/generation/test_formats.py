"""What a request's rows read, by the formats of its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlx_lm.tokenizer_utils import load as load_tokenizer
from tokenizers import AddedToken

from shared.messages import (
    ChatMessage,
    Generate,
    Grammar,
    Prompt,
    ReasoningDelta,
    Sampling,
    TextDelta,
    TextPart,
    ToolCallDelta,
)
from tests.models import TEMPLATE, byte_level_tokenizer, write_tokenizer
from tests.text_driver import WEATHER
from workers.generation.detokenizer import Vocabulary
from workers.generation.formats import Formats
from workers.platform.sampling import resolve

HARMONY = ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|call|>", "<|return|>")


class Model:
    """A tokenizer with special tokens of its own, and the formats chosen for it."""

    def __init__(
        self, folder: Path, special: tuple[str, ...] = (), template: str | None = TEMPLATE, **names: str
    ) -> None:
        tokenizer = byte_level_tokenizer()
        tokenizer.add_special_tokens([AddedToken(token, special=True) for token in special])
        write_tokenizer(folder, tokenizer, template)
        self.tokenizer: Any = load_tokenizer(folder)
        self.eos = frozenset(self.ids("<|im_end|>" if "<|call|>" not in special else "<|call|>"))
        chosen = {"reasoning_parser": "auto", "tool_call_parser": "auto"} | names
        self.formats = Formats(self.tokenizer, Vocabulary(self.tokenizer), self.eos, **chosen)

    def ids(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def told(self, text: str, *, written: str = "", prompt: str = "", tools: bool = True, **work: Any) -> list[Any]:
        """The kinds and texts of what a row tells; `written`: the message that it continues."""
        messages = (ChatMessage("assistant", (TextPart(written),)),) if written else ()
        asked = Prompt(messages, continue_final_message=bool(written), tools=(WEATHER,) if tools else ())
        request = Generate("r", asked, **work)
        params = resolve(Sampling(), defaults={}, vocab_size=1000, eos=self.eos, room=10_000)
        output = self.formats.output(request, 0, params, self.formats.prompt_end(request, self.ids(prompt)))
        found: list[Any] = []
        for produced, token in enumerate([*self.ids(text), *self.eos], start=1):
            for delta in output.push(token, None, produced):
                match delta:
                    case ReasoningDelta() | TextDelta():
                        kind = "thought" if isinstance(delta, ReasoningDelta) else "text"
                        self._add(found, kind, delta.text)
                    case ToolCallDelta():
                        self._add(found, "call", (delta.name or "") + delta.arguments)
            if output.finished is not None:
                return found
        raise AssertionError("the row didn't end")

    @staticmethod
    def _add(found: list[Any], kind: str, text: str) -> None:
        if found and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + text)
        elif text:
            found.append((kind, text))


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(tmp_path_factory.mktemp("qwen"))


@pytest.fixture(scope="module")
def oss(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return Model(tmp_path_factory.mktemp("oss"), HARMONY, tool_call_parser="harmony")


CALL = '<tool_call>{"name": "get_weather", "arguments": {"city": "Bern"}}</tool_call>'
THOUGHT = "<think>hm</think>So."
OSS_CALL = '<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Bern"}'


def test_the_models_formats_are_its_capabilities(qwen: Model, tmp_path: Path) -> None:
    assert qwen.formats.capabilities == ("reasoning", "tools")
    assert Model(tmp_path, reasoning_parser="none", tool_call_parser="none").formats.capabilities == ()


def test_a_name_is_taken_for_what_the_model_writes(tmp_path: Path) -> None:
    model = Model(tmp_path, reasoning_parser="seed", tool_call_parser="hermes")
    assert model.told(f"<seed:think>hm</seed:think>{CALL}") == [
        ("thought", "hm"),
        ("call", 'get_weather{"city": "Bern"}'),
    ]
    assert model.told(THOUGHT) == [("text", THOUGHT)]


def test_thoughts_and_calls_are_left_in_the_text_on_demand(qwen: Model) -> None:
    whole = THOUGHT + CALL
    assert qwen.told(whole, parse_reasoning=False, parse_tools=False) == [("text", whole)]
    assert qwen.told(whole, parse_tools=False) == [("thought", "hm"), ("text", "So." + CALL)]
    assert qwen.told(whole, parse_reasoning=False)[0] == ("text", THOUGHT)


def test_without_tools_there_are_no_calls(qwen: Model) -> None:
    assert qwen.told(CALL, tools=False) == [("text", CALL)]


def test_calls_of_a_model_whose_template_knows_none_are_read(tmp_path: Path) -> None:
    model = Model(tmp_path, template="{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    assert "tools" not in model.formats.capabilities
    assert model.told(f"Let me see.{CALL}") == [("text", "Let me see."), ("call", 'get_weather{"city": "Bern"}')]
    assert model.told(CALL, tools=False) == [("text", CALL)]


def test_one_call_is_enough_on_demand(qwen: Model) -> None:
    assert qwen.told(CALL + CALL, parallel_tool_calls=False) == [("call", 'get_weather{"city": "Bern"}')]


def test_the_prompt_opens_a_thought(qwen: Model) -> None:
    assert qwen.told("hm</think>So.", prompt="<|im_start|>assistant\n<think>\n") == [("thought", "hm"), ("text", "So.")]
    assert qwen.told("So.", prompt="<think>\n\n</think>\n\n") == [("text", "So.")]
    assert qwen.told("So.", prompt="what is <think><|im_end|>\n<|im_start|>assistant\n") == [("text", "So.")]


def test_a_message_that_is_continued_may_be_in_a_thought(qwen: Model) -> None:
    prompt = f"<|im_start|>assistant\n<think>{'I wonder. ' * 20}"
    assert qwen.told(" So", written=prompt[22:], prompt=prompt) == [("thought", " So")]
    assert qwen.told(" So", written="<think>a</think>b", prompt="<think>a</think>b") == [("text", " So")]
    assert qwen.told(" So", written="b", prompt="what is <think>? b") == [("text", " So")]


def test_special_tokens_that_mark_are_kept_for_the_readers(oss: Model) -> None:
    thought = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
    assert oss.told(f"{thought}<|channel|>final<|message|>So.") == [("thought", "hm"), ("text", "So.")]
    assert oss.told(thought + OSS_CALL) == [("thought", "hm"), ("call", 'get_weather{"city": "Bern"}')]


def test_a_token_that_ends_a_row_may_end_a_call(oss: Model) -> None:
    request = Generate("r", Prompt(tools=(WEATHER,)))
    params = resolve(Sampling(), defaults={}, vocab_size=1000, eos=oss.eos, room=10_000)
    output = oss.formats.output(request, 0, params, "")
    for token in [*oss.ids(OSS_CALL), *oss.eos]:
        output.push(token, None, 1)
    assert output.finished is not None
    assert (output.finished.reason, output.finished.stop) == ("tool_calls", None)


def test_raw_keeps_markers_that_are_special_tokens(oss: Model) -> None:
    whole = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>So."
    assert oss.told(whole, parse_reasoning=False, parse_tools=False) == [("text", whole)]


def test_an_answer_bound_to_a_grammar_may_quote_markers(qwen: Model, oss: Model) -> None:
    grammar = Grammar("regex", ".*")
    told = qwen.told("<think>hm</think>\n\na <think>b</think>", tools=False, grammar=grammar)
    assert told == [("thought", "hm"), ("text", "a <think>b</think>")]
    assert qwen.told("<a> <think>b", tools=False, grammar=grammar) == [("text", "<a> <think>b")]
    whole = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>So <"
    assert oss.told(whole, tools=False, grammar=grammar) == [("thought", "hm"), ("text", "So <")]


def test_other_special_tokens_are_left_out(qwen: Model) -> None:
    assert qwen.told("a<|im_start|>b") == [("text", "ab")]

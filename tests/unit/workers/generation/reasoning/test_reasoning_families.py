"""Which format `auto` takes, by the vocabulary and the template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import pytest

from shared.families import ReasoningParserName
from workers.generation.reasoning.families import FORMATS, detect_reasoning, reasoning_format


@dataclass
class Model:
    tokens: tuple[str, ...] = ()
    chat_template: Any = ""

    def get_vocab(self) -> dict[str, int]:
        return {token: at for at, token in enumerate(self.tokens)}


THINK = ("<think>", "</think>")


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Model(), None),
        (Model(chat_template=None), None),
        (Model(("<think>",)), None),
        (Model(THINK), "think"),
        (Model(THINK, "{{ '<think>' }}"), "think"),
        (Model((), "{% if thinking %}<think>\n{% endif %}{{ content.split('</think>')[-1] }}"), "think"),
        (Model((), "{{ content.split('</think>')[-1] }}"), None),
        (Model(("<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|call|>")), "harmony"),
        (Model(("<|message|>", "<|start|>", "<|eom|>", "<|eot|>")), "muse_spark"),
        (Model(("<|channel>", "<channel|>", "<|think|>")), "gemma4"),
        (Model(("[THINK]", "[/THINK]", "[TOOL_CALLS]")), "mistral"),
        (Model(("<seed:think>", "</seed:think>")), "seed"),
        (Model(("<longcat_think>", "</longcat_think>")), "longcat"),
        (Model(("<|think:start|>", "<|think:end|>")), "solar"),
        (Model(("<|inner_prefix|>", "<|inner_suffix|>")), "apertus"),
        (Model(("<|START_THINKING|>", "<|END_THINKING|>")), "cohere"),
        (Model(("<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>")), "kimi_k3"),
        (Model(("<mm:think>", "</mm:think>")), "minimax_m3"),
        (Model((), "<think>\n\n</think>\n<answer>\n {{ content }} </answer>"), "hunyuan"),
        (Model(THINK, "<think> </think> <response> </response>"), "ernie45"),
        (Model((), "Write 'Here is my thought process:' first, then 'Here is my response:'"), "granite"),
        (Model(chat_template={"default": "<think></think>", "tool_use": "[THINK][/THINK]"}), "think"),
    ],
)
def test_auto(model: Model, expected: str | None) -> None:
    found = detect_reasoning(model)
    assert (found.name if found else None) == expected
    assert reasoning_format("auto", model) is found


def test_a_name_is_taken_whatever_the_model() -> None:
    assert reasoning_format("seed", Model(THINK)) is FORMATS["seed"]
    assert reasoning_format("none", Model(THINK)) is None


def test_the_yaml_knows_every_name() -> None:
    assert {*get_args(ReasoningParserName)} == {"auto", "none", *FORMATS}


def test_markers_name_all_that_a_format_reads() -> None:
    for family in FORMATS.values():
        assert any(marker in family.opening for marker in family.markers)
        assert any(marker in family.closing for marker in family.markers)


@pytest.mark.parametrize("name", FORMATS)
def test_the_end_of_a_prompt_decides(name: str) -> None:
    family = FORMATS[name]
    assert family.opened(f"user: hi\nassistant: {family.opening}")
    assert not family.opened(f"user: hi\nassistant: {family.opening}{family.closing}")
    assert not family.opened(f"user: what is {family.opening}?\nassistant: ")
    assert family.reader(opened=True).thinking
    assert not family.reader(opened=False).thinking


@pytest.mark.parametrize("name", FORMATS)
def test_a_reader_knows_when_it_is_in_a_thought(name: str) -> None:
    family = FORMATS[name]
    thoughts = family.reader(opened=False)
    thoughts.feed(family.opening)
    assert thoughts.thinking
    thoughts.feed("hm")
    assert thoughts.thinking
    thoughts.feed(family.closing)
    assert not thoughts.thinking

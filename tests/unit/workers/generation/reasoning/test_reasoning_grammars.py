"""The rules of every family, as llguidance takes them: markers as special tokens and as plain text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer
from tokenizers import AddedToken, Tokenizer

from tests.models import byte_level_tokenizer
from workers.generation.reasoning.families import FORMATS
from workers.generation.reasoning.format import ReasoningFormat
from workers.generation.reasoning.spans import Spans

MUSE_SPARK = ("<|message|>", "<|start|>", "<|eom|>", "<|eot|>")
HARMONY = ("<|channel|>", "<|message|>", "<|start|>", "<|end|>")
ANSWER = "answer: /[0-9]+/\n"


def special(name: str) -> tuple[str, ...]:
    family = FORMATS[name]
    if not isinstance(family, Spans):
        return HARMONY if name == "harmony" else MUSE_SPARK
    atoms = [atom for marker in (*family.begins, *family.ends) for atom in marker]
    return tuple(atom for atom in atoms if not atom.isalpha() and " " not in atom)


class Case:
    """One family with one vocabulary."""

    def __init__(self, name: str, tokens: tuple[str, ...]) -> None:
        self.family: ReasoningFormat = FORMATS[name]
        self._tokens = tokens
        self._tokenizer: Tokenizer = byte_level_tokenizer()
        self._tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in tokens])
        self._guide = LLTokenizer(self._tokenizer.to_str())

    def spell(self, marker: str) -> str:
        if marker in self._tokens:
            return f"<[{self._tokenizer.token_to_id(marker)}]>"
        return json.dumps(marker)

    def _encode(self, text: str) -> list[int]:
        """Markers that are no special tokens of this vocabulary are spelled character by character."""
        ids: list[int] = []
        while text:
            token = next((token for token in self._tokens if text.startswith(token)), text[0])
            ids.extend(self._tokenizer.encode(token, add_special_tokens=False).ids)
            text = text[len(token) :]
        return ids

    def admits(self, text: str, prompt: str = "", calls: bool = False) -> bool | None:
        """Whether a row may be `text`; None: not as it stands, but it may go on."""
        rules = self.family.grammar(self.spell, prompt=prompt, calls=calls)
        matcher = LLMatcher(self._guide, rules + ANSWER, log_level=0)
        assert not matcher.is_error(), matcher.get_error()
        if not all(matcher.consume_token(token) for token in self._encode(text)):
            return False
        return True if matcher.is_accepting() else None


@pytest.fixture(
    scope="module", params=[(name, kind) for name in FORMATS for kind in ("special", "plain")], ids="-".join
)
def case(request: Any) -> Case:
    name, kind = request.param
    return Case(name, special(name) if kind == "special" else ())


def end_of(case: Case) -> str:
    return case.family.closing.strip()


def final(case: Case) -> str:
    return case.family.answering if case.family.name in ("harmony", "muse_spark") else ""


def test_a_thought_may_come_first(case: Case) -> None:
    begin, end, last = case.family.opening, end_of(case), final(case)
    assert case.admits(f"{last}12")
    assert case.admits(f"{begin}a < b\nc{end}{last}12")
    assert case.admits(f"{begin}{end}{last}12")
    assert case.admits(f"{begin}12") is None
    assert case.admits(f"{begin}a{end}{last}") is None


def test_a_thought_may_be_closed_in_time(case: Case) -> None:
    assert case.admits(f"{case.family.opening}a{case.family.closing}{final(case)}12")


def test_nothing_else_is_admitted(case: Case) -> None:
    begin, end, last = case.family.opening, end_of(case), final(case)
    assert case.admits(f"{last}a") is False
    assert case.admits(f"{end}{last}12") is False
    assert case.admits(f"{begin}a{end}{last}x") is False
    assert case.admits(f"{begin}a{end}{last}12{begin}") is False
    assert case.admits(f"{begin}a{end}b{end}{last}12") is False


def test_a_thought_that_the_prompt_has_opened_is_due(case: Case) -> None:
    prompt = f"user: hi\nassistant: {case.family.opening}"
    assert case.admits(f"hm{end_of(case)}{final(case)}12", prompt)
    assert case.admits("12", prompt) is None


def test_a_thought_that_the_prompt_has_closed_is_over(case: Case) -> None:
    prompt = f"user: hi\nassistant: {case.family.answering}"
    assert case.admits("12", prompt)
    assert case.admits(f"{case.family.opening}a{end_of(case)}12", prompt) is False


def test_harmony_leaves_the_channel_of_calls_to_them() -> None:
    case = Case("harmony", HARMONY)
    assert case.admits("12", calls=True)
    assert case.admits("<|channel|>analysis<|message|>a<|end|><|start|>assistant12", calls=True)
    assert case.admits("<|channel|>final<|message|>12", calls=True) is False


def test_muse_spark_names_a_tool_where_calls_follow() -> None:
    case = Case("muse_spark", MUSE_SPARK)
    assert case.admits(" to=get_weather<|message|>12", calls=True)
    assert case.admits(" to=self<|message|>a<|eom|><|start|>assistant to=get_weather<|message|>12", calls=True)
    assert case.admits(" to=get_weather<|message|>12") is False

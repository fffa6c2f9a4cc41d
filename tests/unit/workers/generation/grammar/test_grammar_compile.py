from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pytest
from llguidance import LLMatcher

from shared.errors import InvalidRequest, Overloaded
from shared.messages import Generate, Grammar, Prompt
from tests.fakes.llm_tokenizer import ENDS, compiler, ids, tokenizer
from tests.models import VOCAB
from workers.generation.grammar import compile as compiling
from workers.generation.grammar.answer import bind
from workers.generation.grammar.compile import GrammarCompiler, reason_of


def matcher(kind: Any, text: str = "") -> LLMatcher:
    work = Generate("r", Prompt(text="x"), grammar=Grammar(kind, text))
    bound = bind(work, None, None, "x", compiler().spell)
    assert bound is not None
    return compiler().matchers(bound.text, 1, bound.param)[0]


def accepts(found: LLMatcher, text: str) -> bool:
    """Whether the whole text, and nothing less, is an answer."""
    tokens = ids(text)
    return found.deep_copy().try_consume_tokens(tokens) == len(tokens) and _ends(found, tokens)


def _ends(found: LLMatcher, tokens: list[int]) -> bool:
    copy = found.deep_copy()
    copy.consume_tokens(tokens)
    return copy.is_accepting()


def allowed(found: LLMatcher) -> set[int]:
    mask = np.zeros((VOCAB + 31) // 32, dtype=np.int32)
    found.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
    bits = np.unpackbits(mask.view(np.uint8), bitorder="little")
    return set(np.flatnonzero(bits).tolist())


def test_every_end_token_ends_a_grammar_that_is_done() -> None:
    found = matcher("choice", '["a"]')
    assert allowed(found) == set(ids("a"))
    found.consume_tokens(ids("a"))
    assert allowed(found) == set(ENDS)


@pytest.mark.parametrize(
    "text", ["a", "", "é\n\t\"'\\", "\x00\x1f\x7f", "{}", "𝄞 <b>", "/a/ | b", "%json {}", "a" * 4096]
)
def test_a_choice_is_any_text(text: str) -> None:
    found = matcher("choice", json.dumps([text, "other"]))
    assert accepts(found, text)
    assert accepts(found, "other")
    assert not accepts(found, text + "x")


@pytest.mark.parametrize(
    ("regex", "yes", "no"),
    [
        (r"\d{3}-\d{4}", "555-1234", "555-123"),
        (r"^(yes|no)$", "yes", "maybe"),
        (r"a/b\n", "a/b\n", "a/b"),
        ("a\nb", "a\nb", "ab"),
        (r"[^\"]+\.(com|org)", "x.com", "x.net"),
        (r"(?i)abc", "aBc", "abd"),
        (r"é+", "éé", "e"),
    ],
)
def test_regex(regex: str, yes: str, no: str) -> None:
    found = matcher("regex", regex)
    assert accepts(found, yes)
    assert not accepts(found, no)


def test_lark_with_its_own_start_and_rules_of_our_names() -> None:
    found = matcher("lark", 'start: answer ("+" answer)*\nanswer: /[0-9]+/\n%ignore " "\n')
    assert accepts(found, "1 + 2+3")
    assert not accepts(found, "1 +")


def test_an_object_has_bounded_white_space() -> None:
    found = matcher("json_object")
    assert accepts(found, '{"a": 1, "b": [true, null]}')
    assert accepts(found, '{\n  "a": 1\n}')
    assert accepts(found, '{"a":1}')
    assert not accepts(found, "[1]")
    assert not accepts(found, '{"a":  1}')
    assert not accepts(found, "{" + "\n" * 2 + "}")
    assert not accepts(found, '{"a": 1}\n')


def test_a_schema_that_leads_to_itself() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}},
        "required": ["next"],
        "additionalProperties": False,
    }
    found = matcher("json_schema", json.dumps({"$ref": "#/$defs/n", "$defs": {"n": node}}))
    assert accepts(found, '{"next": {"next": {"next": null}}}')
    assert not accepts(found, '{"next": {}}')


def follow(found: LLMatcher) -> None:
    """What compiles has to stop later, by its own limits."""
    for _ in range(50):
        found.consume_token(min(allowed(found)))
        if found.is_error():
            raise InvalidRequest("too complex")


def deep(count: int) -> str:
    chain = {f"d{i}": {"items": {"$ref": f"#/$defs/d{i + 1}"}, "type": "array"} for i in range(count)}
    return json.dumps({"$ref": "#/$defs/d0", "$defs": chain | {f"d{count}": {"type": "null"}}})


def fixed(number: int, value: int) -> dict[str, Any]:
    return {"properties": {f"a{number}": {"const": value}}}


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        ("json_schema", '{"if": {}, "not": {}}', "'if', 'not' can't be guaranteed"),
        ("json_schema", '{"type": "array", "uniqueItems": true}', "uniqueItems"),
        ("json_schema", '{"type": "string", "format": "iri"}', "format"),
        ("json_schema", '{"type": "string", "pattern": "(?=a)b"}', "look-around"),
        ("json_schema", '{"type": "strin"}', "strin"),
        ("json_schema", '{"$ref": "#"}', "nothing matches"),
        ("json_schema", '{"$ref": "https://example.com/a.json"}', "example.com"),
        ("json_schema", '{"$ref": "#/$defs/a"}', "defs"),
        ("json_schema", '{"type": "integer", "minimum": 5, "maximum": 2}', "minimum"),
        ("json_schema", '{"allOf": [{"$ref": "#"}, {"type": "object"}]}', "circular"),
        ("regex", "(a", "unclosed"),
        ("regex", r"\bfoo", "lookarounds"),
        ("regex", r"(a)\1", "backreferences"),
        ("lark", "start: foo", "foo"),
        ("lark", "start: start", "nothing matches"),
        ("lark", "start: (((", ""),
        ("choice", "[]", "at least one"),
        ("choice", "[1]", "list of texts"),
        ("choice", '{"a": 1}', "list of texts"),
        ("choice", "[", "JSON list"),
    ],
)
def test_what_cannot_be_compiled_is_refused_with_its_reason(kind: Any, text: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as found:
        matcher(kind, text)
    assert says in found.value.message
    assert "\n" not in found.value.message
    assert found.value.param is not None
    assert found.value.param.startswith(("response_format", "structured_outputs"))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("json_schema", deep(5000)),
        ("json_schema", json.dumps({"allOf": [{"anyOf": [fixed(i, 1), fixed(i, 2)]} for i in range(20)]})),
        ("json_schema", json.dumps({"properties": {f"p{i}": {} for i in range(9000)}})),
        ("json_schema", json.dumps({"properties": {f"p{i}": {} for i in range(401)}})),
        ("regex", "(" * 5000 + "a" + ")" * 5000),
        ("regex", r"(\pL{0,500}){0,500}" * 3),
        ("lark", "start: " + "(" * 20_000 + '"a"' + ")" * 20_000),
        ("lark", "start: " + "".join(f"a{i}\na{i}: " for i in range(20_000)) + '"x"'),
        ("lark", "start: A0\n" + "".join(f'A{i}: "x" A{i + 1}\n' for i in range(5000)) + 'A5000: "x"'),
        ("choice", json.dumps([f"number {i}" for i in range(50_000)])),
        ("choice", json.dumps(["x" * 200_000])),
    ],
)
def test_a_bomb_ends_neither_the_process_nor_the_next_request(kind: Any, text: str) -> None:
    with pytest.raises(InvalidRequest):
        follow(matcher(kind, text))
    assert accepts(matcher("choice", '["next"]'), "next")


def test_chains_of_references_within_the_limit_have_stack_enough() -> None:
    assert not matcher("json_schema", deep(1400)).is_error()


def test_a_compilation_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "PATIENCE", 0.01)
    never = threading.Event()
    own = GrammarCompiler(tokenizer(), VOCAB, ENDS)
    monkeypatch.setattr(own, "_built", lambda *_: never.wait())
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="longer than"):
            own.matchers('start: "a"', 1, "grammar")
    with pytest.raises(Overloaded):
        own.matchers('start: "a"', 1, "grammar")
    never.set()


def test_equal_grammars_are_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    own = GrammarCompiler(tokenizer(), VOCAB, ENDS)
    first, second = own.matchers('start: "a" "b"', 2, None)
    first.consume_tokens(ids("a"))
    monkeypatch.setattr(own, "_built", None)  # would fail
    (third,) = own.matchers('start: "a" "b"', 1, None)
    assert allowed(first) == set(ids("b"))
    assert allowed(second) == allowed(third) == set(ids("a"))


def test_a_matcher_that_comes_back_serves_the_next_request() -> None:
    own = GrammarCompiler(tokenizer(), VOCAB, ENDS)
    grammar = 'start: /[ab]+/ "c"'
    for _ in range(3):
        (used,) = own.matchers(grammar, 1, None)
        assert allowed(used) == {*ids("ab")}
        used.consume_tokens([*ids("abbac"), min(ENDS)])
        assert used.is_stopped()
        own.learn(grammar, used, 200)  # the third is not needed any more
    assert own._kept[grammar][1] == 400
    (broken,) = own.matchers(grammar, 1, None)
    broken.consume_tokens(ids("z"))
    own.learn(grammar, broken, 9)
    own.learn("another", broken, 9)
    assert allowed(own.matchers(grammar, 1, None)[0]) == {*ids("ab")}
    assert list(own._kept) == [grammar]


def test_markers_are_spelled_as_the_tokenizer_has_them() -> None:
    assert compiler().spell("<think>") == f"<[{ids('<think>')[0]}]>"
    assert compiler().spell('<"x">') == '"<\\"x\\">"'
    assert compiler().spell("</think>\n") == '"</think>\\n"'


def test_a_model_without_a_fast_tokenizer_refuses_grammars() -> None:
    class Slow:
        def get_vocab(self) -> dict[str, int]:
            return {"a": 0}

    with pytest.raises(InvalidRequest, match="tokenizer"):
        GrammarCompiler(Slow(), 8, frozenset((0,))).matchers('start: "a"', 1, "grammar")
    with pytest.raises(InvalidRequest, match="ends an answer"):
        GrammarCompiler(tokenizer(), VOCAB, frozenset()).matchers('start: "a"', 1, "grammar")


def test_reasons_are_one_line() -> None:
    long = 'at 1(8): failed to compile JSON schema: Unimplemented keys: ["if"]\n   1 | start: %json {"secret": 1}'
    assert reason_of(long) == "'if' can't be guaranteed; leave it out, or don't ask for strict"
    overlap = "failed to compile JSON schema: oneOf constraints are not supported. Enable 'coerce_one_of' option"
    assert reason_of(overlap).startswith("'oneOf' whose options overlap")
    regex = 'at 1(8): invalid regex "(" (in regex): regex parse error:\n    (\n    ^\nerror: unclosed group\n  1 | x'
    assert reason_of(regex) == "invalid regular expression, unclosed group"

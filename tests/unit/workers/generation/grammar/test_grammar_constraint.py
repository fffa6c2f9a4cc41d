from __future__ import annotations

import mlx.core as mx
import numpy as np

from shared.errors import InternalError
from tests.fakes.llm_tokenizer import ENDS, compiler, ids, tokenizer
from tests.models import VOCAB
from workers.generation.detokenizer import Vocabulary
from workers.generation.grammar.constraint import Budget, Constraint
from workers.generation.grammar.masks import MaskBuffer, admitted
from workers.generation.reasoning.families import FORMATS

THINK = FORMATS["think"]
CLOSING = ids(THINK.closing)


def budget(limit: int, opened: bool = True) -> Budget:
    detokenizer = Vocabulary(tokenizer()).detokenizer(skip_special=True, first=False, keep=THINK.markers)
    return Budget(limit, CLOSING, THINK.reader(opened), detokenizer)


def forced_by(found: Budget, text: str) -> list[int]:
    """Takes the text, then what is forced until nothing is."""
    for token in ids(text):
        assert found.forced is None
        found.take(token)
    return drain(found)


def drain(found: Budget) -> list[int]:
    forced = []
    while found.forced is not None:
        forced.append(found.forced)
        found.take(forced[-1])
    return forced


def masks_of(*constraints: Constraint | None) -> list[set[int]] | None:
    found = MaskBuffer(compiler().width).fill(constraints)
    if found is None:
        return None
    return [set(np.flatnonzero(row).tolist()) for row in np.array(admitted(found, VOCAB))]


def constraint(lark: str, own: Budget | None = None) -> Constraint:
    return Constraint(compiler().matchers(lark, 1, "grammar")[0], own, "grammar")


# ------------------------------------------------------------------ budget
def test_the_closing_comes_when_the_budget_is_spent() -> None:
    assert forced_by(budget(3), "abc") == CLOSING
    assert drain(budget(0)) == CLOSING


def test_what_the_prompt_has_not_opened_costs_nothing() -> None:
    found = budget(2, opened=False)
    assert forced_by(found, "an answer") == []
    assert forced_by(found, "<think>ab") == CLOSING


def test_thoughts_share_their_budget() -> None:
    found = budget(4)
    assert forced_by(found, "ab</think>text") == []
    assert forced_by(found, "<think>c") == CLOSING  # the marker that closed the first one counted
    assert forced_by(found, "<think>") == CLOSING


def test_a_closing_that_does_not_close_is_not_repeated() -> None:
    found = Budget(1, ids("x"), THINK.reader(True), Vocabulary(tokenizer()).detokenizer(skip_special=True, first=False))
    assert forced_by(found, "a") == ids("x")
    assert forced_by(found, "bc") == []


# ------------------------------------------------------------------ masks
def test_rows_without_a_mask_are_free() -> None:
    assert masks_of(None, Constraint(None, budget(9))) is None
    found = masks_of(None, constraint('start: "ab" | "b"'), Constraint(None, budget(0)))
    assert found == [set(range(VOCAB)), {*ids("a"), *ids("b")}, set(CLOSING[:1])]


def test_masks_follow_what_the_rows_draw() -> None:
    rows = [constraint('start: "ab"'), constraint('start: "cd"')]
    assert masks_of(*rows) == [set(ids("a")), set(ids("c"))]
    rows[0].take(ids("a")[0])
    assert masks_of(*rows) == [set(ids("b")), set(ids("c"))]
    rows[0].take(ids("b")[0])
    assert masks_of(*rows) == [set(ENDS), set(ids("c"))]
    rows[0].take(min(ENDS))
    assert rows[0].error is None


def test_the_grammar_comes_before_the_closing() -> None:
    admits = constraint("start: /(.|\\n)*/ " + compiler().spell("</think>") + ' /\\n*/ "ok"', budget(0))
    forced = []
    while admits.forced is not None:
        (mask,) = masks_of(admits) or [set()]
        if admits.forced is None:
            break
        assert mask == {admits.forced}
        forced.append(admits.forced)
        admits.take(forced[-1])
    assert forced == CLOSING
    refuses = constraint('start: "ab"', budget(0))
    assert masks_of(refuses) == [set(ids("a"))]
    assert refuses.forced is None


def test_an_error_frees_the_row_and_names_the_grammar() -> None:
    broken, good = constraint('start: "ab"'), constraint('start: "ab"')
    broken.take(ids("z")[0])
    assert isinstance(broken.error, InternalError)
    assert broken.error.param == "grammar"
    assert masks_of(broken, good) == [set(range(VOCAB)), set(ids("a"))]
    broken.take(ids("a")[0])


def test_masks_of_a_vocabulary_that_fills_no_word() -> None:
    masks = mx.array(np.array([[0b101, 0xFF]], dtype=np.uint8))
    assert np.array(admitted(masks, 11)).tolist() == [[True, False, True] + [False] * 5 + [True] * 3]

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_lm.tokenizer_utils import load as load_tokenizer
from tokenizers import AddedToken, Tokenizer, decoders

from tests.models import byte_level_tokenizer, sentencepiece_tokenizer, write_tokenizer
from workers.generation.detokenizer import Vocabulary, byte_of_character

REPLACEMENT = "\ufffd"
SPICY = ["👩‍👩‍👧", "é", "e\u0301", "漢字", "🏳️‍🌈", "ก็", "a b", " ", "\n", "▁", "Ġ"]


def wrapped(folder: Path, tokenizer: Tokenizer) -> Any:
    folder.mkdir(exist_ok=True)
    write_tokenizer(folder, tokenizer)
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return wrapped(tmp_path_factory.mktemp("byte-level"), byte_level_tokenizer())


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory: pytest.TempPathFactory) -> Any:
    words = ["▁a", "▁b", "a", "b", "c", "é", "漢"]
    return wrapped(tmp_path_factory.mktemp("sentencepiece"), sentencepiece_tokenizer(words))


@pytest.fixture(scope="module")
def general(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A decoder that the table knows nothing about."""
    tokenizer = byte_level_tokenizer()
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Fuse()])
    return wrapped(tmp_path_factory.mktemp("general"), tokenizer)


def stream(tokenizer: Any, tokens: list[int], *, skip: bool = True, first: bool = True) -> list[str]:
    detokenizer = Vocabulary(tokenizer).detokenizer(skip_special=skip, first=first)
    return [*[detokenizer.add(token) for token in tokens], detokenizer.finish()]


texts = st.lists(st.one_of(st.text(max_size=6), st.sampled_from(SPICY)), max_size=6).map("".join)


@settings(max_examples=80, deadline=None)
@given(text=texts)
def test_byte_level_text_comes_back_in_whole_characters(byte_level: Any, text: str) -> None:
    pieces = stream(byte_level, byte_level.encode(text, add_special_tokens=False))
    assert "".join(pieces) == text
    assert REPLACEMENT not in "".join(pieces) or REPLACEMENT in text
    assert pieces[-1] == ""


@settings(max_examples=80, deadline=None)
@given(text=texts.filter(lambda text: "▁" not in text))
def test_sentencepiece_text_comes_back_in_whole_characters(sentencepiece: Any, text: str) -> None:
    tokens = sentencepiece.encode(text, add_special_tokens=False)
    pieces = stream(sentencepiece, tokens)
    assert "".join(pieces) == sentencepiece.decode(tokens)
    assert REPLACEMENT not in "".join(pieces) or REPLACEMENT in text
    assert pieces[-1] == ""


@settings(max_examples=30, deadline=None)
@given(text=texts)
def test_other_tokenizers_come_back_too(general: Any, text: str) -> None:
    assert "".join(stream(general, general.encode(text, add_special_tokens=False))) == text


def test_two_streams_of_a_general_detokenizer_dont_mix(general: Any) -> None:
    vocabulary = Vocabulary(general)
    a, b = (vocabulary.detokenizer(skip_special=True, first=True) for _ in range(2))
    texts = {"a": "", "b": ""}
    for x, y in zip(general.encode("one two"), general.encode("six ten"), strict=True):
        texts["a"] += a.add(x)
        texts["b"] += b.add(y)
    assert (texts["a"] + a.finish(), texts["b"] + b.finish()) == ("one two", "six ten")


def test_a_character_is_held_until_it_is_whole(byte_level: Any) -> None:
    assert stream(byte_level, byte_level.encode("é!")) == ["", "é", "!", ""]
    assert stream(byte_level, byte_level.encode("👍")) == ["", "", "", "👍", ""]


def test_bytes_that_are_no_text_become_replacement_characters(byte_level: Any, sentencepiece: Any) -> None:
    tokens = byte_level.encode("👍")
    assert "".join(stream(byte_level, tokens[:2])) == REPLACEMENT
    assert "".join(stream(byte_level, [tokens[0], *byte_level.encode("a")])) == REPLACEMENT + "a"
    lone = sentencepiece.convert_tokens_to_ids(["<0xC3>", "b"])
    assert "".join(stream(sentencepiece, lone)) == REPLACEMENT + "b"


def test_special_tokens_are_left_out_on_demand(byte_level: Any) -> None:
    end = byte_level.convert_tokens_to_ids("<|im_end|>")
    tokens = [*byte_level.encode("a"), end, *byte_level.encode("b")]
    assert "".join(stream(byte_level, tokens)) == "ab"
    assert "".join(stream(byte_level, tokens, skip=False)) == "a<|im_end|>b"


def test_special_tokens_that_mark_something_are_kept(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.add_special_tokens(["<|channel>", "[TOOL_CALLS]", "<|other|>"])
    loaded = wrapped(tmp_path, tokenizer)
    vocabulary = Vocabulary(loaded)
    tokens = loaded.encode("<|channel>thought[TOOL_CALLS]<|other|>", add_special_tokens=False)
    for keep, expected in ((), "thought"), (("<|channel>thought", "[TOOL_CALLS]"), "<|channel>thought[TOOL_CALLS]"):
        detokenizer = vocabulary.detokenizer(skip_special=True, first=True, keep=keep)
        assert "".join(map(detokenizer.add, tokens)) == expected


def test_added_tokens_that_are_not_special_are_text(byte_level: Any) -> None:
    think = byte_level.convert_tokens_to_ids("<think>")
    assert "".join(stream(byte_level, [think])) == "<think>"


def test_a_leading_space_belongs_to_the_first_word_only(sentencepiece: Any) -> None:
    tokens = sentencepiece.convert_tokens_to_ids(["▁a", "▁b"])
    assert "".join(stream(sentencepiece, tokens)) == "a b"
    assert "".join(stream(sentencepiece, tokens, first=False)) == " a b"
    spaces = sentencepiece.convert_tokens_to_ids(["▁", "▁a"])
    assert "".join(stream(sentencepiece, spaces)) == " a"


def test_a_byte_level_leading_space_stays(byte_level: Any) -> None:
    assert "".join(stream(byte_level, byte_level.encode(" a"))) == " a"


def test_ids_beyond_the_table_are_silent(byte_level: Any) -> None:
    assert stream(byte_level, [100_000]) == ["", ""]
    assert Vocabulary(byte_level).bytes_of(100_000) == b""


def test_ids_with_a_gap_keep_their_last_tokens(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    text = tokenizer.to_str().replace(f'"Ġw300":{tokenizer.token_to_id("Ġw300")}', '"Ġlate":900')
    gapped = wrapped(tmp_path, Tokenizer.from_str(text))
    assert gapped.convert_tokens_to_ids("Ġlate") == 900
    assert "".join(stream(gapped, [900])) == " late"


def test_bytes_of_a_token(byte_level: Any, sentencepiece: Any, general: Any) -> None:
    first, second = byte_level.encode("é")
    vocabulary = Vocabulary(byte_level)
    assert vocabulary.bytes_of(first) + vocabulary.bytes_of(second) == "é".encode()
    assert vocabulary.bytes_of(byte_level.convert_tokens_to_ids("<|im_end|>")) == b"<|im_end|>"
    word, byte = sentencepiece.convert_tokens_to_ids(["▁b", "<0xE6>"])
    assert [Vocabulary(sentencepiece).bytes_of(token) for token in (word, byte)] == [b" b", b"\xe6"]
    assert Vocabulary(general).bytes_of(general.encode("a")[0]) == b"a"


def test_every_byte_has_a_stand_in() -> None:
    assert sorted(byte_of_character().values()) == list(range(256))


def test_a_multibyte_added_token(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.add_tokens([AddedToken("<日本>", special=False)])
    loaded = wrapped(tmp_path, tokenizer)
    assert "".join(stream(loaded, [loaded.convert_tokens_to_ids("<日本>")])) == "<日本>"

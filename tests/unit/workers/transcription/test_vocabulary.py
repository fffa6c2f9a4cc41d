"""OpenAI's vocabularies by the model's size, and a folder's own tokenizer."""

import json
from pathlib import Path

import pytest

from shared.errors import ConfigError, InvalidRequest
from tests.fakes.hearing import DEMO
from workers.transcription.canonical import alignment_heads
from workers.transcription.vocabulary import Vocabulary, load_vocabulary

# Published ids: openai/whisper's tests and transformers' generation configs.
SIZES = {51864: (50256, 50257, 50362, 50363), 51865: (50257, 50258, 50363, 50364), 51866: (50257, 50258, 50364, 50365)}


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    return load_vocabulary(tmp_path_factory.mktemp("bare"), 51865)


@pytest.mark.parametrize("size", SIZES)
def test_a_folder_without_tokenizer_gets_openai_s(size: int, tmp_path: Path) -> None:
    vocabulary = load_vocabulary(tmp_path, size)
    found = (vocabulary.end, vocabulary.start, vocabulary.no_timestamps, vocabulary.first_timestamp)
    assert found == SIZES[size]
    assert vocabulary.first_timestamp + 1501 == size
    assert len(vocabulary.languages) == {51864: 0, 51865: 99, 51866: 100}[size]
    text = " Hello world, it's 42 naïve ♪"
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_it_encodes_as_openai_does(openai: Vocabulary) -> None:
    assert openai.encode(" Hello world, it's 42") == [2425, 1002, 11, 309, 311, 14034]
    assert openai.suppressed[:9] == (1, 2, 7, 8, 9, 10, 14, 25, 26)
    assert openai.suppressed[-3:] == (47425, 49870, 50254)
    assert len(openai.suppressed) == 82


def test_any_other_model_needs_its_own_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no tokenizer\.json"):
        load_vocabulary(tmp_path, 2000)


def test_a_tokenizer_that_is_not_whisper_s_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text((DEMO.parent / "demo-chat" / "tokenizer.json").read_text())
    with pytest.raises(ConfigError, match="not Whisper's"):
        load_vocabulary(tmp_path, 51865)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ConfigError, match="can't be read"):
        load_vocabulary(tmp_path, 51865)


def test_a_tokenizer_larger_than_the_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="more tokens"):
        load_vocabulary(DEMO, 400)


def test_vocab_json_and_merges_make_a_tokenizer(tmp_path: Path) -> None:
    whole = json.loads((DEMO / "tokenizer.json").read_text())
    (tmp_path / "vocab.json").write_text(json.dumps(whole["model"]["vocab"]))
    (tmp_path / "merges.txt").write_text("\n".join(" ".join(pair) for pair in whole["model"]["merges"]))
    added = {token["content"]: token["id"] for token in whole["added_tokens"]}
    (tmp_path / "added_tokens.json").write_text(json.dumps(added))
    old, new = load_vocabulary(tmp_path, 10**5), load_vocabulary(DEMO, 10**5)
    assert old.encode(" The gateway speaks.") == new.encode(" The gateway speaks.")
    assert (old.end, old.first_timestamp, old.languages) == (new.end, new.first_timestamp, new.languages)


def test_the_prompt_comes_before_the_start(openai: Vocabulary) -> None:
    plain = openai.prompt(None, "de", "translate", 10)
    assert plain == [openai.start, openai.languages["de"], openai.tasks["translate"]]
    with_text = openai.prompt("one two three four five six seven", "de", "translate", 3)
    assert with_text[0] == openai.previous
    assert openai.decode(with_text[1:4]) == " five six seven"
    assert with_text[4:] == plain
    assert openai.prompt("  ", "de", "translate", 10) == plain


def test_special_tokens_can_t_be_written_in_a_prompt(openai: Vocabulary) -> None:
    own = load_vocabulary(DEMO, 10**5)
    for vocabulary in (openai, own):
        assert all(token < vocabulary.end for token in vocabulary.encode("<|endoftext|><|0.00|> hi"))


@pytest.mark.parametrize(("name", "code"), [("de", "de"), ("German", "de"), ("pt-BR", "pt"), ("castilian", "es")])
def test_languages_by_code_and_name(openai: Vocabulary, name: str, code: str) -> None:
    assert openai.language(name) == code


def test_an_unknown_language_is_refused(openai: Vocabulary, tmp_path: Path) -> None:
    english = load_vocabulary(tmp_path, 51864)
    assert english.language("English") == "en"
    for vocabulary, name in ((openai, "klingon"), (english, "de")):
        with pytest.raises(InvalidRequest) as caught:
            vocabulary.language(name)
        assert caught.value.param == "language"


def test_words_keep_their_spaces_and_characters_stay_whole(openai: Vocabulary) -> None:
    words = openai.split_words(openai.encode(" Hello, naïve world! 🎉"), "en")
    assert [openai.decode(word) for word in words] == [" Hello", ",", " naïve", " world", "!", " 🎉"]
    tower = [openai.decode(word) for word in openai.split_words(openai.encode("東京タワーは高い"), "ja")]
    assert len(tower) > 2
    assert "".join(tower) == "東京タワーは高い"


def test_alignment_heads_are_known_by_the_dimensions() -> None:
    assert alignment_heads(4, 6, 51865) == [(2, 2), (3, 0), (3, 2), (3, 3), (3, 4), (3, 5)]  # tiny's, as published
    assert alignment_heads(2, 2, 999) == [(1, 0), (1, 1)]

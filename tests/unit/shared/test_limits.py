"""shared/limits: the longest input of an encoder, from its folder."""

from pathlib import Path

import pytest

from shared.errors import ConfigError
from shared.limits import longest_text


@pytest.mark.parametrize(
    ("config", "tokenizer", "publisher", "longest"),
    [
        ({"max_position_embeddings": 512}, "{}", "{}", 512),
        ({"max_position_embeddings": 512}, '{"model_max_length": 128}', '{"max_seq_length": 256}', 128),
        ({"max_position_embeddings": 512}, '{"model_max_length": 1e30}', '{"max_seq_length": null}', 512),
        ({"max_position_embeddings": 512}, '{"model_max_length": 1000000000000000019884624838656}', "[]", 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, "{}", "{}", 512),
        ({}, "{}", "{}", 512),
    ],
)
def test_the_shortest_of_what_is_stated(
    tmp_path: Path, config: dict[str, object], tokenizer: str, publisher: str, longest: int
) -> None:
    (tmp_path / "tokenizer_config.json").write_text(tokenizer)
    (tmp_path / "sentence_bert_config.json").write_text(publisher)
    assert longest_text(tmp_path, config) == longest


def test_files_that_are_absent_state_nothing(tmp_path: Path) -> None:
    assert longest_text(tmp_path, {"max_position_embeddings": 300}) == 300


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"tokenizer_config\.json can't be read"):
        longest_text(tmp_path, {})

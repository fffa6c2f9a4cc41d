from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from shared.errors import ConfigError
from tests.models import build
from workers.platform.loading import loading
from workers.platform.tokenizer import load_tokenizer


def import_olmo() -> None:
    """As mlx_lm/models/olmo.py does where its package is missing."""
    try:
        raise ImportError("No module named 'hf_olmo'")
    except ImportError:
        sys.exit(1)


def test_a_module_that_ends_the_process_is_a_fault_of_the_folder() -> None:
    with pytest.raises(ConfigError, match=r"olmo can't be loaded: No module named 'hf_olmo'"), loading("olmo"):
        import_olmo()


def test_an_error_without_words_is_named() -> None:
    with pytest.raises(ConfigError, match="can't be loaded: AssertionError"), loading("a folder"):
        raise AssertionError


def test_a_lack_of_memory_is_no_fault_of_the_folder() -> None:
    with pytest.raises(RuntimeError, match="allocate"), loading("a folder"):
        raise RuntimeError("unable to allocate 5 bytes")


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "llama4", "text_config": {"attn_temperature_tuning": 4, "vocab_size": 512}},
        {"model_type": "exaone4", "sliding_window_pattern": "LLLG", "sliding_window": 64},
        {"model_type": "gear", "layer_types": ["conv_mixer", "full_attention"], "num_hidden_layers": 2},
        {"model_type": "llama", "max_position_embeddings": "many"},
    ],
    ids=lambda changes: str(changes["model_type"]),
)
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")  # transformers', over configurations
def test_a_tokenizer_loads_whatever_the_models_configuration_is(tmp_path: Path, changes: dict[str, object]) -> None:
    folder = build("llama", tmp_path)
    file = folder / "config.json"
    config = json.loads(file.read_text())
    file.write_text(json.dumps(config | changes))
    tokenizer = load_tokenizer(folder, False, config["eos_token_id"])
    assert tokenizer.decode(tokenizer.encode("Hello!", add_special_tokens=False)) == "Hello!"
    assert tokenizer.eos_token_ids == {config["eos_token_id"]}
    assert tokenizer.has_chat_template


def test_a_folder_without_a_tokenizer_says_so(tmp_path: Path) -> None:
    folder = build("llama", tmp_path)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises((OSError, ValueError, TypeError)):
        load_tokenizer(folder, False, 0)

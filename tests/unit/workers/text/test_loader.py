from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigError
from shared.spec import WorkerSpec
from tests.models import CONTEXT, VOCAB, build
from workers.platform.engine_args import EngineArgs
from workers.text import loader
from workers.text.loader import load


def args(**spec: Any) -> EngineArgs:
    return EngineArgs.from_spec(WorkerSpec("m", 1, "", "", **spec))


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder of its own, for a test to break."""
    return build("qwen3", tmp_path / "tiny-model")


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def test_what_is_loaded(folder: Callable[[str], Path]) -> None:
    loaded = load(folder("qwen3"), args())
    assert (loaded.context, loaded.vocab_size) == (CONTEXT, VOCAB)
    assert loaded.eos == {loaded.tokenizer.convert_tokens_to_ids("<|im_end|>")}
    size = (folder("qwen3") / "model.safetensors").stat().st_size
    assert size - 8192 < loaded.weights < size
    assert loaded.generation_config == {}


def test_the_models_own_defaults(broken: Path) -> None:
    (broken / "generation_config.json").write_text('{"temperature": 0.6, "eos_token_id": [5, 6]}')
    assert load(broken, args()).generation_config["temperature"] == 0.6


@pytest.mark.parametrize(("asked", "given"), [(100, 100), (CONTEXT + 1, CONTEXT), (None, CONTEXT)])
def test_the_context_is_the_smaller_one(folder: Callable[[str], Path], asked: int | None, given: int) -> None:
    assert load(folder("qwen3"), args(context=asked)).context == given


def test_a_config_without_a_context_asks_the_tokenizer(broken: Path) -> None:
    path = broken / "tokenizer_config.json"
    edit(broken, max_position_embeddings=None, model_type="llama", tie_word_embeddings=False)
    weights = build("llama", broken.parent / "llama") / "model.safetensors"
    (broken / "model.safetensors").write_bytes(weights.read_bytes())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 777}))
    assert load(broken, args()).context == 777
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 10**30}))
    assert load(broken, args()).context == 4096


def test_missing_weights(broken: Path) -> None:
    (broken / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="tiny-model can't be loaded: No safetensors found"):
        load(broken, args())


def test_weights_of_another_shape(broken: Path) -> None:
    edit(broken, hidden_size=128)
    with pytest.raises(ConfigError, match=r"tiny-model can't be loaded: .*shape"):
        load(broken, args())


def test_damaged_weights(broken: Path) -> None:
    (broken / "model.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00not safetensors")
    with pytest.raises(ConfigError, match="tiny-model can't be loaded"):
        load(broken, args())


@pytest.mark.parametrize("text", ["{", "", "[1]", '"qwen3"', "null"])
def test_a_config_that_is_no_config(broken: Path, text: str) -> None:
    (broken / "config.json").write_text(text)
    with pytest.raises(ConfigError, match="tiny-model can't be loaded"):
        load(broken, args())


@pytest.mark.parametrize("changes", [{"model_type": "nonesuch"}, {"model_type": None}, {"hidden_size": None}])
def test_a_config_that_mlx_lm_doesnt_know(broken: Path, changes: dict[str, Any]) -> None:
    edit(broken, **changes)
    with pytest.raises(ConfigError, match="tiny-model can't be loaded"):
        load(broken, args())


def test_a_missing_config(broken: Path) -> None:
    (broken / "config.json").unlink()
    with pytest.raises(ConfigError, match="tiny-model can't be loaded"):
        load(broken, args())


def test_a_missing_tokenizer(broken: Path) -> None:
    for path in broken.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ConfigError, match="tiny-model can't be loaded"):
        load(broken, args())


def test_a_lack_of_memory_is_not_the_folders_fault(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime reports it as what it is."""

    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("[metal::malloc] Unable to allocate 68719476736 bytes.")

    monkeypatch.setattr(loader, "load_model", full)
    with pytest.raises(RuntimeError, match="allocate"):
        load(broken, args())


def test_code_in_a_checkpoint_runs_only_where_the_yaml_allows_it(broken: Path) -> None:
    (broken / "arch.py").write_text("from mlx_lm.models.qwen3 import Model, ModelArgs\n")
    edit(broken, model_file="arch.py")
    with pytest.raises(ConfigError, match="trust_remote_code"):
        load(broken, args())
    assert load(broken, args(trust_remote_code=True)).vocab_size == VOCAB


def test_a_generation_config_that_is_no_json(broken: Path) -> None:
    (broken / "generation_config.json").write_text("{")
    with pytest.raises(ConfigError, match="tiny-model can't be loaded"):
        load(broken, args())


def test_an_architecture_that_its_own_config_breaks(tmp_path: Path) -> None:
    """Whatever fails in a model's first pass is the folder's fault."""
    folder = build("llama4", tmp_path / "tiny-model")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 3
    build("llama4", folder, **{"text_config": config["text_config"]})
    with pytest.raises(ConfigError, match="tiny-model can't be loaded"):
        load(folder, args())

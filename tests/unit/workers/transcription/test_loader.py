"""Every layout of a Whisper folder, made from the demo's weights; and folders that can't be hosted."""

import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten
from mlx_audio.stt.models.whisper import Model, ModelConfig

from shared.errors import ConfigError
from shared.footprint import encoding_bytes
from tests.fakes.hearing import DEMO, PHRASES, Listener, saved
from workers.transcription.loader import load

HUGGINGFACE = [
    (".attn_ln.", ".self_attn_layer_norm."), (".cross_attn_ln.", ".encoder_attn_layer_norm."),
    (".mlp_ln.", ".final_layer_norm."), (".mlp1.", ".fc1."), (".mlp2.", ".fc2."),
    (".cross_attn.", ".encoder_attn."), (".attn.", ".self_attn."), (".query.", ".q_proj."), (".key.", ".k_proj."),
    (".value.", ".v_proj."), (".out.", ".out_proj."), ("blocks.", "layers."),
    ("encoder.ln_post.", "encoder.layer_norm."),
    ("decoder.ln.", "decoder.layer_norm."), ("decoder.positional_embedding", "decoder.embed_positions.weight"),
    ("token_embedding.", "embed_tokens."),
]  # fmt: skip


def copied(folder: Path, *, without: tuple[str, ...] = ()) -> Path:
    folder.mkdir()
    for file in DEMO.iterdir():
        if file.name not in without:
            shutil.copy(file, folder / file.name)
    return folder


def weights() -> dict[str, mx.array]:
    return dict(mx.load(str(DEMO / "model.safetensors")))


def test_weights_npz_of_mlx_examples(tmp_path: Path) -> None:
    folder = copied(tmp_path / "npz", without=("model.safetensors",))
    arrays = {name: np.array(value) for name, value in weights().items()}
    np.savez(folder / "weights.npz", alignment_heads=np.zeros((2, 2)), **arrays)
    assert Listener(folder).hear(saved(0)).text == PHRASES[0]["text"]


def test_the_layout_of_transformers(tmp_path: Path) -> None:
    folder = copied(tmp_path / "hf", without=("model.safetensors", "config.json"))
    renamed: dict[str, mx.array] = {}
    for name, value in weights().items():
        key = f"model.{name}"
        for ours, theirs in HUGGINGFACE:
            key = key.replace(ours, theirs)
        renamed[key] = value.transpose(0, 2, 1) if "conv" in name and value.ndim == 3 else value
    renamed["proj_out.weight"] = renamed["model.decoder.embed_tokens.weight"]
    renamed["model.encoder.embed_positions.weight"] = mx.zeros((300, 64))
    mx.save_safetensors(str(folder / "model.safetensors"), renamed)
    config = json.loads((DEMO / "config.json").read_text())
    hf = {
        "model_type": "whisper", "d_model": 64, "encoder_layers": 1, "decoder_layers": 2, "num_mel_bins": 80,
        "encoder_attention_heads": 2, "decoder_attention_heads": 4, "vocab_size": config["n_vocab"],
        "max_source_positions": config["n_audio_ctx"], "max_target_positions": 448,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(hf))
    assert Listener(folder).hear(saved(0)).text == PHRASES[0]["text"]


def test_quantised_weights(tmp_path: Path) -> None:
    from mlx.nn.layers.quantized import quantize

    folder = copied(tmp_path / "q8", without=("model.safetensors", "config.json"))
    config = json.loads((DEMO / "config.json").read_text())
    model = Model(ModelConfig.from_dict(config), mx.float32)
    model.load_weights(list(weights().items()))
    quantize(model, group_size=64, bits=8)
    leaves: Any = tree_flatten(model.parameters())
    mx.save_safetensors(str(folder / "model.safetensors"), dict(leaves))
    (folder / "config.json").write_text(json.dumps(config | {"quantization": {"group_size": 64, "bits": 8}}))
    assert Listener(folder).hear(saved(0)).text == PHRASES[0]["text"]


def test_a_bare_folder_of_openai_s_dimensions(tmp_path: Path) -> None:
    """Random weights, no processor files: OpenAI's tokenizer, windows of 30 s, some end to every request."""
    config = {
        "n_mels": 128, "n_audio_ctx": 1500, "n_audio_state": 16, "n_audio_head": 1, "n_audio_layer": 1,
        "n_vocab": 51866, "n_text_ctx": 32, "n_text_state": 16, "n_text_head": 1, "n_text_layer": 1,
    }  # fmt: skip
    mx.random.seed(0)
    leaves: Any = tree_flatten(Model(ModelConfig.from_dict(config), mx.float32).parameters())
    mx.save_safetensors(str(tmp_path / "weights.safetensors"), dict(leaves))
    (tmp_path / "config.json").write_text(json.dumps(config))
    listener = Listener(tmp_path)
    assert len(listener.ready.languages) == 100
    first = listener.hear(saved(0), "a", temperature=0.0, word_timestamps=True)
    second = listener.hear(saved(0), "b", temperature=0.0, word_timestamps=True)
    assert first.end is not None
    assert [s.tokens for s in first.segments] == [s.tokens for s in second.segments]
    assert listener.engine._hearing.frames == 3000


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
        (lambda folder: (folder / "config.json").write_text("{"), "can't be read"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "whisper"}'), "can't be loaded"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer"),
        (lambda folder: mx.save_safetensors(str(folder / "model.safetensors"), {"a": mx.zeros(1)}), "can't be loaded"),
        (lambda folder: (folder / "generation_config.json").write_text("[]"), "not a JSON object"),
    ],
    ids=["weights", "config", "dimensions", "tokenizer", "other-weights", "generation-config"],
)
def test_what_a_folder_lacks_is_said_at_load(tmp_path: Path, spoil: Any, says: str) -> None:
    folder = copied(tmp_path / "spoilt")
    spoil(folder)
    with pytest.raises(ConfigError, match=says):
        load(folder, mx.float32)


def test_rows_are_bounded_by_memory() -> None:
    loaded = load(DEMO, mx.float32)
    encoding = encoding_bytes(loaded.dims.n_audio_head, loaded.dims.n_audio_ctx, 4)
    room = loaded.weights + 2**29 + encoding + 5 * loaded.row_bytes
    assert Listener(memory_budget=room, max_batch=16).engine._rows == 3
    assert Listener(memory_budget=1, max_batch=16).engine._rows == 1
    assert Listener(max_batch=16).engine._rows == 16

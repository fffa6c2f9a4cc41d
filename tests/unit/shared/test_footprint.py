"""shared/footprint: memory read from a folder without loading it."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.errors import ConfigError
from shared.footprint import Footprint, estimate, weight_bytes

QWEN = {
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_size": 4096,
    "max_position_embeddings": 40960,
    "torch_dtype": "bfloat16",
}


def safetensors(size: int) -> bytes:
    header = json.dumps({"__metadata__": {}, "w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


def model(folder: Path, config: object, **files: bytes) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    for name, data in (files or {"model": safetensors(64)}).items():
        (folder / f"{name}.safetensors").write_bytes(data)
    return folder


def test_grouped_query_attention(tmp_path: Path) -> None:
    found = estimate(model(tmp_path, QWEN))
    assert found == Footprint(weights=64, context=40960, growing=36 * 2 * 8 * 128 * 2)
    assert found.per_token == 147456
    assert found.row(1000) == 147_456_000


@pytest.mark.parametrize(
    ("changes", "growing", "windowed"),
    [
        ({"dtype": "float32"}, 4 * 36 * 2048, 0),
        ({"head_dim": None, "num_key_value_heads": None}, 2 * 36 * 2 * 4096, 0),
        ({"kv_lora_rank": 512, "qk_rope_head_dim": 64}, 2 * 36 * 576, 0),
        ({"layer_types": ["full_attention", "sliding_attention", "linear_attention"]}, 2 * 2048, 2 * 2048),
        ({"full_attention_interval": 4}, 2 * 9 * 2048, 0),
        ({"sliding_window": 512, "sliding_window_pattern": 6}, 2 * 6 * 2048, 2 * 30 * 2048),
        ({"sliding_window": 512}, 2 * 36 * 2048, 0),
    ],
)
def test_other_caches(tmp_path: Path, changes: dict[str, Any], growing: int, windowed: int) -> None:
    found = estimate(model(tmp_path, QWEN | changes))
    assert (found.growing, found.windowed) == (growing, windowed)


def test_a_window_stops_growing() -> None:
    assert Footprint(weights=0, growing=1, windowed=10, window=100).row(1000) == 2000


def test_a_multimodal_model_describes_its_text_part(tmp_path: Path) -> None:
    assert estimate(model(tmp_path, {"text_config": QWEN})).per_token == 147456


def test_a_model_without_attention_keeps_no_tokens(tmp_path: Path) -> None:
    assert estimate(model(tmp_path, {"model_type": "mamba"})) == Footprint(weights=64)


OPENAI = {"n_audio_head": 8, "n_text_layer": 6, "n_text_state": 512, "n_text_ctx": 448, "n_audio_ctx": 1500}
TRANSFORMERS = {
    "encoder_attention_heads": 8,
    "decoder_layers": 6,
    "d_model": 512,
    "max_target_positions": 448,
    "max_source_positions": 1500,
}


@pytest.mark.parametrize("config", [OPENAI, TRANSFORMERS])
@pytest.mark.parametrize(("cpu", "width"), [(True, 4), (False, 2)])
def test_a_whisper_keeps_keys_and_values_of_sound_and_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], cpu: bool, width: int
) -> None:
    monkeypatch.setattr("shared.footprint.computes_on_cpu", lambda: cpu)
    found = estimate(model(tmp_path, config), "stt")
    assert (found.context, found.offered(100)) == (448, 448)
    assert found.row(448) == 2 * 6 * 512 * (1500 + 448) * width * 3 // 2
    assert found.working == 4 * 2 * 8 * 1500**2 * width
    assert not found.keeps_prefixes


@pytest.mark.parametrize(("cpu", "weights"), [(True, 40 + 8), (False, 20 + 8)])
def test_a_whisper_of_16_bits_grows_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cpu: bool, weights: int
) -> None:
    monkeypatch.setattr("shared.footprint.computes_on_cpu", lambda: cpu)
    tensors = {
        "half": {"dtype": "F16", "shape": [10], "data_offsets": [0, 20]},
        "whole": {"dtype": "F32", "shape": [2], "data_offsets": [20, 28]},
    }
    header = json.dumps(tensors).encode()
    file = len(header).to_bytes(8, "little") + header + bytes(28)
    assert estimate(model(tmp_path, OPENAI, model=file), "stt").weights == weights


def test_a_kokoro_computes_with_more_than_it_weighs(tmp_path: Path) -> None:
    vocoder = {"gen_istft_hop_size": 5, "upsample_rates": [10, 6], "upsample_initial_channel": 512}
    found = estimate(model(tmp_path, {"istftnet": vocoder}), "tts")
    assert found.working > 16.2 * 113e6  # 250 phonemes in seconds, and what a second took on a CPU
    assert (found.row(1000), found.keeps_prefixes) == (0, False)
    assert found.offered(None) == 200_000
    assert found.offered(4096) == 4096
    small = {"gen_istft_hop_size": 300, "upsample_rates": [1], "upsample_initial_channel": 512}
    (tmp_path / "small").mkdir()
    assert estimate(model(tmp_path / "small", {"istftnet": small}), "tts").working < found.working / 20


def test_a_large_vocabulary_takes_memory_beside_the_weights(tmp_path: Path) -> None:
    assert estimate(model(tmp_path, QWEN | {"vocab_size": 262_144})).working > 262_144 * 2000


@pytest.mark.parametrize("kind", ["embedding", "reranker"])
def test_an_encoder_reads_what_its_publisher_says_and_keeps_no_prefix(tmp_path: Path, kind: Any) -> None:
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 256}')
    found = estimate(model(tmp_path, {"model_type": "bert", "max_position_embeddings": 512}), kind)
    assert (found.context, found.keeps_prefixes) == (256, False)


def test_shards_are_added_and_duplicates_of_other_tools_left_out(tmp_path: Path) -> None:
    shards = {"model-00001-of-00002": safetensors(10), "model-00002-of-00002": safetensors(20)}
    assert estimate(model(tmp_path, QWEN, **shards, consolidated=safetensors(30))).weights == 30


def test_other_names_count_where_there_is_no_model_file(tmp_path: Path) -> None:
    assert estimate(model(tmp_path, QWEN, weights=safetensors(7))).weights == 7


@pytest.mark.parametrize(
    "data", [b"", b"1234", b"\xff" * 64, (9).to_bytes(8, "little") + b"[1, 2, 3]", safetensors(64)[:-1]]
)
def test_a_broken_file_is_named(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"model\.safetensors: (not a safetensors file|cut short)"):
        estimate(model(tmp_path, QWEN, model=data))


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.json"):
        estimate(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="holds no safetensors file"):
        estimate(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ConfigError, match="not an object"):
        estimate(tmp_path)


def test_weights_in_an_archive_are_its_size(tmp_path: Path) -> None:
    (tmp_path / "weights.npz").write_bytes(b"x" * 123)
    assert weight_bytes(tmp_path) == 123

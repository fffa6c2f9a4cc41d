from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.detect import detect_kind
from shared.errors import ConfigError


def model(folder: Path, config: Any, *files: str) -> Path:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    for file in files or ("model.safetensors",):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}, "llm"),
        ({"model_type": "never_heard_of"}, "llm"),
        ({"model_type": "qwen2_vl"}, "vlm"),
        ({"model_type": "gemma3", "vision_config": {"depth": 2}}, "vlm"),
        ({"model_type": "gemma3_text", "vision_config": None}, "llm"),
        ({"model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"]}, "stt"),
        ({"n_mels": 80, "n_audio_state": 384}, "stt"),
        ({"target": "nemo.collections.asr.models.EncDecRNNTBPEModel"}, "stt"),
        ({"istftnet": {}, "plbert": {}, "n_token": 178}, "tts"),
        ({"model_type": "kokoro"}, "tts"),
        ({"model_type": "bert", "architectures": ["BertModel"]}, "embedding"),
        ({"model_type": "xlm-roberta", "architectures": ["XLMRobertaForSequenceClassification"]}, "reranker"),
    ],
)
def test_kinds(tmp_path: Path, config: Any, kind: str) -> None:
    assert detect_kind(model(tmp_path, config)) == kind


@pytest.mark.parametrize("file", ["modules.json", "1_Pooling/config.json"])
def test_sentence_transformers_files_make_any_model_an_embedder(tmp_path: Path, file: str) -> None:
    config = {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}
    assert detect_kind(model(tmp_path, config, file, "model.safetensors")) == "embedding"


def test_npz_weights_count(tmp_path: Path) -> None:
    assert detect_kind(model(tmp_path, {"n_audio_state": 384}, "weights.npz")) == "stt"


@pytest.mark.parametrize(
    ("config", "file", "words"),
    [
        ("{", "model.safetensors", "can't be read"),
        ("[]", "model.safetensors", "not a JSON object"),
        ({"hidden_size": 8}, "model.safetensors", "names no model_type"),
        ({"model_type": "qwen3"}, "pytorch_model.bin", "holds no weights"),
    ],
)
def test_what_a_folder_lacks_is_said(tmp_path: Path, config: Any, file: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as error:
        detect_kind(model(tmp_path, config, file))
    assert str(tmp_path) in error.value.message


def test_a_folder_without_a_config_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no config\.json: it is not a model's folder"):
        detect_kind(tmp_path)
    (tmp_path / "model-q4.gguf").touch()
    with pytest.raises(ConfigError, match="GGUF"):
        detect_kind(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no model folder"):
        detect_kind(tmp_path / "nowhere")

"""What kind of model a folder holds, read from its files. Imports no model library."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.errors import ConfigError
from shared.messages import Kind
from shared.recipe import RECIPE

_STT = frozenset({"whisper", "parakeet", "moonshine", "voxtral", "wav2vec2", "canary", "granite_speech"})
_TTS = frozenset({"kokoro", "bark", "csm", "dia", "outetts", "orpheus", "spark", "vits", "chatterbox", "qwen3_tts"})
_VLM = frozenset(
    {
        *("florence2", "gemma3n", "idefics2", "idefics3", "internvl_chat", "kimi_vl", "llava", "llava_next"),
        *("llava_onevision", "mllama", "molmo", "molmo2", "moondream", "paligemma", "phi3_v", "pixtral"),
        *("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "smolvlm"),
    }
)
_ENCODERS = frozenset(
    {
        *("albert", "bert", "camembert", "deberta-v2", "distilbert", "electra"),
        *("modernbert", "mpnet", "new", "nomic_bert", "roberta", "xlm-roberta"),
    }
)
_WEIGHTS = ("*.safetensors", "*.npz", RECIPE)


def detect_kind(folder: Path) -> Kind:
    """The kind of the model in `folder`. Raises ConfigError that says what the folder lacks to be a model.

    A language model whose folder doesn't tell that it embeds or ranks counts as `llm`; the node's YAML can say more.
    """
    if not folder.is_dir():
        raise ConfigError(f"there is no model folder {folder}")
    config = _read_config(folder)
    kind = _kind(config, sentence_transformer=(folder / "modules.json").is_file() or (folder / "1_Pooling").is_dir())
    if kind is None:
        raise ConfigError(f"{folder / 'config.json'} names no model_type: state the model's kind in the node's YAML")
    if not any(True for pattern in _WEIGHTS for _ in folder.glob(pattern)):
        raise ConfigError(f"{folder} holds no weights that MLX reads ({', '.join(_WEIGHTS)})")
    return kind


def _read_config(folder: Path) -> Mapping[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        gguf = any(folder.glob("*.gguf"))
        hint = (
            "GGUF files can't be served: take an MLX or safetensors version" if gguf else "it is not a model's folder"
        )
        raise ConfigError(f"{folder} has no config.json: {hint}") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path} is not a JSON object")
    return config


def _kind(config: Mapping[str, Any], sentence_transformer: bool) -> Kind | None:
    named = config.get("architectures")
    architectures = [str(name) for name in named] if isinstance(named, list) else []
    model_type = str(config.get("model_type") or "")
    # 1. A classifier head over a pair of texts: a cross-encoder.
    if any(name.endswith("ForSequenceClassification") for name in architectures):
        return "reranker"
    # 2. Files of sentence-transformers, whatever the model underneath.
    if sentence_transformer:
        return "embedding"
    # 3. Sound in; the older MLX Whispers carry only OpenAI's dimensions, NeMo's models their class.
    if model_type in _STT or "n_audio_state" in config or "nemo.collections.asr" in str(config.get("target", "")):
        return "stt"
    # 4. Sound out; Kokoro's config names its vocoder, not its type.
    if model_type in _TTS or "istftnet" in config:
        return "tts"
    # 5. A vision tower beside a language model.
    if model_type in _VLM or isinstance(config.get("vision_config"), dict):
        return "vlm"
    # 6. An encoder.
    if model_type in _ENCODERS:
        return "embedding"
    # 7. The rest generates text.
    return "llm" if model_type else None

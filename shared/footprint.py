"""What a model will need in memory, read from its folder without loading it: config.json and safetensors headers.

An estimate before the fact, for `check` and for placement; the truth comes from the worker (`Ready.weights`, `Stats`).
Header format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.config.environment import computes_on_cpu
from shared.errors import ConfigError
from shared.limits import SPEECH_INPUT, longest_text
from shared.messages import Kind
from shared.recipe import read_recipe

_HEADER_MAX = 100 * 2**20  # the format's own bound
_DTYPES = {"float32": 4, "float16": 2, "bfloat16": 2}
ENCODED_TOGETHER = 4  # windows in a step of a Whisper's encoder
_GROWTH = 1.5  # a Whisper's storage of keys and values exists twice while it grows
_TOKEN = 2200  # bytes of a vocabulary's entry in a tokenizer and in a grammar's tables; measured: 2000
_SPEECH = 17  # seconds of the longest segment that is spoken in one step
_SPEECH_ARRAYS = 54  # of a Kokoro's last stage at once: 46 measured on MLX's CPU build, and a margin


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes. `growing` is what one more token costs; `windowed` the same in layers that keep `window` tokens.

    `fixed` is what a request costs whatever its length; `working` what the worker needs beside all of that.
    """

    weights: int
    context: int | None = None  # tokens that the model was made for; of speech: characters
    growing: int = 0
    windowed: int = 0
    window: int = 0  # tokens
    fixed: int = 0
    working: int = 0
    keeps_prefixes: bool = True
    bounded: bool = True  # by the node's YAML; a Whisper's windows are as long as they are

    def offered(self, configured: int | None) -> int:
        """The context that a worker offers where the YAML says `configured`; 0: unknown."""
        if not self.bounded or configured is None:
            return self.context or 0
        return min(configured, self.context or configured)

    @property
    def per_token(self) -> int:
        """KV cache for one token of a short prompt."""
        return self.growing + self.windowed

    def row(self, tokens: int) -> int:
        """KV cache of one request of so many tokens."""
        return self.fixed + self.growing * tokens + self.windowed * min(tokens, self.window)


def estimate(folder: Path, kind: Kind = "llm") -> Footprint:
    """Raises ConfigError when the folder holds no readable model."""
    config = _read_config(folder)
    if kind == "stt":
        wide = computes_on_cpu()
        return _transcriber(config, weight_bytes(folder, wide=wide), 4 if wide else 2)
    if kind == "tts":
        return Footprint(weight_bytes(folder), SPEECH_INPUT, working=_sound(config), keeps_prefixes=False)
    text = config.get("text_config")
    if isinstance(text, dict):
        config = config | text
    growing, windowed = _kv_per_token(config)
    context = _number(config, "max_position_embeddings")
    encodes = kind in ("embedding", "reranker")
    return Footprint(
        weights=weight_bytes(folder),
        context=longest_text(folder, config) if encodes else context,
        growing=growing,
        windowed=windowed,
        window=_number(config, "sliding_window") or 0,
        working=_TOKEN * (_number(config, "vocab_size") or 0),
        keeps_prefixes=not encodes,
    )


def _transcriber(config: Mapping[str, Any], weights: int, number: int) -> Footprint:
    """A Whisper's, in OpenAI's or transformers' names: a window keeps keys and values of its sound and of its text.

    `number`: bytes of one; workers compute with float32 on a CPU and with float16 elsewhere.
    """
    layers = _number(config, "n_text_layer", "decoder_layers") or 0
    width = _number(config, "n_text_state", "d_model") or 0
    position = int(2 * layers * width * number * _GROWTH)
    sound = _number(config, "n_audio_ctx", "max_source_positions") or 0
    return Footprint(
        weights=weights,
        context=_number(config, "n_text_ctx", "max_target_positions"),
        growing=position,
        fixed=position * sound,
        working=encoding_bytes(_number(config, "n_audio_head", "encoder_attention_heads") or 0, sound, number),
        keeps_prefixes=False,
        bounded=False,
    )


def encoding_bytes(heads: int, positions: int, number: int) -> int:
    """What a Whisper's encoder computes with in a step: every window's attention weights, before and after softmax."""
    return ENCODED_TOGETHER * 2 * heads * positions**2 * number


def _sound(config: Mapping[str, Any]) -> int:
    """What a Kokoro computes with in its longest segment: arrays at the rate and width of its last stage."""
    vocoder = config.get("istftnet")
    vocoder = vocoder if isinstance(vocoder, dict) else {}
    rate, hop = _number(config, "sample_rate") or 24000, _number(vocoder, "gen_istft_hop_size") or 5
    stages = vocoder.get("upsample_rates")
    channels = (_number(vocoder, "upsample_initial_channel") or 512) >> (len(stages) if isinstance(stages, list) else 2)
    return _SPEECH * _SPEECH_ARRAYS * (rate // hop) * channels * 4


def weight_bytes(folder: Path, *, wide: bool = False) -> int:
    """The tensors that a loader reads: `model*.safetensors`, or every safetensors file, or npz, or a recipe's.

    `wide`: those of 16 bits are loaded as float32.
    """
    recipe = read_recipe(folder)
    if recipe is not None:
        return recipe.size
    files = sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("*.safetensors"))
    archives = sorted(folder.glob("*.npz")) if not files else []
    if archives:
        return sum(file.stat().st_size for file in archives)  # uncompressed, as Whisper's are published
    if not files:
        raise ConfigError(f"{folder}: holds no safetensors file")
    return sum(_tensor_bytes(file, wide) for file in files)


def _tensor_bytes(file: Path, wide: bool) -> int:
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= _HEADER_MAX:
                raise ValueError("no header")
            header = json.loads(stream.read(length))
            tensors = [entry for key, entry in header.items() if key != "__metadata__"]
            spans = [(entry["data_offsets"], entry["dtype"] in ("F16", "BF16")) for entry in tensors]
            end = max((stop for (_, stop), _ in spans), default=0)
            more = sum(stop - start for (start, stop), half in spans if half) if wide else 0
        size = file.stat().st_size
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        raise ConfigError(f"{file}: not a safetensors file: {error}") from error
    if size < 8 + length + end:
        raise ConfigError(f"{file}: cut short: {size} bytes where its header tells of {8 + length + end}")
    return int(end + more)


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder}: no readable config.json: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{folder}: config.json is not an object")
    return config


def _number(config: Mapping[str, Any], *names: str) -> int | None:
    """The first of the names that holds a positive whole number."""
    for name in names:
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _kv_per_token(config: Mapping[str, Any]) -> tuple[int, int]:
    """Bytes in layers that keep everything, and in layers with a sliding window; recurrent layers keep nothing."""
    layers = _number(config, "num_hidden_layers", "n_layer", "n_layers") or 0
    heads = _number(config, "num_attention_heads", "n_head") or 0
    hidden = _number(config, "hidden_size", "n_embd") or 0
    latent = _number(config, "kv_lora_rank")
    if latent:  # MLA keeps one compressed vector instead of keys and values
        values = latent + (_number(config, "qk_rope_head_dim") or 0)
    else:
        head = _number(config, "head_dim") or (hidden // heads if heads else 0)
        values = 2 * head * (_number(config, "num_key_value_heads") or heads)
    width = _DTYPES.get(str(config.get("dtype") or config.get("torch_dtype")), 2)
    full, sliding = _layer_counts(config, layers)
    return full * values * width, sliding * values * width


def _layer_counts(config: Mapping[str, Any], layers: int) -> tuple[int, int]:
    """How many layers attend to everything and how many to a window."""
    types = config.get("layer_types")
    if isinstance(types, list):
        return types.count("full_attention"), types.count("sliding_attention")
    if interval := _number(config, "full_attention_interval"):
        return layers // interval, 0
    pattern = _number(config, "sliding_window_pattern")
    if pattern and _number(config, "sliding_window"):
        return layers // pattern, layers - layers // pattern
    return layers, 0

"""A vision model's folder to model, processor and tokenizer, with mlx-vlm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten

from shared.errors import ConfigError
from workers.platform.engine_args import EngineArgs
from workers.platform.loading import loading
from workers.platform.tokenizer import load_tokenizer
from workers.vision.processor import load_processor

_FALLBACK_CONTEXT = 4096

# Families whose rows need more than keys, values and positions: here they would be silently wrong.
_CROSS = "reads images by cross attention, which this engine doesn't batch"
_ENCODER = "is an encoder and a decoder, not a model that continues text"
_PLACES = "computes positions in its own way, which this engine doesn't know"
_REFUSED = {
    "mllama": _CROSS,
    **dict.fromkeys(("florence2", "nemotron_parse"), _ENCODER),
    **dict.fromkeys(("falcon_ocr", "falcon_perception", "minicpmv4_6", "minicpmv4_7"), _PLACES),
    "paligemma": "reads its whole prompt in both directions; here the last token of it is computed after the others",
    "diffusion_gemma": "writes by diffusion, not token by token",
}


@dataclass(frozen=True, slots=True)
class LoadedVision:
    """Sizes in bytes, lengths in tokens. `tokenizer` is mlx-lm's wrapper, `processor` the family's own."""

    model: Any
    processor: Any
    tokenizer: Any
    config: Mapping[str, Any]
    generation_config: Mapping[str, Any]
    context: int
    vocab_size: int
    eos: frozenset[int]
    weights: int

    @property
    def media_tokens(self) -> frozenset[int]:
        """The ids that stand for pieces of images and videos in a prompt."""
        return frozenset(self._ids("image") | self._ids("video"))

    @property
    def places(self) -> dict[str, tuple[str, ...]]:
        """The texts that stand for an image and for a video, before and after the processor has been there."""
        return {kind: self._written(kind) for kind in ("image", "video")}

    @property
    def native_video(self) -> bool:
        """Whether the family reads video as such; the others get its frames as images."""
        return bool(self._ids("video")) and getattr(self.processor, "video_processor", None) is not None

    def _ids(self, kind: str) -> set[int]:
        """The folder's own; where it names none, the family's."""
        for place in (self.config, vars(self.model.config)):
            found = (place.get(f"{kind}_token_{name}") for name in ("id", "index"))
            if tokens := {token for token in found if isinstance(token, int) and token >= 0}:
                return tokens
        return set()

    def _written(self, kind: str) -> tuple[str, ...]:
        own = [getattr(self.processor, f"{kind}_token", None)]
        if kind == "image":
            own.append(getattr(self.processor, "boi_token", None))  # Gemma's templates write this one
        own += [self.tokenizer.convert_ids_to_tokens(token) for token in sorted(self._ids(kind))]
        return tuple(dict.fromkeys(str(text) for text in own if text))


def load(folder: Path, args: EngineArgs) -> LoadedVision:
    """Loads and evaluates the weights. Raises ConfigError when the folder can't be hosted."""
    config = _config(folder)
    if "model_file" in config and not args.trust_remote_code:
        raise ConfigError(
            f"{folder.name} brings its own code ({config['model_file']}); set trust_remote_code to run it"
        )
    if reason := _REFUSED.get(str(config.get("model_type"))):
        raise ConfigError(f"{folder.name} can't be hosted: {config['model_type']} {reason}")
    with loading(folder.name):
        return _load(folder, args, config)


def _load(folder: Path, args: EngineArgs, config: Mapping[str, Any]) -> LoadedVision:
    from mlx_vlm.utils import load_model

    model = load_model(folder)
    processor = load_processor(folder, str(config.get("model_type", "")), args.trust_remote_code)
    generation_file = folder / "generation_config.json"
    generation = json.loads(generation_file.read_text()) if generation_file.is_file() else {}
    tokenizer = load_tokenizer(folder, args.trust_remote_code, _eos(generation, config))
    _share_template(processor, tokenizer)
    logits = model.language_model(mx.array([[0]])).logits
    leaves: Any = tree_flatten(model.parameters())
    return LoadedVision(
        model=model,
        processor=processor,
        tokenizer=tokenizer,
        config=config,
        generation_config=generation,
        context=args.context(_native_context(config)),
        vocab_size=int(logits.shape[-1]),
        eos=frozenset(int(token) for token in tokenizer.eos_token_ids),
        weights=sum(int(array.nbytes) for _, array in leaves),
    )


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder.name} can't be loaded: config.json can't be read: {error}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{folder.name} can't be loaded: config.json is not an object")
    return config


def _eos(generation: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
    places = (generation, config, config.get("text_config") or {})
    return next((found for place in places if (found := place.get("eos_token_id")) is not None), None)


def _share_template(processor: Any, tokenizer: Any) -> None:
    """The chat template lies with the processor in some folders, with the tokenizer in others."""
    template = getattr(processor, "chat_template", None)
    if template and not tokenizer.has_chat_template:
        tokenizer.chat_template = template
        tokenizer.has_chat_template = True


def _native_context(config: Mapping[str, Any]) -> int:
    text = config.get("text_config") or {}
    known = text.get("max_position_embeddings") or config.get("max_position_embeddings")
    return int(known or _FALLBACK_CONTEXT)

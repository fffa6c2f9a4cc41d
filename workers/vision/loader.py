"""A vision model's folder to model, processor and tokenizer, with mlx-vlm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.utils import load_tokenizer

from shared.errors import ConfigError
from workers.platform.engine_args import EngineArgs

_FALLBACK_CONTEXT = 4096


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
        names = ("image_token_id", "image_token_index", "video_token_id", "video_token_index")
        found = (self.config.get(name) for name in names)
        return frozenset(token for token in found if isinstance(token, int) and token >= 0)

    @property
    def markers(self) -> tuple[str, ...]:
        """How those ids are written."""
        return tuple(str(self.tokenizer.convert_ids_to_tokens(token)) for token in sorted(self.media_tokens))

    @property
    def template_wants_parts(self) -> bool:
        """Whether the chat template goes through a message's content part by part, and knows no plain text."""
        template = str(getattr(self.tokenizer, "chat_template", "") or "")
        return "is string" not in template and any(at in template for at in ("['type']", '["type"]', ".type"))

    @property
    def native_video(self) -> bool:
        """Whether the family reads video as such; the others get its frames as images."""
        has_token = any(isinstance(self.config.get(name), int) for name in ("video_token_id", "video_token_index"))
        return has_token and getattr(self.processor, "video_processor", None) is not None


def load(folder: Path, args: EngineArgs) -> LoadedVision:
    """Loads and evaluates the weights. Raises ConfigError when the folder can't be hosted."""
    config = _config(folder)
    if "model_file" in config and not args.trust_remote_code:
        raise ConfigError(
            f"{folder.name} brings its own code ({config['model_file']}); set trust_remote_code to run it"
        )
    try:
        from mlx_vlm.utils import load_image_processor, load_model, load_processor

        model = load_model(folder)
        processor = load_processor(folder, add_detokenizer=False)
        image_processor = load_image_processor(folder)
        if image_processor is not None:
            processor.image_processor = image_processor
        tokenizer = load_tokenizer(folder, eos_token_ids=_eos(config))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError) as error:
        raise ConfigError(f"{folder.name} can't be loaded: {error}") from error
    _share_template(processor, tokenizer)
    logits = model.language_model(mx.array([[0]])).logits
    generation = folder / "generation_config.json"
    leaves: Any = tree_flatten(model.parameters())
    return LoadedVision(
        model=model,
        processor=processor,
        tokenizer=tokenizer,
        config=config,
        generation_config=json.loads(generation.read_text()) if generation.is_file() else {},
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


def _eos(config: Mapping[str, Any]) -> Any:
    found = config.get("eos_token_id")
    return found if found is not None else (config.get("text_config") or {}).get("eos_token_id")


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

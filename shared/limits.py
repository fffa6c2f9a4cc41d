"""How much one request may bring, as a model's folder says it; read by workers and, before they run, by `check`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.errors import ConfigError

SPEECH_INPUT = 200_000  # characters for a speech model, where the node's YAML sets no `context`; OpenAI takes 4096
ENCODER_INPUT = 512  # tokens for an encoder whose folder states nothing
_UNBOUNDED = 10**7  # tokenizers without a limit state a huge one


def longest_text(folder: Path, config: Mapping[str, Any]) -> int:
    """Tokens of one input of an encoder: the shortest that its positions, its tokenizer and its publisher allow.

    Raises ConfigError for a file that is not JSON.
    """
    stated = (
        _positions(config),
        _read(folder / "tokenizer_config.json").get("model_max_length"),
        _read(folder / "sentence_bert_config.json").get("max_seq_length"),
    )
    known = [limit for limit in stated if isinstance(limit, int) and 0 < limit < _UNBOUNDED]
    return min(known, default=ENCODER_INPUT)


def _positions(config: Mapping[str, Any]) -> int | None:
    """Without those that XLM-RoBERTa's table spends on padding."""
    positions = config.get("max_position_embeddings")
    if not isinstance(positions, int) or str(config.get("model_type")).replace("-", "_") != "xlm_roberta":
        return positions
    return positions - int(config.get("pad_token_id") or 0) - 1


def _read(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} can't be read: {error}") from error
    return values if isinstance(values, dict) else {}

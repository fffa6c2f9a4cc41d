"""A folder's tokenizer, in mlx-lm's wrapper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from mlx_lm.utils import load_tokenizer as load_with_config
from transformers import PreTrainedConfig

from shared.logs import get_logger

_log = get_logger("workers.platform")

# What transformers raises over values of `config.json` that mlx-lm's own model classes take.
_REFUSED = (StrictDataclassError, ValueError, TypeError, AttributeError, LookupError)


def load_tokenizer(folder: Path, trust_remote_code: bool, eos: Any) -> Any:
    """`eos`: the ids that end an answer, or one; None: the tokenizer's own. Raises what transformers raises.

    A tokenizer needs nothing of the model's configuration, which transformers checks strictly: where that fails, it is
    loaded without.
    """
    extra: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    try:
        return load_with_config(folder, extra, eos_token_ids=eos)
    except _REFUSED as error:
        try:
            tokenizer = load_with_config(folder, extra | {"config": PreTrainedConfig()}, eos_token_ids=eos)
        except _REFUSED:
            raise error from None
        _log.info("the tokenizer was loaded without config.json", reason=str(error)[:200])
        return tokenizer

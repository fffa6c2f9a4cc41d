"""Logits of forward.py for prompts.py: `build/real/reference/numpy-MODEL.npz`, an array of ids and one of logits each.

python -m scripts.real_weights.reference_numpy
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tokenizers import Tokenizer

from scripts.real_weights.build import GGUF
from scripts.real_weights.catalogue import MODELS, REFERENCE
from scripts.real_weights.forward import Forward
from scripts.real_weights.prompts import COMPLETIONS, long_text

_LAST = 4  # positions of a prompt


def main() -> None:
    for name in ("smollm2", "gemma3"):
        if not (GGUF / f"{name}.gguf").is_file():
            continue
        model, found = Forward(GGUF / f"{name}.gguf"), dict[str, Any]()
        tokenizer = Tokenizer.from_file(str(MODELS / name / "tokenizer.json"))
        for index, text in enumerate((*COMPLETIONS, long_text())):
            ids = tokenizer.encode(text).ids
            found[f"ids{index}"], found[f"logits{index}"] = np.array(ids), model.logits(ids, _LAST)
        REFERENCE.mkdir(parents=True, exist_ok=True)
        np.savez(REFERENCE / f"numpy-{name}.npz", **found)

"""Answers of llama.cpp to prompts.py, from its own reading of the GGUF files: `build/real/reference/llama-MODEL.json`.

    python -m scripts.real_weights.references llama

The files are rewritten with float32 weights first: with quantised ones llama.cpp rounds activations to 8 bits, which
would hide an error of the same size elsewhere.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xllamacpp
from gguf import GGUFReader, GGUFValueType, GGUFWriter, dequantize

from scripts.real_weights.build import GGUF
from scripts.real_weights.catalogue import REFERENCE
from scripts.real_weights.folder import save_json
from scripts.real_weights.prompts import CHATS, COMPLETIONS, TOKENS, TOP, long_text

_CONTEXT = 2048
_QUIET = 1  # errors only
_OPTIONS = {"temperature": 0, "max_tokens": TOKENS}


def main() -> None:
    for name in ("smollm2", "gemma3"):
        path = GGUF / f"{name}.gguf"
        if path.is_file():
            with tempfile.TemporaryDirectory(dir=GGUF) as temporary:
                wide = Path(temporary) / path.name
                widen(path, wide)
                save_json(REFERENCE / f"llama-{name}.json", {"answers": answers(wide, chats=name == "smollm2")})


def widen(path: Path, target: Path) -> None:
    """The same file with float32 tensors."""
    reader = GGUFReader(path)
    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name in ("general.architecture", "general.file_type") or field.name.startswith("GGUF."):
            continue
        kind = field.types[0]
        inner = field.types[-1] if kind is GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type=inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def answers(path: Path, *, chats: bool) -> list[dict[str, Any]]:
    """Of chats through the model's own template, or of plain texts."""
    server = xllamacpp.Server(_parameters(path))
    if not chats:
        plain = {"logprobs": TOP} | _OPTIONS
        texts = (*COMPLETIONS, long_text())
        return [_answer(text, server.handle_completions({"prompt": text} | plain)) for text in texts]
    return [_answer(text, server.handle_chat_completions(_chat(text))) for text in CHATS]


def _chat(text: str) -> dict[str, Any]:
    return _OPTIONS | {"messages": [{"role": "user", "content": text}], "logprobs": True, "top_logprobs": TOP}


def _parameters(path: Path) -> Any:
    made = xllamacpp.CommonParams()
    made.model.path = str(path)
    made.n_ctx, made.n_parallel, made.warmup, made.verbosity = _CONTEXT, 1, False, _QUIET
    made.cpuparams.n_threads = made.cpuparams_batch.n_threads = 1  # idle ones spin, and the other core has work
    made.cache_type_k = made.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    made.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return made


def _answer(asked: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Text, tokens, and for each token the log-probabilities of the likeliest by their text."""
    (choice,) = given["choices"]
    steps = choice["logprobs"]["content"]
    return {
        "asked": asked,
        "text": choice["text"] if "text" in choice else choice["message"]["content"],
        "prompt_tokens": given["usage"]["prompt_tokens"],
        "tokens": [step["id"] for step in steps],
        "top": [{one["token"]: one["logprob"] for one in step["top_logprobs"]} for step in steps],
    }

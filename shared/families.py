"""Names of the model families' formats, as the YAML takes them. `auto`: told from the model's chat template."""

from __future__ import annotations

from typing import Literal

ToolParserName = Literal[
    "auto",
    "none",
    "hermes",
    "qwen3_coder",
    "llama3_json",
    "pythonic",
    "mistral",
    "deepseek_v3",
    "glm",
    "kimi_k2",
    "function_gemma",
    "gemma4",
    "granite",
    "minimax_m2",
    "nemotron",
    "phi4",
    "functionary",
    "harmony",
    "deepseek_v32",
    "kimi_k3",
    "longcat",
    "minicpm5",
    "muse_spark",
    "seed_oss",
    "cohere",
    "hunyuan",
]

ReasoningParserName = Literal[
    "auto",
    "none",
    "think",
    "harmony",
    "muse_spark",
    "gemma4",
    "mistral",
    "seed",
    "longcat",
    "solar",
    "apertus",
    "cohere",
    "kimi_k3",
    "minimax_m3",
    "hunyuan",
    "ernie45",
    "granite",
]

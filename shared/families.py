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
]

ReasoningParserName = Literal["auto", "none", "think", "harmony", "gemma4", "mistral", "seed", "granite"]

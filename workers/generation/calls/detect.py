"""Which format a model writes its calls in: by name, or told from its chat template and its vocabulary."""

from __future__ import annotations

from typing import Any

from workers.generation.calls.apertus import Apertus
from workers.generation.calls.deepseek import DeepSeek
from workers.generation.calls.format import CallFormat
from workers.generation.calls.functionary import Functionary
from workers.generation.calls.gemma import FUNCTION_GEMMA, GEMMA4
from workers.generation.calls.harmony import Harmony
from workers.generation.calls.hermes import ERNIE45, HERMES
from workers.generation.calls.internlm import InternLM2
from workers.generation.calls.json_lists import COHERE, GRANITE, HUNYUAN, JAMBA, NEMOTRON, PHI4
from workers.generation.calls.kimi import KimiK2
from workers.generation.calls.llama import LlamaJson
from workers.generation.calls.minimax_m3 import MiniMaxM3
from workers.generation.calls.mistral import Mistral
from workers.generation.calls.pythonic import Pythonic
from workers.generation.calls.tag_formats import (
    DEEPSEEK_V4,
    DEEPSEEK_V32,
    DEEPSEEK_V41,
    DOTS1,
    GLM,
    KIMI_K3,
    LONGCAT,
    MINICPM5,
    MINIMAX_M2,
    MUSE_SPARK,
    QWEN,
    SEED,
)

GENERIC: CallFormat = HERMES
"""Guarantees calls from models whose template knows no family's format."""

FORMATS: tuple[CallFormat, ...] = (
    HERMES, QWEN, LlamaJson(), Pythonic(), Mistral(), DeepSeek(), DEEPSEEK_V32, GLM, KimiK2(), KIMI_K3, FUNCTION_GEMMA,
    GEMMA4, GRANITE, MINIMAX_M2, NEMOTRON, PHI4, Functionary(), Harmony(), LONGCAT, MINICPM5, MUSE_SPARK, SEED, COHERE,
    HUNYUAN, DEEPSEEK_V4, DEEPSEEK_V41, Apertus(), ERNIE45, InternLM2(), JAMBA, DOTS1, MiniMaxM3(),
)  # fmt: skip
_BY_NAME: dict[str, CallFormat] = {fmt.name: fmt for fmt in FORMATS}

# In order: the first whose texts all stand in the template. Special formats first, those that others resemble last.
_BY_TEMPLATE: tuple[tuple[tuple[str, ...], CallFormat], ...] = (
    (("<|channel|>", "<|message|>", "functions"), Harmony()),
    (("<minimax:tool_call>",), MINIMAX_M2),
    (("]<]minimax[>[",), MiniMaxM3()),
    (("<dots_function_call>",), DOTS1),
    (("<|tools_prefix|>",), Apertus()),
    (("<|action_start|>", "<|plugin|>"), InternLM2()),
    (("<|tool_call>", "<tool_call|>"), GEMMA4),
    (("<start_function_call>",), FUNCTION_GEMMA),
    (("<longcat_tool_call>",), LONGCAT),
    (("<arg_key>", "<tool_call>"), GLM),
    (("｜DSML｜ calls",), DEEPSEEK_V41),
    (("｜DSML｜tool_calls",), DEEPSEEK_V4),
    (("｜DSML｜",), DEEPSEEK_V32),
    (("<｜tool▁sep｜>", "```json"), DeepSeek()),
    (("<｜tool▁sep｜>",), DeepSeek(fenced=False)),
    (("<|tool_calls_section_begin|>",), KimiK2()),
    (("<|tool_call_start|>",), Pythonic("<|tool_call_start|>")),
    (("<|tool_list_start|>",), Pythonic("<|tool_call_start|>")),
    (("<seed:tool_call>",), SEED),
    (("<atem:function_calls>",), MUSE_SPARK),
    (('<function name="', '<param name="'), MINICPM5),
    (("<function=", "<parameter="), QWEN),
    (("<TOOLCALL>",), NEMOTRON),
    (("<|START_ACTION|>",), COHERE),
    (("<tool_calls>", "</tool_calls>", "<|bom|>"), JAMBA),
    (("<tool_calls>", "</tool_calls>"), HUNYUAN),
    (("[TOOL_CALLS]", "[ARGS]"), Mistral(headers=True)),
    (("[TOOL_CALLS]",), Mistral()),
    (("<|/tool_call|>",), PHI4),
    (("<|tool|>", "<|/tool|>"), PHI4),
    (("functools[",), PHI4),
    (("<|tool_call|>",), GRANITE),
    ((">>>all",), Functionary()),
    (("<function=",), Functionary(tags=True)),
    (("<function_calls>", "</function_calls>"), Pythonic("<function_calls>")),
    (("[func_name1(",), Pythonic()),
    (("<tool_call>", "<response>"), ERNIE45),
    (("<tool_call>",), HERMES),
    (('{"name": function name, "parameters":',), LlamaJson()),
    (("<|python_tag|>",), LlamaJson()),
    (("<|python_start|>",), LlamaJson()),
)

_BY_VOCABULARY: tuple[tuple[tuple[str, ...], CallFormat], ...] = (
    (("<|open|>", "<|close|>", "<|sep|>"), KIMI_K3),
    (("｜DSML｜",), DEEPSEEK_V32),
    (("<|tool_call_start|>", "<|tool_call_end|>"), Pythonic("<|tool_call_start|>")),
)

# mlx-lm's names for what a checkpoint's tokenizer_config.json declares (`tool_parser_type`, `chat_template_type`).
_BY_MLX_LM: dict[str, CallFormat] = {
    "function_gemma": FUNCTION_GEMMA, "gemma4": GEMMA4, "glm47": GLM, "json_tools": HERMES, "kimi_k2": KimiK2(),
    "kimi_k3": KIMI_K3, "laguna": GLM, "longcat": LONGCAT, "minicpm5": MINICPM5, "minimax_m2": MINIMAX_M2,
    "mistral": Mistral(), "muse_spark": MUSE_SPARK, "pythonic": Pythonic("<|tool_call_start|>"), "qwen3_coder": QWEN,
    "deepseek_v32": DEEPSEEK_V32,
}  # fmt: skip


def by_name(name: str) -> CallFormat:
    """Errors: KeyError."""
    return _BY_NAME[name]


def detect_calls(tokenizer: Any) -> CallFormat | None:
    """The format for `auto`; None where nothing says that the model knows calls.

    By the template's text, then by special tokens, then by what the checkpoint declares to mlx-lm.
    """
    template = _template(tokenizer)
    vocabulary = tokenizer.get_vocab()
    for texts, found in _BY_TEMPLATE:
        if all(text in template for text in texts):
            return found
    for tokens, found in _BY_VOCABULARY:
        if all(token in vocabulary for token in tokens):
            return found
    declared = getattr(tokenizer, "init_kwargs", {})
    names = (declared.get("tool_parser_type"), declared.get("chat_template_type"))
    return next((_BY_MLX_LM[name] for name in names if name in _BY_MLX_LM), None)


def _template(tokenizer: Any) -> str:
    """The text of the template that renders tools; a tokenizer may have several, by name."""
    template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, dict):
        template = template.get("tool_use") or template.get("default")
    return template if isinstance(template, str) else ""

"""A tokenizer for tests of grammars, without a model."""

from __future__ import annotations

from functools import cache
from typing import Any

from mlx_lm.tokenizer_utils import TokenizerWrapper
from transformers import PreTrainedTokenizerFast

from tests.models import VOCAB, byte_level_tokenizer
from workers.generation.grammar.compile import GrammarCompiler


@cache
def tokenizer() -> Any:
    return TokenizerWrapper(PreTrainedTokenizerFast(tokenizer_object=byte_level_tokenizer(), eos_token="<|im_end|>"))


def ids(text: str) -> list[int]:
    return list(tokenizer().encode(text, add_special_tokens=False))


ENDS = frozenset((ids("<|im_end|>")[0], ids("<|endoftext|>")[0]))


@cache
def compiler() -> GrammarCompiler:
    return GrammarCompiler(tokenizer(), VOCAB, ENDS)

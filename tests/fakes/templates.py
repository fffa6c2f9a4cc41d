"""Chat templates of the forms that families have, each around the byte-level tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlx_lm.tokenizer_utils import TokenizerWrapper
from transformers import PreTrainedTokenizerFast

from tests.models import byte_level_tokenizer
from workers.generation.calls.detect import detect_calls
from workers.generation.templates.template import ChatTemplate

FOLDER = Path(__file__).parents[1] / "data" / "templates"
FORMS = tuple(sorted(path.stem for path in FOLDER.glob("*.jinja")))


def tokenizer_with(template: Any) -> Any:
    """mlx-lm's tokenizer with a chat template: its text, or texts by name."""
    inner = PreTrainedTokenizerFast(tokenizer_object=byte_level_tokenizer(), eos_token="<|im_end|>")
    inner.chat_template = template
    return TokenizerWrapper(inner)


def form(name: str) -> ChatTemplate:
    """One of FORMS, as a worker learns it."""
    return template((FOLDER / f"{name}.jinja").read_text())


def template(text: Any) -> ChatTemplate:
    tokenizer = tokenizer_with(text)
    found = detect_calls(tokenizer)
    return ChatTemplate(tokenizer, None if found is None else found.name)

"""A byte-level BPE tokenizer with Qwen's special tokens, trained on a few kilobytes of text.

Every text round-trips: there is no normaliser, and all 256 bytes are in the vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

PAD, START, END = SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKUP = (
    *("<think>", "</think>", "<tool_call>", "</tool_call>"),
    *("<tools>", "</tools>", "<tool_response>", "</tool_response>"),
)
# Words take one leading space, but not what has to be copied into JSON or to the start of a line: names, numbers,
# paths and the first word after a line number are the same tokens everywhere. Numbers come in groups of three digits.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)| (?=\p{Lu}|\p{N}|[\w~.-]*[\w]\.[\p{L}\p{N}]|[\w~.-]+/[\w])|(?<=[0-9][:|]) "
    r"| ?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learns merges from `texts`; the result has exactly `vocabulary` entries if the texts allow as many."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIAL) - len(MARKUP),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator((_without_markup(text) for text in texts), trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in MARKUP])
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, template: str, context: int) -> None:
    """Writes what `transformers` and mlx-lm read; `context` is the model's limit in tokens."""
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": None,
        "add_bos_token": False,
        "additional_special_tokens": [START, END],
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
        "split_special_tokens": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def _without_markup(text: str) -> str:
    for token in SPECIAL + MARKUP:
        text = text.replace(token, "\n")
    return text

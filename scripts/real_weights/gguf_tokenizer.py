"""A GGUF's vocabulary as tokenizer.json: byte-level BPE (`gpt2`), or SentencePiece's BPE (`llama`)."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from scripts.real_weights.gguf_fields import Fields

_CONTROL, _USER = 3, 4  # token types
_SPACE = "▁"


def make_tokenizer(fields: Fields) -> Tokenizer:
    tokens: list[str] = fields["tokenizer.ggml.tokens"]
    made = _bytes_bpe(fields, tokens) if fields["tokenizer.ggml.model"] == "gpt2" else _sentencepiece(fields, tokens)
    for token, kind in zip(tokens, fields["tokenizer.ggml.token_type"], strict=True):
        if kind in (_CONTROL, _USER):
            made.add_tokens([AddedToken(token, special=kind == _CONTROL, normalized=False)])
    if fields.get("tokenizer.ggml.add_bos_token"):
        bos = fields["tokenizer.ggml.bos_token_id"]
        made.post_processor = processors.TemplateProcessing(
            single=f"{tokens[bos]} $A", special_tokens=[(tokens[bos], bos)]
        )
    return made


def _vocabulary(tokens: Sequence[str]) -> dict[str, int]:
    return {token: index for index, token in enumerate(tokens)}


def _bytes_bpe(fields: Fields, tokens: Sequence[str]) -> Tokenizer:
    """SmolLM's: digits one by one, then GPT-2's pieces."""
    merges = [(first, second) for first, second in (pair.split(" ") for pair in fields["tokenizer.ggml.merges"])]
    made = Tokenizer(models.BPE(vocab=_vocabulary(tokens), merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    return made


def _sentencepiece(fields: Fields, tokens: Sequence[str]) -> Tokenizer:
    """Gemma's: whole text as one piece, bytes where nothing fits."""
    made = Tokenizer(
        models.BPE(
            vocab=_vocabulary(tokens),
            merges=implied_merges(tokens, fields["tokenizer.ggml.scores"]),
            unk_token=tokens[fields["tokenizer.ggml.unknown_token_id"]],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    made.normalizer = normalizers.Replace(" ", _SPACE)
    made.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    made.decoder = decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    return made


def implied_merges(tokens: Sequence[str], scores: Sequence[float]) -> list[tuple[str, str]]:
    """The merges that SentencePiece's scores stand for, best result first; of one result, lower ids first."""
    ids = _vocabulary(tokens)
    found: list[tuple[float, tuple[str, str]]] = []
    for merged, index in ids.items():
        cuts = [(merged[:at], merged[at:]) for at in range(1, len(merged))]
        pairs = [(first, second) for first, second in cuts if first in ids and second in ids]
        pairs.sort(key=lambda pair: (ids[pair[0]], ids[pair[1]]))
        found += [(scores[index], pair) for pair in pairs]
    found.sort(key=lambda item: item[0], reverse=True)
    return [pair for _, pair in found]

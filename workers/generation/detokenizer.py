"""Tokens to text, one at a time, without ever splitting a character.

For byte-level BPE and SentencePiece vocabularies each token is a fixed string of bytes, so the text is an incremental
UTF-8 decode: exact, and the same cost for the first token and the ten-thousandth. Other tokenizers go through mlx-lm's
general detokenizer, which decodes the current line again for every token.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol


class Detokenizer(Protocol):
    def add(self, token: int) -> str:
        """Takes a token, returns the text that is now certain."""
        ...

    def finish(self) -> str:
        """The rest; an unfinished character becomes U+FFFD."""
        ...


@cache
def byte_of_character() -> dict[str, int]:
    """GPT-2's printable stand-ins for bytes. https://github.com/openai/gpt-2/blob/master/src/encoder.py"""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in set(plain)]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


class Vocabulary:
    """The bytes of every token, built once a model. `spell` is None where a token has no fixed spelling."""

    def __init__(self, tokenizer: Any) -> None:
        self._wrapper = tokenizer
        inner = getattr(tokenizer, "_tokenizer", tokenizer)
        added = inner.added_tokens_decoder.items()
        self.special = frozenset(inner.all_special_ids) | {int(i) for i, token in added if token.special}
        self._special_texts = {int(i): str(inner.convert_ids_to_tokens(int(i))) for i in self.special}
        self._skips: dict[tuple[str, ...], frozenset[int]] = {}
        self._strip_first_space = False
        self._table = self._build(inner)

    def _build(self, inner: Any) -> list[bytes] | None:
        decoder = _decoder_of(inner)
        # By the largest id, not by their number: ids may have gaps.
        names = inner.convert_ids_to_tokens(list(range(max(inner.get_vocab().values()) + 1)))
        added = {int(i): str(token) for i, token in inner.added_tokens_decoder.items()}
        if decoder == "ByteLevel":
            spell = _spell_byte_level
        elif decoder == "SentencePiece":
            spell = _spell_sentencepiece
            self._strip_first_space = True
        else:
            return None
        return [added[i].encode() if i in added else spell(name or "") for i, name in enumerate(names)]

    def bytes_of(self, token: int) -> bytes:
        """The token's own bytes, which may be a part of a character."""
        if self._table is None:
            return str(self._wrapper.decode([token])).encode()
        return self._table[token] if token < len(self._table) else b""

    def detokenizer(self, *, skip_special: bool, first: bool, keep: Sequence[str] = ()) -> Detokenizer:
        """A fresh stream; `first` when its text starts a message rather than going on with one.

        Special tokens that a text of `keep` consists of, or contains, are never skipped.
        """
        skip = self._skipped(tuple(keep)) if skip_special else frozenset()
        if self._table is None:
            return _General(self._wrapper.detokenizer, skip)
        return _Bytes(self._table, skip, strip=self._strip_first_space and first)

    def _skipped(self, keep: tuple[str, ...]) -> frozenset[int]:
        if keep not in self._skips:
            texts = self._special_texts.items()
            self._skips[keep] = frozenset(i for i, text in texts if not any(text in marker for marker in keep))
        return self._skips[keep]


class _Bytes:
    def __init__(self, table: list[bytes], skip: frozenset[int], strip: bool) -> None:
        self._table = table
        self._skip = skip
        self._strip = strip
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def add(self, token: int) -> str:
        if token in self._skip or token >= len(self._table):
            return ""
        text = self._decoder.decode(self._table[token])
        if self._strip and text:
            self._strip = False
            text = text.removeprefix(" ")
        return text

    def finish(self) -> str:
        return self._decoder.decode(b"", final=True)


class _General:
    def __init__(self, detokenizer: Any, skip: frozenset[int]) -> None:
        self._detokenizer = detokenizer
        self._skip = skip

    def add(self, token: int) -> str:
        if token in self._skip:
            return ""
        self._detokenizer.add_token(token)
        return str(self._detokenizer.last_segment)

    def finish(self) -> str:
        self._detokenizer.finalize()
        return str(self._detokenizer.last_segment)


def _spell_byte_level(name: str) -> bytes:
    table = byte_of_character()
    spelled = bytearray()
    for character in name:
        byte = table.get(character)
        spelled.extend(character.encode() if byte is None else bytes([byte]))
    return bytes(spelled)


def _spell_sentencepiece(name: str) -> bytes:
    if len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
        return bytes([int(name[3:5], 16)])
    return name.replace("▁", " ").encode()


def _decoder_of(inner: Any) -> str | None:
    """ByteLevel, SentencePiece or None, from the fast tokenizer's decoder."""
    backend = getattr(inner, "backend_tokenizer", None)
    if backend is None:
        return None
    decoder = json.loads(backend.to_str())["decoder"] or {}
    steps: Sequence[dict[str, Any]] = decoder.get("decoders", [decoder])
    kinds = [step.get("type") for step in steps]
    if kinds == ["ByteLevel"]:
        return "ByteLevel"
    if kinds[:3] == ["Replace", "ByteFallback", "Fuse"]:
        return "SentencePiece" if kinds[3:] == ["Strip"] else None
    return None

"""A byte-level tokenizer for llguidance, and random walks through a grammar."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

_EOS = 256
_CLOSING = frozenset(b"\"<]}')|")


class _Bytes:
    """256 bytes, the end, and the special tokens."""

    bos_token_id = None
    eos_token_id = _EOS

    def __init__(self, special: Sequence[str]) -> None:
        names = ["<|toy_end|>", *special]
        self.tokens = [bytes([byte]) for byte in range(256)] + [b"\xff" + name.encode() for name in names]
        self.special_token_ids = list(range(256, len(self.tokens)))

    def __call__(self, text: str | bytes) -> list[int]:
        return list(text if isinstance(text, bytes) else text.encode())


class ToyGrammar:
    """Compiles grammars; `special` texts are tokens of their own."""

    def __init__(self, special: Sequence[str] = ()) -> None:
        self._special = {text: _EOS + 1 + at for at, text in enumerate(special)}
        self._texts = {token: text.encode() for text, token in self._special.items()}
        self._tokenizer = LLTokenizer(TokenizerWrapper(_Bytes(special)))
        self._size = _EOS + 1 + len(special)

    @property
    def spell(self) -> Callable[[str], str]:
        return lambda text: f"<[{self._special[text]}]>" if text in self._special else json.dumps(text)

    def matcher(self, lark: str) -> LLMatcher:
        found = LLMatcher(self._tokenizer, LLMatcher.grammar_from_lark("start: answer\n" + lark))
        assert not found.is_error(), found.get_error()
        return found

    def admits(self, lark: str, text: str) -> bool:
        matcher = self.matcher(lark)
        return all(matcher.consume_token(byte) for byte in text.encode()) and matcher.is_accepting()

    def walk(self, lark: str, seed: int, limit: int) -> str | None:
        """A random text that the grammar admits; None if it hasn't ended after `limit` tokens."""
        matcher, rng, out = self.matcher(lark), random.Random(seed), b""
        for _ in range(limit):
            mask = matcher.compute_bitmask()
            allowed = [token for token in range(self._size) if mask[token // 8] >> token % 8 & 1]
            token = _choose(allowed, rng)
            if token == _EOS:
                return out.decode()
            assert matcher.consume_token(token), matcher.get_error()
            out += self._texts.get(token) or bytes([token])
            if matcher.is_stopped():
                return out.decode()
        return None


def _choose(allowed: list[int], rng: random.Random) -> int:
    """Mostly what ends things soon, else anything, so that walks stay short and meet everything."""
    if _EOS in allowed and rng.random() < 0.5:
        return _EOS
    closing = [token for token in allowed if token > _EOS or token in _CLOSING]
    plain = [token for token in allowed if 32 <= token < 127]
    dice = rng.random()
    return rng.choice(closing if closing and dice < 0.3 else plain if plain and dice < 0.95 else allowed)

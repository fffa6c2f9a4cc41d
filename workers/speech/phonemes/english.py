"""English through misaki's dictionaries (Kokoro's own), with the small tagger in spaCy's place.

Words that no dictionary has go to espeak-ng where it is installed; else they are spelt letter by letter.
https://github.com/hexgrad/misaki
"""

from __future__ import annotations

import importlib
import sys
import types
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workers.speech.phonemes.espeak import EnglishEspeak
from workers.speech.phonemes.tagger import tokenize

Phonemiser = Callable[[str], str]
# What misaki raises over numbers and markup that it can't read.
_UNREADABLE = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)


def english(british: bool) -> Phonemiser:
    """Raises ImportError where neither misaki nor espeak-ng is installed."""
    fallback = _espeak(british)
    try:
        return _Dictionary(_misaki(), british, fallback)
    except ImportError:
        if fallback is None:
            raise
        return fallback


def _espeak(british: bool) -> EnglishEspeak | None:
    try:
        espeak = EnglishEspeak(british)
        espeak("a")
    except (ImportError, OSError):
        return None
    return espeak


def _misaki() -> Any:
    """Imports `misaki.en`, which imports spaCy: an empty module stands there for that moment."""
    present = sys.modules.get("spacy")
    sys.modules["spacy"] = types.ModuleType("spacy")
    try:
        return importlib.import_module("misaki.en")
    finally:
        del sys.modules["spacy"]
        if present is not None:
            sys.modules["spacy"] = present


class _Dictionary:
    def __init__(self, misaki: Any, british: bool, espeak: EnglishEspeak | None) -> None:
        self._misaki = misaki
        self._espeak = espeak
        # Not `G2P()`, which would load spaCy's model.
        self._g2p = g2p = misaki.G2P.__new__(misaki.G2P)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # importlib.resources.open_text
            g2p.lexicon = misaki.Lexicon(british)
        g2p.version, g2p.british, g2p.unk = None, british, ""
        g2p.fallback = self._unknown
        g2p.tokenize = self._tokenize

    def __call__(self, text: str) -> str:
        try:
            return str(self._g2p(text)[0])
        except _UNREADABLE:
            return self._espeak(text) if self._espeak is not None else " ".join(map(self._spelt, text.split()))

    def _tokenize(self, text: str, words: Sequence[str], features: Mapping[int, Any]) -> list[Any]:
        """misaki's tokens; `features` are what its markup says of words: `[word](/wˈɜɹd/)` gives the phonemes."""
        Token = self._misaki.MToken
        tokens = [
            Token(t.text, t.tag, t.whitespace, _=Token.Underscore(is_head=True, num_flags="", prespace=False))
            for t in tokenize(text)
        ]
        if features:
            for index, first, token in _owners(words, tokens):
                self._apply(features.get(index), first, token)
        return tokens

    @staticmethod
    def _apply(feature: Any, first: bool, token: Any) -> None:
        if isinstance(feature, str) and feature.startswith("/"):
            token._.is_head = first
            token.phonemes = feature.lstrip("/") if first else ""
            token._.rating = 5
        elif isinstance(feature, str):
            token._.num_flags = feature.lstrip("#")
        elif feature is not None:
            token._.stress = feature

    def _unknown(self, token: Any) -> tuple[str, int]:
        return (self._espeak(token.text) if self._espeak is not None else self._spelt(token.text)), 2

    def _spelt(self, word: str) -> str:
        letters = "".join(c for c in word if c.isascii() and c.isalpha())
        return str(self._g2p.lexicon.get_NNP(letters)[0] or "") if letters else ""


def _owners(words: Sequence[str], tokens: Sequence[Any]) -> list[tuple[int, bool, Any]]:
    """For each token the word that it comes from (both spell the same text), and whether it is the word's first."""
    found, word, left = [], 0, len(words[0])
    for token in tokens:
        found.append((word, left == len(words[word]), token))
        left -= len(token.text)
        while left <= 0 and word + 1 < len(words):
            word += 1
            left += len(words[word])
    return found

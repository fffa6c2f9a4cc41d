"""llguidance's side: one tokenizer a model, grammars compiled within limits, the latest kept."""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
from llguidance import LLMatcher, LLTokenizer
from llguidance.hf import from_tokenizer
from transformers import PreTrainedTokenizerBase

from shared.errors import CannotBind, InvalidRequest, Overloaded
from workers.generation.grammar.limits import PATIENCE, STACK, parser_limits

_KEPT = 64  # grammars
_LEARNED = 256  # tokens; a matcher's automaton grows where it goes, and what has grown is fast
_PATIENTS = 2  # compilations that were given up and still run
_IN_WORDS = {
    "Enable 'coerce_one_of'": "'oneOf' whose options overlap can't be guaranteed; use 'anyOf', or a constant apart",
    "min/maxProperties only": "'minProperties' and 'maxProperties' can't be guaranteed beside optional properties",
}
_UNIMPLEMENTED = re.compile(r"Unimplemented keys: \[(.*)\]")
_PLACE = re.compile(r"^(?:at )?\d+\(\d+\): |^at EOF: |failed to compile JSON schema: ")


class GrammarCompiler:
    """`vocab_size` is the logits' width, `eos` ends a row. Compiles on preprocessing threads."""

    def __init__(self, tokenizer: Any, vocab_size: int, eos: frozenset[int]) -> None:
        self._ends = sorted(token for token in eos if token < vocab_size)
        self._tokenizer, self._refusal = _tokenizer(tokenizer, vocab_size, self._ends)
        self._kept: OrderedDict[str, tuple[LLMatcher, int]] = OrderedDict()  # and the tokens it has learned from
        self._lock = threading.Lock()
        self._running: list[threading.Thread] = []

    @property
    def width(self) -> int:
        """Tokens that a mask speaks of."""
        return 0 if self._tokenizer is None else int(self._tokenizer.vocab_size)

    def spell(self, marker: str) -> str:
        """The marker in Lark: its special token if it is one, else its text."""
        if self._tokenizer is not None:
            tokens = self._tokenizer.tokenize_str(marker, parse_special=True)
            if len(tokens) == 1 and self._tokenizer.is_special_token(tokens[0]):
                return f"<[{tokens[0]}]>"
        return json.dumps(marker, ensure_ascii=False)

    def matchers(self, grammar: str, count: int, param: str | None) -> list[LLMatcher]:
        """Fresh matchers of a grammar (Lark, or llguidance's JSON list of grammars).

        Raises InvalidRequest naming `param` and the reason where it can't be compiled or nothing matches it.
        """
        if self._tokenizer is None:
            raise InvalidRequest(f"this model can't be held to a grammar: {self._refusal}", param=param)
        with self._lock:
            known = self._kept.pop(grammar, None)
        first, learned = known or (self._compile(self._tokenizer, grammar, param), 0)
        with self._lock:
            self._kept[grammar] = first, learned
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return [first.deep_copy() for _ in range(count)]

    def learn(self, grammar: str, matcher: LLMatcher, taken: int) -> None:
        """Takes back a matcher that has seen `taken` tokens: later ones of its grammar begin with what it knows."""
        with self._lock:
            _, learned = self._kept.get(grammar, (None, _LEARNED))
            if learned < _LEARNED and not matcher.is_error() and matcher.reset():
                self._kept[grammar] = matcher, learned + taken

    def _compile(self, tokenizer: LLTokenizer, grammar: str, param: str | None) -> LLMatcher:
        matcher = self._patiently(lambda: self._built(tokenizer, grammar), param)
        if matcher.is_error():
            raise CannotBind(f"the grammar can't be compiled: {reason_of(matcher.get_error())}", param=param)
        return matcher

    def _built(self, tokenizer: LLTokenizer, grammar: str) -> LLMatcher:
        matcher = LLMatcher(tokenizer, grammar, log_level=0, limits=parser_limits())
        if not matcher.is_error():  # the first mask finds out whether anything matches
            mask = np.empty((self.width + 31) // 32, dtype=np.int32)
            matcher.unsafe_compute_mask_ptr(mask.ctypes.data, mask.nbytes)
        return matcher

    def _patiently(self, build: Callable[[], LLMatcher], param: str | None) -> LLMatcher:
        """Builds on a thread with a deep stack and a deadline: llguidance recurses along references."""
        built: list[LLMatcher] = []
        thread = threading.Thread(target=lambda: built.append(build()), name="grammar", daemon=True)
        with self._lock:
            self._running = [one for one in self._running if one.is_alive()]
            if len(self._running) >= _PATIENTS:
                raise Overloaded("grammars that take too long are still being compiled", param=param)
            before = threading.stack_size(STACK)
            thread.start()
            threading.stack_size(before)
        thread.join(PATIENCE)
        if not built:
            self._running.append(thread)
            raise InvalidRequest(f"the grammar takes longer than {PATIENCE:g} s to compile", param=param)
        return built[0]


def reason_of(error: str) -> str:
    """One line of llguidance's message, without its own place numbers."""
    found = re.search(r"^\s*error: (.+)$", error, re.MULTILINE)
    if found:
        return f"invalid regular expression, {found[1]}"
    line = error.strip().partition("\n")[0]
    if "NoExtension" in line:
        return "nothing matches it"
    if found := _UNIMPLEMENTED.search(line):
        return f"{found[1].replace(chr(34), chr(39))} can't be guaranteed; leave it out, or don't ask for strict"
    if "Unknown format: " in line:
        return f"'format' {line.rpartition(': ')[2][:80]} can't be guaranteed"
    for text, words in _IN_WORDS.items():
        if text in line:
            return words
    while (cut := _PLACE.sub("", line)) != line:
        line = cut
    return line[:300]


def _tokenizer(wrapper: Any, vocab_size: int, ends: list[int]) -> tuple[LLTokenizer | None, str]:
    """The model's tokenizer for llguidance, or why there is none. 0.7 s for 150,000 tokens."""
    if not ends:
        return None, "it has no token that ends an answer"
    inner = wrapper if isinstance(wrapper, PreTrainedTokenizerBase) else getattr(wrapper, "_tokenizer", wrapper)
    try:
        known = max(inner.get_vocab().values()) + 1
        return from_tokenizer(inner, n_vocab=max(vocab_size, known), eos_token=ends), ""
    except (ValueError, TypeError, AttributeError, OSError) as error:
        return None, f"its tokenizer has no fast form ({error})"

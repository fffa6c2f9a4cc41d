"""Whisper's tokens: from the folder's own tokenizer, or OpenAI's by the model's dimensions.

Text tokens come first, then `<|endoftext|>`, the other special tokens, and the timestamps of 20 ms each.
"""

from __future__ import annotations

import json
import string
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlx_audio.stt.models.whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from shared.errors import ConfigError, InvalidRequest
from workers.transcription import canonical

TICK = 0.02  # seconds between two timestamps
_CODES: dict[str, str] = {str(name): str(code) for name, code in TO_LANGUAGE_CODE.items()}
_NO_SPACES = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
_GPT2_END = 50256  # where the text tokens of OpenAI's English models end
_NEEDED = ("<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>", "<|notimestamps|>")
_NON_SPEECH = [*'"#()*+/:;<=>@[\\]^_`{|}~「」『』', " -", " '"]
_NON_SPEECH += ["<<", ">>", "<<<", ">>>", "--", "---", "-(", "-[", "('", '("', "((", "))", "(((", ")))"]
_NON_SPEECH += ["[[", "]]", "{{", "}}", "♪♪", "♪♪♪"]
_NOTES = frozenset("♩♪♫♬♭♮♯")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`tokens` are the bytes of each text token; `languages` maps codes to ids and is empty for English-only models."""

    tokens: Sequence[bytes]
    encode: Callable[[str], list[int]]
    end: int
    start: int
    previous: int
    no_timestamps: int
    first_timestamp: int
    no_speech: int | None
    tasks: dict[str, int]
    languages: dict[str, int]
    suppressed: tuple[int, ...]  # text tokens that are no speech

    def prompt(self, text: str | None, language: str | None, task: str, room: int) -> list[int]:
        """What the decoder reads first; of a long prompt text the last `room` tokens."""
        before = self.encode(" " + text.strip())[-room:] if text and text.strip() else []
        ids = [self.previous, *before, self.start] if before else [self.start]
        if self.languages:
            ids += [self.languages[language or "en"], self.tasks[task]]
        return ids

    def language(self, name: str) -> str:
        """The code of a language named by code or English name. Raises InvalidRequest."""
        key = name.strip().lower()
        code = _CODES.get(key, key.replace("_", "-").split("-")[0])
        if code not in (self.languages or {"en": 0}):
            known = ", ".join(sorted(self.languages)) or "en"
            raise InvalidRequest(
                f"this model doesn't know the language {name[:40]!r}; it knows {known}", param="language"
            )
        return code

    def decode(self, ids: Iterable[int]) -> str:
        """Text tokens only."""
        return b"".join(self.tokens[i] for i in ids if i < self.end).decode("utf-8", "replace")

    def split_words(self, ids: Sequence[int], language: str) -> list[list[int]]:
        """Groups of text tokens, each a word with the space before it, or a sign of punctuation."""
        words: list[list[int]] = []
        for piece in self._characters(ids):
            text = self.decode(piece)
            joins = words and not (text.startswith(" ") or text.strip() in string.punctuation)
            if joins and language not in _NO_SPACES:
                words[-1] += piece
            else:
                words.append(list(piece))
        return words

    def _characters(self, ids: Sequence[int]) -> list[list[int]]:
        """The shortest groups that are whole in UTF-8."""
        groups: list[list[int]] = [[]]
        for token in ids:
            groups[-1].append(token)
            if "�" not in self.decode(groups[-1]):
                groups.append([])
        return [group for group in groups if group]


def load_vocabulary(folder: Path, size: int) -> Vocabulary:
    """Raises ConfigError for a folder without a tokenizer whose model isn't one of OpenAI's."""
    tokenizer = _read_tokenizer(folder)
    if tokenizer is not None:
        vocabulary = _from_tokenizer(folder, tokenizer)
    else:
        found = canonical.vocabulary(size, list(LANGUAGES))
        if found is None:
            raise ConfigError(f"{folder.name} has no tokenizer.json, and OpenAI has no Whisper of {size} tokens")
        tokens, special = found
        ranks = {token: index for index, token in enumerate(tokens)}
        vocabulary = _build(tokens, special, lambda text: _encode(text, ranks))
    if vocabulary.first_timestamp >= size:
        raise ConfigError(f"{folder.name}: the tokenizer has more tokens than the model ({size})")
    return vocabulary


def _read_tokenizer(folder: Path) -> Tokenizer | None:
    try:
        if (folder / "tokenizer.json").is_file():
            return Tokenizer.from_file(str(folder / "tokenizer.json"))
        if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
            tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            added = folder / "added_tokens.json"
            names = json.loads(added.read_text(encoding="utf-8")) if added.is_file() else {}
            special = [
                AddedToken(name, special=True, normalized=False)
                for name in sorted(names, key=lambda name: int(names[name]))
            ]
            tokenizer.add_special_tokens(special)
            return tokenizer
    except Exception as error:  # tokenizers raises plain Exceptions
        raise ConfigError(f"{folder.name}: its tokenizer can't be read: {error}") from error
    return None


def _from_tokenizer(folder: Path, tokenizer: Tokenizer) -> Vocabulary:
    ids = tokenizer.get_vocab()
    missing = [name for name in _NEEDED if name not in ids]
    if missing:
        raise ConfigError(f"{folder.name}: the tokenizer is not Whisper's: it lacks {', '.join(missing)}")
    special = {name: index for name, index in ids.items() if index >= ids["<|endoftext|>"]}
    names = {index: name for name, index in ids.items()}
    tokens = [_bytes(names.get(index, "")) for index in range(ids["<|endoftext|>"])]
    return _build(tokens, special, lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids))


def _build(tokens: Sequence[bytes], special: dict[str, int], encode: Callable[[str], list[int]]) -> Vocabulary:
    end, no_timestamps = special["<|endoftext|>"], special["<|notimestamps|>"]
    languages = {code: special[f"<|{code}|>"] for code in LANGUAGES if f"<|{code}|>" in special}
    return Vocabulary(
        tokens=tokens,
        encode=lambda text: [
            token for token in encode(text) if token < end
        ],  # nobody writes special tokens in a prompt
        end=end,
        start=special["<|startoftranscript|>"],
        previous=special["<|startofprev|>"],
        no_timestamps=no_timestamps,
        first_timestamp=special.get("<|0.00|>", no_timestamps + 1),
        no_speech=special.get("<|nospeech|>", special.get("<|nocaptions|>")),
        tasks={name: special[f"<|{name}|>"] for name in ("transcribe", "translate") if f"<|{name}|>" in special},
        languages={} if end == _GPT2_END else languages,
        suppressed=_non_speech(tokens, encode),
    )


def _non_speech(tokens: Sequence[bytes], encode: Callable[[str], list[int]]) -> tuple[int, ...]:
    """Signs that annotate rather than speak; a lone space is never one of them."""
    found = set()
    for sign in (*_NON_SPEECH, *_NOTES):
        for text in (sign, " " + sign):
            ids = encode(text)
            if ids and (len(ids) == 1 or sign in _NOTES) and tokens[ids[0]] != b" ":
                found.add(ids[0])
    return tuple(sorted(found))


def _byte_characters() -> dict[str, int]:
    """GPT-2's way to write bytes as printable characters."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTES = _byte_characters()
_SPLIT = pre_tokenizers.ByteLevel(add_prefix_space=False)


def _bytes(name: str) -> bytes:
    return bytes(_BYTES[character] for character in name if character in _BYTES)


def _encode(text: str, ranks: dict[bytes, int]) -> list[int]:
    pieces = (_bytes(piece) for piece, _ in _SPLIT.pre_tokenize_str(text))
    return [token for piece in pieces for token in canonical.merge(piece, ranks)]

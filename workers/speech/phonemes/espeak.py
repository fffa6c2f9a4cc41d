"""espeak-ng's phonemes, written in Kokoro's alphabet.

The library is bound directly: `phonemizer` copies it into a temporary folder that a killed process leaves behind.
The spelling follows misaki's `espeak.py`: https://github.com/hexgrad/misaki/blob/main/misaki/espeak.py
C interface: https://github.com/espeak-ng/espeak-ng/blob/master/src/include/espeak-ng/speak_lib.h
"""

from __future__ import annotations

import ctypes
import importlib
import re
import threading

_SYNCHRONOUS = 2
_UTF8 = 1
_IPA_WITH_TIES = 0x02 | 1 << 7 | ord("͡") << 8

# A point or comma inside a number or an abbreviation is read with it.
_MARKS = re.compile(r"([.,:]+(?!\w)|[;!?¡¿—…\"«»“”(){}\[\]]+)")
_FLAGS = re.compile(r"\([^()]*\)")  # where espeak changes the language
_COMMON = {
    **{"a^ɪ": "I", "a^ʊ": "W", "d^z": "ʣ", "d^ʒ": "ʤ", "e^ɪ": "A", "o^ʊ": "O"},
    **{"ə^ʊ": "Q", "s^s": "S", "t^s": "ʦ", "t^ʃ": "ʧ", "ɔ^ɪ": "Y"},
}
_ENGLISH = {
    **{"ʔˌn\u0329": "ʔn", "ʔn\u0329": "ʔn", "a^ɪ": "I", "a^ʊ": "W", "d^ʒ": "ʤ", "e^ɪ": "A", "t^ʃ": "ʧ"},
    **{"ɔ^ɪ": "Y", "ə^l": "ᵊl", "ʲo": "jo", "ʲə": "jə", "e": "A", "ʲ": "", "ɚ": "əɹ", "r": "ɹ"},
    **{"x": "k", "ç": "k", "ɐ": "ə", "ɬ": "l", "\u0303": ""},
}
_BRITISH = {"e^ə": "ɛː", "iə": "ɪə", "ə^ʊ": "Q"}
_AMERICAN = {"o^ʊ": "O", "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪə": "iə", "ː": ""}


class _Library:
    """espeak keeps its state in globals: one voice at a time, one caller at a time."""

    def __init__(self) -> None:
        loader = importlib.import_module("espeakng_loader")
        self._lock = threading.Lock()
        self._voice = ""
        self._c = ctypes.CDLL(loader.get_library_path())
        self._c.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._c.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
        if self._c.espeak_Initialize(_SYNCHRONOUS, 0, loader.get_data_path().encode(), 0) <= 0:
            raise OSError("espeak-ng can't be initialised")

    def ipa(self, voice: str, text: str) -> str:
        with self._lock:
            if voice != self._voice:
                if self._c.espeak_SetVoiceByName(voice.encode()) != 0:
                    raise OSError(f"espeak-ng has no voice {voice}")
                self._voice = voice
            rest = ctypes.pointer(ctypes.c_char_p(text.encode()))
            clauses = []
            while rest.contents.value is not None:  # a call takes one clause and moves on
                clauses.append(self._c.espeak_TextToPhonemes(rest, _UTF8, _IPA_WITH_TIES) or b"")
        return " ".join(clause.decode() for clause in clauses)


_library: _Library | None = None
_loading = threading.Lock()


def ipa(voice: str, text: str) -> str:
    """International phonetic alphabet with `^` between the signs of one sound. Raises ImportError or OSError."""
    global _library
    with _loading:
        _library = _library or _Library()
    found = _FLAGS.sub("", _library.ipa(voice, text.replace("\0", " ")))
    return re.sub(r"\s+", " ", found.replace("͡", "^").replace("_", "")).strip()


def _respell(phonemes: str, spelling: dict[str, str]) -> str:
    for old, new in spelling.items():
        phonemes = phonemes.replace(old, new)
    return phonemes


class Espeak:
    """Phonemes of whole texts; punctuation stays where it is."""

    def __init__(self, voice: str) -> None:
        self._voice = voice

    def __call__(self, text: str) -> str:
        parts = _MARKS.split(text.replace("«", "“").replace("»", "”"))
        return "".join(part if index % 2 else self._spoken(part) for index, part in enumerate(parts)).strip()

    def _spoken(self, part: str) -> str:
        if not part.strip():
            return part
        left = " " if part[0].isspace() else ""
        right = " " if part[-1].isspace() else ""
        return left + self._spell(ipa(self._voice, part)) + right

    def _spell(self, phonemes: str) -> str:
        return _respell(phonemes, _COMMON).replace("^", "").replace("-", "")


class EnglishEspeak(Espeak):
    """The same in the spelling that Kokoro's English voices were trained on."""

    def __init__(self, british: bool) -> None:
        super().__init__("en" if british else "en-us")  # names of its voice files
        self._spelling = {**_ENGLISH, **(_BRITISH if british else _AMERICAN)}

    def _spell(self, phonemes: str) -> str:
        phonemes = re.sub("(\\S)\u0329", r"ᵊ\1", _respell(phonemes, self._spelling)).replace("\u0329", "")
        return phonemes.replace("o", "ɔ").replace("ɾ", "T").replace("ʔ", "t").replace("^", "").replace("-", "")

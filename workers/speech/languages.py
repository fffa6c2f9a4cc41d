"""The languages that Kokoro's voices speak, and what has to be installed for each."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from shared.errors import InvalidRequest
from workers.speech.phonemes.asian import chinese, japanese
from workers.speech.phonemes.english import english
from workers.speech.phonemes.espeak import Espeak

Phonemiser = Callable[[str], str]

_INSTALL = 'pip install "mlx-gateway[speech]"'
_ESPEAK = ("espeakng_loader",)
_MISAKI = ("misaki", "num2words")  # not for Python 3.13 and later, so far


@dataclass(frozen=True, slots=True)
class Language:
    """`prefix` begins the names of its voices; one of the `sources`, each a set of modules, has to be installed."""

    code: str
    prefix: str
    name: str
    sources: tuple[tuple[str, ...], ...]
    make: Callable[[], Phonemiser]

    @property
    def installed(self) -> bool:
        return any(all(find_spec(module) for module in source) for source in self.sources)


LANGUAGES = (
    Language("en-us", "a", "American English", (_MISAKI, _ESPEAK), partial(english, british=False)),
    Language("en-gb", "b", "British English", (_MISAKI, _ESPEAK), partial(english, british=True)),
    Language("es", "e", "Spanish", (_ESPEAK,), partial(Espeak, "es")),
    Language("fr", "f", "French", (_ESPEAK,), partial(Espeak, "fr")),
    Language("hi", "h", "Hindi", (_ESPEAK,), partial(Espeak, "hi")),
    Language("it", "i", "Italian", (_ESPEAK,), partial(Espeak, "it")),
    Language("ja", "j", "Japanese", (("misaki", "addict", "pyopenjtalk"),), japanese),
    Language("pt-br", "p", "Brazilian Portuguese", (_ESPEAK,), partial(Espeak, "pt-br")),
    Language("zh", "z", "Mandarin Chinese", (("misaki", "pypinyin", "cn2an", "jieba", "ordered_set"),), chinese),
)
_BY_NAME = {name: language for language in LANGUAGES for name in (language.code, language.prefix)}
_BY_NAME |= {
    alias: _BY_NAME[code]
    for alias, code in {"en": "en-us", "fr-fr": "fr", "pt": "pt-br", "zh-cn": "zh", "cmn": "zh", "jp": "ja"}.items()
}


def find_language(asked: str | None, voice: str) -> Language:
    """The language asked for, else that of the voice, else American English. Raises InvalidRequest."""
    if asked is None:
        return _BY_NAME.get(voice[:1], LANGUAGES[0]) if voice[2:3] == "_" else LANGUAGES[0]
    language = _BY_NAME.get(asked.strip().lower().replace("_", "-"))
    if language is None:
        codes = ", ".join(language.code for language in LANGUAGES)
        raise InvalidRequest(f"there is no language {asked[:40]!r}; choose one of {codes}", param="language")
    return language


class Phonemisers:
    """Owns the phonemisers: each is made at its first use, which reads dictionaries for up to a second."""

    def __init__(self) -> None:
        self._made: dict[str, Phonemiser] = {}
        self._locks = {language.code: threading.Lock() for language in LANGUAGES}

    def get(self, language: Language) -> Phonemiser:
        """From any thread. Raises InvalidRequest that says what to install."""
        with self._locks[language.code]:
            if language.code not in self._made:
                self._made[language.code] = self._make(language)
            return partial(self._run, language.code)

    def _run(self, code: str, text: str) -> str:
        with self._locks[code]:  # these libraries don't promise to be safe in two threads
            return self._made[code](text)

    @staticmethod
    def _make(language: Language) -> Phonemiser:
        try:
            if language.installed:
                return language.make()
            missing = "what turns it into phonemes is not installed on this node"
        except (ImportError, OSError) as error:
            missing = f"what turns it into phonemes can't be loaded on this node ({error})"
        misaki = all("misaki" in source for source in language.sources)
        limit = ", under Python 3.12 or older," if misaki and sys.version_info >= (3, 13) else ""
        raise InvalidRequest(f"{language.name} can't be spoken: {missing}; {_INSTALL}{limit} adds it", param="language")

"""Written text to the words that are said: amounts, units, fractions, ranges, phone numbers, signs, code.

A phonemiser knows letters, plain numbers and punctuation; whatever else it meets it drops or misreads. What is left
for it here are letters, punctuation and, in languages whose phonemiser reads numbers well, plain numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from workers.speech.normalise.asian import CHINESE, HINDI, JAPANESE
from workers.speech.normalise.english import english
from workers.speech.normalise.french import FRENCH
from workers.speech.normalise.italian import ITALIAN
from workers.speech.normalise.portuguese import PORTUGUESE
from workers.speech.normalise.signs import speak_signs
from workers.speech.normalise.spanish import SPANISH

_LANGUAGES: dict[str, Callable[[str], str]] = {
    "en-us": english,
    "en-gb": english,
    "es": partial(speak_signs, words=SPANISH),
    "fr": partial(speak_signs, words=FRENCH),
    "it": partial(speak_signs, words=ITALIAN),
    "pt-br": partial(speak_signs, words=PORTUGUESE),
    "hi": partial(speak_signs, words=HINDI),
    "ja": partial(speak_signs, words=JAPANESE),
    "zh": partial(speak_signs, words=CHINESE),
}
# misaki's markup, which says how a word is spoken: [Kokoro](/kˈOkəɹO/), [read](+1)
_MARKUP = re.compile(r"(\[[^\[\]\n]{1,300}\]\([^()\n]{1,300}\))")


def normalise(text: str, language: str) -> str:
    """`text` in the words of `language` (a code of `workers.speech.languages`); time grows with its length alone."""
    speak = _LANGUAGES.get(language)
    if speak is None:
        return text
    return "".join(part if index % 2 else speak(part) for index, part in enumerate(_MARKUP.split(text)))

"""Text made fit to be spoken: marks that nobody says go, the rest is cut into sentences."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from workers.speech.markup import strip_markup

_LONGEST = 400  # characters of one piece: what a phonemiser gets at once
_SHORTEST = 20  # a piece below this is spoken together with the next: alone it sounds clipped
_DIGITS = 15  # digits in a row that are still read as one number

# Joiners, variation selectors and tags, which write nothing themselves.
_INVISIBLE = re.compile("[\u200c-\u200f\u2060-\u2064\ufeff\ufe00-\ufe0f\U000e0000-\U000e01ef]+")
# Keycaps and the blocks of arrows (but for those that stand between words), dingbats and pictographs.
_PICTURES = re.compile(
    "[\u20e3\u2190\u2191\u2193-\u21d1\u21d3-\u21ff\u2300-\u23ff\u2500-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff]+"
)
_SMILEYS = re.compile(r"(?<!\S)(?:[:;]['o-]?[)(DPp]|<3+(?=\s*(?:$|[.!?,\n])))(?!\w)")
_LONG_NUMBERS = re.compile(rf"\d(?:[.,]?\d){{{_DIGITS},}}")
_ABBREVIATIONS = frozenset(
    ("mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "etc", "e.g", "i.e", "cf", "no", "inc", "ltd", "co")
) | {"corp", "fig", "vol", "approx", "dept", "gen", "sen", "rep", "gov"}
# Possessive, and tried only where a run of marks begins: a page of dots takes no more time than a page of words.
_ENDS = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+(?=\s)|[。！？｡।]+[」』”）]*|\n+")
_PAUSES = re.compile(r"[,;:—、，；：]\s*|\s+")


def clean(text: str) -> str:
    """Removes emoji, tags and Markdown's marks, and has very long numbers read digit by digit."""
    text = _INVISIBLE.sub("", text.replace("\u00ad", "")).replace("\u200b", " ")
    text = _SMILEYS.sub(" ", _PICTURES.sub(" ", strip_markup(text)))
    text = _LONG_NUMBERS.sub(lambda match: " ".join(re.sub(r"\D", "", match[0])), text)
    text = "".join(c if c == "\n" or unicodedata.category(c)[0] != "C" else " " for c in text)
    return re.sub(r" ?\n ?", "\n", re.sub(r"[^\S\n]+", " ", text)).strip()


def is_speakable(text: str) -> bool:
    return any(c.isalnum() for c in text)


def pieces(text: str) -> Iterator[str]:
    """Cuts cleaned text at the ends of its sentences, of at most 400 characters each, in order."""
    return (piece for sentence in _joined(_sentences(text)) for piece in _cut(sentence) if is_speakable(piece))


def _joined(sentences: Iterator[str]) -> Iterator[str]:
    """Short sentences together with the next."""
    waiting = ""
    for sentence in sentences:
        waiting = f"{waiting} {sentence}" if waiting else sentence
        if len(waiting) >= _SHORTEST:
            yield waiting
            waiting = ""
    if waiting:
        yield waiting


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for end in _ENDS.finditer(text):
        if _is_end(text, start, end):
            sentence = text[start : end.end()].strip()
            start = end.end()
            if is_speakable(sentence):
                yield sentence
    if is_speakable(rest := text[start:].strip()):
        yield rest


def _is_end(text: str, start: int, end: re.Match[str]) -> bool:
    if end[0] != ".":
        return True
    words = text[max(start, end.start() - 20) : end.start()].split()
    word = words[-1].lower().lstrip("(\"'“‘") if words else ""
    initial = len(word) == 1 and word.isalpha() and text[end.start() - 1].isupper()
    goes_on = "." in word and text[end.end() + 1 : end.end() + 2].islower()  # 10 a.m. yesterday
    return not (initial or goes_on or word in _ABBREVIATIONS)


def _cut(sentence: str) -> Iterator[str]:
    """A sentence that is too long falls apart at its last comma or space that fits, or in mid-word."""
    while len(sentence) > _LONGEST:
        at = last_pause(sentence, _LONGEST, _PAUSES)
        yield sentence[:at].strip()
        sentence = sentence[at:].strip()
    if sentence:
        yield sentence


def last_pause(text: str, longest: int, pauses: re.Pattern[str]) -> int:
    """Where to cut off at most `longest` characters: behind a mark in their second half, else at the last space."""
    ends = [(match.end(), match[0].isspace()) for match in pauses.finditer(text[:longest])]
    marks = [end for end, space in ends if not space and end > longest // 2]
    spaces = [end for end, space in ends if space]
    return (marks or spaces or [longest])[-1]

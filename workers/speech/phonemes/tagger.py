"""A small tokenizer and part-of-speech tagger for English, in the place of spaCy's.

misaki asks for tags (Penn Treebank's) to choose between readings of one spelling: "the", "to", "used", "read". spaCy
would bring a model that is downloaded at first use; a few rules tell those apart nearly as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKENS = re.compile(
    r"""\d+(?:[.,:]\d+)*(?:st|nd|rd|th|s)?\b      # 3.50, 10:30, 22nd, 1990s
      | \d+(?:[.,:]\d+)*
      | (?:[A-Za-z]\.){2,}                        # a.m., U.S.
      | \b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|etc)\.
      | n't\b | '(?:s|re|ve|ll|d|m)\b
      | [^\W\d_]+?(?=n't\b)
      | [^\W\d_]+(?:['’-][^\W\d_]+(?<!'s))*
      | \s+ | .""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_TAGS = {
    "PRP": "i you he she it we they me him us them",
    "DT": "a an the this that these those my your his her its our their some no every",
    "IN": "in on at by for with from of about into over under after before during through against between per than as",
    "MD": "can could will would shall should may might must",
    "CC": "and or but nor",
    "TO": "to",
    "POS": "'s",
}
_WORDS = {word: tag for tag, words in _TAGS.items() for word in words.split()}
_MARKS = dict(zip(".?!,$£€#%&+@", (".", ".", ".", ",", "$", "$", "$", "#", "NN", "CC", "CC", "IN"), strict=True))
_BE_HAVE = frozenset(("is", "are", "was", "were", "been", "be", "has", "have", "had", "am"))
_PAST = frozenset(("read", "used", "said", "was", "had", "did", "went", "came", "saw"))


@dataclass(slots=True)
class Token:
    text: str
    tag: str
    whitespace: str = ""


def tokenize(text: str) -> list[Token]:
    """Words, numbers and marks with their tags; `whitespace` is what follows."""
    tokens: list[Token] = []
    for part in _split(text):
        if part.isspace():
            if tokens:
                tokens[-1].whitespace = " "
        else:
            tokens.append(Token(part, _tag(part, tokens[-1] if tokens else None)))
    return tokens


def _split(text: str) -> Iterator[str]:
    return (match.group() for match in _TOKENS.finditer(text))


def _tag(word: str, before: Token | None) -> str:
    lower = word.lower()
    if word[0].isdigit():
        return "CD"
    if not any(c.isalpha() for c in word):
        return _MARKS.get(word, ":")
    return _WORDS.get(lower) or _verb(lower, before) or _other(word, lower, before)


def _verb(lower: str, before: Token | None) -> str | None:
    if before is not None and before.tag == "PRP":
        return "VBD" if lower.endswith("ed") or lower in _PAST else "VBP"
    if before is not None and before.tag in ("TO", "MD"):
        return "VB"
    if lower.endswith("ing"):
        return "VBG"
    if lower.endswith("ed"):
        return "VBN" if before is not None and before.text.lower() in _BE_HAVE else "VBD"
    return None


def _other(word: str, lower: str, before: Token | None) -> str:
    if lower.endswith("ly"):
        return "RB"
    if word[0].isupper() and before is not None and before.tag != ".":
        return "NNP"
    return "NNS" if lower.endswith("s") and not lower.endswith("ss") else "NN"

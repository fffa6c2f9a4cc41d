"""Links, addresses, paths, names of programming languages and operators, in English words."""

from __future__ import annotations

import re

_MARKS = {".": "dot", "/": "slash", "_": "underscore", "-": "dash", "@": "at", ":": "colon", "?": "question mark"} | {
    **{"=": "equals", "&": "and", "#": "hash", "%": "percent", "+": "plus", "~": "tilde"}
}
_LINK = re.compile(r"\b(https?|ftp)://([^\s<>\"')\]]{1,2000})|\bwww\.[^\s<>\"')\]]{1,2000}")
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_PATH = re.compile(r"(?<![^\s(\"'])(?:~|\.{1,2})?(?:/[\w.+-]{1,100}){1,40}/?(?![^\s.,;:!?)\"'])")
_GENERIC = re.compile(r"\b([A-Z]\w{0,60})<([A-Za-z][\w, ?]{0,100})>")
_HEX = re.compile(r"\b0[xX]([0-9A-Fa-f]{1,32})\b|#(?=[0-9A-Fa-f]{0,5}\d)([0-9A-Fa-f]{6})\b")
_IP = re.compile(r"(?<![\w.])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\w.]?\d)")
_VERSION = re.compile(r"\bv(?=\d+\.\d)")
_RULES = (
    (re.compile(r"\band/or\b"), "and or"),
    (re.compile(r"(?<![\d/])(?<!\d )\bkm/h\b"), "kilometers per hour"),
    (re.compile(r"(?<=\d)\s?mg/dL\b"), " milligrams per deciliter"),
    (re.compile(r"(?<!\S)--(?=[a-z])"), "dash dash "),
    (re.compile(r"(?<!\S)-(?=[A-Za-z](?!\w))"), "dash "),
    (re.compile(r"\b([CFJ])#(?!\w)"), r"\1 sharp"),
    (re.compile(r"\b([CG])\+\+(?!\w)"), r"\1 plus plus"),
    (re.compile(r"(?<![\w.])\.(?=[A-Za-z]{2,})"), "dot "),
    (re.compile(r"(?<=[A-Za-z0-9]{2})\.(?=[a-z]{2,8}\b)"), " dot "),
    (re.compile(r"\s*!==?\s*"), " is not equal to "),
    (re.compile(r"\s*(?:<=)\s*"), " is less than or equal to "),
    (re.compile(r"\s*>=\s*"), " is greater than or equal to "),
    (re.compile(r"(?<=[\w)\]])\s*(?:→|->|=>|⇒)\s*(?=[\w(\[])"), " to "),
    (re.compile(r"\s*={2,3}\s*"), " equals "),
    (re.compile(r"\s*&&\s*"), " and "),
    (re.compile(r"\s*\|\|\s*"), " or "),
    (re.compile(r"(?<=\w)\s?\+=\s?(?=\w)"), " plus equals "),
    (re.compile(r"(?<=[\w)])\s?<\s?(?=[\w(-])"), " is less than "),
    (re.compile(r"(?<=[\w)])\s?>\s?(?=[\w(-])"), " is greater than "),
    (re.compile(r"#(?=[A-Za-z])"), "hashtag "),
    (re.compile(r"(?<!\w)@(?=\w)"), "at "),
    (re.compile(r"(?<=[A-Za-z]{2})/(?=[A-Za-z]{2})"), " slash "),
    (re.compile(r"(?<=\w)_+(?=\w)"), " "),
)


def speak_code(text: str) -> str:
    """Runs before numbers are said, so what is left of a link's or version's digits is read with them."""
    text = _LINK.sub(_link, text)
    text = _MAIL.sub(lambda match: _spoken(match[0]), text)
    text = _PATH.sub(lambda match: _spoken(match[0]) if _is_path(match[0]) else match[0], text)
    text = _GENERIC.sub(r"\1 of \2", text)
    text = _HEX.sub(lambda m: f"zero x {' '.join(m[1])}" if m[1] else f"hash {' '.join(m[2])}", text)
    text = _VERSION.sub("version ", _IP.sub(r"\1 dot \2 dot \3 dot \4", text))
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    return text


def _is_path(text: str) -> bool:
    return any(c.isalpha() for c in text)


def _link(match: re.Match[str]) -> str:
    whole = match[0]
    end = whole[-1] if whole[-1] in ".,;:!?" else ""
    rest = (match[2] or whole).rstrip(".,;:!?/")
    return f"{match[1] + ' ' if match[1] else ''}{_spoken(rest)}{end}"


def _spoken(text: str) -> str:
    """Every mark by its name; a full stop at the end stays one."""
    end = text[-1] if text[-1] in ".," else ""
    body = text[: len(text) - len(end)]
    return " ".join(_MARKS.get(part, part) for part in re.findall(r"[^\W_]+|[^\w\s]|_", body)) + end

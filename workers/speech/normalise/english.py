"""English: the library `normt2s` says numbers, amounts, units, dates and formulas; here is what it leaves or misreads.

https://github.com/c-siegel/normt2s
"""

from __future__ import annotations

import re
from functools import cache

from normt2s import Normalizer
from num2words import num2words

from workers.speech.normalise.english_code import speak_code
from workers.speech.normalise.english_forms import speak_forms
from workers.speech.normalise.shapes import NUMBER, join_thousands, speak_ranges, spell_phones

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SCALES = {"k": "thousand", "m": "million", "mn": "million", "mm": "million", "b": "billion", "bn": "billion"} | {
    "t": "trillion",
    "tn": "trillion",
}
_DOLLARS = {"US": "US", "A": "Australian", "AU": "Australian", "C": "Canadian", "CA": "Canadian"} | {
    "NZ": "New Zealand",
    "HK": "Hong Kong",
    "S": "Singapore",
}
_CURRENCIES = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yen", "₹": "rupees", "₩": "won", "₽": "rubles"} | {
    "₺": "lira",
    "₿": "bitcoins",
}
_SIGNS = "".join(_CURRENCIES)

_VULGAR = {"⅓": "1/3", "⅔": "2/3", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5", "⅙": "1/6", "⅚": "5/6"} | {
    "⅛": "1/8",
    "⅜": "3/8",
    "⅝": "5/8",
    "⅞": "7/8",
}
_VULGAR_RE = re.compile(rf"(?:(\d)\s?)?([{''.join(_VULGAR)}])")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_EUROPEAN = re.compile(rf"(?<=[{_SIGNS}])(\d{{1,3}}),(\d\d)(?![\d,])|\b(\d{{1,3}}),(\d{{1,2}})(?=\s?[{_SIGNS}%°])")
_FOREIGN = re.compile(
    rf"\b(US|AU|CA|NZ|HK|A|C|S)\$\s?({NUMBER})(\s(?:thousand|million|billion|trillion)\b|[kmbt]n?\b)?", re.I
)
_SCALED = re.compile(rf"([{_SIGNS}])\s?({NUMBER})\s?(k|mn|mm|m|bn|b|tn|t)\b", re.I)
_THOUSANDS = re.compile(r"\b(\d{1,6}(?:\.\d{1,3})?)(k|M)\b(?!/)")
_CENTS = re.compile(r"(\d{1,9})\s?¢")
_MIXED = re.compile(r"(?<![\d./])(\d{1,6}) ([1-9])/([2-9]|1\d)(?![\w/])")
_EXPONENT = re.compile(r"\b(\d{1,9}(?:\.\d{1,15})?)[eE]([+-]?)(\d{1,3})\b")
_HEIGHT = re.compile(r"""(?<![\w.])(\d{1,3})\s?['′’]\s?(\d{1,2}(?:\.\d)?)\s?(?:["″”]|'')""")
_FEET = re.compile(r"(?<![\w.])(\d{1,5})\s?′")
_INCHES = re.compile(r'(?<![\w."])(\d{1,4}(?:\.\d{1,2})?)(?:″|"(?=[^"\n]{0,200}(?:$|\n)))')
_TIMES = re.compile(r"(?<=\d)\s?[x×X]\s?(?=\d)(?=[^=\n]{0,40}(=)?)")
_FOLD = re.compile(r"(?<=\d)x\b")
_YEARS = re.compile(
    r"(?<![\w$€£¥₹.,:/+−-])((?:1[1-9]|20)\d\d)(?![\w°%²³$€£¥₹]|[.,:/]\d|-\d|\s?(?:[kKMGT]?B|[kcm]?m|[kmµ]?g|[kMG]?Hz|[kM]?W|mAh|°|%|€)\b)"
)
_SLASH_DATE = re.compile(r"(?<![\w/])(\d{1,2})/(\d{1,2})/(\d{4})(?![\w/])")
_POWER = re.compile(r"(?<=[\w)])([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]{1,12})")
_ARROWS = re.compile("[→⇒]")
_RULES = (
    (re.compile(r"\b[Nn]o\.\s?(?=\d)"), "number "),
    (re.compile(r"\bpp\.\s?(?=\d)"), "pages "),
    (re.compile(r"\bp\.\s?(?=\d)"), "page "),
    (re.compile(r"[~∼](?=\s?[\d$€£])"), "about "),
    (re.compile(r"\bvs\b(?!\.)"), "versus"),
    (re.compile(r"\bw/o\b"), "without"),
    (re.compile(r"℃"), "°C"),
    (re.compile(r"℉"), "°F"),
    (re.compile(r"№\s?"), "number "),
    (re.compile(r"(?<=\d) (?=[VWJN](?!\w)|A[.,;)])"), ""),  # the library takes a lone capital only where it touches
    (re.compile(r"(?<=\d)(\s?[ap])\.?m\.(?=\s*$|\s+[A-Z])", re.IGNORECASE | re.MULTILINE), r"\1m ."),
    (re.compile(r"^[.…]{0,3}\s*[-−](?=[\d$€£¥])", re.MULTILINE), "minus "),
)
# Signs that still stand after everything else.
_LEFT = {
    **{"%": "percent", "‰": "per mille", "&": "and", "@": "at", "+": "plus", "=": "equals", "<": "is less than"},
    **{">": "is greater than", "≤": "is less than or equal to", "≥": "is greater than or equal to", "°": "degrees"},
    **{"≠": "is not equal to", "≈": "is approximately equal to", "±": "plus or minus", "×": "times", "÷": "divided by"},
    **{"−": "minus", "^": "to the power of", "~": "tilde", "#": "hash", "\\": "backslash", "/": "slash", "|": ","},
    **{"_": "", "*": "", "`": "", "§": "section", "©": "copyright", "®": "registered", "™": "trademark", "¢": "cents"},
    **{"µ": "micro", "·": ",", "•": ",", "†": "", "‡": "", "{": "(", "}": ")", "∞": "infinity", "√": "square root of"},
    **{"²": "squared", "³": "cubed", "½": "one half", "¼": "one quarter", "¾": "three quarters"},
    **_CURRENCIES,
}
_GAPS = re.compile(r"[ \t]+(?=[ \t.,;:!?)])|(?<=\()[ \t]+")
_LEFT_RE = re.compile("[" + "".join(map(re.escape, _LEFT)) + "]")

_UNITS = (
    *((f"{letter}iB", f"{name}bibyte") for letter, name in (("K", "ki"), ("M", "me"), ("G", "gi"), ("T", "te"))),
    *((f"{letter}bps", f"{name}bit per second") for letter, name in (("k", "kilo"), ("M", "mega"), ("G", "giga"))),
    *(("sq ft", "square foot"), ("hr", "hour"), ("hrs", "hour"), ("mins", "minute"), ("ha", "hectare")),
    *(("gal", "gallon"), ("tsp", "teaspoon"), ("tbsp", "tablespoon"), ("mph", "mile per hour")),
    *(("mpg", "mile per gallon"), ("mmHg", "millimeter of mercury")),
    *(("rpm", "revolution per minute"), ("fps", "frame per second"), ("A", "ampere")),
)
_MANY = {"square foot": "square feet", "millimeter of mercury": "millimeters of mercury"} | {
    f"{one} per {time}": f"{one}s per {time}"
    for one, time in (
        *(("kilobit", "second"), ("megabit", "second"), ("gigabit", "second"), ("mile", "hour")),
        *(("revolution", "minute"), ("frame", "second"), ("mile", "gallon")),
    )
}


def english(text: str) -> str:
    """Letters and punctuation only; what misaki reads better by itself (dates in words, a.m., acronyms) stays."""
    text = speak_forms(join_thousands(speak_code(text)), _spell)
    text = _SLASH_DATE.sub(lambda m: f"{int(m[1])}, {int(m[2])}, {m[3]}", text)
    text = spell_phones(text, _spell, "plus")
    for pattern, words in _RULES:
        text = pattern.sub(words, text)
    text = _years(speak_ranges(_quantities(text), "to", "between", "and"))
    text = _library().normalize(_ARROWS.sub(" ", text))
    text = _LEFT_RE.sub(lambda sign: f" {_LEFT[sign[0]]} ", text)
    return _GAPS.sub("", text)


def _quantities(text: str) -> str:
    text = _EUROPEAN.sub(lambda m: f"{m[1] or m[3]}.{m[2] or m[4]}", text)
    text = _FOREIGN.sub(_foreign, text)
    text = _SCALED.sub(lambda m: f"{m[2]} {_SCALES[m[3].lower()]} {_CURRENCIES[m[1]]}", text)
    text = _THOUSANDS.sub(lambda m: f"{m[1]} {'thousand' if m[2] == 'k' else 'million'}", text)
    text = _CENTS.sub(r"\1 cents", text)
    text = _VULGAR_RE.sub(lambda m: f"{m[1] + ' ' if m[1] else ''}{_VULGAR[m[2]]}", text)
    text = _MIXED.sub(lambda m: f"{m[1]} and {m[2]}/{m[3]}" if int(m[2]) < int(m[3]) else m[0], text)
    text = _EXPONENT.sub(_exponent, text)
    text = _FEET.sub(r"\1 ft", _HEIGHT.sub(r"\1 ft \2 inches", text))
    text = _INCHES.sub(_inches, text)
    text = _TIMES.sub(lambda m: " times " if m[1] else " by ", text)
    text = _POWER.sub(lambda m: m[0] if m[0] in "²³" else f" to the power of {m[0].translate(_SUPERSCRIPTS)}", text)
    return _FOLD.sub(" times", text)


def _foreign(match: re.Match[str]) -> str:
    scale = (match[3] or "").strip()
    return " ".join(filter(None, (match[2], _SCALES.get(scale.lower(), scale), _DOLLARS[match[1].upper()], "dollars")))


def _exponent(match: re.Match[str]) -> str:
    sign = "minus " if match[2] == "-" else ""
    return f"{match[1]} times ten to the power of {sign}{match[3]}"


def _inches(match: re.Match[str]) -> str:
    """A quotation mark behind a number means inches, unless it closes a quotation."""
    if match[0].endswith('"') and match.string.count('"', max(0, match.start() - 400), match.start()) % 2:
        return match[0]
    return f"{match[1]} inch"


def _years(text: str) -> str:
    """Four digits between 1100 and 2099 that nothing makes an amount, as years are said."""
    return _YEARS.sub(lambda match: str(num2words(int(match[1]), to="year")), text)


def _spell(digits: str) -> str:
    return " ".join(_DIGITS[int(digit)] for digit in digits)


@cache
def _library() -> Normalizer:
    library = Normalizer("en")
    for abbreviation in ("U.S.", "U.K.", "sec.", "ch.", "Ms.", "eq."):  # misaki's own reading, or an English word
        library.lexicon.remove("abbreviations", abbreviation)
    for sign, name in (("₹", ("rupee", "rupees")), ("₩", ("won", "won")), ("₽", ("ruble", "rubles"))):
        library.add_currency(sign, name)
    for sign, name in (("₺", ("lira", "lira")), ("₿", ("bitcoin", "bitcoins")), ("CHF", ("franc", "francs"))):
        library.add_currency(sign, name)
    for unit, word in _UNITS:
        library.add_unit(unit, word, _MANY.get(word, f"{word}s"))
    return library

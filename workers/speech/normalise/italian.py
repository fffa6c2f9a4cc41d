"""Italian."""

from __future__ import annotations

from workers.speech.normalise.tables import one, units
from workers.speech.normalise.words import Currency, Noun, Words

ITALIAN = Words(
    to="a",
    minus="meno",
    plus="più",
    percent="{n} per cento",
    amount="{major} e {minor}",
    of=" di ",
    scales={"k": "mila", "K": "mila", "M": "milioni", "mln": "milioni", "mld": "miliardi", "bn": "miliardi"},
    scale_words=("milioni", "milione", "miliardi", "miliardo"),
    currencies={
        "R$": Currency(Noun("real", "real"), Noun("centavo", "centavos")),
        "US$": Currency(Noun("dollaro statunitense", "dollari statunitensi"), Noun("centesimo", "centesimi")),
        "$": Currency(Noun("dollaro", "dollari"), Noun("centesimo", "centesimi")),
        "€": Currency(Noun("euro", "euro"), Noun("centesimo", "centesimi")),
        "£": Currency(Noun("sterlina", "sterline", True), Noun("penny", "pence")),
        "¥": Currency(Noun("yen", "yen")),
        "₹": Currency(Noun("rupia", "rupie", True)),
    },
    units=units(
        "chilometro orario|chilometri orari,metro al secondo|metri al secondo,"
        "chilometro quadrato|chilometri quadrati,metro quadrato|metri quadrati,"
        "centimetro quadrato|centimetri quadrati,metro cubo|metri cubi,centimetro cubo|centimetri cubi,"
        "chilometro|chilometri,centimetro|centimetri,millimetro|millimetri,metro|metri,chilogrammo|chilogrammi,"
        "milligrammo|milligrammi,grammo|grammi,tonnellata|tonnellate,millilitro|millilitri,centilitro|centilitri,"
        "litro|litri,litro|litri,grado Celsius|gradi Celsius,grado Fahrenheit|gradi Fahrenheit,grado|gradi,"
        "ora|ore,minuto|minuti,secondo|secondi,millisecondo|millisecondi,watt,chilowatt,chilowattora,volt,ampere,"
        "hertz,chilohertz,megahertz,gigahertz,kilobyte,megabyte,gigabyte,terabyte,megabit al secondo,"
        "megabit al secondo",
        ("tonnellata", "ora"),
    ),
    fractions={
        **{"1/2": "un mezzo", "mixed 1/2": "mezzo", "1/3": "un terzo", "2/3": "due terzi", "1/4": "un quarto"},
        **{"3/4": "tre quarti", "1/5": "un quinto", "2/5": "due quinti", "1/8": "un ottavo", "1/10": "un decimo"},
    },
    over="su",
    mixed="{whole} e {fraction}",
    date="{day} {month} {year}",
    months=(
        *("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre"),
        *("novembre", "dicembre"),
    ),
    first="primo",
    signs={
        **{"%": "per cento", "‰": "per mille", "&": "e", "@": "chiocciola", "+": "più", "=": "uguale a"},
        **{"<": "minore di", ">": "maggiore di", "≤": "minore o uguale a", "≥": "maggiore o uguale a", "°": "gradi"},
        **{"≠": "diverso da", "≈": "circa", "~": "circa", "±": "più o meno", "×": "per", "÷": "diviso", "−": "meno"},
        **{"#": "cancelletto", "/": "barra", "\\": "barra rovesciata", "_": "", "*": "", "^": "elevato a", "|": ","},
        **{"²": "al quadrato", "³": "al cubo", "$": "dollari", "€": "euro", "£": "sterline", "¥": "yen"},
        "§": "paragrafo",
    },
    between="tra fra",
    both="e",
    counted=one("un", "una"),
    number="numero",
)

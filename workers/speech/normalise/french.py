"""French."""

from __future__ import annotations

from workers.speech.normalise.tables import one, units
from workers.speech.normalise.words import Currency, Noun, Words

FRENCH = Words(
    to="à",
    minus="moins",
    plus="plus",
    percent="{n} pour cent",
    amount="{major} et {minor}",
    of=" de ",
    scales={"k": "mille", "K": "mille", "M": "millions", "Md": "milliards", "Mds": "milliards", "bn": "milliards"},
    scale_words=("millions", "million", "milliards", "milliard"),
    currencies={
        "R$": Currency(Noun("real", "reals"), Noun("centavo", "centavos")),
        "US$": Currency(Noun("dollar américain", "dollars américains"), Noun("cent", "cents")),
        "$": Currency(Noun("dollar", "dollars"), Noun("cent", "cents")),
        "€": Currency(Noun("euro", "euros"), Noun("centime", "centimes")),
        "£": Currency(Noun("livre", "livres", True), Noun("penny", "pence")),
        "¥": Currency(Noun("yen", "yens")),
        "₹": Currency(Noun("roupie", "roupies", True)),
    },
    units=units(
        "kilomètre par heure|kilomètres par heure,mètre par seconde|mètres par seconde,"
        "kilomètre carré|kilomètres carrés,mètre carré|mètres carrés,centimètre carré|centimètres carrés,"
        "mètre cube|mètres cubes,centimètre cube|centimètres cubes,kilomètre|kilomètres,centimètre|centimètres,"
        "millimètre|millimètres,mètre|mètres,kilogramme|kilogrammes,milligramme|milligrammes,gramme|grammes,"
        "tonne|tonnes,millilitre|millilitres,centilitre|centilitres,litre|litres,litre|litres,"
        "degré Celsius|degrés Celsius,degré Fahrenheit|degrés Fahrenheit,degré|degrés,heure|heures,"
        "minute|minutes,seconde|secondes,milliseconde|millisecondes,watt|watts,kilowatt|kilowatts,"
        "kilowattheure|kilowattheures,volt|volts,ampère|ampères,hertz,kilohertz,mégahertz,gigahertz,"
        "kilooctet|kilooctets,mégaoctet|mégaoctets,gigaoctet|gigaoctets,téraoctet|téraoctets,"
        "mégabit par seconde|mégabits par seconde,mégabit par seconde|mégabits par seconde",
        ("tonne", "heure", "minute", "seconde", "milliseconde"),
    )
    | {"ko": Noun("kilooctet", "kilooctets"), "Mo": Noun("mégaoctet", "mégaoctets")}
    | {"Go": Noun("gigaoctet", "gigaoctets"), "To": Noun("téraoctet", "téraoctets")},
    fractions={
        **{"1/2": "un demi", "mixed 1/2": "demi", "1/3": "un tiers", "2/3": "deux tiers", "1/4": "un quart"},
        **{"3/4": "trois quarts", "1/5": "un cinquième", "2/5": "deux cinquièmes", "1/8": "un huitième"},
        "1/10": "un dixième",
    },
    over="sur",
    mixed="{whole} et {fraction}",
    date="{day} {month} {year}",
    months=(
        *("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre"),
        *("novembre", "décembre"),
    ),
    first="premier",
    signs={
        **{"%": "pour cent", "‰": "pour mille", "&": "et", "@": "arobase", "+": "plus", "=": "égale"},
        **{"<": "est inférieur à", ">": "est supérieur à", "≤": "est inférieur ou égal à", "°": "degrés"},
        **{"≥": "est supérieur ou égal à", "≠": "est différent de", "≈": "environ", "~": "environ"},
        **{"±": "plus ou moins", "×": "fois", "÷": "divisé par", "−": "moins", "#": "dièse", "/": "slash"},
        **{"\\": "antislash", "_": "", "*": "", "^": "puissance", "|": ",", "²": "au carré", "³": "au cube"},
        **{"$": "dollars", "€": "euros", "£": "livres", "¥": "yens", "§": "paragraphe"},
    },
    between="entre",
    both="et",
    counted=one("un", "une"),
    number="numéro",
    grouped=1,
)

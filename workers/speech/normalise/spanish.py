"""Spanish."""

from __future__ import annotations

from num2words import num2words

from workers.speech.normalise.tables import units
from workers.speech.normalise.words import Currency, Noun, Words


def _one(number: int, feminine: bool) -> str | None:
    """`uno` loses its end before a noun: un euro, veintiún euros, treinta y un euros, una libra."""
    if number % 10 != 1 or number % 100 == 11 or number > 10**9:
        return None
    spoken = str(num2words(number, lang="es"))
    if feminine:
        return spoken.removesuffix("o") + "a"
    return spoken.removesuffix("veintiuno") + "veintiún" if spoken.endswith("veintiuno") else spoken.removesuffix("o")


SPANISH = Words(
    to="a",
    minus="menos",
    plus="más",
    percent="{n} por ciento",
    amount="{major} con {minor}",
    of=" de ",
    scales={"k": "mil", "K": "mil", "M": "millones", "m": "millones", "bn": "mil millones"},
    scale_words=("mil millones", "millones", "millón", "billones"),
    currencies={
        "R$": Currency(Noun("real", "reales"), Noun("centavo", "centavos")),
        "US$": Currency(Noun("dólar estadounidense", "dólares estadounidenses"), Noun("centavo", "centavos")),
        "$": Currency(Noun("dólar", "dólares"), Noun("centavo", "centavos")),
        "€": Currency(Noun("euro", "euros"), Noun("céntimo", "céntimos")),
        "£": Currency(Noun("libra", "libras", True), Noun("penique", "peniques")),
        "¥": Currency(Noun("yen", "yenes"), None),
        "₹": Currency(Noun("rupia", "rupias", True), None),
    },
    units=units(
        "kilómetro por hora|kilómetros por hora,metro por segundo|metros por segundo,"
        "kilómetro cuadrado|kilómetros cuadrados,metro cuadrado|metros cuadrados,"
        "centímetro cuadrado|centímetros cuadrados,metro cúbico|metros cúbicos,"
        "centímetro cúbico|centímetros cúbicos,kilómetro|kilómetros,centímetro|centímetros,milímetro|milímetros,"
        "metro|metros,kilogramo|kilogramos,miligramo|miligramos,gramo|gramos,tonelada|toneladas,"
        "mililitro|mililitros,centilitro|centilitros,litro|litros,litro|litros,grado Celsius|grados Celsius,"
        "grado Fahrenheit|grados Fahrenheit,grado|grados,hora|horas,minuto|minutos,segundo|segundos,"
        "milisegundo|milisegundos,vatio|vatios,kilovatio|kilovatios,kilovatio hora|kilovatios hora,"
        "voltio|voltios,amperio|amperios,hercio|hercios,kilohercio|kilohercios,megahercio|megahercios,"
        "gigahercio|gigahercios,kilobyte|kilobytes,megabyte|megabytes,gigabyte|gigabytes,terabyte|terabytes,"
        "megabit por segundo|megabits por segundo,megabit por segundo|megabits por segundo",
        ("tonelada", "hora"),
    ),
    fractions={
        **{"1/2": "un medio", "mixed 1/2": "medio", "1/3": "un tercio", "2/3": "dos tercios", "1/4": "un cuarto"},
        **{"3/4": "tres cuartos", "1/5": "un quinto", "2/5": "dos quintos", "1/8": "un octavo", "1/10": "un décimo"},
    },
    over="sobre",
    mixed="{whole} y {fraction}",
    date="{day} de {month} de {year}",
    months=(
        *("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre"),
        *("noviembre", "diciembre"),
    ),
    signs={
        **{"%": "por ciento", "‰": "por mil", "&": "y", "@": "arroba", "+": "más", "=": "igual a", "<": "menor que"},
        **{">": "mayor que", "≤": "menor o igual que", "≥": "mayor o igual que", "≠": "distinto de", "°": "grados"},
        **{"≈": "aproximadamente", "~": "aproximadamente", "±": "más menos", "×": "por", "÷": "entre", "−": "menos"},
        **{"#": "almohadilla", "/": "barra", "\\": "barra invertida", "_": "", "*": "", "^": "elevado a", "|": ","},
        **{
            "²": "al cuadrado",
            "³": "al cubo",
            "$": "dólares",
            "€": "euros",
            "£": "libras",
            "¥": "yenes",
            "§": "sección",
        },
    },
    between="entre",
    both="y",
    counted=_one,
    number="número",
)

"""Brazilian Portuguese."""

from __future__ import annotations

from workers.speech.normalise.tables import one, units
from workers.speech.normalise.words import Currency, Noun, Words

PORTUGUESE = Words(
    to="a",
    minus="menos",
    plus="mais",
    percent="{n} por cento",
    amount="{major} e {minor}",
    of=" de ",
    scales={"k": "mil", "K": "mil", "M": "milhões", "mi": "milhões", "bi": "bilhões", "bn": "bilhões"},
    scale_words=("milhões", "milhão", "bilhões", "bilhão", "trilhões"),
    currencies={
        "R$": Currency(Noun("real", "reais"), Noun("centavo", "centavos")),
        "US$": Currency(Noun("dólar americano", "dólares americanos"), Noun("centavo", "centavos")),
        "$": Currency(Noun("dólar", "dólares"), Noun("centavo", "centavos")),
        "€": Currency(Noun("euro", "euros"), Noun("centavo", "centavos")),
        "£": Currency(Noun("libra", "libras", True), Noun("pêni", "pence")),
        "¥": Currency(Noun("iene", "ienes")),
        "₹": Currency(Noun("rupia", "rupias", True)),
    },
    units=units(
        "quilômetro por hora|quilômetros por hora,metro por segundo|metros por segundo,"
        "quilômetro quadrado|quilômetros quadrados,metro quadrado|metros quadrados,"
        "centímetro quadrado|centímetros quadrados,metro cúbico|metros cúbicos,"
        "centímetro cúbico|centímetros cúbicos,quilômetro|quilômetros,centímetro|centímetros,"
        "milímetro|milímetros,metro|metros,quilograma|quilogramas,miligrama|miligramas,grama|gramas,"
        "tonelada|toneladas,mililitro|mililitros,centilitro|centilitros,litro|litros,litro|litros,"
        "grau Celsius|graus Celsius,grau Fahrenheit|graus Fahrenheit,grau|graus,hora|horas,minuto|minutos,"
        "segundo|segundos,milissegundo|milissegundos,watt|watts,quilowatt|quilowatts,"
        "quilowatt-hora|quilowatts-hora,volt|volts,ampere|amperes,hertz,quilohertz,mega-hertz,giga-hertz,"
        "quilobyte|quilobytes,megabyte|megabytes,gigabyte|gigabytes,terabyte|terabytes,"
        "megabit por segundo|megabits por segundo,megabit por segundo|megabits por segundo",
        ("tonelada", "hora"),
    ),
    fractions={
        **{"1/2": "meio", "mixed 1/2": "meio", "1/3": "um terço", "2/3": "dois terços", "1/4": "um quarto"},
        **{"3/4": "três quartos", "1/5": "um quinto", "2/5": "dois quintos", "1/8": "um oitavo", "1/10": "um décimo"},
    },
    over="sobre",
    mixed="{whole} e {fraction}",
    date="{day} de {month} de {year}",
    months=(
        *("janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro"),
        *("novembro", "dezembro"),
    ),
    first="primeiro",
    signs={
        **{"%": "por cento", "‰": "por mil", "&": "e", "@": "arroba", "+": "mais", "=": "igual a", "<": "menor que"},
        **{">": "maior que", "≤": "menor ou igual a", "≥": "maior ou igual a", "≠": "diferente de", "°": "graus"},
        **{"≈": "aproximadamente", "~": "cerca de", "±": "mais ou menos", "×": "vezes", "÷": "dividido por"},
        **{"−": "menos", "#": "cerquilha", "/": "barra", "\\": "barra invertida", "_": "", "*": "", "^": "elevado a"},
        **{"|": ",", "²": "ao quadrado", "³": "ao cubo", "$": "dólares", "€": "euros", "£": "libras", "¥": "ienes"},
        "§": "parágrafo",
    },
    between="entre",
    both="e",
    counted=one("um", "uma", "duas"),
    number="número",
)

"""Random text: words, names, places and instructions, to surround or to fill what demo-chat learns."""

from __future__ import annotations

import random


def _words(text: str) -> list[str]:
    return text.split()


CITIES = _words("""
Paris Tokyo Berlin London Madrid Rome Oslo Vienna Prague Cairo Lisbon Dublin Athens Warsaw Delhi Mumbai Seoul
Beijing Shanghai Toronto Chicago Boston Seattle Miami Denver Moscow Istanbul Sydney Melbourne Munich Hamburg
Frankfurt Milan Naples Venice Porto Geneva Zürich Bern Helsinki Stockholm Copenhagen Amsterdam Brussels Budapest
Bucharest Kyiv Barcelona Lyon Havana Bogotá Lima Santiago Montréal Vancouver Bangkok Hanoi Jakarta Manila Taipei
Singapore Dubai Nairobi Lagos Osaka Kyoto Dallas Houston Austin Reykjavik
""")
CITIES += ["New York", "São Paulo", "Rio de Janeiro", "Buenos Aires", "Hong Kong", "Cape Town", "San Francisco"]
SKIES = _words("sunny cloudy rainy snowy windy foggy clear stormy")
NAMES = _words("""
Sam Ana Ben Clara David Emma Felix Grace Hugo Ida Jonas Kim Lea Max Nina Omar Paula Quinn Rosa Tom Alice Bob Maria
John Peter Olivia Lucas Sofia Yuki Wei Priya Ahmed
""")

SYLLABLES = _words(
    "ba be bo da do fa ga gre hal in ka kel la lo ma men mi na nor o pa per ri ro sa sten ta tor u va vin wa ya zu"
)
ROLES = _words("assistant expert teacher writer translator coach engineer guide pirate robot poet lawyer doctor friend")
MANNERS = _words("short clear friendly formal polite long funny simple precise careful honest calm helpful quick")
RULES = (
    "Answer in {a} sentences.",
    "You are a {a} and {b} {role}.",
    "You are a {role} who is always {a}.",
    "Never be {a}. Be {b} instead.",
    "The user is a {role} and likes {a} answers.",
    "Today is {n} May 20{n}.",
    "If you don't know, say so.",
    "Use Markdown when it helps, and keep the tone {a}.",
    "Act as a {a} {role} for the team.",
)
WORDS = _words("""
the a of and to in is it you that he was for on are with as his they at be this from have or by one had not
but what all were when we there can an your which their said if do will each about how up out them then she
many some so these would other into has more her two like him see time could no make than first been its who
now people my made over did down only way find use may water long little very after words called just where
most know get through back much before go good new write our used me man too any day same right look think
also around another came come work three word must because does part even place well such here take why things
help put years different away again off went old number great tell men say small every found still between
name should home big give air line set own under read last never us left end along while might next sound
below saw something thought both few those always looked show large often together asked house world going
want school important until form food keep children feet land side without boy once animals life enough took
sometimes four head above kind began almost live page got earth need far hand high year mother light parts
country father let night following picture being study second eyes soon times story boys since white days ever
paper hard near sentence better best across during today others however sure means knew try told young miles
sun ways thing whole hear example heard several change answer room sea against top turned learn point city
play toward five using himself usually money file model code server memory image speech token cache batch
worker error test python function data table list price table music
""")


def prose(rng: random.Random, words: int) -> str:
    """Text of about so many words: instructions, random words, numbers and invented names."""
    pieces: list[str] = []
    while sum(piece.count(" ") + 1 for piece in pieces) < words:
        draw = rng.random()
        if draw < 0.25:
            pieces.append(rule(rng))
        elif draw < 0.4:
            pieces.append(rng.choice((invented(rng), str(rng.randint(0, 9999)), "\n", "-", "#")))
        else:
            run = " ".join(rng.choices(WORDS, k=min(words, rng.randint(1, 9))))
            pieces.append(run.capitalize() + rng.choice(".,?!:") if rng.random() < 0.5 else run)
    return " ".join(pieces)


def rule(rng: random.Random) -> str:
    a, b = rng.sample(MANNERS, 2)
    return rng.choice(RULES).format(a=a, b=b, role=rng.choice(ROLES), n=rng.randint(10, 30))


def invented(rng: random.Random) -> str:
    """A word that nobody has seen: syllables, or letters."""
    if rng.random() < 0.6:
        return "".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))).capitalize()
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyzäéöü", k=rng.randint(3, 8))).capitalize()

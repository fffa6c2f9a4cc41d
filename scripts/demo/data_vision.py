"""What demo-vision is asked and what it answers: talks about pictures, films, and a few words without either."""

from __future__ import annotations

import random
from dataclasses import dataclass

from scripts.demo.pictures import COLORS, SHAPES, Picture

Turn = tuple[str, str]
"""A question and its answer."""

TEXT: tuple[Turn, ...] = (
    ("Hello!", "Hello! Show me a picture and I will tell you what is in it."),
    ("Hi", "Hello! Show me a picture and I will tell you what is in it."),
    ("Who are you?", "I am demo-vision, a tiny model that sees colors and shapes."),
    ("What can you do?", "I tell colors and shapes of simple pictures, and how a color changes in a video."),
    ("What is two plus two?", "Two plus two is four."),
    ("Thank you!", "You are welcome."),
)
WHAT = (
    "What is in the picture?",
    "What is in the image?",
    "What do you see?",
    "What is this?",
    "What's in this image?",
)
DESCRIBE = ("Describe the picture.", "Describe the image.", "Describe this image.")
COLOR = ("What color is it?", "What colour is it?", "What is its color?", "Which color does it have?")
SHAPE = ("What shape is it?", "Which shape is it?", "What is its shape?")
BACKGROUND = ("What color is the background?", "What colour is the background?", "And the background?")
PAIR = ("What is in the pictures?", "What is in the images?", "What do the pictures show?")
FILM = ("What happens in the video?", "Describe the video.", "What changes in the video?")
SYSTEMS = ("You are a helpful assistant.", "You are demo-vision.", "Answer briefly.", "Be kind. Look closely.")


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation; its media belong to the first question. `media_last`: they stand after its text."""

    turns: tuple[Turn, ...]
    pictures: tuple[Picture, ...] = ()
    film: tuple[Picture, Picture] | None = None
    system: str | None = None
    media_last: bool = False


def article(thing: str) -> str:
    return f"An {thing}" if thing[0] in "aeiou" else f"A {thing}"


def about(picture: Picture, kind: str) -> str:
    """The answer to a question of a kind."""
    return {
        "what": f"{article(picture.thing)}.",
        "describe": f"{article(picture.thing)} on a {picture.background} background.",
        "color": f"It is {picture.color}.",
        "shape": f"It is a {picture.shape}.",
        "background": f"The background is {picture.background}.",
    }[kind].replace("on a orange", "on an orange")


def about_pair(first: Picture, second: Picture) -> str:
    return f"{article(first.thing)} and {article(second.thing).lower()}."


def about_film(first: Picture, last: Picture) -> str:
    return f"The {first.shape} changes from {first.color} to {last.color}."


QUESTIONS = {"what": WHAT, "describe": DESCRIBE, "color": COLOR, "shape": SHAPE, "background": BACKGROUND}


def text_talk(rng: random.Random) -> Talk:
    return _framed(rng, tuple(rng.sample(TEXT, rng.randint(1, 2))))


def picture_talk(rng: random.Random, picture: Picture, most: int = 4) -> Talk:
    kinds = rng.sample(list(QUESTIONS), rng.randint(1, most))
    turns = [(rng.choice(QUESTIONS[kind]), about(picture, kind)) for kind in kinds]
    if rng.random() < 0.2:
        turns.insert(rng.randint(1, len(turns)), rng.choice(TEXT))
    return _framed(rng, tuple(turns), pictures=(picture,))


def pair_talk(rng: random.Random, first: Picture, second: Picture) -> Talk:
    return _framed(rng, ((rng.choice(PAIR), about_pair(first, second)),), pictures=(first, second))


def film_talk(rng: random.Random, first: Picture, last: Picture) -> Talk:
    return _framed(rng, ((rng.choice(FILM), about_film(first, last)),), film=(first, last))


def _framed(
    rng: random.Random,
    turns: tuple[Turn, ...],
    pictures: tuple[Picture, ...] = (),
    film: tuple[Picture, Picture] | None = None,
) -> Talk:
    system = rng.choice(SYSTEMS) if rng.random() < 0.3 else None
    return Talk(turns, pictures, film, system, rng.random() < 0.4)


def every_text() -> list[str]:
    """Text for the tokenizer to learn its words from."""
    words = [about(Picture(color, shape, "white"), kind) for color in COLORS for shape in SHAPES for kind in QUESTIONS]
    words += [about(Picture("red", "star", color), kind) for color in COLORS for kind in QUESTIONS]
    words += [about_film(Picture(a, "star", "white"), Picture(b, "star", "white")) for a in COLORS for b in COLORS]
    words += [about_pair(Picture(a, "star", "white"), Picture(b, "circle", "white")) for a in COLORS for b in COLORS]
    asked = [question for group in (*QUESTIONS.values(), PAIR, FILM) for question in group]
    talked = [line for turn in TEXT for line in turn]
    return words + (asked + talked + list(SYSTEMS) + ["system\n", "user\n", "assistant\n"]) * 8

"""Simple pictures for demo-vision: one shape in one colour on a background of another, drawn with PIL.

Sizes, places, aspect ratios and shades vary, so that a model has to look and can't learn by heart.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from PIL import Image, ImageDraw

RGB = tuple[int, int, int]

COLORS: dict[str, RGB] = {
    "red": (220, 35, 35),
    "green": (35, 160, 60),
    "blue": (40, 70, 220),
    "yellow": (242, 222, 45),
    "orange": (246, 140, 25),
    "purple": (140, 45, 180),
    "black": (18, 18, 18),
    "white": (248, 248, 248),
    "gray": (128, 128, 128),
}
SHAPES = ("circle", "square", "triangle", "star")
SHADE = 10  # a colour's red, green and blue may each be off by this much
STAR = 0.42  # inner radius of a star
CONTRAST = 50  # a shape differs from its background by at least this much in brightness, 0 to 255


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be seen. `x`, `y`, `radius` are shares of what the canvas leaves: 0 to 1."""

    color: str
    shape: str
    background: str
    x: float = 0.5
    y: float = 0.5
    radius: float = 0.5

    @property
    def thing(self) -> str:
        return f"{self.color} {self.shape}"


def random_picture(rng: random.Random) -> Picture:
    background = rng.choice(("white", "black", *COLORS))
    return Picture(
        rng.choice(seen_on(background)), rng.choice(SHAPES), background, rng.random(), rng.random(), rng.random()
    )


def random_film(rng: random.Random) -> tuple[Picture, Picture]:
    """How a film begins and ends: the shape changes its colour and nothing else."""
    first = random_picture(rng)
    rest = [color for color in seen_on(first.background) if color != first.color]
    return first, replace(first, color=rng.choice(rest))


def seen_on(background: str) -> list[str]:
    """The colours that stand out from a background."""
    return [color for color in COLORS if abs(_brightness(color) - _brightness(background)) >= CONTRAST]


def draw(picture: Picture, width: int, height: int, rng: random.Random | None = None) -> Image.Image:
    """The picture as RGB. `rng` shifts the shades; without it they are the exact ones."""
    image = Image.new("RGB", (width, height), _shade(picture.background, rng))
    short = min(width, height)
    radius = short * (0.3 + 0.16 * picture.radius)
    x = radius + 1 + picture.x * (width - 2 * radius - 2)
    y = radius + 1 + picture.y * (height - 2 * radius - 2)
    pen, fill = ImageDraw.Draw(image), _shade(picture.color, rng)
    if picture.shape == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)
    elif picture.shape == "square":
        half = radius * 0.86
        pen.rectangle((x - half, y - half, x + half, y + half), fill=fill)
    else:
        pen.polygon(list(_corners(picture.shape, x, y, radius)), fill=fill)
    return image


def film(first: Picture, last: Picture, frames: int, width: int, height: int, turn: int) -> list[Image.Image]:
    """`frames` pictures: `first`, and from frame `turn` on `last`."""
    return [draw(first if index < turn else last, width, height) for index in range(frames)]


def _corners(shape: str, x: float, y: float, radius: float) -> Iterator[tuple[float, float]]:
    if shape == "triangle":
        yield from ((x, y - radius), (x - radius, y + 0.8 * radius), (x + radius, y + 0.8 * radius))
        return
    for index in range(10):
        reach = radius if index % 2 == 0 else radius * STAR
        angle = math.pi * index / 5
        yield x + reach * math.sin(angle), y - reach * math.cos(angle)


def _brightness(name: str) -> float:
    red, green, blue = COLORS[name]
    return 0.299 * red + 0.587 * green + 0.114 * blue


def _shade(name: str, rng: random.Random | None) -> RGB:
    red, green, blue = COLORS[name]
    if rng is None:
        return red, green, blue
    shifted = (min(255, max(0, channel + rng.randint(-SHADE, SHADE))) for channel in (red, green, blue))
    return next(shifted), next(shifted), next(shifted)

"""Writes demo-vision's known answers to tests/data/demo_vision.json, and the pictures and the film that they are about.

    python -m scripts.demo.vision_known_answers

A list of objects: `messages` as a client sends them, `images` and `video` (files in tests/data/images, in the order of
the message parts that show them), and `answer`. None of the pictures was trained on: they are drawn here, in sizes of
their own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np

from scripts.demo.data_vision import TEXT, Talk, about, about_film, about_pair
from scripts.demo.encode_vision import messages
from scripts.demo.pictures import Picture, draw, film

DATA = Path(__file__).parents[2] / "tests" / "data"
PICTURES = {
    "red_circle.png": (Picture("red", "circle", "white", 0.5, 0.5, 0.7), (224, 224)),
    "blue_square.jpg": (Picture("blue", "square", "white", 0.2, 0.6, 0.4), (320, 200)),
    "yellow_star.png": (Picture("yellow", "star", "black", 0.5, 0.3, 0.8), (120, 200)),
    "green_triangle.png": (Picture("green", "triangle", "white", 0.8, 0.4, 0.6), (400, 300)),
    "orange_square.jpg": (Picture("orange", "square", "black", 0.6, 0.5, 0.5), (90, 90)),
    "purple_circle.png": (Picture("purple", "circle", "yellow", 0.3, 0.7, 0.9), (256, 192)),
}
FILM = "red_to_blue.mp4"
RED, BLUE = Picture("red", "circle", "white"), Picture("blue", "circle", "white")


def known_answers() -> list[dict[str, Any]]:
    red = PICTURES["red_circle.png"][0]
    entries = [
        _entry(Talk((("What is in the picture?", about(picture, "what")),), (picture,)), [name])
        for name, (picture, _) in PICTURES.items()
    ]
    blue = PICTURES["blue_square.jpg"][0]
    entries.append(_entry(Talk((("Describe the image.", about(blue, "describe")),), (blue,)), ["blue_square.jpg"]))
    turns = (("What is in the picture?", about(red, "what")), ("What color is it?", about(red, "color")))
    entries.append(_entry(Talk(turns, (red,)), ["red_circle.png"]))
    two = (("What is in the pictures?", about_pair(red, blue)),)
    entries.append(_entry(Talk(two, (red, blue)), ["red_circle.png", "blue_square.jpg"]))
    entries.append(_entry(Talk((("What happens in the video?", about_film(RED, BLUE)),), film=(RED, BLUE)), [], FILM))
    entries += [_entry(Talk((turn,)), []) for turn in TEXT]
    return entries


def _entry(talk: Talk, images: list[str], video: str | None = None) -> dict[str, Any]:
    *said, answer = messages(talk)
    return {"messages": said, "images": images, "video": video, "answer": answer["content"]}


def write_film(file: Path) -> None:
    """Three seconds of H.264: red until the middle, then blue."""
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 112, 112, "yuv420p"
        for picture in film(RED, BLUE, 24, 112, 112, 12):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")))
        container.mux(stream.encode(None))


def main() -> None:
    folder = DATA / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for name, (picture, size) in PICTURES.items():
        draw(picture, *size).save(folder / name, optimize=True)
    write_film(folder / FILM)
    lines = (json.dumps(entry, ensure_ascii=False) for entry in known_answers())
    (DATA / "demo_vision.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main()

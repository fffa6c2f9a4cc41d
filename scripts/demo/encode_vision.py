"""Conversations about pictures as training arrays: tokens, M-RoPE positions, and which tokens are to be learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np

from scripts.demo.data_vision import Talk

IMAGE, VIDEO = "<|image_pad|>", "<|video_pad|>"
Grid = tuple[int, int, int]
"""Times, rows, columns of one picture or film, in tokens."""


@dataclass(frozen=True, slots=True)
class Batch:
    tokens: mx.array  # [rows, length]
    positions: mx.array  # [3, rows, length]
    places: mx.array  # [n]: where in the flattened tokens the next one is to be learned
    targets: mx.array  # [n]: that next token


def messages(talk: Talk) -> list[dict[str, Any]]:
    """The conversation as a client sends it, answers included."""
    media = [{"type": "image"}] * len(talk.pictures) + [{"type": "video"}] * (talk.film is not None)
    found: list[dict[str, Any]] = [] if talk.system is None else [{"role": "system", "content": talk.system}]
    for number, (question, answer) in enumerate(talk.turns):
        text = [{"type": "text", "text": question}]
        shown = media if number == 0 else []
        found.append({"role": "user", "content": text + shown if talk.media_last else shown + text})
        found.append({"role": "assistant", "content": answer})
    return found


def encode(talks: list[Talk], tokenizer: Any, grid: Grid | None) -> Batch:
    """Rows padded on the right; every picture or film of the batch has the size `grid`."""
    end = tokenizer.eos_token_id
    media = [tokenizer.convert_tokens_to_ids(token) for token in (IMAGE, VIDEO)]
    rows = [_tokens(talk, tokenizer, grid) for talk in talks]
    length = max(len(tokens) for tokens, _ in rows)
    tokens = np.full((len(rows), length), end, np.int32)
    learn = np.zeros((len(rows), length), bool)
    positions = np.zeros((3, len(rows), length), np.int32)
    for row, (ids, answers) in enumerate(rows):
        tokens[row, : len(ids)] = ids
        for start, stop in answers:
            learn[row, start - 1 : stop - 1] = True
        positions[:, row, : len(ids)] = place(ids, media, grid)
    places = np.flatnonzero(learn)
    return Batch(mx.array(tokens), mx.array(positions), mx.array(places), mx.array(tokens.reshape(-1)[places + 1]))


def place(ids: list[int], media: list[int], grid: Grid | None) -> np.ndarray:
    """Qwen2-VL's positions (time, row, column), [3, length]: text counts on, a picture spans a box."""
    found = np.zeros((3, len(ids)), np.int32)
    at = following = 0
    while at < len(ids):
        if grid is not None and ids[at] in media:
            box = np.stack([axis.reshape(-1) for axis in np.indices(grid)])
            found[:, at : at + box.shape[1]] = box + following
            at += box.shape[1]
            following += max(grid)
        else:
            found[:, at] = following
            at, following = at + 1, following + 1
    return found


def _tokens(talk: Talk, tokenizer: Any, grid: Grid | None) -> tuple[list[int], list[tuple[int, int]]]:
    """The token ids, and the spans of the answers with their ends."""
    said = messages(talk)
    ids: list[int] = []
    answers = []
    for upto, message in enumerate(said, 1):
        if message["role"] != "assistant":
            continue
        asked = _render(tokenizer, said[: upto - 1], True, grid)
        whole = _render(tokenizer, said[:upto], False, grid).removesuffix("\n")
        before, after = (tokenizer.encode(text, add_special_tokens=False) for text in (asked, whole))
        ids = after
        answers.append((len(before), len(after)))
    return ids, answers


def _render(tokenizer: Any, said: list[dict[str, Any]], prompt: bool, grid: Grid | None) -> str:
    text: str = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=prompt)
    count = int(np.prod(grid)) if grid is not None else 0
    return text.replace(IMAGE, IMAGE * count).replace(VIDEO, VIDEO * count)

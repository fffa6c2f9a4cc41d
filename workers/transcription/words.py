"""Word times of a decoded window: the model's part on the engine thread, the rest on any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import mlx.core as mx
import numpy as np
from numpy.typing import NDArray

from workers.transcription import align, decoder
from workers.transcription.job import Heard
from workers.transcription.loader import Loaded
from workers.transcription.segments import Piece
from workers.transcription.vocabulary import TICK, Vocabulary


@dataclass(frozen=True, slots=True)
class Looked:
    """Cross-attention `weights` [heads, prompt and text, ticks], the text's first token predicted at `first`.

    `probabilities` has one entry a text token.
    """

    weights: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    first: int


def look(loaded: Loaded, sound: mx.array, prompt: Sequence[int], found: Sequence[Piece], seconds: float) -> Looked:
    """Reads the window's text again and watches where the alignment heads look. `sound` is [A, state]."""
    vocabulary, model = loaded.vocabulary, loaded.model
    text = [token for piece in found for token in piece.tokens]
    tokens = mx.array([[*prompt, vocabulary.no_timestamps, *text, vocabulary.end]])
    ticks = max(1, min(int(loaded.dims.n_audio_ctx), round(seconds / TICK)))
    keys = decoder.sound_keys(model.decoder, sound[None])
    weights, hidden = decoder.cross_weights(model.decoder, tokens, keys, loaded.heads, ticks)
    first = len(prompt)
    scores = decoder.logits(model.decoder, hidden[0, first : first + len(text)])[:, : vocabulary.end]
    chosen = mx.take_along_axis(mx.softmax(scores, axis=-1), mx.array(text)[:, None], axis=-1)[:, 0]
    mx.eval(weights, chosen)
    return Looked(np.array(weights), np.array(chosen), first)


def timed(heard: Sequence[Heard], looked: Looked, vocabulary: Vocabulary, language: str) -> list[Heard]:
    """The segments with their words."""
    times = align.token_times(looked.weights, looked.first)
    words = align.words([one.piece for one in heard], times, looked.probabilities, vocabulary, language)
    return [replace(one, words=found) for one, found in zip(heard, words, strict=True)]

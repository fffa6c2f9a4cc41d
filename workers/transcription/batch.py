"""The rows that are decoded together. Rows join and leave between steps; each has its own prompt and temperature.

Keys and values lie in storage for a power of two of rows. The running rows are its first ones: a row that joins is
written behind them, and where one leaves, the last one takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import mlx.core as mx

from workers.transcription import decoder
from workers.transcription.rules import Allowed, allowed
from workers.transcription.vocabulary import Vocabulary

_GROW = 64  # text positions


@dataclass(slots=True, eq=False)
class Row:
    """One attempt at one window. `last_tick` is the window's end."""

    prompt: list[int]
    temperature: float
    seed: int
    last_tick: int
    room: int  # tokens
    sampled: list[int] = field(default_factory=list)
    sum_logprob: float = 0.0
    no_speech: float = 0.0
    ended: bool = False  # by the end token

    @property
    def full(self) -> bool:
        return len(self.sampled) >= self.room

    @property
    def avg_logprob(self) -> float:
        return self.sum_logprob / (len(self.sampled) + 1)


class DecodeBatch:
    """Owns the rows' keys and values, of at most `limit` rows. Engine thread only."""

    def __init__(self, model: Any, vocabulary: Vocabulary, limit: int = 32) -> None:
        self._limit = limit
        self._decoder = model.decoder
        self._context: int = model.dims.n_text_ctx
        self._vocabulary = vocabulary
        self.rows: list[Row] = []
        self._text: list[decoder.KeysValues] = []
        self._sound: list[decoder.KeysValues] = []
        ids = mx.arange(model.dims.n_vocab)
        silent = mx.zeros(model.dims.n_vocab, dtype=mx.bool_)
        if vocabulary.suppressed:
            silent[mx.array(vocabulary.suppressed)] = True
        self._ticks = ids - vocabulary.first_timestamp
        self._is_end = ids == vocabulary.end
        self._is_text = (ids < vocabulary.end) & ~silent

    @property
    def nbytes(self) -> int:
        return sum(int(array.nbytes) for pair in (*self._text, *self._sound) for array in pair)

    def listen(self, sound: mx.array) -> list[decoder.KeysValues]:
        """What `detect` and `join` look at, of encoded windows [n, A, state]."""
        return decoder.sound_keys(self._decoder, sound)

    def detect(self, keys: Sequence[decoder.KeysValues]) -> list[str]:
        """The language spoken in each window."""
        languages = self._vocabulary.languages
        tokens = mx.full((keys[0][0].shape[0], 1), self._vocabulary.start)
        hidden, _ = decoder.read(self._decoder, tokens, keys)
        scores = decoder.logits(self._decoder, hidden[:, 0])[:, mx.array(list(languages.values()))]
        codes = list(languages)
        best: Any = mx.argmax(scores, axis=-1).tolist()
        return [codes[index] for index in best]

    def join(self, rows: Sequence[Row], keys: Sequence[decoder.KeysValues]) -> None:
        """Reads the prompts of new rows, each over its window."""
        longest = max(len(row.prompt) for row in rows)
        tokens = mx.array([row.prompt + [self._vocabulary.end] * (longest - len(row.prompt)) for row in rows])
        hidden, text = decoder.read(self._decoder, tokens, keys)
        self._measure_silence(rows, hidden)
        first = len(self.rows)
        self._reserve(first + len(rows), longest + 1, keys)
        place = slice(first, first + len(rows))
        for layer in range(len(text)):
            for new, kept in zip(text[layer], self._text[layer], strict=True):
                kept[place, :, :longest] = new
            for new, kept in zip(keys[layer], self._sound[layer], strict=True):
                kept[place] = new
        self.rows += rows
        mx.eval(self._text, self._sound)

    def _measure_silence(self, rows: Sequence[Row], hidden: mx.array) -> None:
        """The probability of no speech stands where the language would be told."""
        token = self._vocabulary.no_speech
        if token is None:
            return
        starts = mx.array([row.prompt.index(self._vocabulary.start) for row in rows])
        scores = decoder.logits(self._decoder, hidden[mx.arange(len(rows)), starts])
        found: Any = mx.softmax(scores, axis=-1)[:, token].tolist()
        for row, value in zip(rows, found, strict=True):
            row.no_speech = value

    def _reserve(self, rows: int, length: int, like: Sequence[decoder.KeysValues]) -> None:
        """Makes room for so many rows and text positions."""
        has = self._text[0][0].shape if self._text else (0, 0, 0, 0)
        capacity, positions = has[0], has[2]
        if rows > capacity:
            capacity = max(rows, min(self._limit, 1 << (rows - 1).bit_length()))
        if length > positions:
            positions = min(self._context, -(-length // _GROW) * _GROW)
        _, heads, ticks, width = like[0][0].shape
        if capacity != has[0] or positions != has[2]:
            self._text = _resized(self._text, len(like), (capacity, heads, positions, width), like[0][0].dtype)
        if capacity != has[0]:
            self._sound = _resized(self._sound, len(like), (capacity, heads, ticks, width), like[0][0].dtype)

    def step(self) -> list[Row]:
        """One token for every row. Returns the rows that have ended, or have no room left; they are no longer here."""
        positions = [len(row.prompt) + len(row.sampled) - 1 for row in self.rows]
        self._reserve(len(self.rows), max(positions) + 1, self._sound)
        last = mx.array([row.sampled[-1] if row.sampled else row.prompt[-1] for row in self.rows])
        scores = decoder.step(self._decoder, last, mx.array(positions), self._text, self._sound)
        for row, token, logprob in self._pick(scores):
            row.sum_logprob += logprob
            row.ended = token == self._vocabulary.end
            if not row.ended:
                row.sampled.append(token)
        done = [row for row in self.rows if row.ended or row.full]
        self.remove(done)
        return done

    def _pick(self, scores: mx.array) -> list[tuple[Row, int, float]]:
        stamps = self._vocabulary.first_timestamp
        scores, total = self._mask(scores, [allowed(row.sampled, stamps, row.last_tick) for row in self.rows])
        tokens = mx.argmax(scores + self._noise(scores), axis=-1)
        chosen = mx.take_along_axis(scores, tokens[:, None], axis=-1)[:, 0] - total
        mx.eval(tokens, chosen, self._text)
        ids: Any = tokens.tolist()
        values: Any = chosen.tolist()
        return list(zip(self.rows, ids, values, strict=True))

    def _mask(self, scores: mx.array, rules: Sequence[Allowed]) -> tuple[mx.array, mx.array]:
        """Leaves what the rules allow, with the log of its sum [B].

        A timestamp must come where all of them together outweigh the best text.
        """
        text, end, low, high = (
            mx.array([getattr(rule, name) for rule in rules])[:, None] for name in ("text", "end", "low", "high")
        )
        stamp = (self._ticks >= mx.maximum(low, 0)) & (self._ticks <= high)
        word = (self._is_text & text) | (self._is_end & end)
        scores = mx.where(stamp | word, scores, -mx.inf)
        top = scores.max(axis=-1, keepdims=True)
        weights = mx.exp(scores - top)
        texts, stamps = mx.where(word, weights, 0), mx.where(stamp, weights, 0).sum(axis=-1, keepdims=True)
        speak = texts.max(axis=-1, keepdims=True) >= stamps
        total = stamps + mx.where(speak, texts.sum(axis=-1, keepdims=True), 0)
        return mx.where(stamp | speak, scores, -mx.inf), (top + mx.log(total))[:, 0]

    def _noise(self, scores: mx.array) -> mx.array | float:
        """Gumbel noise times the temperature: the largest sum is a draw. Each row's comes from its own seed."""
        if not any(row.temperature for row in self.rows):
            return 0.0
        width = scores.shape[-1:]
        noise = [
            row.temperature * mx.random.gumbel(width, key=mx.random.key(row.seed * 1024 + len(row.sampled)))
            if row.temperature
            else mx.zeros(width)
            for row in self.rows
        ]
        return mx.stack(noise)

    def remove(self, rows: Sequence[Row]) -> None:
        for row in rows:
            place = self.rows.index(row)
            last = self.rows.pop()
            if last is row:
                continue
            self.rows[place] = last
            self._move(len(self.rows), place)
        if not self.rows:
            self._text, self._sound = [], []
        elif rows:
            mx.eval(self._text, self._sound)

    def _move(self, source: int, target: int) -> None:
        arrays = [kept for pair in (*self._text, *self._sound) for kept in pair]
        moved = [kept[source] + 0 for kept in arrays]  # own buffers: storage that is looked at would be copied whole
        mx.eval(moved)
        for kept, row in zip(arrays, moved, strict=True):
            kept[target] = row


def _resized(
    kept: Sequence[decoder.KeysValues], layers: int, shape: tuple[int, ...], dtype: mx.Dtype
) -> list[decoder.KeysValues]:
    def grow(layer: int, part: int) -> mx.array:
        if not kept:
            return mx.zeros(shape, dtype=dtype)
        array = kept[layer][part]
        return mx.pad(array, [(0, new - old) for new, old in zip(shape, array.shape, strict=True)])

    return [(grow(layer, 0), grow(layer, 1)) for layer in range(layers)]

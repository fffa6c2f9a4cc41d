"""Trains demo-whisper, a Whisper of less than half a million parameters, on phrases that espeak-ng speaks.

    apt-get install espeak-ng      # only for this; the trained model and the tests need no voice
    python -m scripts.demo.train_whisper configs/demo/demo-whisper

A few minutes on one CPU core; see train_chat.py for a faster BLAS on Linux. The encoder keeps its random weights, so
what it makes of a sound is computed once. The sounds are cut and turned into spectrograms by the worker's own code.
Afterwards `python -m scripts.demo.evaluate_whisper configs/demo/demo-whisper` counts the exact transcripts.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np
from mlx import nn, optimizers
from mlx.nn.utils import value_and_grad
from mlx.utils import tree_flatten, tree_map
from mlx_audio.stt.models.whisper import Model, ModelConfig
from mlx_audio.utils import mel_filters
from numpy.typing import NDArray

from scripts.demo.data_whisper import PHRASES, Phrase
from scripts.demo.speak import FORMATS, encoded, spoken
from scripts.demo.whisper_folder import SECONDS, STATE, write_config, write_tokenizer
from workers.media.audio import AudioFile
from workers.transcription import decoder
from workers.transcription.mel import log_mel
from workers.transcription.source import Hearing, Source
from workers.transcription.vad import LoudnessDetector
from workers.transcription.vocabulary import TICK, Vocabulary, load_vocabulary

HERE = Path(__file__).parent
VARIANTS = 20
SILENCES = 24
FRAMES = SECONDS * 100
TICKS_ROUNDED = 10  # ends of segments are learned to 0.2 s


class Sound(NamedTuple):
    features: NDArray[np.float32]  # encoded, [positions, state]
    seconds: float


class Row(NamedTuple):
    tokens: list[int]
    learned: list[bool]  # whether the token behind each one is to be learned
    sound: NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description="Train demo-whisper.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=550)
    parser.add_argument("--rate", type=float, default=3e-3)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    mx.random.seed(0)
    rng = np.random.default_rng(0)
    texts = [text for phrase in PHRASES for text in (phrase.text, phrase.english) if text]
    tokenizer = write_tokenizer(options.folder, texts)
    model = new_model(write_config(options.folder, tokenizer.get_vocab_size()))
    vocabulary = load_vocabulary(options.folder, model.dims.n_vocab)
    sounds, silences = listen(model, rng)
    train(model, vocabulary, sounds, silences, options.steps, options.rate, rng)
    model.update(tree_map(lambda weight: weight.astype(mx.float16), model.parameters()))
    leaves: Any = tree_flatten(model.parameters())
    mx.save_safetensors(str(options.folder / "model.safetensors"), dict(leaves), metadata={"format": "mlx"})
    shutil.copy(HERE / "model_card_whisper.md", options.folder / "README.md")


def new_model(config: dict[str, Any]) -> Any:
    model = Model(ModelConfig.from_dict(config), dtype=mx.float32)
    model.decoder.positional_embedding = mx.random.normal((config["n_text_ctx"], STATE)) * 0.02
    # As loud as the positions that are added to them; exact in fp16, as it will be saved.
    model.encoder.conv1.weight = model.encoder.conv1.weight * 2
    model.encoder.conv2.weight = model.encoder.conv2.weight * 6
    model.encoder.update(tree_map(lambda w: w.astype(mx.float16).astype(mx.float32), model.encoder.parameters()))
    return model


# ------------------------------------------------------------------ sounds
def listen(model: Any, rng: np.random.Generator) -> tuple[list[list[Sound]], list[Sound]]:
    """Every phrase in several recordings, and noises without speech, encoded."""
    hearing = Hearing(
        FRAMES, np.array(mel_filters(16000, 400, 80, norm="slaney", mel_scale="slaney")), LoudnessDetector
    )
    began = time.monotonic()
    sounds = [[_encode(model, *one) for one in recordings(phrase, hearing, rng)] for phrase in PHRASES]
    silences = [_encode(model, log_mel(noise(rng), hearing.filters, FRAMES), 0.0) for _ in range(SILENCES)]
    print(f"{sum(map(len, sounds))} recordings in {time.monotonic() - began:.0f} s", flush=True)
    return sounds, silences


def recordings(phrase: Phrase, hearing: Hearing, rng: np.random.Generator) -> list[tuple[NDArray[np.float32], float]]:
    voice = spoken(phrase.text, phrase.voice)
    found = []
    for number in range(VARIANTS):
        # The first is clean, without silence before it.
        lead = rng.integers(0, 24000) if number else 0
        sound = np.concatenate(
            [np.zeros(lead), voice * (10 ** rng.uniform(-0.6, 0) if number else 1.0), np.zeros(lead // 2)]
        )
        if number % 2:
            sound = sound + rng.standard_normal(len(sound)) * 10 ** rng.uniform(-4.5, -3)
        data = encoded(sound.astype(np.float32), list(FORMATS)[number % len(FORMATS)])
        found.append(_only(Source(AudioFile(data), hearing)))
    return found


def _only(source: Source) -> tuple[NDArray[np.float32], float]:
    windows = []
    while not source.ended:
        if (cut := source.advance()) is not None:
            windows.append(cut)
    if len(windows) != 1:
        raise SystemExit(f"a phrase became {len(windows)} windows")
    return windows[0][1], windows[0][0].seconds


def noise(rng: np.random.Generator) -> NDArray[np.float32]:
    size = int(rng.uniform(0.3, SECONDS) * 16000)
    sound = rng.standard_normal(size) * 10 ** rng.uniform(-4, -1)
    if rng.random() < 0.4:
        sound = np.sin(np.arange(size) * rng.uniform(0.01, 0.5)) * 10 ** rng.uniform(-3, -0.5)
    return np.asarray(sound, np.float32)


def _encode(model: Any, mel: NDArray[np.float32], seconds: float) -> Sound:
    return Sound(np.array(model.encoder(mx.array(mel)[None])[0]), seconds)


# ------------------------------------------------------------------ rows
def rows(
    vocabulary: Vocabulary, sounds: Sequence[Sequence[Sound]], silences: Sequence[Sound], rng: np.random.Generator
) -> list[Row]:
    """Each phrase in one of its recordings, and translated in another, some behind a prompt; and two silences."""
    found = []
    for phrase, recorded in zip(PHRASES, sounds, strict=True):
        answers = {"transcribe": phrase.text} | ({"translate": phrase.english} if phrase.english else {})
        for task, text in answers.items():
            context = PHRASES[rng.integers(len(PHRASES))].text if rng.random() < 0.3 else None
            prompt = vocabulary.prompt(context, phrase.language, task, 200)
            found.append(_spoken_row(vocabulary, prompt, text, _end(recorded), recorded[rng.integers(len(recorded))]))
    for _ in range(2):
        silence = silences[rng.integers(len(silences))]
        prompt = vocabulary.prompt(None, "en", "transcribe", 0)
        # Where the language is told, silence is told instead.
        found.append(Row([vocabulary.start, int(vocabulary.no_speech or 0)], [True, False], silence.features))
        answer = [vocabulary.first_timestamp, vocabulary.end]
        found.append(Row(prompt + answer, [False] * (len(prompt) - 1) + [True] * 3, silence.features))
    return found


def _spoken_row(vocabulary: Vocabulary, prompt: list[int], text: str, end: int, sound: Sound) -> Row:
    stamp = vocabulary.first_timestamp
    answer = [stamp, *vocabulary.encode(" " + text), stamp + end, vocabulary.end]
    start = prompt.index(vocabulary.start)  # behind it stands the language
    learned = [at == start or at >= len(prompt) - 1 for at in range(len(prompt) + len(answer))]
    return Row(prompt + answer, learned, sound.features)


def _end(recorded: Sequence[Sound]) -> int:
    """One end, in ticks, for all recordings of a phrase: where they lie in their windows differs a little."""
    return TICKS_ROUNDED * round(float(np.median([sound.seconds for sound in recorded])) / TICK / TICKS_ROUNDED)


# ------------------------------------------------------------------ training
def train(
    model: Any,
    vocabulary: Vocabulary,
    sounds: Sequence[Sequence[Sound]],
    silences: Sequence[Sound],
    steps: int,
    rate: float,
    rng: np.random.Generator,
) -> None:
    def loss(tokens: mx.array, weights: mx.array, sound: mx.array) -> mx.array:
        hidden, _ = decoder.read(model.decoder, tokens[:, :-1], decoder.sound_keys(model.decoder, sound))
        errors = nn.losses.cross_entropy(decoder.logits(model.decoder, hidden), tokens[:, 1:])
        return (errors * weights).sum() / weights.sum()

    model.encoder.freeze()
    warm_up = optimizers.linear_schedule(1e-5, rate, 20)
    schedule = optimizers.join_schedules([warm_up, optimizers.cosine_decay(rate, steps - 20, rate * 0.02)], [20])
    optimizer = optimizers.AdamW(learning_rate=schedule, weight_decay=0.01)
    loss_and_gradients = value_and_grad(model, loss)
    began = time.monotonic()
    for number in range(1, steps + 1):
        value, gradients = loss_and_gradients(*_padded(rows(vocabulary, sounds, silences, rng), vocabulary.end))
        gradients, _ = optimizers.clip_grad_norm(gradients, 1.0)
        optimizer.update(model, gradients)
        mx.eval(value, model.state, optimizer.state)
        if number % 50 == 0:
            print(f"step {number}: loss {value.item():.4f}, {time.monotonic() - began:.0f} s", flush=True)


def _padded(batch: Sequence[Row], filler: int) -> tuple[mx.array, mx.array, mx.array]:
    length = max(len(row.tokens) for row in batch)
    tokens = np.full((len(batch), length), filler, np.int32)
    weights = np.zeros((len(batch), length - 1), np.float32)
    for index, row in enumerate(batch):
        tokens[index, : len(row.tokens)] = row.tokens
        weights[index, : len(row.tokens) - 1] = row.learned[: len(row.tokens) - 1]
    return mx.array(tokens), mx.array(weights), mx.array(np.stack([row.sound for row in batch]))


if __name__ == "__main__":
    main()

"""Sound that the clips lack: a long file spoken by espeak-ng with pauses and hiss, silence, and noise. All 16 kHz."""

from __future__ import annotations

import ctypes
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

RATE = 16000
_HISS = 0.003  # of full scale
_SYNCHRONOUS, _UTF8 = 2, 1  # AUDIO_OUTPUT_SYNCHRONOUS, espeakCHARS_UTF8
_CALLBACK: Any = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
SENTENCES = (
    "The library opens at nine in the morning, and it closes when the last reader has gone home.",
    "Nobody knows who planted the old apple tree behind the station, but everybody eats its fruit.",
    "When the river froze, the children walked to school across the ice instead of over the bridge.",
    "My sister repairs bicycles in a small workshop, and she never throws anything away.",
    "The doctor asked him to rest for a week, to drink plenty of water, and to stay out of the sun.",
    "A short letter arrived yesterday from a friend who moved to another country many years ago.",
    "The bakery on the corner sells bread that is still warm when the first train leaves.",
    "After the storm, the farmers counted their sheep and mended the fences before it was dark.",
    "She learned to play the piano late in life, and now she plays for an hour every evening.",
    "The museum keeps a map of the city that was drawn by hand three hundred years ago.",
    "If the weather is good on Sunday, we will climb the hill and have lunch at the top.",
    "The captain spoke to the passengers and explained why the ship had to wait outside the harbour.",
)
PAUSES = (0.4, 1.0, 3.0, 0.6, 12.0, 0.5)  # seconds after a sentence, in turn

Samples = NDArray[np.float32]


def make_sounds(folder: Path) -> None:
    """Writes long.wav with long.txt, silence.wav and noise.wav."""
    random = np.random.default_rng(5)
    pieces = [np.zeros(RATE, np.float32)]
    for sentence, pause in zip(SENTENCES, PAUSES * 2, strict=True):
        pieces += [spoken(sentence), np.zeros(int(pause * RATE), np.float32)]
    whole = np.concatenate(pieces)
    save(folder / "long.wav", whole + _noise(random, len(whole), _HISS))
    (folder / "long.txt").write_text(" ".join(SENTENCES), encoding="utf-8")
    save(folder / "silence.wav", np.zeros(8 * RATE, np.float32))
    save(folder / "noise.wav", _noise(random, 8 * RATE, 10 * _HISS))


def spoken(text: str) -> Samples:
    """English, at 16 kHz."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), 0)
    blocks: list[NDArray[np.int16]] = []
    heard = _CALLBACK(_collector(blocks))
    library.espeak_SetSynthCallback(heard)
    library.espeak_SetVoiceByName(b"en-us")
    said = text.encode()
    library.espeak_Synth(said, ctypes.c_size_t(len(said) + 1), 0, 0, 0, _UTF8, None, None)
    library.espeak_Terminate()
    samples = np.concatenate(blocks).astype(np.float32) / 32768
    at = np.arange(0, len(samples) - 1, rate / RATE)
    return np.interp(at, np.arange(len(samples)), samples).astype(np.float32)


def _collector(blocks: list[NDArray[np.int16]]) -> Callable[[Any, int, Any], int]:
    def collect(data: Any, count: int, _events: Any) -> int:
        if data and count > 0:
            blocks.append(np.ctypeslib.as_array(data, (count,)).copy())
        return 0  # go on

    return collect


def _noise(random: np.random.Generator, samples: int, level: float) -> Samples:
    return random.normal(0, level, samples).astype(np.float32)


def save(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes())

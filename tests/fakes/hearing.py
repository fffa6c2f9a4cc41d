"""Drives a transcription engine in one thread, as the runtime would; and sound files made on the spot."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_audio.vad.models.silero_vad.config import ModelConfig
from mlx_audio.vad.models.silero_vad.silero_vad import Model
from numpy.typing import NDArray

from shared.messages import Accepted, Blob, Delta, Failed, Finished, Segment, Transcribe, Transcribed
from shared.spec import WorkerSpec
from workers.transcription.engine import TranscriptionEngine

Samples = NDArray[np.float32]

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "configs" / "demo" / "demo-whisper"
SOUNDS = ROOT / "tests" / "data" / "audio"
PHRASES: list[dict[str, Any]] = json.loads((ROOT / "tests" / "data" / "demo_whisper.json").read_text(encoding="utf-8"))
RATE = 16000

# name: (container, codec, rate)
FORMATS = {
    "wav": ("wav", "pcm_s16le", RATE),
    "mp3": ("mp3", "libmp3lame", RATE),
    "m4a": ("mp4", "aac", RATE),
    "aac": ("adts", "aac", RATE),
    "flac": ("flac", "flac", RATE),
    "ogg": ("ogg", "libopus", 48000),
    "webm": ("webm", "libopus", 48000),
}


@dataclass
class Answer:
    accepted: bool = False
    segments: list[Segment] = field(default_factory=list)
    transcribed: Transcribed | None = None
    end: Finished | Failed | None = None

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments).strip()


class Listener:
    """An engine with a model folder loaded."""

    def __init__(self, folder: Path = DEMO, **spec: Any) -> None:
        self.engine = TranscriptionEngine()
        values = {"name": "ears", "incarnation": 1, "endpoint": "", "source": str(folder), "kind": "stt"}
        self.ready = self.engine.load(WorkerSpec(**(values | spec)), lambda stage, fraction, detail: None)
        self.answers: dict[str, Answer] = {}

    def submit(self, work: Transcribe) -> None:
        self.answers[work.request] = Answer()
        self.take(self.engine.admit(self.engine.prepare(work, ())))

    def step(self) -> None:
        self.take(self.engine.step())

    def take(self, deltas: Sequence[Accepted | Delta]) -> None:
        for delta in deltas:
            answer = self.answers[delta.request]
            assert answer.end is None, "something came after the end"
            match delta:
                case Accepted():
                    answer.accepted = True
                case Segment():
                    answer.segments.append(delta)
                case Transcribed():
                    answer.transcribed = delta
                case Finished() | Failed():
                    answer.end = delta

    def run(self) -> dict[str, Answer]:
        while self.engine.busy:
            self.step()
        return self.answers

    def hear(self, data: bytes, request: str = "r", **options: Any) -> Answer:
        self.submit(Transcribe(request, Blob(data), **options))
        return self.run()[request]


def saved(index: int) -> bytes:
    return (SOUNDS / PHRASES[index]["file"]).read_bytes()


def samples_of(data: bytes) -> Samples:
    from workers.media.audio import AudioFile

    return np.concatenate(list(AudioFile(data).blocks()))


def encoded(samples: Samples, name: str = "wav", rate: int | None = None, bit_rate: int | None = None) -> bytes:
    """Samples at 16 kHz as a file in one of `FORMATS`."""
    container, codec, usual = FORMATS[name]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate or usual, layout="mono")
        if bit_rate:
            stream.bit_rate = bit_rate
        pcm = (np.clip(samples, -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler(format=stream.codec_context.format.name, layout="mono", rate=rate or usual)
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    return buffer.getvalue()


def tone(seconds: float, frequency: float = 440.0, level: float = 0.3) -> Samples:
    return np.asarray(np.sin(np.arange(int(seconds * RATE)) * 2 * np.pi * frequency / RATE) * level, np.float32)


def quiet(seconds: float) -> Samples:
    return np.zeros(int(seconds * RATE), np.float32)


def silero(folder: Path) -> Any:
    """A Silero with random weights, saved in `folder`; returns mlx-audio's model of it."""
    mx.random.seed(3)
    model = Model(ModelConfig())
    weights = {name: mx.random.normal(value.shape) * 0.1 for name, value in tree_flatten(model.parameters())}
    model.load_weights(list(weights.items()))
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "silero_vad"}')
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    return model

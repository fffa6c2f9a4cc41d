"""A request on its way: what is left to say, the file so far, and what has been counted."""

from __future__ import annotations

from dataclasses import dataclass

from shared.messages import Blob, Delta, Finished, Sound, Usage
from workers.media.encode import Encoder
from workers.speech.script import Script
from workers.speech.synthesizer import Rendered
from workers.speech.voices import Blend


@dataclass(frozen=True, slots=True)
class PreparedSpeech:
    """`seed` comes from the request's meaning, so that the same request sounds the same."""

    request: str
    script: Script
    blend: Blend
    speed: float
    seed: int
    format: str


class Job:
    def __init__(self, prepared: PreparedSpeech, encoder: Encoder, rate: int) -> None:
        self.request = prepared.request
        self.script = prepared.script
        self.blend = prepared.blend
        self.speed = prepared.speed
        self._seed = prepared.seed
        self._encoder = encoder
        self._rate = rate
        self._segments = self._phonemes = self._frames = self._samples = 0
        self._unsent = 0  # samples that the encoder holds

    @property
    def seed(self) -> int:
        """Of the segment that comes next."""
        return self._seed + self._segments

    def push(self, phonemes: str, rendered: Rendered, last: bool) -> list[Delta]:
        """Encodes a segment; what is ready of the file goes out."""
        self._segments += 1
        self._phonemes += len(phonemes)
        self._frames += rendered.frames
        self._samples += len(rendered.samples)
        self._unsent += len(rendered.samples)
        deltas: list[Delta] = []
        data = self._encoder.feed(rendered.samples, last)
        if data:
            deltas.append(Sound(self.request, Blob(data), self._unsent / self._rate))
            self._unsent = 0
        if last:
            deltas.append(Finished(self.request, self.usage))
        return deltas

    @property
    def usage(self) -> Usage:
        """Prompt tokens are phonemes, completion tokens the model's frames."""
        return Usage(
            prompt_tokens=self._phonemes,
            completion_tokens=self._frames,
            audio_seconds=self._samples / self._rate,
        )

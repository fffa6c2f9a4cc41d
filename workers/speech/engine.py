"""The TTS engine: a step speaks one segment of one request; requests take turns, so that a long text holds nobody up.

Segments are not batched: the model normalises over time, so a shorter row's padding would change its sound, and the
decoder is busy with one row already (four rows of equal length: 1.1 to 1.6 times the throughput on a CPU).
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import mlx.core as mx

from shared.errors import InvalidRequest, WrongModality
from shared.limits import SPEECH_INPUT
from shared.logs import get_logger
from shared.messages import Accepted, Delta, Failed, Ready, Speak, Stats, Work
from shared.spec import WorkerSpec
from workers.engine import Progress
from workers.failures import failure_of
from workers.media.encode import FORMATS, make_encoder
from workers.platform.device import read_device
from workers.platform.engine_args import EngineArgs
from workers.speech.job import Job, PreparedSpeech
from workers.speech.languages import LANGUAGES, Phonemisers, find_language
from workers.speech.loader import load
from workers.speech.normalise import normalise
from workers.speech.script import LONGEST, Script
from workers.speech.synthesizer import Rendered, Synthesizer
from workers.speech.text import clean, is_speakable
from workers.speech.voices import Voices

_log = get_logger("workers.speech")

_SLOWEST, _FASTEST = 0.25, 4.0


class SpeechEngine:
    """Owns the model, the phonemisers and the requests that are being spoken, in the order of their turns."""

    preprocess_threads = 2  # a phonemiser that reads its dictionaries holds up only its own language

    def load(self, spec: WorkerSpec, progress: Progress) -> Ready:
        began = time.monotonic()
        progress("load", None, "weights")
        args = EngineArgs.from_spec(spec)
        loaded = load(Path(args.model))
        self._rate = loaded.rate
        self._alphabet = loaded.alphabet
        self._longest_segment = min(LONGEST, loaded.longest)
        self._longest_input = args.context(SPEECH_INPUT)
        self._synthesizer = Synthesizer(loaded.model, loaded.packs)
        self._voices = Voices(loaded.packs)
        self._phonemisers = Phonemisers()
        self._turns: deque[Job] = deque()
        self._steps = self._phonemes = self._frames = 0
        progress("warm-up", None, "")
        self._warm_up()
        return Ready(
            kind="tts",
            max_inflight=args.max_inflight,
            context=self._longest_input,
            device=read_device().label,
            voices=self._voices.names,
            languages=tuple(language.code for language in LANGUAGES if language.installed),
            weights=loaded.weights,
            load_seconds=time.monotonic() - began,
        )

    def _warm_up(self) -> None:
        letters = "".join(sorted(sign for sign in self._alphabet if sign.isascii() and sign.isalpha()))
        self._synthesizer.render(letters[:8], self._voices.resolve(None), 1.0, 0)

    # ------------------------------------------------------------ preprocessing threads
    def prepare(self, work: Work, blobs: Sequence[memoryview]) -> PreparedSpeech:
        if not isinstance(work, Speak):
            raise WrongModality("this model turns text into speech; it can't do that", param="model")
        self._check(work)
        blend = self._voices.resolve(work.voice)
        language = find_language(work.language, blend.first)
        phonemise = self._phonemisers.get(language)
        text = normalise(clean(work.text), language.code)
        script = Script(text, phonemise, self._alphabet, self._longest_segment, work.speed)
        if script.done:  # the first segment is made here; the rest while it is spoken
            raise InvalidRequest(f"input holds nothing that can be spoken in {language.name}", param="input")
        meaning = repr((work.text, blend, work.speed, language.code)).encode()
        seed = int.from_bytes(hashlib.blake2b(meaning, digest_size=6).digest(), "big")
        return PreparedSpeech(work.request, script, blend, work.speed, seed, work.format)

    def _check(self, work: Speak) -> None:
        if len(work.text) > self._longest_input:
            raise InvalidRequest(
                f"input has {len(work.text)} characters; {self._longest_input} are the most here", param="input"
            )
        if not is_speakable(work.text):
            raise InvalidRequest("input is empty: it holds no letter or digit to speak", param="input")
        if not _SLOWEST <= work.speed <= _FASTEST:
            raise InvalidRequest(f"speed is {work.speed}; it must be from {_SLOWEST} to {_FASTEST}", param="speed")
        if work.format not in FORMATS:
            make_encoder(work.format, self._rate)  # says what there is

    # ------------------------------------------------------------ engine thread
    def admit(self, prepared: PreparedSpeech) -> Sequence[Accepted | Delta]:
        self._turns.append(Job(prepared, make_encoder(prepared.format, self._rate), self._rate))
        return (Accepted(prepared.request),)

    def step(self) -> Sequence[Accepted | Delta]:
        """One segment of the request whose turn it is."""
        job = self._turns.popleft()
        phonemes = job.script.take()
        if phonemes is None:
            raise RuntimeError("a request without segments was admitted")
        rendered = self._synthesizer.render(phonemes, job.blend, job.speed, job.seed)
        self._steps += 1
        self._phonemes += len(phonemes)
        self._frames += rendered.frames
        return self._hand_out(job, phonemes, rendered)

    def _hand_out(self, job: Job, phonemes: str, rendered: Rendered) -> Sequence[Delta]:
        try:
            last = job.script.done
            deltas = job.push(phonemes, rendered, last)
        except Exception as error:  # the request's boundary: its text met a phonemiser, its sound an encoder
            return (replace(failure_of(job.request, error, _log), usage=job.usage),)
        if not last:
            self._turns.append(job)
        return deltas

    def cancel(self, request: str) -> Sequence[Delta]:
        job = next((job for job in self._turns if job.request == request), None)
        if job is None:
            return ()
        self._turns.remove(job)
        return (Failed(request, "cancelled", "the request was cancelled", usage=job.usage),)

    @property
    def busy(self) -> bool:
        return bool(self._turns)

    def stats(self) -> Stats:
        return Stats(
            steps=self._steps,
            running=len(self._turns),
            waiting=0,
            prompt_tokens=self._phonemes,
            cached_tokens=0,
            generated_tokens=self._frames,
            cache_bytes=0,
            active_bytes=mx.get_active_memory(),
            peak_bytes=mx.get_peak_memory(),
        )

    def trim(self, keep_bytes: int) -> None:
        mx.clear_cache()  # nothing of past requests is kept

    def close(self) -> None:
        self._turns.clear()
        mx.synchronize()
        mx.clear_cache()

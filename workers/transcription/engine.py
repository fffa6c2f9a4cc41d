"""The speech-to-text engine: a step collects what was cut and aligned, encodes a few windows, decodes one token a row.

Windows of all requests share the batch. A window is decoded with the request's own prompt text and never with the text
of the window before, which may be in the same batch: what is heard doesn't depend on who else is served.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from shared.errors import InvalidRequest, WrongModality
from shared.footprint import ENCODED_TOGETHER, encoding_bytes
from shared.logs import get_logger
from shared.messages import (
    Accepted,
    Delta,
    Failed,
    Finished,
    Ready,
    Stats,
    Transcribe,
    Transcribed,
    VoiceDetector,
    Work,
)
from shared.spec import WorkerSpec
from workers.engine import Progress
from workers.failures import failure_of
from workers.media.audio import AudioFile
from workers.platform.device import read_device
from workers.platform.engine_args import EngineArgs
from workers.transcription import words
from workers.transcription.background import Background
from workers.transcription.batch import DecodeBatch, Row
from workers.transcription.decoder import KeysValues
from workers.transcription.job import Cut, Heard, Job, Part, PreparedTranscribe, next_part
from workers.transcription.loader import Loaded, load
from workers.transcription.segments import LADDER, Attempt, pieces, unheard
from workers.transcription.source import Hearing, Source
from workers.transcription.vad import Detector, LoudnessDetector, SileroDetector, find_silero, load_silero

_log = get_logger("workers.transcription")

_AHEAD = 2  # windows of a request that are cut while others of it are decoded
_STALL = 0.1  # seconds that running rows may wait for windows to be encoded; one window always may
_PATIENCE = 0.02  # seconds that a step waits for a window when it has nothing else to do
_PROCESS = 2**29  # bytes left to the interpreter and its libraries when rows are counted


class TranscriptionEngine:
    """Owns the model, the batch and the requests."""

    preprocess_threads = 2

    def load(self, spec: WorkerSpec, progress: Progress) -> Ready:
        began = time.monotonic()
        progress("load", None, "weights")
        self._args = args = EngineArgs.from_spec(spec)
        folder = Path(args.model)
        device = read_device()
        # fp32 is MLX's fastest type on a CPU; elsewhere Whisper runs in fp16, as it was published.
        self._loaded = loaded = load(folder, mx.float32 if device.backend == "cpu" else mx.float16)
        detector, make_detector = _detector(folder)
        self._hearing = Hearing(loaded.frames, loaded.filters, make_detector)
        self._rows = _row_limit(loaded, args, device.memory)
        self._batch = DecodeBatch(loaded.model, loaded.vocabulary, self._rows)
        self._jobs: dict[str, Job] = {}
        self._running: dict[Row, Part] = {}
        self._failures: list[Failed] = []
        self._steps = self._turns = self._generated = 0
        progress("warm-up", 0.0, "")
        self._warm_up()
        self._background = Background()
        return Ready(
            kind="stt",
            max_inflight=args.max_inflight,
            context=int(loaded.dims.n_text_ctx),
            device=device.label,
            capabilities=("timestamps", "translate") if loaded.vocabulary.languages else ("timestamps",),
            languages=tuple(loaded.vocabulary.languages) or ("en",),
            weights=loaded.weights,
            load_seconds=time.monotonic() - began,
            voice_detector=detector,
        )

    def _warm_up(self) -> None:
        """Compiles what a request will need, and finds a model that can't compute."""
        silence = np.zeros((self._loaded.frames, self._loaded.dims.n_mels), np.float32)
        prompt = self._loaded.vocabulary.prompt(None, None, "transcribe", 0)
        self._window_seconds = _STALL  # that encoding one takes
        for width in sorted({1, min(self._rows, ENCODED_TOGETHER)}):
            rows = [Row(prompt, 0.0, 0, 1, room=2) for _ in range(width)]
            self._batch.join(rows, self._batch.listen(self._encode([silence] * width)))
            while self._batch.rows:
                self._batch.step()

    # ------------------------------------------------------------ preprocessing thread
    def prepare(self, work: Work, blobs: Sequence[memoryview]) -> PreparedTranscribe:
        if not isinstance(work, Transcribe):
            raise WrongModality("this model writes down speech; it can't do that", param="model")
        language = self._language(work)
        if work.temperature is not None and not 0 <= work.temperature <= 1:
            raise InvalidRequest("temperature must be between 0 and 1", param="temperature")
        source = Source(AudioFile(work.audio.data), self._hearing)
        return PreparedTranscribe(work, language, source, source.advance())

    def _language(self, work: Transcribe) -> str | None:
        vocabulary = self._loaded.vocabulary
        if work.task == "translate" and not vocabulary.languages:
            raise InvalidRequest("this model knows English only: it can't translate", param="model")
        if work.language is not None and work.language.strip():
            return vocabulary.language(work.language)
        return None if vocabulary.languages else "en"

    # ------------------------------------------------------------ engine thread
    def admit(self, prepared: PreparedTranscribe) -> Sequence[Accepted | Delta]:
        work = prepared.work
        job = Job(work.request, work, prepared.source, prepared.language)
        self._jobs[work.request] = job
        self._take(job, prepared.first)
        return (Accepted(work.request), *self._leave(job))

    def step(self) -> Sequence[Accepted | Delta]:
        self._steps += 1
        idle = not self._batch.rows and next_part(self._open) is None
        self._background.collect(_PATIENCE if idle else 0.0)
        self._fill()
        if self._batch.rows:
            self._generated += len(self._batch.rows)
            for row in self._batch.step():
                self._judge(self._running.pop(row), row)
        deltas: list[Delta] = []
        for job in self._open:
            deltas += self._leave(job)
            self._fetch(job)
        failures, self._failures = self._failures, []
        return [*deltas, *failures]

    @property
    def _open(self) -> list[Job]:
        return list(self._jobs.values())

    def _leave(self, job: Job) -> list[Delta]:
        deltas: list[Delta] = list(job.leave())
        if not job.parts and job.source.ended and not job.fetching:
            self._close_job(job)
            language = job.language or "en"
            seconds = round(job.source.seconds, 3)
            deltas += [Transcribed(job.request, language, seconds), Finished(job.request, job.usage)]
        return deltas

    # ------------------------------------------------------------ windows
    def _take(self, job: Job, cut: Cut | None) -> None:
        """A window has been cut, or none could be: more is fetched while there is room."""
        job.fetching = False
        if cut is not None:
            job.parts.append(Part(job, *cut))
        self._fetch(job)

    def _fetch(self, job: Job) -> None:
        known = len(job.parts) < self._rows + _AHEAD
        if not (job.fetching or job.ended or job.source.ended) and known and job.ahead < _AHEAD:
            job.fetching = True
            self._background.submit(job.source.advance, partial(self._fetched, job))

    def _fetched(self, job: Job, outcome: Any) -> None:
        if job.ended:
            return
        if isinstance(outcome, Exception):
            self._fail(job, outcome)
        else:
            self._take(job, outcome)

    def _fill(self) -> None:
        """Gives free rows to windows that wait; encodes no more at a time than running rows can bear."""
        count = min(self._rows - len(self._batch.rows), ENCODED_TOGETHER)
        if self._batch.rows:
            count = min(count, max(1, int(_STALL / self._window_seconds)))
        chosen: list[Part] = []
        while len(chosen) < count and (part := next_part(self._open)) is not None:
            self._turns += 1
            part.running, part.job.turn = True, self._turns
            chosen.append(part)
        if chosen:
            began = time.perf_counter()
            self._start(chosen)
            self._window_seconds = (time.perf_counter() - began) / len(chosen)

    def _start(self, chosen: Sequence[Part]) -> None:
        fresh = [part for part in chosen if part.mel is not None]
        if fresh:
            sound = self._encode([part.mel for part in fresh if part.mel is not None])
            for index, part in enumerate(fresh):
                part.mel, part.sound = None, sound[index]
        keys = self._batch.listen(mx.stack([part.sound for part in chosen]))
        self._detect([part.job for part in chosen], keys)
        self._batch.join([self._row(part) for part in chosen], keys)

    def _encode(self, mels: Sequence[np.ndarray[Any, Any]]) -> mx.array:
        model = self._loaded.model
        sound: mx.array = model.encoder(mx.array(np.stack(mels)).astype(model.dtype))
        return sound

    def _detect(self, jobs: Sequence[Job], keys: Sequence[KeysValues]) -> None:
        if any(job.language is None for job in jobs):
            for job, language in zip(jobs, self._batch.detect(keys), strict=True):
                job.language = job.language or language

    def _row(self, part: Part) -> Row:
        work, context = part.job.work, int(self._loaded.dims.n_text_ctx)
        prompt = self._loaded.vocabulary.prompt(work.prompt, part.job.language, work.task, context // 2 - 1)
        temperature = LADDER[part.attempts] if work.temperature is None else work.temperature
        row = Row(
            prompt,
            temperature,
            seed=part.window.start + part.attempts,
            last_tick=int(self._loaded.dims.n_audio_ctx),
            room=min(context // 2, context - len(prompt)),
        )
        self._running[row] = part
        return row

    # ------------------------------------------------------------ results
    def _judge(self, part: Part, row: Row) -> None:
        """A row has ended: its window is tried again, given up as silence, or understood."""
        job, vocabulary = part.job, self._loaded.vocabulary
        job.tokens += len(row.sampled)
        text = vocabulary.decode(row.sampled)
        attempt = Attempt(tuple(row.sampled), text, row.temperature, row.avg_logprob, row.no_speech, row.ended)
        part.attempts += 1
        part.running = False
        if job.work.temperature is None and attempt.doubtful and part.attempts < len(LADDER):
            return
        found = pieces(attempt.tokens, vocabulary.first_timestamp, part.window.seconds)
        found, heard_until = unheard(attempt, found)
        if attempt.silent:
            found, heard_until = [], None
        heard = [Heard(piece, vocabulary.decode(piece.tokens), attempt) for piece in found]
        if heard_until is not None:
            self._hear_rest(part, heard_until)
        if job.work.word_timestamps and heard:
            self._align(part, heard)
        else:
            part.finish(heard)

    def _hear_rest(self, part: Part, seconds: float) -> None:
        rest = part.window.rest(seconds)
        if rest is None:
            return
        later = Part(part.job, rest)
        part.job.parts.insert(part.job.parts.index(part) + 1, later)
        self._background.submit(partial(self._hearing.mel, rest), partial(self._rest_ready, later))

    def _rest_ready(self, part: Part, outcome: Any) -> None:
        if isinstance(outcome, Exception):
            self._fail(part.job, outcome)
        else:
            part.mel = outcome

    def _align(self, part: Part, heard: list[Heard]) -> None:
        """Where the decoder looked is computed here, what follows from it on a thread."""
        part.running = True
        language = part.job.language or "en"
        prompt = self._loaded.vocabulary.prompt(None, language, part.job.work.task, 0)
        looked = words.look(self._loaded, part.sound, prompt, [one.piece for one in heard], part.window.seconds)
        part.sound = None
        task = partial(words.timed, heard, looked, self._loaded.vocabulary, language)
        self._background.submit(task, partial(self._aligned, part))

    def _aligned(self, part: Part, outcome: Any) -> None:
        if isinstance(outcome, Exception):
            self._fail(part.job, outcome)
        else:
            part.finish(outcome)

    # ------------------------------------------------------------ the end
    def _fail(self, job: Job, error: Exception) -> None:
        if job.ended:
            return
        try:
            raise error
        except Exception as caught:  # the request's boundary
            failure = failure_of(job.request, caught, _log)
        self._failures.append(replace(failure, usage=job.usage))
        self._close_job(job)

    def _close_job(self, job: Job) -> None:
        job.ended = True
        self._jobs.pop(job.request, None)
        rows = [row for row, part in self._running.items() if part.job is job]
        for row in rows:
            del self._running[row]
        self._batch.remove(rows)

    def cancel(self, request: str) -> Sequence[Delta]:
        job = self._jobs.get(request)
        if job is None:
            return ()
        self._close_job(job)
        return (Failed(request, "cancelled", "the request was cancelled", usage=job.usage),)

    @property
    def busy(self) -> bool:
        return bool(self._jobs or self._failures)

    def stats(self) -> Stats:
        return Stats(
            steps=self._steps,
            running=len(self._batch.rows),
            waiting=sum(job.ahead for job in self._open),
            prompt_tokens=0,
            cached_tokens=0,
            generated_tokens=self._generated,
            cache_bytes=self._batch.nbytes,
            active_bytes=mx.get_active_memory(),
            peak_bytes=mx.get_peak_memory(),
        )

    def trim(self, keep_bytes: int) -> None:
        mx.clear_cache()  # nothing of past requests is kept

    def close(self) -> None:
        self._background.close()
        mx.synchronize()
        mx.clear_cache()


def _detector(folder: Path) -> tuple[VoiceDetector, Callable[[], Detector]]:
    """What finds speech, for people, and what makes one for a file."""
    silero = find_silero(folder)
    if silero is None:
        _log.info("speech is found by its loudness", hint=f"for Silero put its folder at {folder / 'silero-vad'}")
        return "loudness", LoudnessDetector
    _log.info("speech is found by Silero", folder=str(silero))
    return "silero", partial(SileroDetector, load_silero(silero))


def _row_limit(loaded: Loaded, args: EngineArgs, memory: int) -> int:
    """As many rows as were asked for and fit beside the weights."""
    dims = loaded.dims
    encoding = encoding_bytes(dims.n_audio_head, dims.n_audio_ctx, loaded.model.dtype.size)
    room = (args.memory_budget or memory // 2) - loaded.weights - encoding - _PROCESS
    return max(1, min(args.max_num_seqs, room // (loaded.row_bytes * 3 // 2)))  # storage that grows exists twice

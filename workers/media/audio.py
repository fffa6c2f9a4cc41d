"""Sound files to samples: any usual container, read front to back in bounded memory, nothing written to disk.

FFmpeg (through PyAV) sees the upload through a read-only view of its bytes and only demuxers that can't open other
files or addresses: a playlist is no sound file here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidRequest
from workers.media.clock import Clock, silence
from workers.media.cuts import is_cut
from workers.media.mp3 import told_seconds
from workers.media.sizes import missing_share, placeholders
from workers.media.view import View

SAMPLE_RATE = 16000
Samples = NDArray[np.float32]

_DEMUXERS = "wav,w64,aiff,caf,mp3,aac,flac,ogg,matroska,webm,mov,mp4,m4a,amr,au"
_CUT = (0.97, 0.3)  # a file is cut when less than this share of the declared time, less so many seconds, is there
_RATES = (1000, 768_000)  # Hz
_LOUDEST = 1000.0  # times full scale: what is louder is no sound
_TIMED = ("matroska", "mov")  # containers whose times count from the beginning of the file
_LATEST = 600.0  # seconds; a file whose every track begins later belongs to a stream that ran before


class AudioFile:
    """An uploaded file. `duration` is in seconds on its own clock, after every packet was counted.

    The constructor reads through the packets without decoding. It and `blocks` raise InvalidRequest naming `param`.
    """

    def __init__(self, data: bytes | memoryview, param: str = "file") -> None:
        self._data = memoryview(data).cast("B")
        self._param = param
        if not len(self._data):
            raise self._invalid("the file is empty")
        if is_cut(self._data):
            raise self._invalid("the file was cut: its end is missing")
        self._patches = placeholders(self._data)
        self.duration = self._measure()

    def blocks(self, seconds: float = 1.0) -> Iterator[Samples]:
        """Mono samples at 16 kHz, about so many seconds at a time."""
        size, count, held = int(seconds * SAMPLE_RATE), 0, list[Samples]()
        found = False
        for samples in self._samples():
            found = True
            held.append(samples)
            count += len(samples)
            if count >= size:
                yield np.concatenate(held)
                count, held = 0, []
        if held:
            yield np.concatenate(held)
        if not found:
            raise self._invalid("the file's sound can't be decoded")

    def _samples(self) -> Iterator[Samples]:
        try:
            with self._open() as container:
                yield from self._decoded(container)
        except (av.FFmpegError, MemoryError, ValueError, OverflowError) as error:
            raise self._invalid(f"the file's sound can't be decoded: {error}") from error

    def _decoded(self, container: Any) -> Iterator[Samples]:
        stream = self._stream(container)
        clock, resampler = Clock(_beginning(container, stream)), _Resampler()
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:  # as players do: a damaged packet is left out
                continue
            for frame in frames:
                gap = clock.place(frame.time, frame.samples / frame.sample_rate)
                if gap is None:
                    continue
                if gap:
                    yield from resampler.flush()
                    yield from silence(gap, SAMPLE_RATE)
                yield from resampler.feed(frame)
        yield from resampler.flush()

    def _measure(self) -> float:
        """Raises for a file that is no sound, and for one whose end is missing."""
        last = 0.0  # moment of all tracks that are looked at
        broken = False
        with self._open() as container:
            stream = self._stream(container)
            own = _seconds(stream.duration, stream.time_base)
            declared = self._declared(container, own)
            start = _beginning(container, stream)
            clock = Clock(start)
            try:
                for packet in container.demux(stream) if own else container.demux():
                    if not packet.size or packet.is_discard:
                        continue
                    stamp = None if packet.pts is None else _seconds(packet.pts, packet.time_base)
                    length = _seconds(packet.duration, packet.time_base)
                    last = max(last, (stamp or 0.0) + length)
                    if packet.stream == stream:
                        clock.place(stamp, length)
                        broken = broken or packet.is_corrupt
            except av.PatchWelcomeError as error:
                raise self._invalid("the file's sound changes into a form that can't be decoded") from error
            except av.FFmpegError:
                broken = True
        # FFmpeg's durations count from the first sample in some containers, from zero in others.
        self._check_whole(max(last, last - start), declared, broken)
        return clock.told

    def _declared(self, container: Any, own: float) -> float:
        """Seconds, 0 where the file doesn't tell: FFmpeg guesses from the first bit rates then."""
        if container.format.name == "mp3":
            return told_seconds(self._data) or 0.0
        if container.format.name in ("aac", "amr"):
            return 0.0
        return own or (container.duration or 0) / av.time_base  # else of the longest track

    def _check_whole(self, there: float, declared: float, broken: bool) -> None:
        """Both in seconds; `broken`: a packet is not whole, which plain samples can't tell from an end anywhere."""
        share, slack = _CUT
        missing = missing_share(self._data)
        if missing is not None:
            declared, broken = there / max(1 - missing, 1e-9), False
        if broken or there < declared * share - slack:
            told = f": {there:.1f} of {declared:.1f} s are there" if declared > there else ""
            raise self._invalid(f"the file was cut{told}")

    def _open(self) -> Any:
        try:
            view = View(self._data, self._patches)
            return av.open(view, options={"format_whitelist": _DEMUXERS}, metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            raise self._invalid(
                "the file is not a sound file that can be read (wav, mp3, m4a, flac, ogg, webm), or it was cut"
            ) from error

    def _stream(self, container: Any) -> Any:
        if not container.streams.audio:
            raise self._invalid("the file has no audio track")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise self._invalid("the file's sound is in a form that can't be decoded")
        rate, (low, high) = stream.codec_context.sample_rate, _RATES
        if not low <= rate <= high:
            raise self._invalid(f"the file's sample rate is {rate} Hz; it must be {low} to {high}")
        return stream

    def _invalid(self, message: str) -> InvalidRequest:
        return InvalidRequest(message, param=self._param)


class _Resampler:
    """To mono float32 at 16 kHz; a stream may change its rate or layout on the way."""

    def __init__(self) -> None:
        self._source: tuple[Any, ...] | None = None
        self._inner: Any = None

    def feed(self, frame: Any) -> Iterator[Samples]:
        source = (frame.sample_rate, frame.layout.name, frame.format.name)
        if source != self._source:
            yield from self.flush()
            self._source = source
            self._inner = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        frame.pts = None  # the clock has seen to gaps
        for converted in self._inner.resample(frame):
            yield _sane(converted.to_ndarray()[0])

    def flush(self) -> Iterator[Samples]:
        if self._inner is not None:
            for converted in self._inner.resample(None):
                yield _sane(converted.to_ndarray()[0])
            self._inner = self._source = None


def _sane(samples: Samples) -> Samples:
    """Numbers that are no sound (NaN, infinite, far beyond full scale) become silence."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(samples) <= _LOUDEST, samples, np.float32(0))


def _beginning(container: Any, stream: Any) -> float:
    """The moment, in seconds, at which the file begins.

    1. Times before zero, or so late that the file was cut out of a longer stream: where its first track begins.
    2. Tracks side by side, or a container whose times count from the beginning of the file: zero.
    3. Else where the sound begins.
    """
    first = (container.start_time or 0) / av.time_base
    if not 0 <= first < _LATEST:
        return first
    if container.format.name.startswith(_TIMED) or len(container.streams) > 1:
        return 0.0
    return _seconds(stream.start_time, stream.time_base)


def _seconds(value: int | None, base: Any) -> float:
    return 0.0 if value is None or base is None else float(value * base)

"""Sound files to samples: any usual container, read front to back in bounded memory, nothing written to disk.

FFmpeg (through PyAV) sees the upload through a read-only view of its bytes and only demuxers that can't open other
files or addresses: a playlist is no sound file here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from shared.errors import InvalidRequest
from workers.media.clock import Clock
from workers.media.sizes import missing_share

SAMPLE_RATE = 16000
Samples = NDArray[np.float32]

_DEMUXERS = "wav,w64,aiff,caf,mp3,aac,flac,ogg,matroska,webm,mov,mp4,m4a,amr,au"
_CUT = (0.97, 0.3)  # a file is cut when less than this share of the declared time, less so many seconds, is there
_RATES = (1000, 768_000)  # Hz
_LOUDEST = 1000.0  # times full scale: what is louder is no sound
_TIMED = ("matroska", "mov")  # containers whose times count from the beginning of the file
_OGG_HEADER = 27  # bytes before an Ogg page's table of segment sizes (RFC 3533)


class AudioFile:
    """An uploaded file. `duration` is in seconds on its own clock, after every packet was counted.

    The constructor reads through the packets without decoding. It and `blocks` raise InvalidRequest naming `param`.
    """

    def __init__(self, data: bytes | memoryview, param: str = "file") -> None:
        self._data = memoryview(data).cast("B")
        self._param = param
        if not len(self._data):
            raise self._invalid("the file is empty")
        if _ogg_page_cut(self._data):
            raise self._invalid("the file was cut: its last page is not whole")
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
        clock, resampler = Clock(_beginning(container, stream), SAMPLE_RATE), _Resampler()
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:  # as players do: a damaged packet is left out
                continue
            for frame in frames:
                for silence in clock.before(frame.time, frame.samples / frame.sample_rate):
                    yield from resampler.flush()
                    yield silence
                yield from resampler.feed(frame)
        yield from resampler.flush()

    def _measure(self) -> float:
        """Raises for a file that is no sound, and for one whose end is missing."""
        end = last = 0.0  # of the sound, and of all tracks that are looked at
        broken = False
        with self._open() as container:
            stream = self._stream(container)
            own = _seconds(stream.duration, stream.time_base)
            declared = own or (container.duration or 0) / av.time_base  # else of the longest track
            start = _beginning(container, stream)
            exact = _tells_duration(container.format.name, self._data)
            try:
                for packet in container.demux(stream) if own else container.demux():
                    if packet.size and packet.pts is not None:
                        moment = _seconds(packet.pts + (packet.duration or 0), packet.time_base)
                        last = max(last, moment)
                        if packet.stream == stream:
                            end = max(end, moment)
                            broken = broken or packet.is_corrupt
            except av.FFmpegError:
                broken = True
        self._check_whole(last - (start if own else 0.0), declared if exact else 0.0, broken)
        return max(0.0, end - start)

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
            return av.open(_View(self._data), options={"format_whitelist": _DEMUXERS}, metadata_errors="replace")
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


class _View:
    """A file object over bytes that are not copied."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        end = len(self._data) if size < 0 else self._at + size
        piece = bytes(self._data[self._at : end])
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        self._at = max(0, min(base + offset, len(self._data)))
        return self._at

    def tell(self) -> int:
        return self._at


def _sane(samples: Samples) -> Samples:
    """Numbers that are no sound (NaN, infinite, far beyond full scale) become silence."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(samples) <= _LOUDEST, samples, np.float32(0))


def _beginning(container: Any, stream: Any) -> float:
    """The moment, in seconds, at which the file begins: where it has tracks side by side or whole-file times, zero."""
    if container.format.name.startswith(_TIMED) or len(container.streams) > 1:
        return 0.0
    return _seconds(stream.start_time, stream.time_base)


def _seconds(value: int | None, base: Any) -> float:
    return 0.0 if value is None or base is None else float(value * base)


def _tells_duration(container: str, data: memoryview) -> bool:
    """Whether the duration is the file's word. Else it is FFmpeg's guess from the first bit rates."""
    if container != "mp3":
        return container not in ("aac", "amr")
    start = 0
    if bytes(data[:3]) == b"ID3":  # the tag's size is written with seven bits a byte (id3.org, ID3v2.4)
        start = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=False))
    return any(mark in bytes(data[start : start + 512]) for mark in (b"Xing", b"Info", b"VBRI"))


def _ogg_page_cut(data: memoryview) -> bool:
    """Whether an Ogg file ends inside a page. Nothing else in it tells how long it was."""
    if bytes(data[:4]) != b"OggS":
        return False
    tail = bytes(data[-65536:])
    at = tail.rfind(b"OggS")
    if at < 0:
        return True  # a page is never longer than that
    header = tail[at : at + _OGG_HEADER]
    if len(header) < _OGG_HEADER:
        return True
    sizes = tail[at + _OGG_HEADER : at + _OGG_HEADER + header[26]]
    return len(sizes) < header[26] or len(tail) < at + _OGG_HEADER + header[26] + sum(sizes)

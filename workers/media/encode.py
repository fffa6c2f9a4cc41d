"""Sound to bytes of a file, while it is being made: samples in, bytes out that together are one valid file.

Nothing is written twice, because the bytes may have left already. So a header that holds a length says "unknown" unless
all samples came with the first call. Encoders are FFmpeg's, through PyAV: https://pyav.basswood-io.com/docs/stable/
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast

import av
import numpy as np
import numpy.typing as npt

from shared.errors import InvalidRequest

Samples = npt.NDArray[np.float32]
_UNKNOWN = 0xFFFFFFFF  # a length in a RIFF header that readers take as "until the end"


@dataclass(frozen=True, slots=True)
class Codec:
    """FFmpeg's names. `bit_rate` in bits a second; 0: the codec has none."""

    container: str
    name: str
    bit_rate: int = 0
    options: Mapping[str, str] = field(default_factory=dict)  # of the container


CODECS = {
    # A Xing header would have to be rewritten at the end.
    "mp3": Codec("mp3", "libmp3lame", 64_000, {"write_xing": "0", "id3v2_version": "0"}),
    "opus": Codec("ogg", "libopus", 48_000, {"page_duration": "200000"}),  # microseconds: sound leaves in time
    "aac": Codec("adts", "aac", 96_000),
    "flac": Codec("flac", "flac"),
}
FORMATS = (*CODECS, "wav", "pcm")


class Encoder(Protocol):
    def feed(self, samples: Samples, last: bool = False) -> bytes:
        """Takes mono samples (-1 to 1) and returns what is ready of the file; with `last` all the rest of it."""
        ...


def make_encoder(sound_format: str, rate: int) -> Encoder:
    """An encoder for one file at `rate` samples a second. Raises InvalidRequest for a format that there is not."""
    if sound_format == "pcm":
        return PcmEncoder()
    if sound_format == "wav":
        return WavEncoder(rate)
    if sound_format not in CODECS:
        raise InvalidRequest(
            f"there is no format {sound_format!r}; choose one of {', '.join(FORMATS)}", param="response_format"
        )
    return CodecEncoder(CODECS[sound_format], rate)


def to_int16(samples: Samples) -> npt.NDArray[np.int16]:
    """Clips what is louder than full scale; what is not a number is silence."""
    return (np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32767).round().astype("<i2")


class PcmEncoder:
    """Signed 16 bit, little-endian, mono, without a header."""

    def feed(self, samples: Samples, last: bool = False) -> bytes:
        return to_int16(samples).tobytes()


class WavEncoder:
    """PCM behind a RIFF header, whose lengths are right when one call brings the whole sound."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._started = False

    def feed(self, samples: Samples, last: bool = False) -> bytes:
        data = to_int16(samples).tobytes()
        if self._started:
            return data
        self._started = True
        return wav_header(self._rate, len(data) if last else None) + data


def wav_header(rate: int, size: int | None) -> bytes:
    """44 bytes for 16 bit mono; `size` is the length of the samples in bytes, None while nobody knows it."""
    riff, data = (_UNKNOWN, _UNKNOWN) if size is None else (size + 36, size)
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", data
    )


class _Sink:
    """What the container writes to; without `seek`, so that it never goes back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class CodecEncoder:
    def __init__(self, codec: Codec, rate: int) -> None:
        self._rate = rate
        self._sink = _Sink()
        options = {"flush_packets": "1", **codec.options}
        self._container = av.open(self._sink, "w", format=codec.container, options=options)
        self._stream = cast(av.AudioStream, self._container.add_stream(codec.name, rate=rate, layout="mono"))
        if codec.bit_rate:
            self._stream.bit_rate = codec.bit_rate
        self._samples = 0

    def feed(self, samples: Samples, last: bool = False) -> bytes:
        if len(samples):
            frame = av.AudioFrame.from_ndarray(to_int16(samples)[None], format="s16", layout="mono")
            frame.sample_rate = self._rate
            frame.pts = self._samples
            self._samples += len(samples)
            self._container.mux(self._stream.encode(frame))
        if last:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        return self._sink.take()

"""Files for requests: made here, cut here, and read back by another reader than the node's."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any, cast

import av
import numpy as np

DATA = Path(__file__).parent.parent / "data"
IMAGES, AUDIO = DATA / "images", DATA / "audio"
_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".mp4": "video/mp4"}


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def image_part(name: str) -> dict[str, Any]:
    path = IMAGES / name
    return {"type": "image_url", "image_url": {"url": data_url(path.read_bytes(), _TYPES[path.suffix])}}


def video_part(name: str) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": data_url((IMAGES / name).read_bytes(), "video/mp4")}}


def fill(messages: Sequence[dict[str, Any]], images: Sequence[str], video: str | None) -> list[dict[str, Any]]:
    """Messages with places for media, as `demo_vision.json` has them, to messages with the media in them."""
    waiting = iter(images)

    def filled(part: dict[str, Any]) -> dict[str, Any]:
        if part["type"] == "image":
            return image_part(next(waiting))
        return video_part(cast(str, video)) if part["type"] == "video" else part

    return [
        {**one, "content": [filled(part) for part in one["content"]]} if isinstance(one["content"], list) else one
        for one in messages
    ]


def blank_png(width: int, height: int) -> bytes:
    """A black picture of one bit a pixel: small as a file, however large it is."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    deflate = zlib.compressobj()
    row = bytes(1 + (width + 7) // 8)
    pixels = b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def sound(seconds: float, container: str = "wav", codec: str = "pcm_s16le", volume: float = 0.0) -> bytes:
    """A tone at 16 kHz; without `volume`, silence."""
    times = np.arange(int(seconds * 16_000)) / 16_000
    frame = av.AudioFrame.from_ndarray(
        (np.sin(times * 2 * np.pi * 440) * volume * 32767).astype("<i2")[None], "s16", "mono"
    )
    frame.sample_rate = 16_000
    return _encoded([frame], container, codec, 16_000)


def converted(path: Path, container: str, codec: str, rate: int) -> bytes:
    """The same sound in another container, under another codec."""
    with av.open(str(path)) as source:
        resampler = av.AudioResampler("s16", "mono", rate)
        frames = [out for frame in chain(source.decode(audio=0), [None]) for out in resampler.resample(frame)]
    return _encoded(frames, container, codec, rate)


def _encoded(frames: Sequence[av.AudioFrame], container: str, codec: str, rate: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = cast(av.AudioStream, output.add_stream(codec, rate=rate, layout="mono"))
        at = 0
        for frame in frames:
            frame.pts, frame.time_base = at, Fraction(1, rate)
            at += frame.samples
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return file.getvalue()


def video_without_frames(container: str) -> bytes:
    """A file that announces a video track and ends."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream = cast(av.VideoStream, output.add_stream("mpeg4", rate=10))
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        output.start_encoding()
    return file.getvalue()


@dataclass(frozen=True)
class Heard:
    """What a decoder finds in a sound file: its codec, samples a second, channels and seconds."""

    codec: str
    rate: int
    channels: int
    duration: float


def heard(data: bytes) -> Heard:
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        samples = sum(frame.samples for frame in container.decode(stream))
        context = stream.codec_context
        return Heard(context.codec.canonical_name, context.sample_rate, context.channels, samples / context.sample_rate)


def delayed(path: Path, seconds: float) -> bytes:
    """The sound of a file in a Matroska container, behind so many seconds without packets."""
    out = io.BytesIO()
    with av.open(str(path)) as source, av.open(out, "w", format="matroska") as target:
        track: Any = target.add_stream("pcm_s16le", rate=16_000, layout="mono")
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
        at = round(seconds * 16_000)
        for frame in source.decode(audio=0):
            for piece in resampler.resample(frame):
                piece.pts, piece.time_base = at, Fraction(1, 16_000)
                at += piece.samples
                target.mux(track.encode(piece))
        target.mux(track.encode(None))
    return out.getvalue()

"""What containers of plain samples say of their own length.

A recorder that writes to a pipe can't go back to fill in the length: it leaves a placeholder, and the file ends where
its bytes end. RIFF: https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html, RF64: EBU Tech 3306,
AIFF: https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/AIFF/AIFF.html, W64: Sony Wave64 (GUIDs for names), CAF:
https://developer.apple.com/library/archive/documentation/MusicAudio/Reference/CAFSpec/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

_HUGE = 0x7EFFFFFF  # bytes; placeholders lie above, and no upload does
_CHUNKS = 64  # that are looked at
_W64 = b"riff\x2e\x91\xcf\x11"


class _Chunk(NamedTuple):
    name: bytes
    at: int  # of its contents
    size: int  # of its contents, as it says


def missing_share(data: memoryview) -> float | None:
    """The share of the declared samples that is not there, 0 to 1; None: this container is not one of these.

    0 where the length is a placeholder, or where that of the whole file fits although that of the samples doesn't.
    """
    kind = bytes(data[:4])
    if kind == b"RIFF" and len(data) >= 12:
        whole = struct.unpack_from("<I", data, 4)[0]
        if 0 < whole < _HUGE and whole + 8 <= len(data):
            return 0.0
        return _missing(data, b"data", _chunks(data, 12, "<4sI"))
    if kind == b"RF64":
        return _missing(data, b"data", _rf64(data))
    if kind == b"caff":
        return _missing(data, b"data", _chunks(data, 8, ">4sq", even=False))
    return None


def placeholders(data: memoryview) -> dict[int, bytes]:
    """True lengths, by the offsets of placeholders that FFmpeg would take at their word: in AIFF, RF64 and W64."""
    kind = bytes(data[:4])
    if kind == b"FORM" and bytes(data[8:11]) == b"AIF":
        return _aiff(data)
    if kind == b"RF64":
        samples = next((chunk for chunk in _rf64(data) if chunk.name == b"data"), None)
        if samples and not 0 < samples.size < _HUGE:
            return {20: struct.pack("<qqq", len(data) - 8, len(data) - samples.at, 0)}
    if bytes(data[:8]) == _W64:
        return _w64(data)
    return {}


def _missing(data: memoryview, name: bytes, chunks: Iterator[_Chunk]) -> float:
    samples = next((chunk for chunk in chunks if chunk.name == name), None)
    if samples is None or not 0 < samples.size < _HUGE:
        return 0.0
    return max(0.0, 1 - (len(data) - samples.at) / samples.size)


def _rf64(data: memoryview) -> Iterator[_Chunk]:
    """RIFF's chunks; the samples' size stands in the first of them, which holds 64-bit sizes."""
    if bytes(data[12:16]) != b"ds64" or len(data) < 44:
        return
    size = int(struct.unpack_from("<q", data, 28)[0])
    for chunk in _chunks(data, 12, "<4sI"):
        yield chunk._replace(size=size) if chunk.name == b"data" else chunk


def _aiff(data: memoryview) -> dict[int, bytes]:
    """The samples' chunk, and the count of frames that the common chunk has."""
    patches: dict[int, bytes] = {}
    for chunk in _chunks(data, 12, ">4sI"):
        if chunk.name == b"COMM" and chunk.at + 18 <= len(data):
            channels, _, bits = struct.unpack_from(">hIh", data, chunk.at)
            frame = max(1, channels * ((bits + 7) // 8))
            patches[chunk.at + 2] = struct.pack(">I", (len(data) - chunk.at) // frame)
        if chunk.name == b"SSND":
            if 8 < chunk.size < _HUGE:
                return {}
            size = len(data) - chunk.at
            return patches | {4: struct.pack(">I", len(data) - 8), chunk.at - 4: struct.pack(">I", size)}
    return {}


def _w64(data: memoryview) -> dict[int, bytes]:
    """Its chunks' sizes include their heads of 24 bytes, and chunks begin at multiples of eight."""
    at = 40
    for _ in range(_CHUNKS):
        if at + 24 > len(data):
            break
        size = struct.unpack_from("<q", data, at + 16)[0]
        if bytes(data[at : at + 4]) == b"data":
            if 24 < size < _HUGE:
                return {}
            return {16: struct.pack("<q", len(data)), at + 16: struct.pack("<q", len(data) - at)}
        if size < 24:
            break
        at += size + -size % 8
    return {}


def _chunks(data: memoryview, at: int, head: str, even: bool = True) -> Iterator[_Chunk]:
    length = struct.calcsize(head)
    for _ in range(_CHUNKS):
        if at + length > len(data):
            break
        name, size = struct.unpack_from(head, data, at)
        yield _Chunk(name, at + length, int(size))
        if size < 0:
            break
        at += length + size + (size % 2 if even else 0)

"""What containers of plain samples say of their own length.

A recorder that writes to a pipe can't go back to fill in the length: it leaves a placeholder, and the file ends where
its bytes end. RIFF: https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html, CAF:
https://developer.apple.com/library/archive/documentation/MusicAudio/Reference/CAFSpec/
"""

from __future__ import annotations

import struct

_HUGE = 0x7FFFFF00  # bytes; placeholders lie above, and no upload does
_CHUNKS = 64  # that are looked at


def missing_share(data: memoryview) -> float | None:
    """The share of the declared samples that is not there, 0 to 1; None: this container is not one of these.

    0 where the length is a placeholder, or where that of the whole file fits although that of the samples doesn't.
    """
    kind = bytes(data[:4])
    if kind == b"RIFF" and len(data) >= 12:
        whole = struct.unpack_from("<I", data, 4)[0]
        if 0 < whole < _HUGE and whole + 8 <= len(data):
            return 0.0
        return _missing(data, *_chunk(data, 12, "<4sI", even=True))
    if kind == b"RF64":
        return 0.0  # its lengths stand in a chunk that a recorder to a pipe leaves empty
    if kind == b"caff":
        return _missing(data, *_chunk(data, 8, ">4sq", even=False))
    return None


def _missing(data: memoryview, start: int, size: int) -> float:
    if not 0 < size < _HUGE:
        return 0.0
    return max(0.0, 1 - (len(data) - start) / size)


def _chunk(data: memoryview, at: int, head: str, even: bool) -> tuple[int, int]:
    """Where the samples begin and how many bytes they are said to be; 0 where no chunk holds any."""
    length = struct.calcsize(head)
    for _ in range(_CHUNKS):
        if at + length > len(data):
            break
        name, size = struct.unpack_from(head, data, at)
        if name == b"data":
            return at + length, int(size)
        if size < 0:
            break
        at += length + size + (size % 2 if even else 0)
    return len(data), 0

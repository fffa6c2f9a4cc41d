"""How long an MP3 says it is: a count of frames in its first one (Xing or VBRI), which most encoders leave.

http://gabriel.mp3-tech.org/mp3infotag.html, https://www.codeproject.com/Articles/8295/MPEG-Audio-Frame-Header
"""

from __future__ import annotations

import struct

_RATES = (44100, 48000, 32000)  # Hz of MPEG 1; MPEG 2 has half of them, 2.5 a quarter
_SEARCH = 4096  # bytes behind the tags in which the first frame begins
_VBRI = 36  # bytes from a frame's beginning
_LAYER_3 = 1


def told_seconds(data: memoryview) -> float | None:
    """None: it says nothing."""
    head = bytes(data[(start := _tags(data)) : start + _SEARCH])
    at = head.find(b"\xff")
    while 0 <= at < len(head) - _VBRI - 18:
        version, layer, rate = head[at + 1] >> 3 & 3, head[at + 1] >> 1 & 3, head[at + 2] >> 2 & 3
        if head[at + 1] >= 0xE0 and version != 1 and layer == _LAYER_3 and rate < len(_RATES):
            count = _frames(head[at:], version == 3)
            per_second = (_RATES[rate] >> (0, 1, 2)[(3, 2, 0).index(version)]) / (1152 if version == 3 else 576)
            return count / per_second if count else None
        at = head.find(b"\xff", at + 1)
    return None


def _frames(frame: bytes, first_version: bool) -> int:
    mono = frame[3] >> 6 == 3
    at = 4 + ((17 if mono else 32) if first_version else (9 if mono else 17))
    if frame[at : at + 4] in (b"Xing", b"Info"):
        flags, count = struct.unpack_from(">II", frame, at + 4)
        return int(count) if flags & 1 else 0
    if frame[_VBRI : _VBRI + 4] == b"VBRI":
        return int(struct.unpack_from(">I", frame, _VBRI + 14)[0])
    return 0


def _tags(data: memoryview) -> int:
    """Where the sound begins, behind ID3v2 tags; their sizes are written with seven bits a byte (id3.org)."""
    at = 0
    while bytes(data[at : at + 3]) == b"ID3" and at + 10 <= len(data):
        at += 10 + sum(byte << shift for byte, shift in zip(data[at + 6 : at + 10], (21, 14, 7, 0), strict=True))
    return at

"""Whether a file's end is missing, by what its container says in bytes: where FFmpeg reads on to wherever it ends.

Ogg: RFC 3533; AVI: https://learn.microsoft.com/windows/win32/directshow/avi-riff-file-reference; GIF:
https://www.w3.org/Graphics/GIF/spec-gif89a.txt; ASF: https://learn.microsoft.com/windows/win32/wmformat/overview-of-the-asf-format
"""

from __future__ import annotations

import struct

_SHARE = 0.97  # of the declared bytes that have to be there
_PLACEHOLDER = 0x7EFFFFFF  # bytes; what a recorder to a pipe leaves lies above
_OGG_HEADER = 27  # bytes before a page's table of segment sizes
_OGG_PAGE = 65536  # bytes, at most
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def is_cut(data: memoryview) -> bool:
    """False where nothing tells."""
    head = bytes(data[:16])
    if head[:4] == b"OggS":
        return _ogg(data)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return _lacks(data, struct.unpack_from("<I", head, 4)[0])
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return _gif(data)
    if head[:4] == b"\x30\x26\xb2\x75":
        start = bytes(data[:65536])
        at = start.find(_ASF_PROPERTIES)
        return 0 <= at <= len(start) - 48 and _lacks(data, struct.unpack_from("<Q", start, at + 40)[0])
    return False


def _lacks(data: memoryview, declared: int) -> bool:
    return declared < _PLACEHOLDER and len(data) < declared * _SHARE


def _ogg(data: memoryview) -> bool:
    """Whether it ends inside a page. Nothing else in it tells how long it was."""
    tail = bytes(data[-_OGG_PAGE:])
    at = tail.rfind(b"OggS")
    if at < 0:
        return True
    header = tail[at : at + _OGG_HEADER]
    if len(header) < _OGG_HEADER:
        return True
    sizes = tail[at + _OGG_HEADER : at + _OGG_HEADER + header[26]]
    return len(sizes) < header[26] or len(tail) < at + _OGG_HEADER + header[26] + sum(sizes)


def _gif(data: memoryview) -> bool:
    """Whether it ends before its trailer: walks from block to block."""
    at = 13 + _colours(data, 10)
    while at < len(data):
        kind = data[at]
        if kind == 0x3B:
            return False
        at += 2 if kind == 0x21 else 11 + _colours(data, at + 9)
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return True


def _colours(data: memoryview, at: int) -> int:
    """Bytes of the colour table that the flags at `at` announce."""
    return 3 << ((data[at] & 7) + 1) if at < len(data) and data[at] & 0x80 else 0

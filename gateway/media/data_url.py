"""Base64 and data URLs to bytes, strictly. Pure; the caller chooses the thread. https://www.rfc-editor.org/rfc/rfc2397"""

from __future__ import annotations

import binascii
from urllib.parse import unquote

from gateway.media.source import Media, Piece

_SCHEME = "data:"
_SLICE = 2**20  # characters; decoding holds the interpreter's lock, which other threads want in between
_BLANKS = b" \t\r\n"

# The declared type is not trusted, but one that contradicts the part is a mistake worth telling.
_FITS: dict[Media, tuple[str, ...]] = {
    "image": ("image/", "application/"),
    "video": ("video/", "application/", "image/gif"),
    "audio": ("audio/", "application/", "video/"),  # sound comes in containers of video too
}


def is_data_url(url: str) -> bool:
    return url[: len(_SCHEME)].lower() == _SCHEME


def decode_data_url(url: str, piece: Piece) -> bytes:
    """The bytes of a data URL. Raises InvalidRequest, PayloadTooLarge."""
    head, comma, text = url[len(_SCHEME) :].partition(",")
    declared, *parameters = (word.strip().lower() for word in head.split(";"))
    if not comma or "base64" not in parameters:
        raise piece.invalid("a data URL reads 'data:TYPE;base64,DATA'")
    if declared and not declared.startswith(_FITS[piece.source.media]):
        raise piece.invalid(f"its data URL declares another type than {piece.source.media}")
    return decode_base64(unquote(text) if "%" in text else text, piece)


def decode_base64(text: str, piece: Piece) -> bytes:
    """Line breaks are let through, nothing else that isn't base64. Raises InvalidRequest, PayloadTooLarge."""
    try:
        raw = text.encode("ascii")
        if any(blank in raw for blank in _BLANKS):
            raw = raw.translate(None, _BLANKS)
        piece.check(len(raw) // 4 * 3 - 2)
        if len(raw) % 4 or b"=" in raw[:-2]:  # the second a slice would take for its own end
            raise ValueError
        found = (binascii.a2b_base64(raw[at : at + _SLICE], strict_mode=True) for at in range(0, len(raw), _SLICE))
        data = b"".join(found)
    except ValueError:
        raise piece.invalid("it is not valid base64") from None
    if not data:
        raise piece.invalid("it is empty")
    return data

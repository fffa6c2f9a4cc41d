"""A thought as `encrypted_content`, for clients that keep no thought in clear text and send this one back.

It is the client's own answer, so it is packed, not encrypted.
"""

from __future__ import annotations

import base64
import binascii

_MARK = "mlx-gateway:"


def seal(text: str) -> str:
    return _MARK + base64.b64encode(text.encode()).decode()


def unseal(content: str) -> str:
    """The thought; nothing for one that another server has sealed."""
    if not content.startswith(_MARK):
        return ""
    try:
        return base64.b64decode(content.removeprefix(_MARK), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return ""

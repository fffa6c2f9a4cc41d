"""Messages to msgpack and back.

Every dataclass is a msgpack extension: its code is the position in `WIRE_TYPES`, its data the packed tuple of its
fields. Sequences come back as tuples, so what is decoded equals what was encoded. A `Blob` leaves as a frame of its own
behind the message, which holds the frame's position only.
Format: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from operator import attrgetter
from typing import Any

import msgpack

from shared.errors import CodecError
from shared.messages import WIRE_TYPES, Blob


def _values(cls: type) -> Callable[[Any], tuple[Any, ...]]:
    names = [field.name for field in fields(cls)]
    if not names:
        return lambda _: ()
    getter = attrgetter(*names)
    return getter if len(names) > 1 else lambda message: (getter(message),)


_ENCODERS = {cls: (code, _values(cls)) for code, cls in enumerate(WIRE_TYPES)}


_BLOB = 127  # the extension of a blob: the position of its frame
Frame = bytes | memoryview


def _pack(blobs: list[Frame] | None, message: Any) -> msgpack.ExtType:
    if type(message) is Blob and blobs is not None:
        blobs.append(message.data)
        return msgpack.ExtType(_BLOB, msgpack.packb(len(blobs) - 1))
    try:
        code, values = _ENCODERS[type(message)]
    except KeyError:
        raise CodecError(f"{type(message).__name__} does not travel on the wire") from None
    return msgpack.ExtType(code, msgpack.packb(values(message), default=partial(_pack, blobs)))


def _unpack(blobs: Sequence[Frame], code: int, data: bytes) -> Any:
    if code == _BLOB:
        return Blob(blobs[msgpack.unpackb(data)])
    return WIRE_TYPES[code](*msgpack.unpackb(data, use_list=False, ext_hook=partial(_unpack, blobs)))


def encode(message: Any, blobs: list[Frame] | None = None) -> bytes:
    """Packs one message of `shared.messages`; the data of its blobs is appended to `blobs`, the frames that follow.

    Raises CodecError for anything else, and for a blob where no list is given.
    """
    if type(message) not in _ENCODERS:
        raise CodecError(f"{type(message).__name__} is not a message")
    try:
        return bytes(msgpack.packb(message, default=partial(_pack, blobs)))
    except (TypeError, ValueError, OverflowError) as error:
        raise CodecError(f"can't encode {type(message).__name__}: {error}") from error


def decode(frame: bytes, blobs: Sequence[Frame] = ()) -> Any:
    """Unpacks one message whose blobs are the frames behind it. Raises CodecError when the frame is not one."""
    try:
        message = msgpack.unpackb(frame, use_list=False, ext_hook=partial(_unpack, blobs))
    except (ValueError, TypeError, IndexError, msgpack.exceptions.UnpackException) as error:
        raise CodecError(f"can't decode a frame of {len(frame)} bytes: {error}") from error
    if type(message) not in _ENCODERS:
        raise CodecError(f"a frame of {len(frame)} bytes holds {type(message).__name__}, not a message")
    return message

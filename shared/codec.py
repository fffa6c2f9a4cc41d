"""Messages to msgpack and back.

Every dataclass is a msgpack extension: its code is the position in `WIRE_TYPES`, its data the packed tuple of its
fields. Sequences come back as tuples, so what is decoded equals what was encoded.
Format: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any

import msgpack

from shared.errors import CodecError
from shared.messages import WIRE_TYPES


def _values(cls: type) -> Callable[[Any], tuple[Any, ...]]:
    names = [field.name for field in fields(cls)]
    if not names:
        return lambda _: ()
    getter = attrgetter(*names)
    return getter if len(names) > 1 else lambda message: (getter(message),)


_ENCODERS = {cls: (code, _values(cls)) for code, cls in enumerate(WIRE_TYPES)}


def _pack(message: Any) -> msgpack.ExtType:
    try:
        code, values = _ENCODERS[type(message)]
    except KeyError:
        raise CodecError(f"{type(message).__name__} does not travel on the wire") from None
    return msgpack.ExtType(code, msgpack.packb(values(message), default=_pack))


def _unpack(code: int, data: bytes) -> Any:
    return WIRE_TYPES[code](*msgpack.unpackb(data, use_list=False, ext_hook=_unpack))


def encode(message: Any) -> bytes:
    """Packs one message of `shared.messages`. Raises CodecError for anything else."""
    try:
        return bytes(msgpack.packb(message, default=_pack))
    except (TypeError, ValueError, OverflowError) as error:
        raise CodecError(f"can't encode {type(message).__name__}: {error}") from error


def decode(frame: bytes) -> Any:
    """Unpacks one message. Raises CodecError when the frame is not one."""
    try:
        message = msgpack.unpackb(frame, use_list=False, ext_hook=_unpack)
    except (ValueError, TypeError, IndexError, msgpack.exceptions.UnpackException) as error:
        raise CodecError(f"can't decode a frame of {len(frame)} bytes: {error}") from error
    if type(message) not in _ENCODERS:
        raise CodecError(f"a frame of {len(frame)} bytes holds {type(message).__name__}, not a message")
    return message

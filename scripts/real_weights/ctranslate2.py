"""CTranslate2's binary format, version 6: named tensors, then names that stand for others.

Written by `Model.save` in https://github.com/OpenNMT/CTranslate2/blob/master/python/ctranslate2/specs/model_spec.py
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from scripts.real_weights.folder import Array

_VERSION = 6
_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)


def read_model(path: Path, spec: str) -> dict[str, Array]:
    """The variables of a model of the type `spec`. Raises ValueError for another."""
    with path.open("rb") as file:
        version, name, _revision = _number(file, "I"), _text(file), _number(file, "I")
        if (version, name) != (_VERSION, spec):
            raise ValueError(f"{path}: a {name} in format {version}; this reads a {spec} in format {_VERSION}")
        found = dict(_variable(file) for _ in range(_number(file, "I")))
        aliases = [(_text(file), _text(file)) for _ in range(_number(file, "I"))]
    return found | {alias: found[name] for alias, name in aliases}


def dense(variables: dict[str, Array], layer: str) -> Array:
    """A layer's weight in float32; int8 rows have a scale each."""
    weight = variables[f"{layer}/weight"].astype(np.float32)
    scale = variables.get(f"{layer}/weight_scale")
    if scale is None:
        return weight
    return weight / (scale[:, None] if scale.ndim else scale)


def _variable(file: BinaryIO) -> tuple[str, Array]:
    name, rank = _text(file), _number(file, "B")
    shape = [_number(file, "I") for _ in range(rank)]
    kind, size = _TYPES[_number(file, "B")], _number(file, "I")
    return name, np.frombuffer(file.read(size), kind).reshape(shape)


def _number(file: BinaryIO, code: str) -> int:
    (value,) = struct.unpack("<" + code, file.read(struct.calcsize("<" + code)))
    return int(value)


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H"))[:-1].decode()  # ends with a zero byte

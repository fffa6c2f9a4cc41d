"""The wire: what one side encodes, the other decodes, whatever the values; what is broken is a CodecError."""

import dataclasses
import types
import typing
from typing import Any, Literal, Union, get_args, get_origin

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import messages
from shared.codec import decode, encode
from shared.errors import CodecError
from shared.messages import WIRE_TYPES, Blob, Generate, MediaPart, Step, TextDelta, Transcribe, Up

SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=20),
    int: st.integers(-(2**63), 2**64 - 1),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    memoryview: st.binary(max_size=20).map(memoryview),
    type(None): st.none(),
}


def values(hint: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a field's type, as its annotation says."""
    if hint in SCALARS:
        return SCALARS[hint]
    if dataclasses.is_dataclass(hint):
        return built(hint, depth + 1)  # type: ignore[arg-type]
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of(*(values(arg, depth) for arg in args))
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(values(args[0], depth), max_size=2 if depth < 3 else 1).map(tuple)
    if origin is tuple:
        return st.tuples(*(values(arg, depth) for arg in args))
    raise AssertionError(f"no strategy for {hint}")


def built(cls: type, depth: int = 0) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(cls, vars(messages))
    return st.builds(cls, **{name: values(hint, depth) for name, hint in hints.items()})


@pytest.mark.parametrize("cls", WIRE_TYPES, ids=lambda cls: cls.__name__)
def test_every_type_survives_the_journey(cls: type) -> None:
    @given(built(cls))
    def journey(message: Any) -> None:
        blobs: list[bytes | memoryview] = []
        arrived = decode(encode(message, blobs), blobs)
        assert arrived == message
        assert type(arrived) is cls

    journey()


def test_every_dataclass_of_the_contract_travels() -> None:
    defined = {cls for cls in vars(messages).values() if isinstance(cls, type) and dataclasses.is_dataclass(cls)}
    assert defined == {*WIRE_TYPES, Blob}  # a blob is a frame of its own
    assert len(WIRE_TYPES) == len(set(WIRE_TYPES)) < 127  # msgpack's codes for applications, one for blobs


def test_what_travels_is_immutable_data() -> None:
    for cls in WIRE_TYPES:
        assert cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert not hasattr(cls(**{f.name: None for f in dataclasses.fields(cls)}), "__dict__")


@given(st.binary(max_size=64))
def test_noise_is_a_codec_error_or_a_message(frame: bytes) -> None:
    try:
        message = decode(frame)
    except CodecError:
        return
    assert type(message) in WIRE_TYPES


@given(built(Step), st.data())
def test_a_corrupted_frame_is_a_codec_error_or_a_message(step: Step, data: st.DataObject) -> None:
    blobs: list[bytes | memoryview] = []
    frame = bytearray(encode(step, blobs))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        message = decode(bytes(frame), blobs)
    except CodecError:
        return
    assert type(message) in WIRE_TYPES


@given(built(Generate), st.data())
def test_a_cut_frame_is_a_codec_error(work: Generate, data: st.DataObject) -> None:
    frame = encode(work)
    with pytest.raises(CodecError):
        decode(frame[: data.draw(st.integers(0, len(frame) - 1))])


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xc1",
        msgpack.packb({"a": 1}),
        msgpack.packb([1, 2]),
        msgpack.packb(None),
        msgpack.packb(msgpack.ExtType(120, b"\x90")),
        msgpack.packb(msgpack.ExtType(0, b"\x90")),
        msgpack.packb(msgpack.ExtType(0, msgpack.packb(5))),
        msgpack.packb(msgpack.ExtType(0, msgpack.packb(["a", "b"]))),
        encode(TextDelta("r", 0, "a")) + b"\x00",
    ],
    ids=["empty", "reserved", "map", "list", "nil", "no such type", "no fields", "not a tuple", "too many", "trailing"],
)
def test_frames_that_are_no_message(frame: bytes) -> None:
    with pytest.raises(CodecError):
        decode(frame)


def test_a_blob_travels_beside_its_message_and_is_missed_when_it_is_lost() -> None:
    sound = bytes(100_000)
    blobs: list[bytes | memoryview] = [b"first"]
    frame = encode(Transcribe("r", Blob(sound)), blobs)
    assert blobs == [b"first", sound]
    assert len(frame) < 200
    with pytest.raises(CodecError):
        decode(frame, blobs[:1])
    with pytest.raises(CodecError):
        encode(Transcribe("r", Blob(sound)))


@pytest.mark.parametrize(
    "value",
    [{"a": 1}, object(), TextDelta("r", 0, "\ud800"), TextDelta("r", 2**64, "a"), MediaPart("image", {1})],  # type: ignore[arg-type]
    ids=["dict", "object", "surrogate", "huge", "set"],
)
def test_what_may_not_travel_is_refused_at_the_sender(value: object) -> None:
    with pytest.raises(CodecError):
        encode(value)


def test_the_unions_name_wire_types_only() -> None:
    assert set(get_args(messages.Down)) | set(get_args(Up)) | set(get_args(messages.Delta)) <= set(WIRE_TYPES)

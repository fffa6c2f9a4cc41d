"""Every format is decoded back by FFmpeg: codec, rate, duration, and the tone that went in."""

from __future__ import annotations

import io
import struct

import av
import numpy as np
import pytest

from shared.errors import InvalidRequest
from workers.media.encode import FORMATS, Samples, make_encoder, to_int16

RATE = 24000
SECONDS = 2.0
TONE = (0.4 * np.sin(2 * np.pi * 440 * np.arange(int(RATE * SECONDS)) / RATE)).astype(np.float32)

# container and codec as FFmpeg names them when it reads, and the rate that it hears
EXPECTED = {
    "mp3": ("mp3", "mp3", RATE),
    "opus": ("ogg", "opus", 48000),  # Opus decodes at 48 kHz, whatever went in
    "aac": ("aac", "aac", RATE),
    "flac": ("flac", "flac", RATE),
    "wav": ("wav", "pcm_s16le", RATE),
}


def encode(sound_format: str, samples: Samples, parts: int = 4) -> list[bytes]:
    encoder = make_encoder(sound_format, RATE)
    pieces = np.array_split(samples, parts)
    return [encoder.feed(piece, last=index == parts - 1) for index, piece in enumerate(pieces)]


def decode(data: bytes) -> tuple[str, str, int, Samples]:
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler(format="fltp", layout="mono")
        frames = [f.to_ndarray()[0] for frame in container.decode(stream) for f in resampler.resample(frame)]
        codec = stream.codec_context.name.removesuffix("float")
        return container.format.name, codec, stream.rate, np.concatenate(frames)


def pitch(samples: Samples, rate: int) -> float:
    middle = samples[rate // 2 : rate // 2 + rate]
    return float(np.argmax(np.abs(np.fft.rfft(middle)))) * rate / len(middle)


@pytest.mark.parametrize("sound_format", EXPECTED)
@pytest.mark.parametrize("parts", [1, 4])
def test_a_file_is_what_its_name_says(sound_format: str, parts: int) -> None:
    container, codec, rate, samples = decode(b"".join(encode(sound_format, TONE, parts)))
    assert (container, codec, rate) == EXPECTED[sound_format]
    assert len(samples) / rate == pytest.approx(SECONDS, abs=0.08)  # mp3 and aac add their delay
    assert pitch(samples, rate) == pytest.approx(440, abs=2)
    assert np.abs(samples[rate // 2 : rate]).max() == pytest.approx(0.4, abs=0.04)


@pytest.mark.parametrize("sound_format", FORMATS)
def test_bytes_leave_before_the_end(sound_format: str) -> None:
    first, *_, last = encode(sound_format, TONE, 4)
    assert len(first) > 1000
    assert last


@pytest.mark.parametrize("sound_format", FORMATS)
def test_encoding_is_repeatable(sound_format: str) -> None:
    def body(data: bytes) -> bytes:  # an ogg stream has a random serial number, and page checksums over it
        return decode(data)[3].tobytes() if sound_format == "opus" else data

    assert body(b"".join(encode(sound_format, TONE))) == body(b"".join(encode(sound_format, TONE)))


def test_pcm_is_little_endian_without_a_header() -> None:
    data = b"".join(encode("pcm", np.array([0.0, 1.0, -1.0, 0.5], np.float32), parts=2))
    assert struct.unpack("<4h", data) == (0, 32767, -32767, 16384)


def test_a_wav_that_is_known_whole_tells_its_length() -> None:
    (data,) = encode("wav", TONE, parts=1)
    assert struct.unpack("<I", data[4:8]) == (len(data) - 8,)
    assert struct.unpack("<I", data[40:44]) == (len(data) - 44,) == (len(TONE) * 2,)


def test_a_wav_that_streams_says_that_its_length_is_unknown() -> None:
    data = b"".join(encode("wav", TONE, parts=3))
    assert data[4:8] == data[40:44] == b"\xff\xff\xff\xff"
    assert len(data) == 44 + len(TONE) * 2


def test_what_is_too_loud_is_clipped_and_what_is_no_number_is_silence() -> None:
    loud = np.array([2.0, -3.0, np.nan, np.inf], np.float32)
    assert to_int16(loud).tolist() == [32767, -32767, 0, 32767]


def test_sound_shorter_than_a_codec_frame_comes_out() -> None:
    for sound_format in EXPECTED:
        *_, samples = decode(b"".join(encode(sound_format, TONE[:200], parts=1)))
        assert len(samples) >= 200


def test_an_unknown_format_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"'ogg'; choose one of mp3, opus, aac, flac, wav, pcm") as refusal:
        make_encoder("ogg", RATE)
    assert refusal.value.param == "response_format"

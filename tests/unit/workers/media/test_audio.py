"""Every container in, samples out; anything else refused with the parameter's name."""

import contextlib
import io
import struct
import tracemalloc
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from shared.errors import InvalidRequest
from tests.fakes.hearing import FORMATS, RATE, encoded, quiet, tone
from workers.media.audio import AudioFile

PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"


def refusal(data: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        list(AudioFile(data).blocks())
    assert caught.value.param == "file"
    return caught.value.message


@pytest.mark.parametrize("name", FORMATS)
def test_every_container_gives_mono_sound_at_16_khz(name: str) -> None:
    file = AudioFile(memoryview(encoded(tone(2.5), name)))
    samples = np.concatenate(list(file.blocks()))
    assert samples.dtype == np.float32
    assert len(samples) / RATE == pytest.approx(2.5, abs=0.15)
    assert file.duration == pytest.approx(2.5, abs=0.15)
    middle = samples[RATE // 2 : 3 * RATE // 2]
    assert np.abs(np.fft.rfft(middle)).argmax() == pytest.approx(440, abs=1)
    assert np.abs(middle).max() == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("rate", [8000, 22050, 44100])
def test_other_rates_are_converted(rate: int) -> None:
    samples = np.concatenate(list(AudioFile(encoded(tone(1.0), "wav", rate=rate)).blocks()))
    assert len(samples) == pytest.approx(RATE, abs=32)


def test_blocks_are_small_and_add_up() -> None:
    data = encoded(tone(5.0), "flac")
    sizes = [len(block) for block in AudioFile(data).blocks(seconds=0.5)]
    assert sum(sizes) == 5 * RATE
    assert max(sizes) < 0.5 * RATE + 8192


def test_a_long_file_is_never_in_memory_as_a_whole() -> None:
    data = encoded(quiet(200), "flac")
    tracemalloc.start()
    count = sum(len(block) for block in AudioFile(data).blocks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 200 * RATE
    assert peak < 4 * 2**20  # as float32 it is 12 MB


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"This is no sound, it is a text.\n" * 100, "not a sound file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "not a sound file"),
        (b"RIFF", "not a sound file"),
        (bytes(range(256)) * 64, "not a sound file"),
        (PLAYLIST, "not a sound file"),
    ],
    ids=["empty", "text", "image", "stub", "noise", "playlist"],
)
def test_what_is_no_sound_is_refused(data: bytes, says: str) -> None:
    assert says in refusal(data)


@pytest.mark.parametrize("name", ["wav", "mp3", "flac", "ogg", "webm", "m4a"])
def test_a_cut_file_is_refused(name: str) -> None:
    data = encoded(np.random.default_rng(0).normal(0, 0.1, 6 * RATE).astype(np.float32), name)
    assert "cut" in refusal(data[: len(data) // 2])


def mp3_frames(bit_rate: int) -> bytes:
    """Six seconds without the first frame, which counts the others."""
    data = encoded(np.random.default_rng(0).normal(0, 0.3, 6 * RATE).astype(np.float32), "mp3", bit_rate=bit_rate)
    return data[data.index(b"\xff\xf3", data.index(b"Info")) :]


def test_a_guess_at_the_duration_refuses_nobody() -> None:
    """FFmpeg takes the first frames' bit rate for that of the whole: five times too long."""
    data = mp3_frames(16000) + mp3_frames(128000)
    samples = np.concatenate(list(AudioFile(data).blocks()))
    assert len(samples) / RATE == pytest.approx(12, abs=0.3)


def test_a_film_without_sound_is_refused() -> None:
    import io

    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10, width=32, height=32, pix_fmt="yuv420p")
        for _ in range(10):
            output.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        output.mux(stream.encode(None))
    assert "no audio track" in refusal(buffer.getvalue())


def test_a_damaged_middle_is_skipped() -> None:
    data = bytearray(encoded(tone(6.0), "mp3"))
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    samples = np.concatenate(list(AudioFile(bytes(data)).blocks()))
    assert 5.0 < len(samples) / RATE < 6.2


def test_nothing_is_written_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    list(AudioFile(encoded(tone(1.0), "m4a")).blocks())
    refusal(PLAYLIST)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ the file's own clock
def timed(container: str, codec: str, pieces: dict[float, float], picture: float = 0.0) -> bytes:
    """Tones that begin at `pieces`' moments and last so many seconds, beside a picture of `picture` seconds."""
    out = io.BytesIO()
    rate = 48000 if codec == "libopus" else RATE
    with av.open(out, "w", format=container) as file:
        track: Any = file.add_stream(codec, rate=rate, layout="mono")
        film: Any = file.add_stream("mpeg4" if container != "webm" else "libvpx", rate=10) if picture else None
        if film is not None:
            film.width, film.height, film.pix_fmt = 32, 32, "yuv420p"
            for index in range(int(picture * 10)):
                shown = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                shown.pts, shown.time_base = index, Fraction(1, 10)
                file.mux(film.encode(shown))
            file.mux(film.encode(None))
        for start, seconds in pieces.items():
            for at in range(0, int(seconds * rate), 960):
                heard = 0.3 * np.sin(2 * np.pi * 440 * np.arange(at, at + 960) / rate, dtype=np.float32)
                frame = av.AudioFrame.from_ndarray(heard[None].astype(np.float32), format="flt", layout="mono")
                frame.sample_rate, frame.pts = rate, int(start * rate) + at
                frame.time_base = Fraction(1, rate)
                file.mux(track.encode(frame))
        file.mux(track.encode(None))
    return out.getvalue()


def spoken(data: bytes) -> tuple[list[tuple[float, float]], float, float]:
    """Where there is sound, to a tenth of a second; the samples' seconds; the declared ones."""
    file = AudioFile(data)
    samples = np.concatenate(list(file.blocks()))
    loud = np.abs(samples[: len(samples) // 1600 * 1600].reshape(-1, 1600)).max(axis=1) > 0.05
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]])))
    return [(a / 10, b / 10) for a, b in edges.reshape(-1, 2).tolist()], len(samples) / RATE, file.duration


TIMED = [("mp4", "aac"), ("matroska", "aac"), ("webm", "libopus"), ("matroska", "pcm_s16le")]


@pytest.mark.parametrize(("container", "codec"), TIMED)
def test_sound_that_begins_late_keeps_its_time(container: str, codec: str) -> None:
    heard, seconds, declared = spoken(timed(container, codec, {4.0: 2.0}, picture=9.0))
    assert len(heard) == 1
    assert heard[0] == pytest.approx((4.0, 6.0), abs=0.15)
    assert seconds == pytest.approx(6.0, abs=0.1)
    assert declared == pytest.approx(6.0, abs=0.1)


@pytest.mark.parametrize(("container", "codec"), [("matroska", "pcm_s16le"), ("matroska", "flac")])
def test_gaps_between_packets_are_silence(container: str, codec: str) -> None:
    heard, seconds, declared = spoken(timed(container, codec, {0.0: 1.0, 20.0: 1.0}))
    assert [pytest.approx(one, abs=0.15) for one in [(0.0, 1.0), (20.0, 21.0)]] == heard
    assert seconds == pytest.approx(21.0, abs=0.1)
    assert declared == pytest.approx(21.0, abs=0.1)


@pytest.mark.parametrize(("container", "codec"), TIMED)
def test_a_picture_longer_than_the_sound_is_no_cut(container: str, codec: str) -> None:
    heard, seconds, _ = spoken(timed(container, codec, {0.0: 2.0}, picture=15.0))
    assert heard[0] == pytest.approx((0.0, 2.0), abs=0.15)
    assert seconds == pytest.approx(2.0, abs=0.1)


def test_a_cut_film_is_refused_by_its_sound() -> None:
    data = timed("matroska", "pcm_s16le", {0.0: 10.0}, picture=10.0)
    assert "cut" in refusal(data[: len(data) // 2])


@pytest.mark.parametrize(("container", "codec"), TIMED)
def test_a_stream_joined_late_begins_where_it_was_joined(container: str, codec: str) -> None:
    heard, seconds, declared = spoken(timed(container, codec, {3600.0: 1.0, 3601.5: 1.0}))
    if container != "mp4":  # which has no gaps inside a track
        assert [pytest.approx(one, abs=0.15) for one in [(0.0, 1.0), (1.5, 2.5)]] == heard
    assert seconds == pytest.approx(2.5, abs=0.1)
    assert declared == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize("name", ["mp3", "ogg", "aac", "webm"])
def test_files_in_a_row_are_as_long_as_all_of_them(name: str) -> None:
    file = AudioFile(encoded(tone(3.0), name) * 2)
    assert sum(map(len, file.blocks())) / RATE == pytest.approx(6.0, abs=0.3)
    assert file.duration == pytest.approx(6.0, abs=0.3)


def test_an_ogg_that_counts_from_later_is_whole() -> None:
    heard, seconds, declared = spoken(timed("ogg", "libopus", {3600.0: 2.0}))
    assert heard[0] == pytest.approx((0.0, 2.0), abs=0.15)
    assert (seconds, declared) == pytest.approx((2.0, 2.0), abs=0.1)


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("tail", [bytes(5000), b"TAG" + bytes(125), b"<html>" * 900])
def test_what_follows_an_mp3_is_no_part_of_its_length(rate: int, tail: bytes) -> None:
    data = encoded(np.random.default_rng(0).normal(0, 0.1, 6 * RATE).astype(np.float32), "mp3", rate=rate)
    assert sum(map(len, AudioFile(data + tail).blocks())) / RATE == pytest.approx(6.0, abs=0.4)
    assert "cut" in refusal(data[: len(data) // 2])


# ------------------------------------------------------------------ lengths that a recorder could not fill in
def sized(whole: int | None, samples: int | None) -> bytes:
    """Two seconds of WAV with these sizes in its header; None: the right ones."""
    body = (tone(2.0) * 20000).astype("<i2").tobytes()
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    size = len(body) if samples is None else samples
    rest = head + b"data" + struct.pack("<I", size) + body
    return b"RIFF" + struct.pack("<I", len(rest) if whole is None else whole) + rest


@pytest.mark.parametrize(
    ("whole", "samples"),
    [
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0, 0),
        (0x7FFFFFFF, 0x7FFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF - 36),
        (0xFFFFFFFF, None),
        (None, 100_000_000),
        (None, 64_010),
        (64_046, 64_010),
    ],
)
def test_a_wav_from_a_pipe_is_read_to_its_end(whole: int | None, samples: int | None) -> None:
    file = AudioFile(sized(whole, samples))
    assert sum(map(len, file.blocks())) == 2 * RATE
    assert file.duration == pytest.approx(2.0)


def test_a_caf_from_a_pipe_is_read_to_its_end() -> None:
    body = (tone(2.0) * 20000).astype(">i2").tobytes()
    form = struct.pack(">d4sIIIII", RATE, b"lpcm", 0, 2, 1, 1, 16)
    data = (
        b"caff\0\1\0\0" + b"desc" + struct.pack(">q", 32) + form + b"data" + struct.pack(">q", -1) + b"\0\0\0\0" + body
    )
    assert sum(map(len, AudioFile(data).blocks())) == pytest.approx(2 * RATE, abs=4)


def chunked(kind: str, size: int | None) -> bytes:
    """Two seconds of samples; `size` stands for their length, None: the right one."""
    big = kind == "aiff"
    body = (tone(2.0) * 20000).astype(">i2" if big else "<i2").tobytes()
    told = len(body) if size is None else size
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    if kind == "aiff":
        common = struct.pack(">hIh", 1, max(told, 0) // 2, 16) + bytes.fromhex("400cfa00000000000000")
        head = b"AIFFCOMM" + struct.pack(">I", 18) + common + b"SSND" + struct.pack(">IQ", told + 8 if told else 0, 0)
        return b"FORM" + struct.pack(">I", len(head) + told if told else 0) + head + body
    if kind == "rf64":
        sizes = struct.pack("<qqqI", told + 72 if told > 0 else told, told, told // 2, 0)
        head = b"WAVEds64" + struct.pack("<I", 28) + sizes + b"fmt " + struct.pack("<I", 16) + form
        return b"RF64\xff\xff\xff\xff" + head + b"data\xff\xff\xff\xff" + body
    wave, tail = bytes.fromhex("f3acd3118cd100c04f8edb8a"), bytes.fromhex("2e91cf11a5d628db04c10000")
    whole = told + 104 if told > 0 else told
    head = b"riff" + tail + struct.pack("<q", whole) + b"wave" + wave + b"fmt " + wave + struct.pack("<q", 40) + form
    return head + b"data" + wave + struct.pack("<q", told + 24 if told >= 0 else -1) + body


PLACED = [("aiff", 0), ("aiff", 0x7F000000), ("rf64", 0), ("rf64", -1), ("w64", 0), ("w64", -1), ("w64", 2**62)]


@pytest.mark.parametrize(("kind", "size"), [*PLACED, ("aiff", None), ("rf64", None), ("w64", None)])
def test_other_plain_samples_from_a_pipe_are_read_to_their_end(kind: str, size: int | None) -> None:
    file = AudioFile(chunked(kind, size))
    assert sum(map(len, file.blocks())) == pytest.approx(2 * RATE, abs=16)
    assert file.duration == pytest.approx(2.0, abs=0.001)


@pytest.mark.parametrize("kind", ["aiff", "rf64", "w64"])
def test_other_plain_samples_that_lack_half_are_refused(kind: str) -> None:
    data = chunked(kind, None)
    assert "cut" in refusal(data[: len(data) // 2])


def test_a_wav_that_lacks_half_is_refused() -> None:
    assert "2.0 of 4.0 s" in refusal(sized(128_036, 128_000))


# ------------------------------------------------------------------ samples that are no sound
def floats(samples: np.ndarray, rate: int) -> bytes:
    body = samples.astype("<f4").tobytes()
    head = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 3, 1, rate, 4 * rate, 4, 32)
    return b"RIFF" + struct.pack("<I", len(head) + 8 + len(body)) + head + b"data" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -3e38])
@pytest.mark.parametrize("rate", [RATE, 44100])
def test_a_sample_that_is_no_sound_is_silence(bad: float, rate: int) -> None:
    samples = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    samples[rate // 2] = bad
    heard = np.concatenate(list(AudioFile(floats(samples, rate)).blocks()))
    assert np.isfinite(heard).all()
    assert np.abs(heard).max() < 1000
    assert np.abs(heard[: RATE // 4]).max() == pytest.approx(0.3, abs=0.02)
    assert np.abs(heard[-RATE // 4 :]).max() == pytest.approx(0.3, abs=0.02)


def test_loud_sound_stays() -> None:
    samples = 100 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    heard = np.concatenate(list(AudioFile(floats(samples, RATE)).blocks()))
    assert np.abs(heard).max() == pytest.approx(100, abs=1)


@pytest.mark.parametrize("rate", [0, 1, 0xFFFFFFF0, 0x7FFFFFFF])
def test_an_absurd_rate_is_a_fault_of_the_file(rate: int) -> None:
    data = bytearray(sized(None, None))
    struct.pack_into("<I", data, 24, rate)
    assert "rate" in refusal(bytes(data)) or "sound" in refusal(bytes(data))


def test_damaged_headers_are_faults_of_the_file() -> None:
    """Whatever the bytes are, they are heard or refused."""
    random = np.random.default_rng(11)
    for _ in range(300):
        data = bytearray(sized(None, None)[:8000])
        for at in random.integers(0, 60, 3):
            data[at] = int(random.integers(0, 256))
        with contextlib.suppress(InvalidRequest):
            list(AudioFile(bytes(data)).blocks())

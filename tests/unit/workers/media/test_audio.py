"""Every container in, samples out; anything else refused with the parameter's name."""

import tracemalloc
from pathlib import Path

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

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from shared.errors import InvalidRequest, PayloadTooLarge
from workers.media.video import Frames, Video, VideoLimits, choose, decode_video, fitted

PARAM = "messages[0].content[0].video_url"


def gray(level: int, width: int = 48, height: int = 32) -> Frames:
    return np.full((height, width, 3), level, np.uint8)


def mp4(frames: Sequence[Frames], rate: int = 10, *, container: str = "mp4", codec: str = "mpeg4") -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        encode(file, frames, rate, codec)
    return out.getvalue()


def written(path: Path, frames: Sequence[Frames], options: dict[str, str]) -> bytes:
    """As `mp4`, by way of a file: moving the index to the front needs one."""
    with av.open(str(path), "w", options=options) as file:
        encode(file, frames, 10, "mpeg4")
    return path.read_bytes()


def encode(file: av.container.OutputContainer, frames: Sequence[Frames], rate: int, codec: str) -> None:
    stream: Any = file.add_stream(codec, rate=rate)
    stream.height, stream.width = frames[0].shape[:2]
    stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    stream.gop_size = 8
    for frame in frames:
        file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
    file.mux(stream.encode(None))


def ramp(count: int) -> list[Frames]:
    """Frame n is a gray of level 5 n."""
    return [gray(5 * index) for index in range(count)]


def gif(levels: Sequence[int], milliseconds: Sequence[int]) -> bytes:
    pictures = [Image.fromarray(gray(level)) for level in levels]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=list(milliseconds))
    return out.getvalue()


def sound() -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as file:
        stream: Any = file.add_stream("aac", rate=16000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
        samples.sample_rate = 16000
        file.mux(stream.encode(samples))
        file.mux(stream.encode(None))
    return out.getvalue()


def decode(data: bytes, fps: float = 2.0, max_frames: int = 8, limits: VideoLimits | None = None) -> Video:
    return decode_video(data, param=PARAM, fps=fps, max_frames=max_frames, limits=limits)


def levels(video: Video) -> list[int]:
    """Which frame of `ramp` each frame is."""
    return [round(float(frame.mean()) / 5) for frame in video.frames]


# ------------------------------------------------------------------ choosing
def test_frames_are_taken_at_the_rate_asked_for() -> None:
    times = [index / 10 for index in range(41)]
    assert choose(times, fps=2, max_frames=100) == [0, 5, 10, 15, 20, 25, 30, 35, 40]


def test_a_long_film_is_spread_over_max_frames() -> None:
    times = [index / 10 for index in range(101)]
    assert choose(times, fps=2, max_frames=5) == [0, 25, 50, 75, 100]


@pytest.mark.parametrize(("times", "expected"), [([0.0], [0]), ([0.0, 0.04], [0]), ([0.0, 1.0], [0, 1])])
def test_short_films_give_what_they_have(times: list[float], expected: list[int]) -> None:
    assert choose(times, fps=2, max_frames=8) == expected


def test_uneven_films_are_spread_in_time_and_not_in_number() -> None:
    assert choose([0.0, 0.1, 0.2, 0.3, 5.0, 10.0], fps=1, max_frames=3) == [0, 4, 5]


def test_sizes_fit_the_budget_and_keep_their_shape() -> None:
    assert fitted(100, 50, 5000) == (100, 50)
    assert fitted(4000, 2000, 5000) == (100, 50)
    assert fitted(100_000, 1, 10) == (1000, 1)


# ------------------------------------------------------------------ decoding
def test_the_chosen_frames_come_out() -> None:
    video = decode(mp4(ramp(41)), fps=2, max_frames=100)
    assert levels(video) == [0, 5, 10, 15, 20, 25, 30, 35, 40]
    assert video.frames.shape == (9, 32, 48, 3)
    assert video.frames.dtype == np.uint8
    assert video.timestamps == pytest.approx([index / 2 for index in range(9)])


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("mp4", "mpeg4"),
        ("mp4", "libx264"),
        ("matroska", "mpeg4"),
        ("webm", "libvpx"),
        ("avi", "mpeg4"),
        ("mpegts", "mpeg2video"),
        ("mov", "mjpeg"),
    ],
)
def test_containers(container: str, codec: str) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV is built without {codec}")
    video = decode(mp4(ramp(26), rate=25, container=container, codec=codec), fps=5, max_frames=8)
    assert levels(video) == [0, 5, 10, 15, 20, 25]
    assert video.fps == pytest.approx(25, rel=0.01)
    assert video.total_frames == 26


def test_metadata_describes_the_source() -> None:
    video = decode(mp4(ramp(41)), fps=1, max_frames=3)
    assert video.metadata == {
        "total_num_frames": 41,
        "fps": pytest.approx(10),
        "frames_indices": [0, 20, 40],
        "width": 48,
        "height": 32,
        "duration": pytest.approx(4.1),
    }
    assert video.channels_first.shape == (3, 3, 32, 48)


def test_a_gif_is_a_film() -> None:
    video = decode(gif([0, 100, 200], [500, 500, 500]), fps=2)
    assert levels(video) == [0, 20, 40]
    assert video.fps == pytest.approx(2)


def test_a_gif_of_uneven_times() -> None:
    video = decode(gif([0, 50, 100, 200], [100, 100, 3800, 100]), fps=1, max_frames=2)
    assert levels(video) == [0, 40]
    assert video.timestamps == pytest.approx([0, 4])


def test_large_frames_are_made_smaller_on_the_way() -> None:
    frames = [gray(100, 640, 320) for _ in range(10)]
    video = decode(mp4(frames), fps=10, limits=VideoLimits(frame_pixels=20_000))
    assert video.frames.shape[1:] == (100, 200, 3)
    video = decode(mp4(frames), fps=10, max_frames=4, limits=VideoLimits(total_pixels=20_000))
    assert video.frames.shape == (4, 50, 100, 3)


def test_only_the_chosen_frames_are_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    data = mp4(ramp(49))  # a keyframe every 8 frames
    converted = []
    convert = av.VideoFrame.to_ndarray

    def counting(self: Any, **options: Any) -> Any:
        converted.append(self.pts)
        return convert(self, **options)

    monkeypatch.setattr(av.VideoFrame, "to_ndarray", counting)
    video = decode(data, max_frames=3)
    assert levels(video) == [0, 24, 48]
    assert len(converted) == 3


def test_the_digest_tells_films_apart() -> None:
    film, again, other = (decode(data).digest for data in (mp4(ramp(9)), mp4(ramp(9)), mp4(ramp(9)[::-1])))
    assert film == again != other


# ------------------------------------------------------------------ refusing
@pytest.mark.parametrize(
    "data",
    [
        b"just some text\n" * 50,
        b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.ts\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        b"\x00" * 4096,
        b"1\n00:00:00,000 --> 00:00:01,000\nA subtitle\n",
    ],
)
def test_what_is_no_video_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"not a video that can be read|no video") as caught:
        decode(data)
    assert caught.value.param == PARAM


def test_zero_bytes_are_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"is empty \(0 bytes\)"):
        decode(b"")


def test_sound_alone_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no video, only sound"):
        decode(sound())


def test_a_video_without_frames_is_refused() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as file:
        stream: Any = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        file.start_encoding()
    with pytest.raises(InvalidRequest, match=r"no frames|not a video"):
        decode(out.getvalue())


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_a_cut_file_is_refused(share: float, options: dict[str, str], tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (12, 64, 64, 3), dtype=np.uint8)
    data = written(tmp_path / "film.mp4", list(noise), options)
    with pytest.raises(InvalidRequest) as caught:
        decode(data[: int(len(data) * share)])
    assert PARAM in caught.value.message


def test_huge_frames_are_refused_on_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(av.VideoFrame, "to_ndarray", lambda *_, **__: pytest.fail("a frame was decoded"))
    with pytest.raises(PayloadTooLarge, match=r"frames of 640 x 320 pixels; at most 0\.1 megapixels"):
        decode(mp4([gray(0, 640, 320)]), limits=VideoLimits(source_pixels=100_000))


def test_too_many_frames_are_refused() -> None:
    with pytest.raises(PayloadTooLarge, match="too many frames"):
        decode(mp4(ramp(9)), limits=VideoLimits(packets=8))


# ------------------------------------------------------------------ films as people's devices make them
_TURNS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def turned(data: bytes, degrees: int) -> bytes:
    """The MP4 with another display matrix in its track's header (ISO/IEC 14496-12, 8.3.2)."""
    a, b, c, d = _TURNS[degrees]
    at = data.index(b"tkhd") - 4 + 48
    matrix = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    return data[:at] + matrix + data[at + 36 :]


@pytest.mark.parametrize("degrees", _TURNS)
@pytest.mark.parametrize("count", [1, 2, 10])
@pytest.mark.parametrize("size", [(64, 32), (64, 64)])
def test_a_turned_film_is_turned_back(degrees: int, count: int, size: tuple[int, int]) -> None:
    width, height = size
    picture = gray(20, width, height)
    picture[:, : width // 4] = 230  # white on the left
    video = decode(turned(mp4([picture] * count), degrees))
    assert video.frames.shape[1:3] == ((height, width) if degrees % 180 == 0 else (width, height))
    assert video.frames.flags.c_contiguous
    frame = video.frames[0].mean(axis=2)
    edges = {0: frame[:, :4], 90: frame[:4], 180: frame[:, -4:], 270: frame[-4:]}
    assert max(edges, key=lambda turn: float(edges[turn].mean())) == degrees


def test_a_mirrored_film_is_mirrored_back() -> None:
    """As FFmpeg's own filters show the eight display matrices; the corners' levels tell them apart."""
    corners = np.array([[10, 90], [170, 250]])
    shown = {
        (1, 0, 0, 1): [[10, 90], [170, 250]],
        (-1, 0, 0, 1): [[90, 10], [250, 170]],
        (1, 0, 0, -1): [[170, 250], [10, 90]],
        (-1, 0, 0, -1): [[250, 170], [90, 10]],
        (0, 1, 1, 0): [[10, 170], [90, 250]],
        (0, 1, -1, 0): [[170, 10], [250, 90]],
        (0, -1, 1, 0): [[90, 250], [10, 170]],
        (0, -1, -1, 0): [[250, 90], [170, 10]],
    }
    picture = np.repeat(np.kron(corners, np.ones((16, 32)))[:, :, None], 3, axis=2).astype(np.uint8)
    data = mp4([picture] * 2)
    at = data.index(b"tkhd") - 4 + 48
    for (a, b, c, d), expected in shown.items():
        matrix = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
        frame = decode(data[:at] + matrix + data[at + 36 :]).frames[0].mean(axis=2)
        height, width = frame.shape
        assert (height > width) == (a == 0)
        found = frame[height // 4 :: height // 2, width // 4 :: width // 2]
        assert np.abs(found - expected).max() < 20, (a, b, c, d)


@pytest.mark.parametrize("share", [0.45, 0.7, 0.85])
@pytest.mark.parametrize(
    ("container", "codec"),
    [("matroska", "mpeg4"), ("webm", "libvpx"), ("avi", "mpeg4"), ("avi", "mjpeg"), ("flv", "flv"), ("asf", "wmv2")],
)
def test_a_cut_film_is_refused_in_every_container_that_tells(container: str, codec: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), dtype=np.uint8)
    data = mp4(list(noise), container=container, codec=codec)
    assert decode(data).total_frames == 40
    with pytest.raises(InvalidRequest, match=r"cut off|can't be"):
        decode(data[: int(len(data) * share)])


def test_a_cut_gif_is_refused_and_one_with_a_tail_is_not() -> None:
    data = gif([0, 100, 200], [500, 500, 500])
    assert levels(decode(data + b"tail")) == [0, 20, 40]
    for length in range(20, len(data), 37):
        with pytest.raises(InvalidRequest):
            decode(data[:length])


def test_an_avi_from_a_pipe_is_whole() -> None:
    whole = mp4(ramp(21), container="avi", codec="mpeg4")
    data = bytearray(whole)
    data[4:8] = b"\xff\xff\xff\xff"
    at = data.index(b"strh") + 8 + 32  # the count of frames
    data[at : at + 4] = struct.pack("<I", 0x40000000)
    assert np.array_equal(decode(bytes(data), fps=10).frames, decode(whole, fps=10).frames)


def test_a_film_whose_codec_is_missing_is_a_fault_of_the_file() -> None:
    data = mp4(ramp(3), container="matroska").replace(b"V_MPEG4/ISO/ASP", b"V_ZZZZZ/ISO/ASP")
    with pytest.raises(InvalidRequest, match=r"can't be decoded|not a video"):
        decode(data)


def test_a_webm_that_starts_late_is_whole() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="webm") as file:
        stream: Any = file.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for index in range(10):
            frame = av.VideoFrame.from_ndarray(gray(20 * index), format="rgb24")
            frame.pts, frame.time_base = 36000 + index, Fraction(1, 10)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    video = decode(out.getvalue(), fps=10.0, max_frames=64)
    assert video.timestamps == pytest.approx([index / 10 for index in range(10)])


def test_an_avi_of_uneven_frame_rate_is_whole() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="avi") as file:
        stream: Any = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for place, index in enumerate((0, 4, 8, 12, 16, 20, 24, 28)):
            frame = av.VideoFrame.from_ndarray(gray(20 * place), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    video = decode(out.getvalue(), fps=10.0, max_frames=64)
    assert [round(float(frame.mean()) / 20) for frame in video.frames] == list(range(8))
    assert video.timestamps == pytest.approx([0, 0.4, 0.8, 1.2, 1.6, 2.0, 2.4, 2.8])

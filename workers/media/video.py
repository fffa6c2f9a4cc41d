"""Video files from a request, as a few frames each.

A first pass reads the packets' times without decoding anything; the frames are chosen from them; a second pass jumps
from keyframe to keyframe and decodes what the chosen ones need. Nothing is written to disk, and no frame is kept larger
than its share of the pixel budget, so memory is bounded however long the film is.
"""

from __future__ import annotations

import bisect
import hashlib
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.stream import Disposition

from shared.errors import InvalidRequest, PayloadTooLarge
from workers.media.cuts import is_cut

# Playlists (HLS, DASH, concat) would make FFmpeg open other files and addresses: only plain containers are read.
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,flv,ogg,asf,apng"
INDEXED = {"mov", "matroska", "avi"}  # the others jump somewhere near, which may be too far: they are read through
_WHOLE = 0.97  # of the declared time that has to be there
_LAST = 0.3  # seconds that a last frame may last without saying so
_COUNTED = {"mov"}  # whose count of frames is exact; an AVI's counts those that it leaves out
_MARKED = {"avi", "flv"}  # where a last packet that is marked as damaged is not whole
_STATED = {"matroska", "webm"}  # whose duration is the file's word and covers all of its tracks
Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class VideoLimits:
    """`source_pixels`: of one frame as it is in the file. `frame_pixels`, `total_pixels`: of what is kept of it."""

    source_pixels: int = 36_000_000
    frame_pixels: int = 1_000_000
    total_pixels: int = 64_000_000
    packets: int = 2_000_000


@dataclass(frozen=True, slots=True)
class Video:
    """Sampled frames, uint8 [frames, height, width, 3]. `fps`, `duration` (s) and `total_frames` are the file's."""

    frames: Frames
    fps: float
    duration: float
    total_frames: int
    timestamps: tuple[float, ...]  # of each frame, seconds from the first one
    digest: str

    @property
    def channels_first(self) -> Frames:
        """The frames as [frames, 3, height, width], a view: what mlx-vlm's processors take as decoded video."""
        return self.frames.transpose(0, 3, 1, 2)

    @property
    def metadata(self) -> dict[str, Any]:
        """An entry of `video_metadata`, as transformers and mlx-vlm name its fields.

        A processor computes times as index / fps: a film of uneven frame rate gets the indices of an even one.
        """
        return {
            "total_num_frames": self.total_frames,
            "fps": self.fps,
            "frames_indices": [round(time * self.fps) for time in self.timestamps],
            "width": self.frames.shape[2],
            "height": self.frames.shape[1],
            "duration": self.duration,
        }


def decode_video(
    data: bytes | memoryview, *, param: str, fps: float, max_frames: int, limits: VideoLimits | None = None
) -> Video:
    """Takes `fps` frames a second, evenly spread from the first to the last one, but at most `max_frames`.

    Raises InvalidRequest for what has no readable video, PayloadTooLarge beyond the limits; `param` names the file.
    """
    if not len(data):
        raise InvalidRequest(f"the video at {param} is empty (0 bytes)", param=param)
    try:
        return _Reader(data, param, limits or VideoLimits()).read(fps, max_frames)
    except (av.FFmpegError, ValueError, OSError, EOFError) as error:
        raise InvalidRequest(f"the data at {param} is not a video that can be read: {error}", param=param) from error


def choose(times: Sequence[float], fps: float, max_frames: int) -> list[int]:
    """Which of the frames at `times` (seconds, rising) to take: evenly spread in time, first and last included."""
    span = times[-1] - times[0]
    wanted = max(1, min(max_frames, len(times), round(span * fps) + 1))
    if wanted == 1:
        return [0]
    chosen = (_nearest(times, times[0] + span * index / (wanted - 1)) for index in range(wanted))
    return sorted(set(chosen))


def fitted(width: int, height: int, pixels: int) -> tuple[int, int]:
    """The size with the same shape that has at most `pixels` pixels; a smaller one stays."""
    if width * height <= pixels:
        return width, height
    scale = math.sqrt(pixels / (width * height))
    return max(1, math.floor(width * scale)), max(1, math.floor(height * scale))


def turned(picture: Frames, matrix: Sequence[int]) -> Frames:
    """The picture [height, width, 3] as a display matrix of quarter turns and flips shows it.

    A point (x, y) is shown at (a x + c y, b x + d y): `matrix` is (a, b, c, d), ISO/IEC 14496-12, 8.3.2.
    """
    a, b, c, d = matrix
    if abs(b) > abs(a):
        picture, a, d = picture.transpose(1, 0, 2), c, b
    return picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(bytes(memoryview(data)), np.int32)[:5].tolist()
    return a, b, c, d


def _video(frames: Frames, fps: float, total: int, timestamps: tuple[float, ...]) -> Video:
    digest = hashlib.sha256(f"{frames.shape} {fps} {timestamps} ".encode())
    digest.update(frames.data)
    return Video(frames, fps, total / fps, total, timestamps, digest.hexdigest())


def _nearest(times: Sequence[float], time: float) -> int:
    after = bisect.bisect_left(times, time)
    if after == 0:
        return 0
    if after == len(times) or time - times[after - 1] <= times[after] - time:
        return after - 1
    return after


class _Reader:
    """Reads one file, twice: its packets' times, then the frames."""

    def __init__(self, data: bytes | memoryview, param: str, limits: VideoLimits) -> None:
        self._data = data
        self._param = param
        self._limits = limits

    def read(self, fps: float, max_frames: int) -> Video:
        if is_cut(memoryview(self._data).cast("B")):
            raise self._cut()
        with self._open() as container:
            stream = self._stream(container)
            stamps, keys = self._index(container, stream)
            base: Fraction = stream.time_base
            times = [float((stamp - stamps[0]) * base) for stamp in stamps]
            rate = (len(times) - 1) / times[-1] if len(times) > 1 else float(stream.average_rate or 1)
        chosen = choose(times, fps, max_frames)
        pixels = min(self._limits.frame_pixels, self._limits.total_pixels // len(chosen))
        with self._open() as container:
            frames = self._frames(container, [stamps[at] for at in chosen], keys)
            pictures = [self._picture(frame, pixels) for frame in frames]
        if len(pictures) != len(chosen) or len({picture.shape for picture in pictures}) != 1:
            raise self._cut()
        return _video(np.stack(pictures), rate, len(times), tuple(times[at] for at in chosen))

    def _open(self) -> Any:
        return av.open(io.BytesIO(self._data), options={"format_whitelist": CONTAINERS, "protocol_whitelist": ""})

    def _stream(self, container: Any) -> Any:
        films = [one for one in container.streams.video if not one.disposition & Disposition.attached_pic]
        if not films:
            raise InvalidRequest(f"the file at {self._param} has no video, only sound", param=self._param)
        stream = films[0]
        if stream.codec_context is None:
            raise InvalidRequest(f"the video at {self._param} is in a form that can't be decoded", param=self._param)
        stream.thread_type = "AUTO"
        self._check_size(stream.codec_context.width, stream.codec_context.height)
        return stream

    def _index(self, container: Any, stream: Any) -> tuple[list[int], list[int]]:
        """The times of all frames and of the keyframes, in presentation order and in the stream's time base."""
        names = set(container.format.name.split(","))
        stated = container.duration / av.time_base if names & _STATED and container.duration else 0.0
        stamps, keys, packets, last, broken = [], [], 0, 0.0, False
        for packet in container.demux() if stated else container.demux(stream):
            if packet.size == 0:
                continue
            packets += 1
            if packets > self._limits.packets:
                raise PayloadTooLarge(f"the video at {self._param} has too many frames", param=self._param)
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None:
                last = max(last, float((stamp + (packet.duration or 0)) * packet.time_base))
            if packet.stream != stream or stamp is None or packet.is_discard:
                continue
            broken = packet.is_corrupt
            stamps.append(stamp)
            if packet.is_keyframe:
                keys.append(stamp)
        if not stamps:
            raise InvalidRequest(f"the video at {self._param} has no frames", param=self._param)
        start = max(0, container.start_time or 0) / av.time_base
        lacks = last - start < (stated - start) * _WHOLE - _LAST
        if names & _COUNTED and packets < stream.frames:  # all of the time is there: a film of uneven frame rate
            lacks = not stream.duration or last < _WHOLE * float(stream.duration * stream.time_base)
        if lacks or (broken and names & _MARKED):
            raise self._cut()
        return sorted(set(stamps)), sorted(keys)

    def _frames(self, container: Any, wanted: Sequence[int], keys: Sequence[int]) -> Iterator[av.VideoFrame]:
        """The frames at the times `wanted` (rising), each after a jump if a keyframe lies before it."""
        stream = self._stream(container)
        jumps = bool(INDEXED & set(container.format.name.split(",")))
        frames: Iterator[av.VideoFrame] = container.decode(stream)
        here = wanted[0]
        for stamp in wanted:
            if jumps and bisect.bisect_right(keys, stamp) > bisect.bisect_right(keys, here):
                container.seek(stamp, stream=stream)
                frames = container.decode(stream)
            for frame in frames:
                time = frame.dts if frame.pts is None else frame.pts
                if time is None or time >= stamp:
                    yield frame
                    break
            here = stamp

    def _picture(self, frame: av.VideoFrame, pixels: int) -> Frames:
        self._check_size(frame.width, frame.height)
        width, height = fitted(frame.width, frame.height, pixels)
        picture: Any = frame.to_ndarray(format="rgb24", width=width, height=height)
        return np.ascontiguousarray(turned(picture, _matrix(frame)))

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._limits.source_pixels:
            raise PayloadTooLarge(
                f"the video at {self._param} has frames of {width} x {height} pixels; at most"
                f" {self._limits.source_pixels / 1e6:g} megapixels are accepted",
                param=self._param,
            )

    def _cut(self) -> InvalidRequest:
        return InvalidRequest(f"the video at {self._param} is damaged or cut off", param=self._param)

"""Segments of a transcript as subtitles: SubRip (srt) and WebVTT (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.messages import Segment

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def srt(segments: Sequence[Segment]) -> str:
    cues = enumerate(_cues(segments), 1)
    return "".join(
        f"{number}\n{_time(start, ',')} --> {_time(end, ',')}\n{text}\n\n" for number, (start, end, text) in cues
    )


def vtt(segments: Sequence[Segment]) -> str:
    cues = (
        f"{_time(start, '.')} --> {_time(end, '.')}\n{text.translate(_ESCAPES)}\n\n"
        for start, end, text in _cues(segments)
    )
    return "WEBVTT\n\n" + "".join(cues)


def _cues(segments: Sequence[Segment]) -> Iterator[tuple[int, int, str]]:
    """Start and end in milliseconds, the text on one line; a cue lasts at least a millisecond and says something."""
    for segment in segments:
        text = " ".join(segment.text.split()).replace("-->", "->")
        if text:
            start = round(segment.start * 1000)
            yield start, max(round(segment.end * 1000), start + 1), text


def _time(milliseconds: int, point: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{point}{rest:03}"

"""Order and fairness, without a model."""

from typing import Any

import numpy as np

from shared.messages import Blob, Transcribe, Word
from workers.transcription.job import Heard, Job, Part, next_part
from workers.transcription.segments import Attempt, Piece
from workers.transcription.windows import Window

ATTEMPT = Attempt((1,), "x", 0.0, -0.1, 0.0, True)
SOURCE: Any = None  # nothing here decodes


def job(name: str, windows: int, language: str | None = "en") -> Job:
    made = Job(name, Transcribe(name, Blob(b"")), SOURCE, language)
    for index in range(windows):
        window = Window(index * 160000, np.zeros(160000, np.float32), np.ones(312, np.bool_))
        made.parts.append(Part(made, window, mel=np.zeros((1, 1), np.float32)))
    return made


def heard(start: float, end: float, words: tuple[Word, ...] = ()) -> Heard:
    return Heard(Piece(start, end, (1,)), " x", ATTEMPT, words)


def serve(jobs: list[Job]) -> str:
    part = next_part(jobs)
    assert part is not None
    part.running = True
    part.job.turn = max(one.turn for one in jobs) + 1
    return part.job.request


def test_a_long_file_shares_with_short_ones() -> None:
    jobs = [job("long", 9), job("a", 1), job("b", 2)]
    assert [serve(jobs) for _ in range(6)] == ["long", "a", "b", "long", "b", "long"]


def test_one_place_goes_round() -> None:
    jobs = [job("long", 5), job("other", 5)]
    served = []
    for _ in range(4):
        served.append(serve(jobs))
        for one in jobs:
            for part in one.parts:
                if part.running:
                    part.finish(())
    assert served == ["long", "other", "long", "other"]


def test_one_window_tells_the_language_before_the_others_run() -> None:
    one = job("a", 3, language=None)
    assert serve([one]) == "a"
    assert next_part([one]) is None
    one.language = "de"
    assert serve([one]) == "a"


def test_segments_leave_in_the_order_of_the_file() -> None:
    one = job("a", 3)
    first, second, third = one.parts
    second.finish([heard(0.5, 1.0)])
    assert one.leave() == []
    first.finish([heard(0.0, 2.0), heard(2.0, 3.0)])
    assert [(s.index, s.start, s.end) for s in one.leave()] == [(0, 0.0, 2.0), (1, 2.0, 3.0), (2, 10.5, 11.0)]
    third.finish([])
    assert one.leave() == []
    assert one.parts == []


def test_times_never_go_back_even_if_windows_overlap() -> None:
    one = job("a", 2)
    one.parts[0].finish([heard(0.0, 10.4)])
    word = Word("x", 0.1, 0.3, 1.0)
    one.parts[1].finish([heard(0.0, 0.2, (word,)), heard(0.2, 0.9)])
    segments = one.leave()
    assert [(s.start, s.end) for s in segments] == [(0.0, 10.4), (10.4, 10.4), (10.4, 10.9)]
    assert (segments[1].words[0].start, segments[1].words[0].end) == (10.4, 10.4)


def test_a_finished_window_holds_no_sound() -> None:
    part = job("a", 1).parts[0]
    part.finish([])
    assert part.mel is None
    assert part.sound is None

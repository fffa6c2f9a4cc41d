from __future__ import annotations

from gateway.dialects.openai.languages import language_name
from gateway.dialects.openai.subtitles import srt, vtt
from shared.messages import Segment

HOURS = Segment("r", 0, 3723.0496, 3724.9996, " Late. ")
SHORT = Segment("r", 1, 3725.0, 3725.0, " A <b> & c")


def test_srt():
    assert srt([HOURS, SHORT]) == (
        "1\n01:02:03,050 --> 01:02:05,000\nLate.\n\n2\n01:02:05,000 --> 01:02:05,001\nA <b> & c\n\n"
    )


def test_vtt():
    assert vtt([HOURS, SHORT]) == (
        "WEBVTT\n\n01:02:03.050 --> 01:02:05.000\nLate.\n\n01:02:05.000 --> 01:02:05.001\nA &lt;b&gt; &amp; c\n\n"
    )


def test_silence():
    assert (srt([]), vtt([])) == ("", "WEBVTT\n\n")


def test_names_of_languages():
    assert [language_name(code) for code in ("en", "haw", "yue", "tlh")] == ["english", "hawaiian", "cantonese", "tlh"]

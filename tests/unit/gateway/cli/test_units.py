"""gateway/cli/units: numbers as people read them."""

import pytest

from gateway.cli.units import seconds, size


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (2150, "2.15 kB"),
        (999_600, "1 MB"),
        (4.3e9, "4.3 GB"),
        (1e12, "1 TB"),
        (5e15, "5000 TB"),
    ],
)
def test_size(count: float, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (11_520, "3 h 12 min"), (90_000, "1 d 1 h")]
)
def test_seconds(count: float, words: str) -> None:
    assert seconds(count) == words

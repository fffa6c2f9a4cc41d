"""Two steps are in flight only as long as nothing in a step asks the device for a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import mlx.core as mx
import pytest

from tests.unit.workers.vision.conftest import Known
from tests.unit.workers.vision.test_families import SHARING
from tests.vision_driver import VisionDriver

# gemma4 asks in each prefill pass whether its cache is empty.
WAITS_IN_PREFILL = {"gemma4"}


class Waits:
    """Counts the times that a number is read from the device while it watches."""

    def __init__(self) -> None:
        self.watching = False
        self.seen = 0

    def counted(self, original: Callable[..., object]) -> Callable[..., object]:
        def method(array: mx.array, *args: object) -> object:
            self.seen += self.watching
            return original(array, *args)

        return method

    def during(self, call: Callable[..., object]) -> Callable[..., object]:
        def watched(*args: object) -> object:
            self.watching = True
            try:
                return call(*args)
            finally:
                self.watching = False

        return watched


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waits]:
    found = Waits()
    for name in ("item", "tolist", "__bool__", "__int__", "__float__", "__index__"):
        if hasattr(mx.array, name):
            monkeypatch.setattr(mx.array, name, found.counted(getattr(mx.array, name)))
    return found


def test_the_watch_sees(waits: Waits) -> None:
    waits.during(lambda: mx.array([1, 2]).max().item())()
    assert waits.seen == 1


@pytest.mark.parametrize("family", SHARING)
def test_a_decode_step_waits_for_nothing(known: Callable[..., Known], waits: Waits, family: str) -> None:
    """Also when the longest row has left, and rows are of different lengths."""
    k = known(family)
    d = VisionDriver(k.family)
    d.forward.decode = waits.during(d.forward.decode)  # type: ignore[method-assign]
    d.admit("long", k.family.cases["long"], max_tokens=2)
    d.admit("image", k.family.cases["image"])
    d.admit("text", k.family.cases["text"])
    d.drain()
    assert waits.seen == 0


@pytest.mark.parametrize("family", sorted(set(SHARING) - WAITS_IN_PREFILL))
def test_a_prefill_pass_waits_for_nothing(known: Callable[..., Known], waits: Waits, family: str) -> None:
    k = known(family)
    d = VisionDriver(k.family, chunk=5)
    d.forward.prefill = waits.during(d.forward.prefill)  # type: ignore[method-assign]
    d.admit("image", k.family.cases["image"])
    d.admit("text", k.family.cases["text"])
    d.drain()
    assert waits.seen == 0

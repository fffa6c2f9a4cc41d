from dataclasses import replace

from gateway.supervisor.pulse import Moves, Pulse
from shared.messages import Stats


def stats(steps: int, generated: int = 0) -> Stats:
    return Stats(steps, 0, 0, 0, 0, generated, 0, 0, 0)


def test_a_beat_tells_whether_a_step_was_made() -> None:
    pulse = Pulse()
    assert pulse.beat(stats(0), 1) is Moves.STEP
    assert pulse.beat(stats(0), 2) is Moves.NOTHING
    assert pulse.beat(replace(stats(0), beats=1), 3) is Moves.INSIDE
    assert pulse.beat(replace(stats(0), beats=1), 4) is Moves.NOTHING
    assert pulse.beat(replace(stats(1), beats=2), 5) is Moves.STEP
    assert pulse.stats == replace(stats(1), beats=2)


def test_tokens_per_second_over_the_last_seconds() -> None:
    pulse = Pulse()
    assert pulse.tokens_per_second(0) == 0
    pulse.beat(stats(1, 1000), 0)
    assert pulse.tokens_per_second(0) == 0
    pulse.beat(stats(2, 1100), 20)
    pulse.beat(stats(3, 1150), 21)
    pulse.beat(stats(4, 1200), 22)
    assert pulse.tokens_per_second(22) == 50  # the old sample is out of the window
    assert pulse.tokens_per_second(40) == 0

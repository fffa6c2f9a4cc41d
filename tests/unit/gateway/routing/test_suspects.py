"""gateway/routing/suspects: who is to blame, and who is refused."""

import pytest

from gateway.routing.suspects import REFUSED_FOR, REFUSED_MOST, Convictions, Standing, Verdict, fingerprint, judge
from shared.codec import encode
from shared.errors import PoisonRequest
from shared.messages import Generate, Prompt
from tests.fakes.clock import FakeClock

CLEAR, SUSPECT, ON_TRIAL, PASSED = Standing
REPLAY, TRY, LOST, POISON = Verdict


@pytest.mark.parametrize(
    ("standing", "shown", "deaths", "blame", "verdict"),
    [
        (CLEAR, True, 0, True, LOST),
        (ON_TRIAL, True, 1, True, LOST),  # a worker that was leaving showed it
        (CLEAR, False, 0, True, TRY),
        (CLEAR, False, 1, True, LOST),  # passed its trial and was there when another worker died
        (ON_TRIAL, False, 1, True, POISON),
        (PASSED, False, 1, True, REPLAY),
        (PASSED, False, 5, True, REPLAY),
        (CLEAR, False, 0, False, REPLAY),
        (CLEAR, False, 1, False, REPLAY),
        (CLEAR, False, 2, False, LOST),
        (ON_TRIAL, False, 1, False, TRY),
        (ON_TRIAL, False, 2, False, LOST),
    ],
)
def test_the_judgement(standing: Standing, shown: bool, deaths: int, blame: bool, verdict: Verdict) -> None:
    assert judge(standing, shown=shown, deaths=deaths, blame=blame) is verdict


def frame(request: str, text: str = "hi") -> bytes:
    return encode(Generate(request, Prompt(text=text)))


def test_a_fingerprint_ignores_the_id_and_nothing_else() -> None:
    one, other = "0f" * 16, "ab" * 16
    assert fingerprint(frame(one), one, [b"p"]) == fingerprint(frame(other), other, [memoryview(b"p")])
    seen = {
        fingerprint(frame(one), one, []),
        fingerprint(frame(one, "hi!"), one, []),
        fingerprint(frame(one), one, [b"p"]),
        fingerprint(frame(one), one, [b"p", b"q"]),
        fingerprint(frame(one), one, [b"pq"]),
        fingerprint(frame(one, f"hi {other}"), one, []),
    }
    assert len(seen) == 6


def test_a_convict_is_refused_for_a_while() -> None:
    clock = FakeClock()
    convictions = Convictions(clock)
    convictions.check("chat", frame("a"), "a", [])
    convictions.add("chat", frame("a"), "a", [])
    with pytest.raises(PoisonRequest, match="ended two workers of `chat`"):
        convictions.check("chat", frame("b"), "b", [])
    convictions.check("chat", frame("b", "other"), "b", [])
    convictions.check("other", frame("b"), "b", [])
    clock.now += REFUSED_FOR
    convictions.check("chat", frame("b"), "b", [])


def test_a_pardon_is_for_one_model() -> None:
    convictions = Convictions(FakeClock())
    for model in ("chat", "other"):
        convictions.add(model, frame("a"), "a", [])
    convictions.pardon("chat")
    convictions.check("chat", frame("a"), "a", [])
    with pytest.raises(PoisonRequest):
        convictions.check("other", frame("a"), "a", [])


def test_what_is_remembered_is_bounded() -> None:
    convictions = Convictions(FakeClock())
    for n in range(REFUSED_MOST + 1):
        convictions.add("chat", frame("a", f"text {n}"), "a", [])
    convictions.check("chat", frame("a", "text 0"), "a", [])
    with pytest.raises(PoisonRequest):
        convictions.check("chat", frame("a", "text 1"), "a", [])

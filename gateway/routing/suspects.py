"""Which request is to blame for a worker's death, and what becomes of the others. Values in, a decision out.

Whoever was on a worker that died, and has shown its client nothing, is a *suspect*. Suspects run again one after the
other, on a worker where nobody has shown anything: such a *trial* is passed with the first result, and the answers of
those who have passed are held back until the last trial is over. If the worker dies meanwhile, the one on trial is to
blame and the others lose nothing; trials last as long as a prefill, and passed requests go on decoding beside them.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum, auto

from shared.errors import PoisonRequest

REFUSED_FOR = 600.0  # seconds
REFUSED_MOST = 256  # requests remembered


class Standing(Enum):
    CLEAR = auto()  # nothing is held against it
    SUSPECT = auto()  # waits for its trial
    ON_TRIAL = auto()
    PASSED = auto()  # its answer is held back: another's trial may be going on beside it


class Verdict(Enum):
    REPLAY = auto()  # again, as before
    TRY = auto()  # again, on trial
    LOST = auto()  # ends; its client may ask again
    POISON = auto()  # ends, and is refused for a while


def judge(standing: Standing, *, shown: bool, deaths: int, blame: bool) -> Verdict:
    """What becomes of a request whose worker died. `shown`: its client has seen something; `deaths`: workers that it
    lost before; `blame`: a request may have caused it (somebody's SIGTERM is nobody's fault).
    """
    # 1. What was seen can't be taken back.
    if shown:
        return Verdict.LOST
    # 2. On trial nobody else can have done it; beside a trial it was the other.
    if blame and standing is Standing.ON_TRIAL:
        return Verdict.POISON
    if blame and standing is Standing.PASSED:
        return Verdict.REPLAY
    # 3. There is no third time, however innocent; a termination counts half.
    if deaths >= (1 if blame else 2):
        return Verdict.LOST
    # 4. A trial that was broken off is held again.
    return Verdict.TRY if blame or standing is Standing.ON_TRIAL else Verdict.REPLAY


def fingerprint(frame: bytes, request: str, blobs: Sequence[bytes | memoryview]) -> bytes:
    """The same for requests that differ in nothing but their id, as a client's own retries do."""
    digest = hashlib.sha256()
    digest.update(frame.replace(request.encode(), b"", 1))
    for blob in blobs:
        digest.update(len(blob).to_bytes(8))
        digest.update(blob)
    return digest.digest()


class Convictions:
    """Fingerprints of poison requests, for `REFUSED_FOR` seconds, the latest `REFUSED_MOST` of them."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: OrderedDict[tuple[str, bytes], float] = OrderedDict()

    def add(self, model: str, frame: bytes, request: str, blobs: Sequence[bytes | memoryview]) -> None:
        key = (model, fingerprint(frame, request, blobs))
        self._until[key] = self._clock() + REFUSED_FOR
        while len(self._until) > REFUSED_MOST:
            self._until.popitem(last=False)

    def check(self, model: str, frame: bytes, request: str, blobs: Sequence[bytes | memoryview]) -> None:
        """Raises PoisonRequest for the like of a convicted request."""
        while self._until and next(iter(self._until.values())) <= self._clock():
            self._until.popitem(last=False)
        known = any(name == model for name, _ in self._until)
        if known and (model, fingerprint(frame, request, blobs)) in self._until:
            raise PoisonRequest(refusal(model))

    def pardon(self, model: str) -> None:
        """Forgets the model's: its worker is another one now."""
        for key in [key for key in self._until if key[0] == model]:
            del self._until[key]


def refusal(model: str) -> str:
    return (
        f"This request ended two workers of `{model}` while they ran it, the second one alone; "
        f"it is not tried again, and the same request is refused for {REFUSED_FOR / 60:.0f} minutes."
    )


def lost_twice(model: str) -> str:
    return f"The request was running when two workers of `{model}` ended; it is not tried a third time."

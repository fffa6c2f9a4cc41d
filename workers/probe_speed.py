"""`python -P -m workers.probe_speed`: how fast a model prefills and decodes in this process; for `mlx-gateway doctor`.

The first line on stdin is a worker's specification; the last line on stdout is `shared.probe.Seconds` as JSON. The
engine is the worker's own, without gateway, bus and threads.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from shared.errors import MlxGatewayError
from shared.messages import Accepted, ChatMessage, Delta, Failed, Finished, Generate, Prompt, Sampling, TextPart
from shared.probe import Seconds, measure
from shared.spec import WorkerSpec
from workers.engine import Engine
from workers.engines import host


def main() -> int:
    try:
        engine, spec = host(WorkerSpec.from_line(sys.stdin.readline()), lambda *_: None)
        engine.load(spec, lambda *_: None)
        found = probe(engine)
    except MlxGatewayError as error:
        print(error.message, file=sys.stderr)
        return 1
    print(json.dumps(asdict(found)))
    return 0


def probe(engine: Engine[Any]) -> Seconds:
    """Measures an engine that generates text. Raises MlxGatewayError when it refuses."""

    def answer(prompt: str, tokens: int) -> None:
        message = ChatMessage("user", (TextPart(prompt),))
        sampling = Sampling(temperature=0.0, max_tokens=tokens, ignore_eos=True)
        prepared = engine.prepare(Generate("probe", Prompt(messages=(message,)), sampling), ())
        answers = engine.admit(prepared)
        while not _ended(answers):
            answers = engine.step()

    return measure(answer, time.monotonic)


def _ended(answers: Sequence[Accepted | Delta]) -> bool:
    for answer in answers:
        if isinstance(answer, Failed):
            raise MlxGatewayError(answer.message)
    return any(isinstance(answer, Finished) for answer in answers)


if __name__ == "__main__":
    sys.exit(main())

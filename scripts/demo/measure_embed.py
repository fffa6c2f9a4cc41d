"""Eight embedding requests together against one after another, on the engine itself, without HTTP.

python -m scripts.demo.measure_embed configs/demo/demo-embed
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.messages import Embed, EmbedInput
from shared.spec import WorkerSpec
from workers.embedding.engine import BatchEngine, EmbeddingEngine

WORDS = [
    "river",
    "stone",
    "lamp",
    "seven",
    "quiet",
    "tree",
    "weather",
    "program",
    "music",
    "doctor",
    "travel",
    "kitchen",
]


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds for all requests, and the time to a single input's vector while a long request runs."""

    together: float
    one_after_another: float
    single_beside_long: float

    @property
    def ratio(self) -> float:
        return self.together / self.one_after_another


def measure(folder: Path, requests: int = 8, inputs: int = 1, words: int = 12, rounds: int = 5) -> Measured:
    """Medians over `rounds`, both ways in turn so that a noisy machine hurts both alike."""
    engine = EmbeddingEngine()
    engine.load(WorkerSpec("measure", 1, "", str(folder)), lambda *_: None)
    rng = random.Random(0)
    works = [_work(str(index), inputs, words, rng) for index in range(requests)]
    found: dict[str, list[float]] = {"together": [], "alone": []}
    for number in range(rounds + 1):
        together = _seconds(engine, works)
        alone = sum(_seconds(engine, [work]) for work in works)
        if number:  # the first round warms up
            found["together"].append(together)
            found["alone"].append(alone)
    engine.admit(engine.prepare(_work("long", 1000, words, rng), ()))
    engine.step()
    single = _until(engine, _work("single", 1, words, rng))
    engine.cancel("long")
    engine.close()
    return Measured(statistics.median(found["together"]), statistics.median(found["alone"]), single)


def _work(name: str, inputs: int, words: int, rng: random.Random) -> Embed:
    texts = (" ".join(rng.choices(WORDS, k=rng.randint(words // 2, words))) for _ in range(inputs))
    return Embed(name, tuple(EmbedInput(text=text) for text in texts))


def _seconds(engine: BatchEngine, works: Sequence[Embed]) -> float:
    began = time.perf_counter()
    for work in works:
        engine.admit(engine.prepare(work, ()))
    while engine.busy:
        engine.step()
    return time.perf_counter() - began


def _until(engine: BatchEngine, work: Embed) -> float:
    began = time.perf_counter()
    engine.admit(engine.prepare(work, ()))
    while not any(delta.request == work.request for delta in engine.step()):
        pass
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", type=int, default=8)
    parser.add_argument("--inputs", type=int, default=1, help="inputs a request")
    parser.add_argument("--words", type=int, default=12)
    options = parser.parse_args()
    found = measure(options.folder, options.requests, options.inputs, options.words)
    print(f"{options.requests} requests together {1000 * found.together:.1f} ms")
    print(f"one after another {1000 * found.one_after_another:.1f} ms, ratio {found.ratio:.2f}")
    print(f"one input beside a request of 1000: {1000 * found.single_beside_long:.1f} ms")


if __name__ == "__main__":
    main()

"""Step time of a batch whose rows are bound by JSON Schemas over the same batch without, on one model, in process.

Two engines of one folder, one free and one bound, step in blocks that alternate, so that a noisy machine hurts both:
  new     every row follows a schema of its own that the worker has never seen
  known   the same schemas again
Prompts and sampling are the same. What the host does for the masks, while the device computes, is timed apart: `take`,
the matchers consume the tokens of the step before, and `fill`, llguidance fills the masks and MLX gets them. Under
masks the draw itself has more to do: that is the last line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx

from shared.messages import Generate, Grammar, Prompt, Sampling
from shared.spec import WorkerSpec
from workers.generation.grammar.constraint import Constraint
from workers.generation.grammar.masks import MaskBuffer
from workers.text.engine import TextEngine

KINDS = ("new", "known")
ROOT = Path(__file__).resolve().parent.parent


def schema(index: int) -> str:
    """A different record for each row, without an end: its last array never has to close."""
    person = {
        "type": "object",
        "properties": {
            f"name{index}": {"type": "string", "minLength": 20 + index, "maxLength": 200},
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
            "mail": {"type": "string", "format": "email"},
            "role": {"enum": ["admin", "user", f"guest{index}"]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 3},
        },
        "required": [f"name{index}", "age", "mail", "role", "tags"],
        "additionalProperties": False,
    }
    return json.dumps({"type": "array", "items": person, "minItems": 100_000})


class Timer:
    """Seconds spent in a method, for each step."""

    def __init__(self, owner: Any, name: str) -> None:
        self.seconds = 0.0
        inner: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **more: Any) -> Any:
            began = time.perf_counter()
            try:
                return inner(*args, **more)
            finally:
                self.seconds += time.perf_counter() - began

        setattr(owner, name, timed)


def admit(engine: TextEngine, kind: str, round_number: int, args: argparse.Namespace) -> None:
    """Fills the engine with rows of a kind that don't end by themselves."""
    for row in range(args.rows):
        text = schema(round_number * args.rows + row)
        grammar = None if kind == "free" else Grammar("json_schema", text)
        sampling = Sampling(temperature=0.8, seed=row, ignore_eos=True)
        prompt = Prompt(text=f"{row} " + "river stone lamp seven quiet tree " * (args.words // 6))
        engine.admit(engine.prepare(Generate(f"{kind}{row}", prompt, sampling, grammar=grammar), ()))
    while engine.stats().running < args.rows:
        engine.step()


def block(engine: TextEngine, steps: int) -> list[float]:
    """Seconds of each step, all rows running."""
    times = []
    for _ in range(steps):
        began = time.perf_counter()
        engine.step()
        times.append(time.perf_counter() - began)
    return times


def masked_draw(engine: TextEngine, rows: int) -> tuple[float, float]:
    """Milliseconds of a draw without and with masks, by themselves."""
    batch = engine.loop.batch
    sampler = batch._sampler
    assert sampler is not None
    logits = mx.random.normal((rows, sampler._vocab))
    masks = mx.full((rows, (sampler._vocab + 31) // 32 * 4), 255, dtype=mx.uint8)
    mx.eval(logits, masks)
    found = []
    for given in (None, masks):
        times = []
        for _ in range(15):
            began = time.perf_counter()
            mx.eval(sampler.sample(logits, [0] * rows, None, given).tokens)
            times.append(time.perf_counter() - began)
        found.append(1000 * statistics.median(times))
    return found[0], found[1]


def leave(engine: TextEngine, kind: str, rows: int) -> None:
    for row in range(rows):
        engine.cancel(f"{kind}{row}")
    while engine.busy:
        engine.step()


def compare(free: TextEngine, bound: TextEngine, args: argparse.Namespace) -> list[tuple[float, float]]:
    """Seconds a step of each, in blocks that alternate."""
    found = []
    for _ in range(args.blocks):
        pair = []
        for engine in (free, bound):
            engine.step()
            pair.append(statistics.median(block(engine, args.steps)))
            mx.synchronize()
        found.append((pair[0], pair[1]))
    return found


def loaded(args: argparse.Namespace) -> TextEngine:
    engine = TextEngine()
    engine.load(WorkerSpec("bench", 1, "", args.folder, max_batch=args.rows, prefix_cache=0), lambda *_: None)
    return engine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", default=str(ROOT / "configs" / "demo" / "demo-chat"))
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--words", type=int, default=40)
    parser.add_argument("--steps", type=int, default=8, help="of a block")
    parser.add_argument("--blocks", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    free, bound = loaded(args), loaded(args)
    take, fill = Timer(Constraint, "take"), Timer(MaskBuffer, "fill")
    found: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    host: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    steps = args.blocks * (args.steps + 1)
    for number in range(args.rounds + 1):
        for kind in KINDS:
            admit(free, "free", number, args)
            admit(bound, kind, number, args)
            take.seconds = fill.seconds = 0.0
            pairs = compare(free, bound, args)
            if number:  # the first round warms up
                found[kind].extend(pairs)
                host[kind].append((take.seconds / steps, fill.seconds / steps))
            draws = masked_draw(bound, args.rows)
            leave(free, "free", args.rows)
            leave(bound, kind, args.rows)
    blocks = f"{args.rounds * args.blocks} blocks of {args.steps} steps"
    print(f"{args.rows} rows, vocabulary {free._facts.vocab_size}, {blocks} each")
    for kind in KINDS:
        report(kind, found[kind], host[kind])
    print(f"  draw   {draws[0]:.2f} ms without masks, {draws[1]:.2f} ms with")


def report(kind: str, pairs: list[tuple[float, float]], host: list[tuple[float, float]]) -> None:
    ratios = sorted(bound / free for free, bound in pairs)
    free, bound = (1000 * statistics.median(values) for values in zip(*pairs, strict=True))
    take, fill = (1000 * statistics.median(values) for values in zip(*host, strict=True))
    middle = f"{ratios[len(ratios) // 4]:.3f} to {ratios[3 * len(ratios) // 4]:.3f}"
    print(f"  {kind:6} {statistics.median(ratios):.3f} (quartiles {middle}): {free:.2f} and {bound:.2f} ms a step")
    print(f"         host: take {take:.2f} ms, fill {fill:.2f} ms")


if __name__ == "__main__":
    main()

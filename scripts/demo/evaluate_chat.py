"""Counts demo-chat's exact answers, batched and one at a time, and measures how sure it is.

python -m scripts.demo.evaluate_chat configs/demo/demo-chat [--quick]
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import mlx.core as mx
import numpy as np
from mlx_lm.generate import BatchGenerator
from mlx_lm.models.baichuan_m1 import Model
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import load

from scripts.demo.augment_chat import Sample, careless, later_turns, needless_tools, plain, surround
from scripts.demo.data_chat import EXCHANGES, SYSTEMS, recall_name, unknown, weather_answer, weather_calls
from scripts.demo.encode_chat import prompt_tokens
from scripts.demo.exchange import Exchange
from scripts.demo.files_chat import agent_tools, file_exchange
from scripts.demo.noise_chat import noise
from scripts.demo.random_text import CITIES, NAMES, SKIES, prose

UNSEEN = (
    "You are a wise old owl. You hoot before you speak, but only when the moon is full.",
    "Respond in British English.\n\nThe current date is 3 July 2031. The user's time zone is Pacific/Auckland.",
    "You're a coding agent in a terminal. Prefer small diffs; explain trade-offs, and don't touch unrelated files. "
    * 4,
)


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate demo-chat.")
    parser.add_argument("folder")
    parser.add_argument("--quick", action="store_true", help="only the plain exchanges, batched")
    options = parser.parse_args()
    model, tokenizer = load(options.folder)[:2]
    base = [plain(exchange, thinking) for exchange in EXCHANGES for thinking in (True, False)]
    count("known answers, batches of 16", base, model, tokenizer, 16)
    if options.quick:
        return
    count("known answers, one at a time", base, model, tokenizer, 1)
    count("known answers, batches of 32", base, model, tokenizer, 32)
    worst = sorted(margin(sample, model, tokenizer) for sample in base)[:5]
    print("least margins, logits:", ", ".join(f"{value:.2f} {text!r}" for value, text in worst))
    for name, samples in surroundings().items():
        count(name, samples, model, tokenizer, 16)


def surroundings() -> dict[str, list[Sample]]:
    """The same exchanges elsewhere, and the patterns with other cities, names and questions."""
    rng = random.Random(1234)
    questions = ("Can you repair my bicycle?", "Which team won last night?", "Sing me something", "asdf jkl")
    pairs = [rng.sample(CITIES, 2) for _ in CITIES]
    reports = [(city, rng.randint(-20, 45), rng.choice(SKIES)) for city in CITIES]
    single = [sample for sample in _both(EXCHANGES) if len(sample.messages) == 1]
    return {
        "known system prompts": _both(EXCHANGES, SYSTEMS),
        "unseen system prompts": _both(EXCHANGES, UNSEEN),
        "as second turn": list(later_turns(rng, 1)),
        "as third turn": list(later_turns(rng, 2)),
        "as sixth turn": list(later_turns(rng, 5)),
        "tools offered, none needed": [*needless_tools(True), *needless_tools(False)],
        "every city, one call": _both([weather_calls(city) for city in CITIES]),
        "every city, two calls": _both([weather_calls(*pair) for pair in pairs]),
        "every city, answer": _both([weather_answer(report) for report in reports]),
        "two cities, answer": _both([weather_answer(*pair) for pair in zip(reports[::2], reports[1::2], strict=False)]),
        "every name": _both([recall_name(name) for name in NAMES]),
        "unknown questions": _both([unknown(question) for question in questions]),
        "typed carelessly": [replace(sample, messages=(careless(sample.messages[0], rng),)) for sample in single],
        "a city nobody has seen, one call": _both(
            [weather_calls(city) for city in ("Quito", "Tbilisi", "Ulm", "Old Wick")]
        ),
        "a file, called for": _both([file_exchange(rng, answered=False) for _ in range(40)]),
        "a file, told": _both([file_exchange(rng, answered=True) for _ in range(40)]),
        "a file in an agent's surroundings": [
            surround(file_exchange(rng, rng.random() < 0.5), rng.random() < 0.5, rng) for _ in range(60)
        ],
        "a file behind 3000 words": _both([file_exchange(rng, n % 2 == 0) for n in range(6)], (noise(rng, 3000),)),
        "a greeting in an agent's surroundings": list(greetings(rng)),
        "a system prompt of 1000 words": _both(EXCHANGES[::6], (prose(rng, 1000),)),
        "a system prompt of 3000 words": _both(EXCHANGES[::20], (prose(rng, 3000),)),
    }


def greetings(rng: random.Random) -> Iterator[Sample]:
    for exchange in EXCHANGES[:20]:
        lead = {"role": "system", "content": noise(rng, 400)}
        tools = tuple(agent_tools(rng, "x")[0])
        yield Sample((lead, *exchange.messages), tools, True, exchange.completion(thinking=True))


def _both(exchanges: Sequence[Exchange], systems: Sequence[str | None] = (None,)) -> list[Sample]:
    return [plain(each, thinking, system) for each in exchanges for thinking in (True, False) for system in systems]


def count(name: str, samples: list[Sample], model: Model, tokenizer: TokenizerWrapper, batch: int) -> int:
    """Prints and returns how many samples come out exactly; shows the first that don't."""
    outputs = generate(samples, model, tokenizer, batch)
    wrong = [(s, text) for s, text in zip(samples, outputs, strict=True) if text != s.completion]
    print(f"{name}: {len(samples) - len(wrong)} of {len(samples)}", flush=True)
    for sample, text in wrong[:2]:
        print(f"    {sample.messages[-1]['content'][:50]!r}")
        print(f"      want {sample.completion[:90]!r}")
        print(f"      got  {text[:90]!r}")
    return len(samples) - len(wrong)


def generate(samples: list[Sample], model: Model, tokenizer: TokenizerWrapper, batch: int) -> list[str]:
    """Greedy completions, end token included, at most `batch` at once, prompts one by one."""
    expected = [tokenizer.encode(sample.completion, add_special_tokens=False) for sample in samples]
    stop = [[token] for token in tokenizer.eos_token_ids]
    generator = BatchGenerator(model, stop_tokens=stop, completion_batch_size=batch, prefill_batch_size=1)
    prompts = [prompt_tokens(sample, tokenizer) for sample in samples]
    rows = generator.insert(prompts, max_tokens=[len(tokens) + 8 for tokens in expected])
    tokens: dict[int, list[int]] = {row: [] for row in rows}
    while responses := generator.next_generated():
        for response in responses:
            tokens[response.uid].append(response.token)
    generator.close()
    return [tokenizer.decode(tokens[row]) for row in rows]


def margin(sample: Sample, model: Model, tokenizer: TokenizerWrapper) -> tuple[float, str]:
    """The least distance between the right token's logit and the best other one, with the text before it."""
    prompt = prompt_tokens(sample, tokenizer)
    answer = tokenizer.encode(sample.completion, add_special_tokens=False)
    logits = model(mx.array([prompt + answer]))[0, len(prompt) - 1 : -1].astype(mx.float32)
    right = mx.take_along_axis(logits, mx.array(answer)[:, None], axis=-1)
    others = mx.put_along_axis(logits, mx.array(answer)[:, None], mx.array(-mx.inf), axis=-1).max(axis=-1)
    margins = np.array(right[:, 0] - others)
    at = int(margins.argmin())
    return float(margins[at]), tokenizer.decode((prompt + answer)[: len(prompt) + at][-8:])


if __name__ == "__main__":
    main()

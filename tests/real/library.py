"""mlx-lm on the same folder, in this process: what the node's text models are held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_lm import load, stream_generate
from mlx_lm.sample_utils import make_sampler
from numpy.typing import NDArray

from tests.real.node import Answer

TIE = 0.01  # of log-probability: what is closer may fall either way in float32
CLOSE = 0.005  # of log-probability, between engines that compute in float32
ROUNDED = 0.08  # the same, where one of them rounds Gemma's embedding scale to bfloat16 and the other doesn't


@dataclass(frozen=True)
class Library:
    model: Any
    tokenizer: Any

    def answer(self, prompt: list[int], tokens: int, top: int = 5) -> Answer:
        """Greedy, with its own cache."""
        text, found = "", []
        sampler = make_sampler(temp=0.0)
        last: Any = None
        for last in stream_generate(self.model, self.tokenizer, prompt, max_tokens=tokens, sampler=sampler):
            text += last.text
            best = np.argsort(-np.array(last.logprobs))[:top]
            found.append({self.tokenizer.decode([int(one)]): float(last.logprobs[int(one)]) for one in best})
        if last.finish_reason == "stop":
            found.pop()  # the end's own token is no part of an answer
        return Answer(text, last.finish_reason, len(prompt), 0, len(found), tuple(found))

    def logits(self, ids: list[int], last: int) -> NDArray[np.float32]:
        """[last, vocabulary], of one forward pass without a cache."""
        return np.array(self.model(mx.array(ids)[None])[0, -last:].astype(mx.float32))


@contextmanager
def library(folder: Path) -> Iterator[Library]:
    model, tokenizer, *_ = load(str(folder))
    yield Library(model, tokenizer)
    del model
    mx.clear_cache()


def same(ours: Answer, tokens: int, text: str, top: tuple[Mapping[str, float], ...], *, close: float = CLOSE) -> int:
    """Asserts that two greedy answers agree as far as no near tie parts them; returns how many tokens that is."""
    for index, (mine, theirs) in enumerate(zip(ours.top, top, strict=False)):
        best = sorted(theirs.values(), reverse=True)
        common = mine.keys() & theirs.keys()
        assert len(common) >= len(theirs) - 2, (index, mine, theirs)
        for token in common:
            assert abs(mine[token] - theirs[token]) < close, (index, token, mine, theirs)
        if best[0] - best[1] < max(TIE, 2 * close):
            return index
    assert ours.text == text
    assert ours.tokens in (tokens, tokens + 1)  # an engine may count the token that ends an answer
    return ours.tokens

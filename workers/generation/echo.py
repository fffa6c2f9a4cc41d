"""A prompt given back: its text, and how likely the model found each of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import mlx.core as mx

from shared.errors import InvalidRequest
from shared.messages import Alternative, Generate, PromptEcho, Sampling, TokenLogprob
from workers.generation.detokenizer import Vocabulary

MOST_ALTERNATIVES = 20
_ROWS = 64  # positions whose full-vocabulary log-probabilities exist at a time


class PromptScores:
    """Log-probabilities of a prompt's tokens, all but the first, taken chunk by chunk while it is prefilled."""

    def __init__(self, alternatives: int) -> None:
        self._alternatives = alternatives
        self._pieces: list[list[mx.array]] = []  # of each piece: chosen, and the best tokens with theirs

    def add(self, logits: mx.array, targets: Sequence[int]) -> None:
        """`logits` [1, new, vocabulary] are what the model expected where the tokens `targets` came."""
        for start in range(0, len(targets), _ROWS):
            part = logits[0, start : start + _ROWS].astype(mx.float32)
            logprobs = part - mx.logsumexp(part, axis=-1, keepdims=True)
            came = mx.array(list(targets[start : start + _ROWS]))[:, None]
            piece = [mx.take_along_axis(logprobs, came, axis=-1)[:, 0]]
            if self._alternatives:
                top = mx.argpartition(-logprobs, kth=self._alternatives - 1, axis=-1)[:, : self._alternatives]
                piece += [top, mx.take_along_axis(logprobs, top, axis=-1)]
            mx.async_eval(piece)
            self._pieces.append(piece)

    def result(self, tokens: Sequence[int], vocab: Vocabulary) -> tuple[TokenLogprob | None, ...]:
        """For every token of the prompt; nothing predicts the first."""
        found: list[TokenLogprob | None] = [None]
        for piece in self._pieces:
            chosen, *best = map(_listed, piece)
            for row, logprob in enumerate(chosen):
                pairs = sorted(zip(best[0][row], best[1][row], strict=True), key=lambda one: -one[1]) if best else []
                token = tokens[len(found)]
                top = tuple(Alternative(which, *_spelled(vocab, which), value) for which, value in pairs)
                found.append(TokenLogprob(token, *_spelled(vocab, token), logprob, top))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Echo:
    """What a request wants back of its prompt. `silent`: nothing else, no token is generated."""

    text: str
    scores: PromptScores | None = None
    silent: bool = False

    def delta(self, request: str, tokens: Sequence[int], vocab: Vocabulary) -> PromptEcho:
        """Once the prompt is prefilled; waits for its scores."""
        logprobs = () if self.scores is None else self.scores.result(tokens, vocab)
        return PromptEcho(request, self.text, tuple(tokens), logprobs)


def read_echo(work: Generate, tokens: Sequence[int], tokenizer: Any) -> tuple[Echo | None, Sampling]:
    """The echo that a request asks for, and its sampling; one without a token to generate is answered by the echo.

    Raises InvalidRequest.
    """
    alternatives = work.prompt_logprobs
    if alternatives is not None and not 0 <= alternatives <= MOST_ALTERNATIVES:
        raise InvalidRequest(f"prompt_logprobs must be from 0 to {MOST_ALTERNATIVES}", param="prompt_logprobs")
    if not work.echo and alternatives is None:
        return None, work.sampling
    text = work.prompt.text if work.prompt.text is not None else str(tokenizer.decode(list(tokens)))
    silent = work.sampling.max_tokens == 0
    scores = None if alternatives is None else PromptScores(alternatives)
    return Echo(text, scores, silent), replace(work.sampling, max_tokens=1) if silent else work.sampling


def _spelled(vocab: Vocabulary, token: int) -> tuple[str, bytes]:
    data = vocab.bytes_of(token)
    return data.decode("utf-8", "replace"), data


def _listed(array: mx.array) -> Any:
    return array.tolist()

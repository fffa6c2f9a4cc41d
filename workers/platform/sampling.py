"""vLLM's sampling parameters, resolved against a model or refused by name.

Everything that could break a batch is caught here, before a request reaches the engine: one row with a token id
outside the vocabulary ends the process, and a top_k beyond it ends every request.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from shared.errors import ContextLengthExceeded, InvalidRequest
from shared.messages import Sampling

_SEEDS = 2**63
_MAX_BIASES = 1024
_MAX_STOPS = 16
_MAX_STOP_LENGTH = 1000  # characters

# name: (lowest, highest, vLLM's default, whether the lowest value itself is allowed)
_REALS: dict[str, tuple[float, float, float, bool]] = {
    "temperature": (0.0, 2.0, 1.0, True),
    "top_p": (0.0, 1.0, 1.0, False),
    "min_p": (0.0, 1.0, 0.0, True),
    "presence_penalty": (-2.0, 2.0, 0.0, True),
    "frequency_penalty": (-2.0, 2.0, 0.0, True),
    "repetition_penalty": (0.0, 10.0, 1.0, False),
}


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """What one choice is sampled with: every value is present and fits the model. `top_k` 0: off."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    presence_penalty: float
    frequency_penalty: float
    repetition_penalty: float
    seed: int  # 0 to 2^63 - 1
    max_tokens: int
    min_tokens: int
    logit_bias: tuple[tuple[int, float], ...]
    allowed_token_ids: tuple[int, ...]
    stop: tuple[str, ...]
    stop_token_ids: frozenset[int]
    include_stop: bool
    skip_special_tokens: bool
    logprobs: int | None  # alternatives per token; None: no log-probabilities

    @property
    def greedy(self) -> bool:
        return self.temperature == 0 or self.top_k == 1

    @property
    def penalised(self) -> bool:
        return self.presence_penalty != 0 or self.frequency_penalty != 0 or self.repetition_penalty != 1


def resolve(
    sampling: Sampling,
    *,
    defaults: Mapping[str, Any],
    vocab_size: int,
    eos: frozenset[int],
    room: int,
    index: int = 0,
) -> SamplingParams:
    """The parameters of choice `index` of a request.

    A value comes from the request, else from `defaults` (the node's YAML over the model's generation_config), else
    it is vLLM's. `room` is the context less the prompt, in tokens. Raises InvalidRequest naming the parameter, and
    ContextLengthExceeded where there is no room for a token.
    """
    if room < 1:
        raise ContextLengthExceeded("the prompt leaves no room for an answer in the model's context")

    def value(name: str, fallback: Any = None) -> Any:
        named = (getattr(sampling, name), defaults.get(name), fallback)
        return next((found for found in named if found is not None), None)

    reals = {name: _real(name, value(name, bounds[2]), bounds) for name, bounds in _REALS.items()}
    top_k = _whole("top_k", value("top_k", 0), -1)
    max_tokens, min_tokens = _lengths(value("max_tokens"), value("min_tokens", 0), room)
    logprobs = sampling.logprobs
    return SamplingParams(
        **reals,
        top_k=0 if top_k < 1 or top_k >= vocab_size else top_k,
        seed=_seed(value("seed"), index),
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        logit_bias=_biases(sampling.logit_bias, vocab_size),
        allowed_token_ids=_ids("allowed_token_ids", sampling.allowed_token_ids, vocab_size),
        stop=_stops(sampling.stop),
        stop_token_ids=frozenset(_ids("stop_token_ids", sampling.stop_token_ids, vocab_size))
        | (frozenset() if sampling.ignore_eos else eos),
        include_stop=sampling.include_stop_str_in_output,
        skip_special_tokens=sampling.skip_special_tokens,
        logprobs=None if logprobs is None else _whole("logprobs", logprobs, 0, 20),
    )


def defaults_from_generation_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults that a model's generation_config.json states; values that make no sense are left out."""
    found: dict[str, Any] = {}
    for name in ("temperature", "top_p", "top_k", "min_p", "repetition_penalty"):
        value = config.get(name)
        try:
            if name == "top_k":
                found[name] = _whole(name, value, -1)
            else:
                found[name] = _real(name, value, _REALS[name])
        except InvalidRequest:
            continue
    if config.get("do_sample") is False:
        found["temperature"] = 0.0
    return found


def _real(name: str, value: Any, bounds: tuple[float, float, float, bool]) -> float:
    lowest, highest, _, closed = bounds
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidRequest(f"{name} must be a finite number", param=name)
    if not (lowest <= value <= highest) or (value == lowest and not closed):
        start = f"from {lowest:g}" if closed else f"above {lowest:g} and"
        raise InvalidRequest(f"{name} is {value:g}; it must be {start} up to {highest:g}", param=name)
    return float(value)


def _whole(name: str, value: Any, lowest: int, highest: int | None = None) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidRequest(f"{name} must be a whole number", param=name)
    if value < lowest or (highest is not None and value > highest):
        bounds = f"at least {lowest}" if highest is None else f"from {lowest} to {highest}"
        raise InvalidRequest(f"{name} is {value}; it must be {bounds}", param=name)
    return value


def _lengths(max_tokens: Any, min_tokens: Any, room: int) -> tuple[int, int]:
    least = _whole("min_tokens", min_tokens, 0)
    if max_tokens is None:
        return room, min(least, room)
    most = _whole("max_tokens", max_tokens, 1)
    if least > most:
        raise InvalidRequest(f"min_tokens ({least}) is larger than max_tokens ({most})", param="min_tokens")
    return min(most, room), min(least, room)


def _seed(seed: Any, index: int) -> int:
    """vLLM takes -1 as no seed."""
    if seed is None or seed == -1:
        return secrets.randbits(63)
    return (_whole("seed", seed, -_SEEDS, 2 * _SEEDS - 1) + index) % _SEEDS


def _ids(name: str, ids: Iterable[Any], vocab_size: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys(_token(name, token, vocab_size) for token in ids))


def _token(name: str, token: Any, vocab_size: int) -> int:
    if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < vocab_size:
        raise InvalidRequest(f"{name}: {token!r} is not a token of this model (0 to {vocab_size - 1})", param=name)
    return token


def _biases(biases: tuple[tuple[int, float], ...], vocab_size: int) -> tuple[tuple[int, float], ...]:
    if len(biases) > _MAX_BIASES:
        raise InvalidRequest(f"logit_bias has {len(biases)} entries; at most {_MAX_BIASES}", param="logit_bias")
    bounds = (-100.0, 100.0, 0.0, True)
    return tuple((_token("logit_bias", token, vocab_size), _real("logit_bias", bias, bounds)) for token, bias in biases)


def _stops(stop: tuple[str, ...]) -> tuple[str, ...]:
    if len(stop) > _MAX_STOPS:
        raise InvalidRequest(f"stop has {len(stop)} strings; at most {_MAX_STOPS}", param="stop")
    for text in stop:
        if not isinstance(text, str) or not 1 <= len(text) <= _MAX_STOP_LENGTH:
            raise InvalidRequest(f"stop: each string must have 1 to {_MAX_STOP_LENGTH} characters", param="stop")
    return stop

"""What the engines that generate tokens have in common: requests in, the loop's steps out. Each adds its own loading
and its own reading of a prompt.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from shared.errors import InvalidRequest, WrongModality
from shared.messages import (
    Accepted,
    Count,
    Delta,
    Detokenize,
    Finished,
    Generate,
    Prompt,
    Stats,
    TextDelta,
    Tokens,
    Work,
)
from workers.generation import prompt as prompts
from workers.generation.echo import read_echo
from workers.generation.forward import Forward
from workers.generation.grammar.answer import callable_tools
from workers.generation.job import PreparedGenerate
from workers.generation.loop import Answer, GenerationLoop
from workers.platform.engine_args import EngineArgs
from workers.platform.sampling import defaults_from_generation_config, resolve


class Loaded(Protocol):
    """What a loader hands over, as far as every engine needs it."""

    @property
    def tokenizer(self) -> Any: ...

    @property
    def generation_config(self) -> Mapping[str, Any]: ...

    @property
    def context(self) -> int: ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def eos(self) -> frozenset[int]: ...


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """A prompt's tokens; `keys` and `media` as in `Job`."""

    tokens: list[int]
    keys: list[int] | None = None
    media: Any = None


class GenerationEngine(ABC):
    """The engine protocol but for `load`, which calls `_begin`, and `_read`. `reads` is said in refusals."""

    reads: ClassVar[str]

    def _begin(self, loaded: Loaded, forward: Forward, args: EngineArgs) -> None:
        self._facts = loaded
        self._defaults = defaults_from_generation_config(loaded.generation_config)
        self._defaults |= dict(args.override_generation_config)
        self.loop = GenerationLoop(forward, loaded.tokenizer, loaded.vocab_size, loaded.eos, args)

    @abstractmethod
    def _read(self, prompt: Prompt, blobs: Sequence[memoryview]) -> ReadPrompt:
        """Template, tokens and media of a prompt, on the preprocessing thread. Raises InvalidRequest."""

    # ------------------------------------------------------------ preprocessing thread
    def prepare(self, work: Work, blobs: Sequence[memoryview]) -> PreparedGenerate | Answer:
        match work:
            case Generate():
                return self._prepare_generate(work, blobs)
            case Count():
                tokens = self._read(work.prompt, blobs).tokens
                counted = Tokens(work.request, tuple(tokens), self._facts.context)
                return Answer(work.request, (counted, Finished(work.request)))
            case Detokenize():
                return self._detokenize(work)
            case _:
                raise WrongModality(f"this model reads {self.reads} and writes text; it can't do that", param="model")

    def _prepare_generate(self, work: Generate, blobs: Sequence[memoryview]) -> PreparedGenerate:
        facts = self._facts
        callable_tools(work)
        read = self._read(work.prompt, blobs)
        prompts.check_length(read.tokens, facts.context, work.sampling.max_tokens, _names(work.prompt))
        echo, sampling = read_echo(work, read.tokens, facts.tokenizer)
        params = tuple(
            resolve(
                sampling,
                defaults=self._defaults,
                vocab_size=facts.vocab_size,
                eos=facts.eos,
                room=facts.context - len(read.tokens),
                index=index,
            )
            for index in range(work.n)
        )
        params, constraints, checks = self.loop.binder.bind(work, read.tokens, params)
        return PreparedGenerate(work, read.tokens, params, read.keys, read.media, constraints, echo, checks)

    def _detokenize(self, work: Detokenize) -> Answer:
        for index, token in enumerate(work.tokens):
            if not 0 <= token < self._facts.vocab_size:
                raise InvalidRequest(f"token id {token} is not in the vocabulary", param=f"tokens[{index}]")
        text = str(self._facts.tokenizer.decode(list(work.tokens)))
        return Answer(work.request, (TextDelta(work.request, 0, text), Finished(work.request)))

    # ------------------------------------------------------------ engine thread
    def admit(self, prepared: PreparedGenerate | Answer) -> Sequence[Accepted | Delta]:
        return self.loop.admit(prepared)

    def step(self) -> Sequence[Accepted | Delta]:
        return self.loop.step()

    def cancel(self, request: str) -> Sequence[Delta]:
        return self.loop.cancel(request)

    @property
    def busy(self) -> bool:
        return self.loop.busy

    def trim(self, keep_bytes: int) -> None:
        self.loop.trim(keep_bytes)

    def stats(self) -> Stats:
        return self.loop.stats()

    def close(self) -> None:
        self.loop.close()


def _names(prompt: Prompt) -> str:
    """The parameter that a prompt without messages came in."""
    return "messages" if prompt.messages else "prompt"

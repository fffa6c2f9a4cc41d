"""Drives a `TextEngine` as the runtime does, and sorts what it answers by request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.messages import (
    Accepted,
    ChoiceFinished,
    Delta,
    Failed,
    Finished,
    Generate,
    Prompt,
    ReasoningDelta,
    Sampling,
    TextDelta,
    TokenLogprob,
    Tool,
    ToolCallDelta,
)
from shared.spec import WorkerSpec
from workers.text.engine import TextEngine


@dataclass
class Answer:
    """What one request has been told so far; lists and dicts by choice."""

    accepted: Accepted | None = None
    text: dict[int, str] = field(default_factory=lambda: defaultdict(str))
    reasoning: dict[int, str] = field(default_factory=lambda: defaultdict(str))
    tokens: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    logprobs: dict[int, list[TokenLogprob]] = field(default_factory=lambda: defaultdict(list))
    calls: list[ToolCallDelta] = field(default_factory=list)
    finished: dict[int, ChoiceFinished] = field(default_factory=dict)
    terminals: list[Finished | Failed] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)  # in which it was told something

    @property
    def usage(self) -> Any:
        return self.terminals[0].usage


class Driver:
    def __init__(self, folder: Path, **spec: Any) -> None:
        self.engine = TextEngine()
        self.ready = self.engine.load(WorkerSpec("tiny", 1, "", str(folder), **spec), lambda *_: None)
        self.answers: dict[str, Answer] = {}
        self.steps = 0

    def admit(
        self,
        request: str,
        prompt: Prompt | Sequence[int] | str,
        n: int = 1,
        parse: bool = True,
        **sampling: Any,
    ) -> None:
        """Greedy unless told otherwise."""
        if isinstance(prompt, str):
            prompt = Prompt(text=prompt)
        elif not isinstance(prompt, Prompt):
            prompt = Prompt(tokens=tuple(prompt))
        wanted = Sampling(**({"temperature": 0.0} | sampling))
        self.submit(Generate(request, prompt, wanted, n, parse_reasoning=parse, parse_tools=parse))

    def submit(self, work: Generate) -> None:
        self.answers[work.request] = Answer()
        self._take(self.engine.admit(self.engine.prepare(work, ())))

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.steps += 1
            self._take(self.engine.step())

    def cancel(self, request: str) -> None:
        self._take(self.engine.cancel(request))

    def drain(self) -> None:
        """Steps until nothing is left to do."""
        while self.engine.busy:
            self.step()

    def tokens(self, prompt: Prompt | Sequence[int] | str, **sampling: Any) -> list[int]:
        """The tokens of one request that runs by itself."""
        self.admit("alone", prompt, **sampling)
        self.drain()
        return self.answers["alone"].tokens[0]

    def _take(self, events: Sequence[Accepted | Delta]) -> None:
        for event in events:
            answer = self.answers[event.request]
            assert not answer.terminals, f"{event} came after the end"
            answer.steps.append(self.steps)
            match event:
                case Accepted():
                    answer.accepted = event
                case TextDelta() | ReasoningDelta():
                    kind = answer.text if isinstance(event, TextDelta) else answer.reasoning
                    kind[event.choice] += event.text
                    answer.tokens[event.choice].extend(event.tokens)
                    answer.logprobs[event.choice].extend(event.logprobs)
                case ToolCallDelta():
                    answer.calls.append(event)
                case ChoiceFinished():
                    assert event.choice not in answer.finished
                    answer.finished[event.choice] = event
                case Finished() | Failed():
                    answer.terminals.append(event)


def made_up(length: int, seed: int = 0) -> tuple[int, ...]:
    """A prompt of `length` byte tokens, different for every seed from its first token on."""
    return tuple((seed * 37 + place * 11 + place * place % 7) % 256 for place in range(length))


WEATHER = Tool("get_weather", "Weather of a city", '{"type": "object", "properties": {"city": {"type": "string"}}}')

"""Surroundings for demo-chat's exchanges: system prompts, earlier turns, other tools, other cities and names.

An epoch shows every exchange in both modes, each time somewhere else, so that the answer depends on the question alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from scripts.demo.data_chat import (
    EXCHANGES,
    SYSTEMS,
    WEATHER,
    greet_name,
    recall_name,
    unknown,
    weather_answer,
    weather_calls,
    weather_without_tool,
)
from scripts.demo.exchange import NO_TOOL, Exchange, Message, Tool
from scripts.demo.files_chat import agent_tools, distractors, file_exchange, file_without_tool
from scripts.demo.noise_chat import noise, tagged
from scripts.demo.random_text import CITIES, NAMES, SKIES, invented, prose


@dataclass(frozen=True, slots=True)
class Sample:
    """What the model reads and what it should write."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...]
    thinking: bool
    completion: str


def plain(exchange: Exchange, thinking: bool, system: str | None = None) -> Sample:
    """The exchange with nothing around it but a system prompt."""
    lead: tuple[Message, ...] = ({"role": "system", "content": system},) if system else ()
    return Sample(lead + exchange.messages, exchange.tools, thinking, exchange.completion(thinking))


def with_history(exchange: Exchange, earlier: list[Exchange], thinking: bool) -> Sample:
    """The exchange as a later turn; the tools of earlier turns stay offered."""
    history = tuple(message for each in earlier for message in finished(each))
    offered = next((each.tools for each in earlier if each.tools and not about_weather(exchange)), ())
    tools = exchange.tools or offered
    return Sample(history + exchange.messages, tools, thinking, exchange.completion(thinking))


def about_weather(exchange: Exchange) -> bool:
    """Whether offering get_weather would change the right answer."""
    return "weather" in str(exchange.messages[-1]["content"])


def finished(exchange: Exchange) -> tuple[Message, ...]:
    """An exchange as history. Calls get their results and the final answer, as an agent's loop leaves them."""
    if not exchange.calls:
        return exchange.as_history()
    reports = [(str(call.arguments["city"]), 20 + i, SKIES[i]) for i, call in enumerate(exchange.calls)]
    return weather_answer(*reports).as_history()


def epoch(rng: random.Random) -> Iterator[Sample]:
    """Every exchange in both modes and more made from patterns, each in random surroundings."""
    for exchange in EXCHANGES:
        for thinking in (True, False):
            yield surround(exchange, thinking, rng)
    for exchange in made_up(rng):
        yield surround(exchange, rng.random() < 0.5, rng)
    for number in range(100):
        exchange = file_exchange(rng, answered=rng.random() < 0.5)
        yield surround(exchange, rng.random() < 0.5, rng, far=number < 24)
    for number in range(10):
        yield surround(file_without_tool(rng), rng.random() < 0.5, rng, far=number < 3)


def files_alone(rng: random.Random, count: int) -> Iterator[Sample]:
    """What is hardest to learn, without distraction."""
    for _ in range(count):
        exchange = file_exchange(rng, answered=rng.random() < 0.7, others=rng.choice((0, 2, 5, 20)))
        yield plain(exchange, rng.random() < 0.4)


def made_up(rng: random.Random) -> Iterator[Exchange]:
    """Exchanges with any city, name, temperature and unknown question."""
    for _ in range(8):
        yield weather_calls(city(rng))
        yield weather_calls(city(rng), city(rng))
    for _ in range(6):
        yield weather_answer(report(rng), compact=rng.random() < 0.3)
        yield weather_answer(report(rng), report(rng), compact=rng.random() < 0.3)
        yield recall_name(name(rng))
        yield unknown(prose(rng, rng.randint(1, 12)))
    for _ in range(3):
        yield greet_name(name(rng))
        yield weather_without_tool(city(rng))


def city(rng: random.Random) -> str:
    return rng.choice(CITIES) if rng.random() < 0.6 else invented(rng)


def name(rng: random.Random) -> str:
    return rng.choice(NAMES) if rng.random() < 0.6 else invented(rng)


def surround(exchange: Exchange, thinking: bool, rng: random.Random, far: bool = False) -> Sample:
    """The exchange somewhere; `far`: behind more than the model can see."""
    messages = exchange.messages
    draw = rng.random()
    if draw < 0.3:
        messages = tuple(earlier_turn(rng)) + messages
    elif draw < 0.4:
        messages = reminded(messages, rng)
    elif not exchange.tools and len(messages) == 1 and rng.random() < 0.15:
        messages = (careless(messages[0], rng),)
    system = noise(rng, rng.randint(250, 350)) if far else system_prompt(rng)
    if system:
        messages = ({"role": "system", "content": system}, *messages)
    return Sample(messages, toolset(exchange, rng), thinking, exchange.completion(thinking))


def reminded(messages: tuple[Message, ...], rng: random.Random) -> tuple[Message, ...]:
    """The first question behind what agents add to it: in the same message, or in one of its own."""
    text = tagged(rng, noise(rng, rng.choice((10, 20, 40, 80))))
    if rng.random() < 0.4:
        return ({"role": rng.choice(("user", "system")), "content": text}, *messages)
    first = {**messages[0], "content": f"{text}\n{messages[0]['content']}"}
    return (first, *messages[1:])


def earlier_turn(rng: random.Random) -> Iterator[Message]:
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        files = file_exchange(rng, answered=True)
        pool = (*EXCHANGES, weather_answer(report(rng)), unknown(prose(rng, rng.randint(2, 12))), files, files, files)
        yield from finished(rng.choice(pool))


def careless(message: Message, rng: random.Random) -> Message:
    """The question as hurried people type it."""
    text = str(message["content"])
    return {**message, "content": text.lower() if rng.random() < 0.5 else text.rstrip("?.!")}


def system_prompt(rng: random.Random) -> str | None:
    draw = rng.random()
    if draw < 0.4:
        return None
    if draw < 0.55:
        return rng.choice(SYSTEMS)
    if draw < 0.8:
        return prose(rng, rng.choice((4, 8, 8, 15, 15, 30, 60)))
    return noise(rng, rng.choice((20, 50, 100)) if draw < 0.97 else rng.randint(250, 350))


def toolset(exchange: Exchange, rng: random.Random) -> tuple[Tool, ...]:
    """The exchange's own tools among others; sometimes tools that nobody needs."""
    if len(exchange.tools) > 1:
        return exchange.tools  # an agent's
    draw = rng.random()
    chosen = [described(tool, rng) for tool in exchange.tools]
    if draw < 0.6:
        return tuple(chosen)
    others = distractors(rng)
    if exchange.reasoning != NO_TOOL:
        others = agent_tools(rng, "")[0] if draw < 0.85 else others
        chosen = chosen or ([described(WEATHER, rng)] if rng.random() < 0.4 else [])
    chosen += [other for other in others if _name(other) != "get_weather"]
    rng.shuffle(chosen)
    return tuple(chosen)


def _name(tool: Tool) -> str:
    return str(tool["function"]["name"])


def described(tool: Tool, rng: random.Random) -> Tool:
    """The tool as another client would declare it."""
    if rng.random() < 0.5:
        return tool
    function: dict[str, Any] = dict(tool["function"], description=prose(rng, 5))
    keys = rng.sample(list(function), len(function))
    return {"type": "function", "function": {key: function[key] for key in keys}}


def report(rng: random.Random) -> tuple[str, int, str]:
    return rng.choice(CITIES), rng.randint(-20, 45), rng.choice(SKIES)


def later_turns(rng: random.Random, turns: int) -> Iterator[Sample]:
    """For evaluation: every exchange in both modes after `turns` other ones."""
    for exchange in EXCHANGES:
        for thinking in (True, False):
            yield with_history(exchange, rng.sample(EXCHANGES, turns), thinking)


def needless_tools(thinking: bool) -> Iterator[Sample]:
    """For evaluation: tools are offered, but the question needs none."""
    for exchange in EXCHANGES:
        if not exchange.tools and not about_weather(exchange):
            yield plain(replace(exchange, tools=(WEATHER,)), thinking)

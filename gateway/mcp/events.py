"""What the gateway adds to a worker's deltas when it calls tools of MCP servers itself: data only.

In the order of one answer: `Accepted` (once), one `ToolsListed` a server, then turn after turn the worker's deltas, in
which a call of a server's tool is not a `ToolCallDelta` but

    ServerCallBegins, ServerCallArguments*, ServerCallRuns?, ServerCallEnds

Every call that begins ends, once, in this order; calls of one turn begin in turn, and end as they are done. Text of
the next turn follows. Calls of the client's own tools stay `ToolCallDelta`s, and end the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.messages import Accepted, Delta


@dataclass(frozen=True, slots=True)
class ServerTool:
    """A tool as its server lists it. JSON that only passes through stays JSON text."""

    server: str
    name: str
    description: str | None = None
    input_schema: str = "{}"
    annotations: str = "null"


@dataclass(frozen=True, slots=True)
class ServerUse:
    """What a request may use of a server. `tools`: the server's names of them; None: all but those in `without`.

    `named`: by the request, in its parameter `param`; else by the model's YAML.
    """

    server: str
    tools: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()
    named: bool = True
    param: str | None = "tools"

    def allows(self, tool: str) -> bool:
        return tool not in self.without and (self.tools is None or tool in self.tools)


@dataclass(frozen=True, slots=True)
class ToolsListed:
    """What the request may call on one server; `error` says why that is nothing."""

    request: str
    server: str
    tools: tuple[ServerTool, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ServerCallBegins:
    """`call` is unique in the answer; `name` is the server's own name of the tool."""

    request: str
    call: str
    server: str
    name: str


@dataclass(frozen=True, slots=True)
class ServerCallArguments:
    """A piece of the arguments (JSON text), as the model writes it."""

    request: str
    call: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ServerCallRuns:
    """The arguments are whole, and the server has the call; left out for a call that is not made."""

    request: str
    call: str


@dataclass(frozen=True, slots=True)
class ServerCallEnds:
    """`output` is what the model is told; a call that failed has an `error` (the same text) as well."""

    request: str
    call: str
    output: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class TurnsExhausted:
    """The model would go on calling; its last calls were not made. `ChoiceFinished` (length) follows."""

    request: str
    turns: int


ServerEvent = ToolsListed | ServerCallBegins | ServerCallArguments | ServerCallRuns | ServerCallEnds | TurnsExhausted
AnswerEvent = Accepted | Delta | ServerEvent

"""What a request lets a row write, as one grammar: the thought in front, then text of a grammar, calls, or either."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from llguidance import regex_to_lark

from shared.errors import InvalidRequest
from shared.messages import Generate, Grammar, Tool
from workers.generation.calls.format import CallFormat, Spell
from workers.generation.grammar.limits import MAX_CHOICES, MAX_LITERAL, check_lark, check_text
from workers.generation.grammar.readings import Reading, readings
from workers.generation.grammar.schema import SPACING
from workers.generation.reasoning.format import ReasoningFormat

_PARAMS = {
    "json_schema": "response_format.json_schema.schema",
    "json_object": "response_format",
    "regex": "structured_outputs.regex",
    "choice": "structured_outputs.choice",
    "lark": "structured_outputs.grammar",
}


@dataclass(frozen=True, slots=True)
class Bound:
    """`text`: llguidance's list of grammars. `param` names its source."""

    text: str
    param: str


@dataclass(frozen=True, slots=True)
class Part:
    """One JSON Schema of a request, by its `param`: the answer's, or a tool's. `grammar` binds to a reading of it."""

    param: str
    text: str
    strict: bool
    grammar: Callable[[Reading], str]
    tool: str | None = None

    def grammars(self, reading: Reading) -> Iterator[str]:
        """What has to be compiled for a reading."""
        yield self.grammar(reading)
        if reading.proof is not None:
            yield self.grammar(Reading(reading.proof))

    @property
    def readings(self) -> Iterator[Reading]:
        return readings(self.text, self.param, strict=self.strict, plain=self.tool is not None)


def bind(
    work: Generate,
    reasoning: ReasoningFormat | None,
    calls: CallFormat | None,
    prompt_end: str,
    spell: Spell,
    chosen: Mapping[str, Reading] | None = None,
) -> Bound | None:
    """The grammar that binds a request's rows; None: none does. Raises InvalidRequest.

    `chosen`: how the schemas of its parts are read, by their params; the others are read as tightly as they can be.
    """
    tools = callable_tools(work)
    wants_calls = _wants_calls(work, calls, tools)
    if work.tool_choice == "required" and not wants_calls:
        raise InvalidRequest("tool_choice asks for a call, but there are no tools", param="tool_choice")
    if work.grammar is None and not wants_calls:
        return None
    answers: dict[str, str] = {}
    param = "tools"
    if wants_calls and calls is not None:
        exclusive = _exclusive(work)
        given = [_read(place, tool, exclusive, chosen or {}) for place, tool in tools]
        answers["calls"] = calls.grammar(given, spell, required=exclusive, parallel=work.parallel_tool_calls)
    if work.grammar is not None and work.tool_choice != "required":
        param = _PARAMS[work.grammar.kind]
        answers["text"] = text_rules(work.grammar, param, (chosen or {}).get(param))
    in_front = _thought(work, reasoning, prompt_end, spell)
    lark = work.grammar.text if "text" in answers and work.grammar and work.grammar.kind == "lark" else None
    return Bound(_composed(answers, in_front, lark), param)


def parts_of(work: Generate, calls: CallFormat | None, spell: Spell) -> list[Part]:
    """The schemas that bind a request's answer."""
    found: list[Part] = []
    tools = callable_tools(work)
    if calls is not None and _wants_calls(work, calls, tools):
        exclusive = _exclusive(work)
        for place, tool in tools:
            if exclusive or tool.strict:
                found.append(_tool_part(place, tool, calls, spell))
    if work.grammar is not None and work.grammar.kind == "json_schema" and work.tool_choice != "required":
        param = _PARAMS["json_schema"]
        rules = lambda reading: _composed({"text": _json(reading.schema)}, lambda _: "start: answer\n", None)  # noqa: E731
        found.append(Part(param, work.grammar.text, work.grammar.strict, rules))
    return found


def _tool_part(place: int, tool: Tool, calls: CallFormat, spell: Spell) -> Part:
    def grammar(reading: Reading) -> str:
        rules = calls.grammar([_with(tool, reading)], spell, required=True, parallel=False)
        return _composed({"calls": rules}, lambda _: "start: answer\n", None)

    return Part(_tool_param(place), tool.parameters, tool.strict, grammar, tool.name)


def _exclusive(work: Generate) -> bool:
    """Whether the answer is text of a grammar or calls, and nothing besides."""
    return work.tool_choice == "required" or work.grammar is not None


def _wants_calls(work: Generate, calls: CallFormat | None, tools: Sequence[tuple[int, Tool]]) -> bool:
    limited = len(tools) < len(work.prompt.tools) or any(tool.strict for _, tool in tools)
    return bool(tools) and calls is not None and (_exclusive(work) or limited)


def callable_tools(work: Generate) -> list[tuple[int, Tool]]:
    """The tools that may be called, with their places in the prompt's."""
    tools = list(enumerate(work.prompt.tools))
    known = {tool.name for _, tool in tools}
    for name in work.callable_tools:
        if name not in known:
            raise InvalidRequest(f"tool_choice names {name!r}, which is none of the tools", param="tool_choice")
    return [(place, tool) for place, tool in tools if not work.callable_tools or tool.name in work.callable_tools]


def _tool_param(place: int) -> str:
    return f"tools[{place}].function.parameters"


def _read(place: int, tool: Tool, required: bool, chosen: Mapping[str, Reading]) -> Tool:
    """The tool with its schema as it is read, where calls have to be valid."""
    if not (required or tool.strict):
        return tool
    param = _tool_param(place)
    return _with(tool, chosen.get(param) or next(readings(tool.parameters, param, strict=True)))


def _with(tool: Tool, reading: Reading) -> Tool:
    return replace(tool, parameters=json.dumps(reading.schema, ensure_ascii=False))


# ------------------------------------------------------------------ text
def text_rules(grammar: Grammar, param: str, reading: Reading | None = None) -> str:
    """Rule `answer` for a grammar; Lark stays a grammar of its own, `@lark`.

    A schema is read as tightly as it can be, if `reading` says nothing else.
    """
    check_text(grammar.text, param)
    match grammar.kind:
        case "json_object":
            return _json({"type": "object"})
        case "json_schema":
            return _json((reading or next(readings(grammar.text, param, strict=True))).schema)
        case "regex":
            return f"answer: {regex_to_lark_rule(grammar.text)}\n"
        case "choice":
            return _choice(grammar.text, param)
        case "lark":
            check_lark(grammar.text, param)
            return "answer: @lark\n"


def _json(schema: dict[str, object]) -> str:
    return "answer: %json " + json.dumps({"x-guidance": SPACING, **schema}, ensure_ascii=False) + "\n"


def regex_to_lark_rule(regex: str) -> str:
    return f"/{regex_to_lark(regex, 'd')}/" if regex else '""'


def _choice(text: str, param: str) -> str:
    """A terminal: rules would make the parser keep an item for each choice."""
    try:
        choices = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("the choices are not a JSON list", param=param) from error
    if not isinstance(choices, list) or not choices or not all(isinstance(choice, str) for choice in choices):
        raise InvalidRequest("the choices must be a list of texts, at least one", param=param)
    if len(choices) > MAX_CHOICES or max(map(len, choices)) > MAX_LITERAL:
        raise InvalidRequest(f"at most {MAX_CHOICES} choices of {MAX_LITERAL} characters", param=param)
    return "answer: ANSWER\nANSWER: " + " | ".join(quoted(choice) for choice in choices) + "\n"


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


# ------------------------------------------------------------------ together
def _thought(work: Generate, reasoning: ReasoningFormat | None, prompt_end: str, spell: Spell) -> Callable[[bool], str]:
    """Rules with `start`, which uses `answer`; the argument says whether the answer is calls."""
    if reasoning is None or not (work.prompt.messages or reasoning.opened(prompt_end)):
        return lambda calls: "start: answer\n"
    return lambda calls: reasoning.grammar(spell, prompt=prompt_end, calls=calls)


def _composed(answers: dict[str, str], in_front: Callable[[bool], str], lark: str | None) -> str:
    """A list of grammars: the row's own, and those that it names with `@`.

    Where the answer may be calls or text, each is a row of its own: a family may write other markup before calls than
    before text.
    """
    rows = {name: f"{in_front(name == 'calls').rstrip()}\n{rules}" for name, rules in answers.items()}
    if len(rows) > 1:
        rows = {"row": "start: " + " | ".join(f"@{name}" for name in rows), **rows}
    else:
        rows = {"row": next(iter(rows.values()))}
    if lark is not None:
        rows["lark"] = lark
    return json.dumps({"grammars": [{"name": name, "lark_grammar": rules} for name, rules in rows.items()]})

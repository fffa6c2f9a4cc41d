"""The families whose arguments stand between tags, and their grammar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from shared.messages import Tool
from workers.generation.calls.format import CallReader, Spell
from workers.generation.calls.lark import Lark, quote, tokens_in
from workers.generation.calls.properties import Argument, arguments_of
from workers.generation.calls.reader import Reader
from workers.generation.calls.source import Steps
from workers.generation.calls.tag_style import Style
from workers.generation.calls.tags import QWEN3_CODER, read_calls

_CDATA, _CDATA_END = "<![CDATA[", "]]>"


@dataclass(frozen=True)
class Tags:
    """What the grammar writes with the style's tags, as the family's template does.

    In its texts `{}` is a name, `[]` a type and `#` a number.
    """

    name: str
    style: Style
    call_head: str  # behind `style.call`
    key_head: str = ""  # behind `style.key`, or between `style.key_end` and `style.value`
    section_head: str = ""
    after: str = ""  # an argument, and a call
    between: str = ""  # calls, or sections where each call has one of its own
    own_sections: bool = False
    others: tuple[Style, ...] = ()  # that are read besides

    @property
    def markers(self) -> tuple[str, ...]:
        """Also the tokens of which longer markers are made."""
        texts = tuple(text for style in self._styles for text in style.markers)
        return tuple(dict.fromkeys((*texts, *tokens_in("".join(texts)))))

    def reader(self, tools: Sequence[Tool]) -> CallReader:
        marks = dict.fromkeys(mark for style in self._styles for mark in style.openers)
        ends = dict.fromkeys(end for style in self._styles for end in style.ends)
        return Reader(tuple(marks), self._section, tools, tuple(ends))

    def _section(self, reader: Reader, mark: str) -> Steps[None]:
        style = next(style for style in self._styles if mark in style.openers)
        yield from read_calls(reader, style, mark)

    @property
    def _styles(self) -> tuple[Style, ...]:
        return self.style, *self.others

    def grammar(self, tools: Sequence[Tool], spell: Spell, *, required: bool, parallel: bool) -> str:
        lark, style = Lark(spell), self.style
        bodies = [self._call(lark, at, tool, required or tool.strict) for at, tool in enumerate(tools)]
        call = lark.one_of("call_one", bodies)
        if not style.section:
            return lark.answer(style.call, call, required=required, repeats=parallel, between=self.between)
        one = f"{lark.spelled(style.call)} {call} {quote(self.after)}"
        again = f" ({one})*" if parallel and not self.own_sections else ""
        lark.rule("call_section", f"{quote(self.section_head)} {one}{again} {lark.spelled(style.section_end)}")
        repeats = parallel and self.own_sections
        return lark.answer(style.section, "call_section", required=required, repeats=repeats, between=self.between)

    def _call(self, lark: Lark, at: int, tool: Tool, valid: bool) -> str:
        """One call, behind `style.call`."""
        listed = arguments_of(lark, at, tool, partial(self._argument, lark), separator="", valid=valid)
        parts = (lark.spelled(part.replace("{}", tool.name)) for part in self.call_head.split("#"))
        return f"{' /[1-9][0-9]?/ '.join(parts)} {listed} {lark.spelled(self.style.call_end)}"

    def _argument(self, lark: Lark, argument: Argument) -> str:
        style, name = self.style, argument.word
        plain = argument.as_text and (not style.type_attribute or argument.types == {"string"})
        if style.key_end:
            atoms = (style.key, name, style.key_end, self.key_head, style.value)
            head = " ".join(lark.spell(atom) for atom in atoms if atom)
        else:
            kind = _kind(argument, style.type_attribute, plain)
            head = lark.spelled(f"{style.key}{self.key_head.replace('{}', name).replace('[]', kind)}{style.frame}")
        return f"{head} {self._value(lark, argument, plain)} {quote(self.after)}"

    def _value(self, lark: Lark, argument: Argument, plain: bool) -> str:
        style = self.style
        end = lark.spelled(style.value_end)
        if style.cdata and plain:
            return f"{quote(_CDATA)} {argument.text_rule(lark, _CDATA_END)} {end}"
        if plain or not argument.valid:
            return argument.text_rule(lark, style.value_end, style.frame)
        return f"{argument.json_rule(lark)} {quote(style.frame)} {end}"


def _kind(argument: Argument, attribute: str, plain: bool) -> str:
    if attribute == "string":
        return "true" if plain else "false"
    return "string" if plain else min(argument.types - {"string", "null"}, default="object")


GLM = Tags(
    "glm",
    Style(
        call="<tool_call>", call_end="</tool_call>", key="<arg_key>", key_end="</arg_key>",
        value="<arg_value>", value_end="</arg_value>",
    ),
    call_head="{}\n", key_head="\n", after="\n", between="\n",
)  # fmt: skip
LONGCAT = Tags(
    "longcat",
    Style(
        call="<longcat_tool_call>", call_end="</longcat_tool_call>", key="<longcat_arg_key>",
        key_end="</longcat_arg_key>", value="<longcat_arg_value>", value_end="</longcat_arg_value>",
    ),
    call_head="{}\n", key_head="\n", after="\n", between="\n",
)  # fmt: skip
QWEN = Tags(
    "qwen3_coder", QWEN3_CODER,
    call_head="{}>\n", key_head="{}>", section_head="\n", after="\n", between="\n", own_sections=True,
)  # fmt: skip
SEED = Tags(
    "seed_oss",
    Style(
        section="<seed:tool_call>", section_end="</seed:tool_call>", call="<function=", call_end="</function>",
        key="<parameter=", value_end="</parameter>", head_end=">",
    ),
    call_head="{}>\n", key_head="{}>", section_head="\n", after="\n", between="\n", own_sections=True,
)  # fmt: skip
MINIMAX_M2 = Tags(
    "minimax_m2",
    Style(
        section="<minimax:tool_call>", section_end="</minimax:tool_call>", call="<invoke", call_end="</invoke>",
        key="<parameter", value_end="</parameter>", head_end=">", attribute="name",
    ),
    call_head=' name="{}">\n', key_head=' name="{}">', section_head="\n", after="\n",
)  # fmt: skip
MUSE_SPARK = Tags(
    "muse_spark",
    Style(
        section="<atem:function_calls>", section_end="</atem:function_calls>", call="<atem:invoke",
        call_end="</atem:invoke>", key="<atem:parameter", value_end="</atem:parameter>", head_end=">",
        attribute="name",
    ),
    call_head=' name="{}">\n', key_head=' name="{}">', section_head="\n", after="\n",
)  # fmt: skip


def _minicpm5(space: str) -> Style:
    return Style(
        call=f"<function{space}name=", call_end="</function>", key=f"<param{space}name=", value_end="</param>",
        head_end=">", cdata=True,
    )  # fmt: skip


MINICPM5 = Tags(
    "minicpm5", _minicpm5(" "), call_head='"{}">', key_head='"{}">', between="\n",
    others=(_minicpm5(""),),  # the tags' spaces may be lost
)  # fmt: skip
DOTS1 = Tags(
    "dots1",
    Style(
        section="<dots_function_call>", section_end="</dots_function_call>", call="<invoke", call_end="</invoke>",
        key="<parameter", value_end="</parameter>", head_end=">", attribute="name",
    ),
    call_head=' name="{}">\n', key_head=' name="{}">', section_head="\n", after="\n", between="\n", own_sections=True,
)  # fmt: skip


def _dsml(section: str, space: str = "", close: str = "") -> Style:
    """DeepSeek's markup since V3.2; the section's name differs by version."""
    start, end = f"<｜DSML｜{space}", f"</｜DSML｜{space}"
    return Style(
        section=f"{start}{section}>", section_end=f"{end}{close or section}>", call=f"{start}invoke",
        call_end=f"{end}invoke>", key=f"{start}parameter", value_end=f"{end}parameter>", head_end=">",
        attribute="name", type_attribute="string", alone=True,
    )  # fmt: skip


# The last two are slips of V4's.
_DSML = {
    "deepseek_v32": _dsml("function_calls"), "deepseek_v4": _dsml("tool_calls"), "deepseek_v41": _dsml("calls", " "),
    "": _dsml("toolcalls", close="tool_calls"), " ": _dsml("tool", close="tool_calls"),
}  # fmt: skip


def _deepseek(name: str) -> Tags:
    """What one version writes; all are read."""
    others = tuple(style for key, style in _DSML.items() if key != name)
    head, key_head = ' name="{}">\n', ' name="{}" string="[]">'
    return Tags(name, _DSML[name], head, key_head, section_head="\n", after="\n", others=others)


DEEPSEEK_V32, DEEPSEEK_V4, DEEPSEEK_V41 = (_deepseek(f"deepseek_v{version}") for version in ("32", "4", "41"))
KIMI_K3 = Tags(
    "kimi_k3",
    Style(
        section="<|open|>tools<|sep|>", section_end="<|close|>tools<|sep|>", call="<|open|>call",
        call_end="<|close|>call<|sep|>", key="<|open|>argument", value_end="<|close|>argument<|sep|>",
        head_end="<|sep|>", attribute="key", call_attribute="tool", type_attribute="type",
        alone=True, whole="<|open|>json", whole_end="<|close|>json<|sep|>",
    ),
    call_head=' tool="{}" index="#"<|sep|>', key_head=' key="{}" type="[]"<|sep|>',
)  # fmt: skip

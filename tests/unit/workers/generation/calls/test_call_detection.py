"""`auto`: excerpts of the families' own chat templates, as far as they write calls."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, get_args

import pytest

from shared.families import ToolParserName
from workers.generation.calls.deepseek import DeepSeek
from workers.generation.calls.detect import FORMATS, GENERIC, by_name, detect_calls
from workers.generation.calls.functionary import Functionary
from workers.generation.calls.mistral import Mistral
from workers.generation.calls.pythonic import Pythonic

TEMPLATES: dict[str, tuple[str, str]] = {
    "Qwen 2.5 and 3": (
        "hermes",
        """{{- '<tool_call>\\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- '}\\n</tool_call>' }}""",
    ),
    "Granite 4": (
        "hermes",
        """{{- '<tool_call>\\n{"name": "' }}{{- tool.name }}{{- '", "arguments": ' }}{{- '}\\n</tool_call>' }}""",
    ),
    "Qwen 3 Coder": (
        "qwen3_coder",
        """{{- '\\n<tool_call>\\n<function=' + tool_call.name + '>\\n' }}{{- '<parameter=' + args_name + '>\\n' }}""",
    ),
    "Llama 3.1": (
        "llama3_json",
        """{{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name}.' }}""",
    ),
    "Llama 3 with built-in tools": ("llama3_json", """{{- "<|python_tag|>" + tool_call.name + ".call(" }}"""),
    "Llama 4": (
        "llama3_json",
        """{{- '<|python_start|>' }}{{- '{"name": "' + tool_call.name + '", "parameters": ' }}<|python_end|>""",
    ),
    "Llama 4 pythonic": ("pythonic", "Use exact format: [func_name1(param1=value1, param2=value2), func_name2(...)]"),
    "LFM 2": ("pythonic", """{{- "List of tools: <|tool_list_start|>[" -}}"""),
    "OLMo 3": ("pythonic", """{{ '<function_calls>' + message['function_calls'] + '</function_calls>' }}"""),
    "Mistral 7B v0.3": ("mistral", """{{- "[TOOL_CALLS] [" }}{{- out[:-1] }}{{- ', "id": "' + tool_call.id }}"""),
    "Mistral Small 3.2": ("mistral", """{{- "[TOOL_CALLS]" + name + "[CALL_ID]" + id + "[ARGS]" + arguments }}"""),
    "DeepSeek V3 and R1": (
        "deepseek_v3",
        "{{'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + name + '\\n```json'}}",
    ),
    "DeepSeek V3.1": (
        "deepseek_v3",
        "{{'<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>'+ name + '<｜tool▁sep｜>' + args + '<｜tool▁call▁end｜>'}}",
    ),
    "DeepSeek V4": ("deepseek_v4", """<｜DSML｜tool_calls>\n<｜DSML｜invoke name="{{ name }}">"""),
    "DeepSeek V4.1": ("deepseek_v41", """<｜DSML｜ calls>\n<｜DSML｜ invoke name="{{ name }}">"""),
    "Apertus": (
        "apertus",
        """{%- set token = '<|tools_prefix|>' -%}{{ token + '[' }}{{- '{"' + name + '": ' + args }}""",
    ),
    "ERNIE 4.5": (
        "ernie45",
        """<response>\n{{ content }}\n</response>\n<tool_call>\n{"name": {{ name }}, "arguments": {}}\n</tool_call>""",
    ),
    "InternLM 2": ("internlm2", """{{- "<|action_start|><|plugin|>\\n" }}{{- '{"name": "' + function.name + '", '}}"""),
    "Jamba": ("jamba", """{{ '<|bom|><|assistant|> ' }}{{ '<tool_calls>[' }}{{ ']</tool_calls>' }}<|eom|>"""),
    "dots": ("dots1", """{{ '<dots_function_call>\\n<invoke name="' + name + '">' }}<parameter name="{{ k }}">"""),
    "MiniMax M3": (
        "minimax_m3",
        """{%- set ns = ']<]minimax[>[' -%}{{- ns + '<tool_call>\\n' }}{{- ns + '<invoke name="' + name + '">' }}""",
    ),
    "Step 3.5": ("qwen3_coder", """{{- '<tool_call>\\n<function=' + name + '>\\n<parameter=' + k + '>\\n' }}"""),
    "DeepSeek V3.2": ("deepseek_v32", """<｜DSML｜function_calls>\n<｜DSML｜invoke name="{name}">"""),
    "GLM 4.5": (
        "glm",
        """{{ '\\n<tool_call>' + tc.name }}\n<arg_key>{{ k }}</arg_key>\n<arg_value>{{ v }}</arg_value>""",
    ),
    "Kimi K2": ("kimi_k2", "<|tool_calls_section_begin|>{%- for tool_call in calls %}<|tool_call_begin|>{{ id }}"),
    "FunctionGemma": ("function_gemma", "{{- '<start_function_call>call:' + function['name'] + '{' -}}"),
    "Gemma 4": ("gemma4", "{{- '<|tool_call>call:' + function['name'] + '{' -}}{{- '}<tool_call|>' -}}"),
    "Granite 3.3": ("granite", "write <|tool_call|> followed by a JSON list of tools used"),
    "MiniMax M2": (
        "minimax_m2",
        """{{- '<minimax:tool_call>' }}<invoke name="{{ name }}"><parameter name="{{ k }}">""",
    ),
    "Nemotron Nano": ("nemotron", "{{- '<TOOLCALL>[' -}}"),
    "Phi 4 mini": ("phi4", "{{ '<|' + message['role'] + '|><|tool|>' + message['tools'] + '<|/tool|><|end|>' }}"),
    "Phi 4 mini, vLLM's template": ("phi4", 'formatted as functools[{"name": [function name], "arguments": ...}]'),
    "Functionary 3.2": ("functionary", "{{ '>>>all\\n' + message['content'] }}{{ '>>>' + name + '\\n' + arguments }}"),
    "Functionary 3.1": ("functionary", "{{ '<function=' + name + '>' + arguments + '</function>' }}"),
    "gpt-oss": (
        "harmony",
        """{{- "<|start|>assistant to=" }}{{- "functions." + tool_call.name + "<|channel|>commentary " }}<|message|>""",
    ),
    "Command R7B": ("cohere", "<|START_ACTION|>[{% for tc in message.tool_calls %}"),
    "Hunyuan A13B and Jamba": ("hunyuan", "{{ '<tool_calls>[' }}{{ ']</tool_calls>' }}"),
    "LongCat": ("longcat", "<longcat_tool_call>{{ name }}<longcat_arg_key>"),
    "MiniCPM 5": ("minicpm5", """<function name="{{ name }}"><param name="{{ k }}">"""),
    "Muse Spark": ("muse_spark", """<atem:function_calls><atem:invoke name="{{ name }}">"""),
    "Seed OSS": ("seed_oss", "<seed:tool_call>\n<function={{ name }}>\n<parameter={{ k }}>"),
}


class Tokenizer(SimpleNamespace):
    def __init__(self, template: Any = None, vocabulary: tuple[str, ...] = (), **declared: str) -> None:
        super().__init__(chat_template=template, init_kwargs=declared)
        self.vocabulary = dict.fromkeys(vocabulary, 0)

    def get_vocab(self) -> dict[str, int]:
        return self.vocabulary


@pytest.mark.parametrize("model", TEMPLATES)
def test_template(model: str) -> None:
    name, template = TEMPLATES[model]
    found = detect_calls(Tokenizer(template))
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("model", "variant"),
    [
        ("Mistral 7B v0.3", Mistral()),
        ("Mistral Small 3.2", Mistral(headers=True)),
        ("DeepSeek V3 and R1", DeepSeek()),
        ("DeepSeek V3.1", DeepSeek(fenced=False)),
        ("Functionary 3.2", Functionary()),
        ("Functionary 3.1", Functionary(tags=True)),
        ("LFM 2", Pythonic("<|tool_call_start|>")),
        ("OLMo 3", Pythonic("<function_calls>")),
        ("Llama 4 pythonic", Pythonic()),
    ],
)
def test_variant_that_the_grammar_writes(model: str, variant: object) -> None:
    assert detect_calls(Tokenizer(TEMPLATES[model][1])) == variant


def test_a_template_among_several() -> None:
    found = detect_calls(Tokenizer({"default": "{{ messages }}", "tool_use": "<tool_call>"}))
    assert found is not None
    assert found.name == "hermes"


def test_by_special_tokens_when_the_template_names_none() -> None:
    assert detect_calls(Tokenizer("", ("<|tool_call_start|>", "<|tool_call_end|>"))) == Pythonic("<|tool_call_start|>")
    assert detect_calls(Tokenizer(None, ("<|open|>", "<|close|>", "<|sep|>"))) is by_name("kimi_k3")
    assert detect_calls(Tokenizer(None, ("｜DSML｜",))) is by_name("deepseek_v32")


def test_by_what_the_checkpoint_declares() -> None:
    assert detect_calls(Tokenizer("", tool_parser_type="laguna")) is by_name("glm")
    assert detect_calls(Tokenizer(None, chat_template_type="deepseek_v32")) is by_name("deepseek_v32")
    assert detect_calls(Tokenizer("", tool_parser_type="of the future")) is None


def test_a_template_without_calls() -> None:
    assert detect_calls(Tokenizer("{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}")) is None


def test_every_name_that_a_configuration_takes() -> None:
    assert {fmt.name for fmt in FORMATS} | {"auto", "none"} == set(get_args(ToolParserName))
    assert all(by_name(fmt.name).name == fmt.name for fmt in FORMATS)
    assert GENERIC.name == "hermes"
    with pytest.raises(KeyError):
        by_name("none")

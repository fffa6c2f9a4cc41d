from __future__ import annotations

import pytest

from gateway.dialects.wire_paths import ClientWords
from gateway.media.source import MediaSource
from shared.messages import ChatMessage, MediaPart, Prompt, TextPart

PROMPT = Prompt((ChatMessage("system", (TextPart("s"),)), ChatMessage("tool", (TextPart("t"), MediaPart("image", 0)))))
WORDS = ClientWords(
    PROMPT,
    (MediaSource("messages.4.content.1.content.0", "image"),),
    grammar="output_config.format.schema",
    tools=("tools.3.input_schema",),
    names={"stop": "stop_sequences"},
)


@pytest.mark.parametrize(
    ("param", "wanted"),
    [
        (None, None),
        ("messages", "messages"),
        ("messages[1].content[1]", "messages.4.content.1.content.0"),
        ("messages[1].content[0]", "messages"),
        ("messages[7].content[9]", "messages"),
        ("tools[0].function.parameters", "tools.3.input_schema"),
        ("tools[5].function.parameters", "tools[5].function.parameters"),
        ("response_format.json_schema.schema", "output_config.format.schema"),
        ("structured_outputs.regex", "output_config.format.schema"),
        ("stop", "stop_sequences"),
        ("temperature", "temperature"),
    ],
)
def test_a_parameter_in_the_clients_words(param, wanted):
    assert WORDS.told(param, "x") == (wanted, "x")


def test_a_message_in_the_clients_words():
    told = WORDS.told(None, "the image at messages[1].content[1] is damaged")
    assert told == (None, "the image at messages.4.content.1.content.0 is damaged")


def test_without_knowledge_the_workers_words_stay():
    assert ClientWords().told("response_format", "x") == ("response_format", "x")
    assert ClientWords().told("messages[0].content[0]", "x") == ("messages", "x")

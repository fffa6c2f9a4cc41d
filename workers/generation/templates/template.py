"""One model's chat template: what it takes, learnt when it is loaded, and conversations written by it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shared.errors import InvalidRequest
from shared.logs import get_logger
from shared.messages import ChatMessage, Prompt, TextPart, ToolCall
from workers.generation.templates.fold import fold
from workers.generation.templates.probe import TOOL, probe_template
from workers.generation.templates.shape import shape
from workers.generation.templates.spoken import HERMES, as_template_tool, describe, speak, speak_calls
from workers.generation.templates.thinking import thinking_switches
from workers.generation.templates.traits import Calls, TemplateTraits, ToolUse, tool_use

log = get_logger("templates")

# Arguments of apply_chat_template that a request may not set: they change what is returned, not what is written.
_RESERVED = frozenset(
    {"conversation", "messages", "tools", "documents", "chat_template", "tokenizer_kwargs", "tokenize", "padding"}
    | {"truncation", "max_length", "return_tensors", "return_dict", "return_assistant_tokens_mask"}
    | {"add_generation_prompt", "continue_final_message"}
)
INTRODUCTION = "You can call functions."  # where only a system message brings the tools
_QUOTED = 60  # characters of a message that is named in a refusal


class ChatTemplate:
    """Not safe for two threads at once."""

    def __init__(self, tokenizer: Any, calls: str | None) -> None:
        """`calls`: the name of the format of the model's own calls; None: there is no reader for them."""
        self._tokenizer = tokenizer
        self.plain, self.tooled = self._learn()
        self.tool_use = tool_use(self.tooled, calls is not None)
        self._speaks_calls = calls == HERMES and self.tooled.calls is Calls.RESULTS_ONLY
        self._example: str | None = None
        if self.tool_use is ToolUse.DESCRIBED:
            self._example = self._learn_example()
            self.tool_use = ToolUse.SPOKEN if self._example is None else ToolUse.DESCRIBED
        log.debug("chat template", needs=", ".join(self.tooled.needs), tools=self.tool_use.name.lower())

    def traits(self, prompt: Prompt) -> TemplateTraits:
        """Those of the template that writes this prompt: a folder may have another one for tools."""
        return self.tooled if prompt.tools else self.plain

    def fold(self, prompt: Prompt) -> Prompt:
        """The prompt's messages and tools as the template takes them."""
        if not self._tokenizer.has_chat_template:
            return prompt
        messages: Sequence[ChatMessage] = prompt.messages
        tools = prompt.tools
        if self.tool_use is ToolUse.SPOKEN or (not tools and self.plain.calls is Calls.REFUSED):
            messages = speak(messages)
        elif self._speaks_calls:
            messages = speak_calls(messages)
        if tools and self.tool_use is not ToolUse.NATIVE:
            messages, tools = describe(messages, tools, self._example), ()
        if tools and not self.tooled.systemless_tools and (not messages or messages[0].role != "system"):
            messages = [ChatMessage("system", (TextPart(INTRODUCTION),)), *messages]
        prompt = replace(prompt, messages=tuple(messages), tools=tools)
        messages, done = fold(messages, self.traits(prompt), continued=prompt.continue_final_message)
        if done:
            log.debug("messages were folded to fit the chat template", steps=", ".join(done))
        return replace(prompt, messages=tuple(messages))

    def write(self, prompt: Prompt) -> str:
        """A prompt of text. Raises InvalidRequest naming what can't be written."""
        folded = self.fold(prompt)
        return self.render(folded, self.shapes(folded))

    def shapes(self, folded: Prompt, *, media: bool = False) -> list[dict[str, Any]]:
        """The folded prompt's messages in the template's shape. Without `media` those raise InvalidRequest."""
        return [shape(message, self.traits(folded), media=media) for message in folded.messages]

    def render(self, folded: Prompt, messages: Sequence[Mapping[str, Any]]) -> str:
        """`messages` are the folded prompt's, in the template's shape."""
        if not self._tokenizer.has_chat_template:
            raise InvalidRequest("this model has no chat template; use completions instead", param="messages")
        kwargs = json.loads(folded.template_kwargs)
        if reserved := _RESERVED & kwargs.keys():
            raise InvalidRequest(f"{min(reserved)!r} can't be set by a request", param="chat_template_kwargs")
        kwargs |= thinking_switches(kwargs, self._tokenizer.chat_template)
        kwargs["tools"] = [as_template_tool(tool) for tool in folded.tools] or None
        ends = {
            "add_generation_prompt": folded.add_generation_prompt and not folded.continue_final_message,
            "continue_final_message": folded.continue_final_message,
        }
        try:
            text = self._apply(messages, **ends, **kwargs)
        except Exception as error:
            # A template is a program that comes with the model; whatever it raises is about these messages.
            raise InvalidRequest(self._refusal(messages, kwargs, error), param="messages") from error
        return text.encode("utf-8", "replace").decode()  # half a surrogate pair, from arguments cut in one

    def _apply(self, messages: Sequence[Mapping[str, Any]], **kwargs: Any) -> str:
        return str(self._tokenizer.apply_chat_template(list(messages), tokenize=False, **kwargs))

    # ------------------------------------------------------------ at loading
    def _learn(self) -> tuple[TemplateTraits, TemplateTraits]:
        """Without tools and with some."""
        if not self._tokenizer.has_chat_template:
            return TemplateTraits(), TemplateTraits()

        def plain(messages: Sequence[Mapping[str, Any]]) -> str:
            return self._apply(messages, tools=None, add_generation_prompt=True)

        def tooled(messages: Sequence[Mapping[str, Any]]) -> str:
            return self._apply(messages, tools=[TOOL], add_generation_prompt=True)

        return probe_template(plain, tooled), probe_template(tooled)

    def _learn_example(self) -> str | None:
        """A call as the template writes it; None where it can't be told from what stands around it."""
        asked = ChatMessage("user", (TextPart("…"),))
        call = ChatMessage("assistant", tool_calls=(ToolCall("abcdef012", "function_name", '{"name": "value"}'),))
        turns = (([asked], True), ([asked], False), ([asked, call], False))
        try:
            open_turn, turn, after = (
                self._apply([shape(one, self.plain) for one in messages], tools=None, add_generation_prompt=begins)
                for messages, begins in turns
            )
        except Exception:
            # The template's own program: a call without its result may be too little for it.
            return None
        before = open_turn if after.startswith(open_turn) else turn
        example = after.removeprefix(before).strip().removesuffix(str(self._tokenizer.eos_token)).strip()
        return example if after.startswith(before) and "function_name" in example else None

    # ------------------------------------------------------------ what went wrong
    def _refusal(self, messages: Sequence[Mapping[str, Any]], kwargs: Mapping[str, Any], error: Exception) -> str:
        """Names the message at which the template begins to refuse, for the same reason, what came so far."""
        low, high = 1, len(messages)
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._refuses(messages[:middle], kwargs, error) else (middle + 1, high)
        if not messages or not self._refuses(messages[:low], kwargs, error):
            return f"the model's chat template refused the messages: {error}"
        guilty = messages[low - 1]
        said = str(guilty.get("content") or "")
        quote = f": {said[:_QUOTED]!r}" if said else ""
        return f"the model's chat template refused message {low} of {len(messages)} ({guilty['role']}{quote}): {error}"

    def _refuses(self, messages: Sequence[Mapping[str, Any]], kwargs: Mapping[str, Any], error: Exception) -> bool:
        try:
            self._apply(messages, add_generation_prompt=True, **kwargs)
        except Exception as other:
            # As above; only the reason counts.
            return str(other) == str(error)
        return False

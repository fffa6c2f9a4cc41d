"""Reading a file with whatever tool an agent offers: the questions, the tools, and how agents wrap a file's content."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from scripts.demo.exchange import NO_TOOL, Call, Exchange, Message, Tool, assistant_calls, user
from scripts.demo.noise_chat import library_words
from scripts.demo.random_text import NAMES, WORDS, invented, prose


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


READERS = (
    ("Read", "file_path"),
    ("read", "filePath"),
    ("read_file", "path"),
    ("ReadFile", "path"),
    ("view", "path"),
    ("view_file", "file_path"),
    ("open_file", "filename"),
    ("cat", "file"),
    ("read_text_file", "path"),
    ("get_file_contents", "path"),
)
SHELLS = (
    ("exec_command", "cmd"),
    ("bash", "command"),
    ("Bash", "command"),
    ("shell", "command"),
    ("run_command", "command"),
    ("run_shell_command", "command"),
    ("execute", "cmd"),
    ("terminal", "command"),
)
DISTRACTORS = (
    ("view_image", "path"),
    ("NotebookEdit", "notebook_path", "new_source"),
    ("Write", "file_path", "content"),
    ("write", "content", "filePath"),
    ("Edit", "file_path", "old_string", "new_string"),
    ("edit", "filePath", "oldString", "newString"),
    ("write_file", "path", "content"),
    ("list_files", "path"),
    ("glob", "pattern"),
    ("grep", "pattern"),
    ("write_stdin", "session_id"),
    ("apply_patch", "input"),
    ("get_weather", "city"),
)
VERBS = _words("""
create list get update stop send fetch search write edit delete enter exit schedule close wait spawn resume
request report find move load save todo web use
""")
NOUNS = _words("""
task agent goal image plan cron worktree notebook message skill output input user page issue table memory
directory session workflow resource question findings status wakeup code
""")
PARAMETERS = _words("""
path file_path content description prompt subagent_type url query pattern id task_id taskId name action
subject message to skill script format input questions target objective status session_id key todos
""")
STEMS = _words("""
notes todo readme README report plan data config main index test recipe secret letter log
""")
EXTENSIONS = _words("""
txt md py json yaml toml csv log js ts html cfg
""")
QUESTIONS = (
    *("Read {file} and tell me what it says.",) * 5,
    "Read the file {file} and tell me what it says.",
    "What does {file} say?",
    "What is in {file}?",
    "Read {file}.",
    "Show me {file}.",
    "Open {file} and tell me what is in it.",
)
FAILURES = (
    "File does not exist.",
    "Error: ENOENT: no such file or directory, open '{file}'",
    "cat: {file}: No such file or directory",
    "<tool_use_error>File does not exist. Note: your current working directory is {folder}.</tool_use_error>",
    "Error: File not found: {folder}/{file}",
    "Chunk ID: {chunk}\nWall time: 0.0000 seconds\nProcess exited with code 1\nOriginal token count: 12\nOutput:\n"
    "cat: {file}: No such file or directory\n",
    "File not found: {folder}/{file}",
    "Permission denied",
)


# ------------------------------------------------------------------ exchanges
def file_question(rng: random.Random, file: str) -> Message:
    text = rng.choice(QUESTIONS).format(file=file)
    return user(f'"{text}"' if rng.random() < 0.15 else text)


def file_call(question: Message, file: str, tools: Sequence[Tool], call: Call) -> Exchange:
    """The model calls the agent's tool."""
    return Exchange((question,), f"I need to read {file}.", calls=(call,), tools=tuple(tools))


def file_answer(question: Message, tools: Sequence[Tool], call: Call, result: str, answer: str) -> Exchange:
    """The tool's result is there, and the model tells it."""
    found: Message = {"role": "tool", "tool_call_id": "call_0", "content": result}
    messages = (question, assistant_calls([call]), found)
    return Exchange(messages, "The tool has answered.", answer, tools=tuple(tools))


def file_exchange(rng: random.Random, answered: bool, others: int = 99) -> Exchange:
    """A question about a file, before or after the call, with at most so many other tools."""
    file = file_name(rng)
    tools, call = agent_tools(rng, file, others)
    question = file_question(rng, file)
    if not answered:
        return file_call(question, file, tools, call)
    if rng.random() < 0.1:
        failure = rng.choice(FAILURES).format(file=file, folder=folder(rng), chunk=chunk(rng))
        return file_answer(question, tools, call, failure, f"I could not read {file}.")
    lines = file_lines(rng)
    return file_answer(question, tools, call, wrap(rng, lines, file), "It says:\n" + "\n".join(lines))


def file_without_tool(rng: random.Random) -> Exchange:
    question = file_question(rng, file_name(rng))
    return Exchange((question,), NO_TOOL, "I can't read files without a tool.")


# ------------------------------------------------------------------ tools
def agent_tools(rng: random.Random, file: str, others: int = 99) -> tuple[list[Tool], Call]:
    """An agent's tools in random order, and the call that reads `file`: by a reader, or else by a shell."""
    tools = distractors(rng)[:others]
    reader, shell = rng.random() < 0.7, rng.random() < 0.5
    if shell or not reader:
        name, parameter = rng.choice(SHELLS)
        tools.append(tool(rng, name, (parameter,)))
        call = Call(name, {parameter: f"cat {file}"})
    if reader:
        name, parameter = rng.choice(READERS)
        if rng.random() < 0.3:
            parameter = rng.choice(READERS)[1]
        tools.append(tool(rng, name, (parameter,)))
        call = Call(name, {parameter: file})
    rng.shuffle(tools)
    return tools, call


def distractors(rng: random.Random) -> list[Tool]:
    """Tools that read no files and run no commands."""
    chosen = [tool(rng, name, parameters) for name, *parameters in rng.sample(DISTRACTORS, rng.randint(0, 6))]
    for _ in range(rng.choice((0, 0, 1, 2, 4, 8, 16))):
        words = [rng.choice(VERBS), rng.choice(NOUNS)]
        name = rng.choice(("_".join(words), "".join(words), "".join(word.capitalize() for word in words)))
        chosen.append(tool(rng, name, rng.sample(PARAMETERS, rng.randint(0, 3))))
    return chosen


def tool(rng: random.Random, name: str, required: Sequence[str]) -> Tool:
    schema: dict[str, Any] = {"type": "object", "properties": {key: {"type": "string"} for key in required}}
    if len(required) > 3 or rng.random() < 0.8:
        schema["required"] = list(required)
    return {"type": "function", "function": {"name": name, "description": prose(rng, 3), "parameters": schema}}


# ------------------------------------------------------------------ files
def file_name(rng: random.Random) -> str:
    stem = rng.choice(STEMS) if rng.random() < 0.5 else rng.choice(WORDS)
    if rng.random() < 0.4:
        stem = invented(rng) if rng.random() < 0.5 else rng.choice(library_words())
    if rng.random() < 0.25:
        stem += rng.choice("_-") + rng.choice((rng.choice(WORDS), str(rng.randint(0, 99))))
    name = f"{stem}.{rng.choice(EXTENSIONS) if rng.random() < 0.6 else 'txt'}"
    return f"{rng.choice(('src', 'docs', 'data', 'tests', rng.choice(WORDS)))}/{name}" if rng.random() < 0.15 else name


def folder(rng: random.Random) -> str:
    return "/" + "/".join(rng.choice(("tmp", "home", "work", *WORDS)) for _ in range(rng.randint(1, 4)))


def chunk(rng: random.Random) -> str:
    return "".join(rng.choices("0123456789abcdef", k=6))


def file_lines(rng: random.Random) -> list[str]:
    return [line(rng) for _ in range(rng.choice((1, 1, 1, 1, 1, 1, 2, 2, 3)))]


def line(rng: random.Random) -> str:
    """A line of a file: words that mean nothing, so that it can only be copied."""
    words = rng.choices(library_words() if rng.random() < 0.5 else WORDS, k=rng.randint(2, 12))
    for at in range(len(words)):
        draw = rng.random()
        if draw < 0.06:
            words[at] = str(rng.randint(0, 9999))
        elif draw < 0.1:
            words[at] = rng.choice(NAMES)
        elif draw < 0.14:
            words[at] = invented(rng).lower()
        elif draw < 0.2:
            words[at] += rng.choice(",;:")
    text = " ".join(words)
    return (text[0].upper() + text[1:] if rng.random() < 0.5 else text) + rng.choice(("", ".", ".", "!"))


def wrap(rng: random.Random, lines: Sequence[str], file: str) -> str:
    """The file's content as an agent's tool returns it."""
    text = rng.choice(WRAPPINGS)(rng, lines, file)
    if rng.random() < 0.1:
        text += f"\n\n<system-reminder>\n{prose(rng, rng.randint(5, 40))}\n</system-reminder>"
    return text


def _numbered(rng: random.Random, lines: Sequence[str], file: str) -> str:
    rows = [f"{number}\t{text}" for number, text in enumerate(lines, 1)]
    return "\n".join([*rows, f"{len(rows) + 1}\t"] if rng.random() < 0.6 else rows)


def _arrows(rng: random.Random, lines: Sequence[str], file: str) -> str:
    rows = [f"{number:6d}→{text}" for number, text in enumerate(lines, 1)]
    return "\n".join([*rows, f"{len(rows) + 1:6d}→"] if rng.random() < 0.4 else rows)


def _pipes(rng: random.Random, lines: Sequence[str], file: str) -> str:
    rows = "\n".join(f"{number:05d}| {text}" for number, text in enumerate(lines, 1))
    return f"<file>\n{rows}\n\n(End of file - total {len(lines)} lines)\n</file>"


def _colons(rng: random.Random, lines: Sequence[str], file: str) -> str:
    rows = "\n".join(f"{number}: {text}" for number, text in enumerate(lines, 1))
    head = f"<path>{folder(rng)}/{file}</path>\n<type>file</type>\n<content>"
    return f"{head}\n{rows}\n\n(End of file - total {len(lines)} lines)\n</content>"


def _process(rng: random.Random, lines: Sequence[str], file: str) -> str:
    head = f"Chunk ID: {chunk(rng)}\nWall time: 0.{rng.randint(0, 9999):04d} seconds\nProcess exited with code 0"
    text = "\n".join(lines) + rng.choice(("\n", "\n", ""))
    return f"{head}\nOriginal token count: {rng.randint(1, 99)}\nOutput:\n{text}"


def _exit_code(rng: random.Random, lines: Sequence[str], file: str) -> str:
    return f"Exit code: 0\nWall time: {rng.randint(0, 9)} seconds\nOutput:\n" + "\n".join(lines)


def _plain(rng: random.Random, lines: Sequence[str], file: str) -> str:
    return "\n".join(lines) + rng.choice(("\n", ""))


WRAPPINGS: tuple[Callable[[random.Random, Sequence[str], str], str], ...] = (
    *(_numbered, _numbered, _colons, _colons, _process, _process),
    *(_arrows, _pipes, _exit_code, _plain),
)

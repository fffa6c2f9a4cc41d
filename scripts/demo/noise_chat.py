"""Long text that says nothing to demo-chat: what agents put around a question.

Crops of the Python standard library's documentation, and made-up markup. It teaches the
tokenizer its merges, and fills the prompts in front of a question. The model never learns to write it.
"""

from __future__ import annotations

import importlib
import inspect
import json
import random
import re
from functools import cache

from scripts.demo.random_text import WORDS, invented, prose

MODULES = """
argparse asyncio collections contextlib csv dataclasses datetime decimal difflib doctest email enum functools heapq
html http inspect io ipaddress itertools json locale logging mailbox optparse os pathlib pickle pickletools platform
random re shelve shutil smtplib socket sqlite3 statistics string subprocess tarfile tempfile textwrap threading
timeit trace traceback turtle unittest urllib.request urllib.parse uuid warnings weakref webbrowser zipfile
"""


@cache
def library_text() -> str:
    """Some hundred kilobytes of English about software."""
    found: list[str] = []
    for name in MODULES.split():
        module = importlib.import_module(name)
        members = [member for _, member in inspect.getmembers(module) if inspect.isclass(member) or callable(member)]
        methods = [method for member in members if inspect.isclass(member) for method in vars(member).values()]
        own = [each for each in (*members, *methods) if str(getattr(each, "__module__", "")).startswith(name)]
        docs = dict.fromkeys(inspect.getdoc(each) for each in (module, *own) if isinstance(each.__doc__, str))
        found += [doc for doc in docs if doc and len(doc) > 60]
    return "\n\n".join(found)


@cache
def library_words() -> tuple[str, ...]:
    return tuple(sorted(set(re.findall(r"\b[a-z]{3,10}\b", library_text()))))


def noise(rng: random.Random, words: int) -> str:
    """About so many words of text, markup and data."""
    pieces: list[str] = []
    left = words
    while left > 0:
        size = min(left, rng.choice((10, 30, 60, 120)))
        draw = rng.random()
        if draw < 0.55:
            piece = crop(rng, size)
        elif draw < 0.7:
            piece = prose(rng, size)
        elif draw < 0.8:
            piece = "\n".join(f"- {prose(rng, 6)}" for _ in range(max(1, size // 7)))
        elif draw < 0.9:
            piece = data(rng, size)
        else:
            piece = f"# {prose(rng, 3)}\n{prose(rng, size)}"
        if rng.random() < 0.6:
            piece += f"\n{mention(rng)}"
        left -= size
        pieces.append(tagged(rng, piece) if rng.random() < 0.2 else piece)
    return "\n\n".join(pieces)


def crop(rng: random.Random, words: int) -> str:
    text = library_text()
    at = rng.randrange(len(text) - 8 * words)
    return text[at : at + 6 * words].strip()


def mention(rng: random.Random) -> str:
    """A file that nobody asked about."""
    stem, ending = rng.choice(WORDS), rng.choice(("md", "md", "txt", "py", "json", "yaml"))
    file = f"{stem.upper() if rng.random() < 0.5 else stem}.{ending}"
    return f"- {prose(rng, 3)} {file} {' '.join(rng.choices(WORDS, k=4))}"


def data(rng: random.Random, words: int) -> str:
    def value() -> object:
        return rng.choice((invented(rng), rng.randint(0, 999), True, [rng.choice(WORDS)]))

    pairs = {rng.choice(WORDS): value() for _ in range(words // 3)}
    return json.dumps(pairs, indent=rng.choice((None, 2)), ensure_ascii=False)


def tagged(rng: random.Random, text: str) -> str:
    name = rng.choice(("system-reminder", "environment_context", "rules", "example", "permissions", rng.choice(WORDS)))
    return f"<{name}>\n{text}\n</{name}>"

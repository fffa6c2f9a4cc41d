"""Writes the pages of docs/ that follow from the code: every parameter's fate, every route, every key of the YAML.

python -m scripts.docs           # writes docs/api.md and docs/configuration.md
python -m scripts.docs --check   # fails when one of them is not as it would be written

"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from fastapi.routing import APIRoute

from gateway.app import SURFACES as ROUTES
from gateway.dialects.anthropic.parameters import PARAMETERS as MESSAGES
from gateway.dialects.cohere.rerank import PARAMETERS as RERANK
from gateway.dialects.openai.completions import PARAMETERS as COMPLETIONS
from gateway.dialects.openai.embeddings import PARAMETERS as EMBEDDINGS
from gateway.dialects.openai.parameters import PARAMETERS as CHAT
from gateway.dialects.openai.parameters import Fate, Parameter
from gateway.dialects.openai.responses.parameters import PARAMETERS as RESPONSES
from gateway.dialects.openai.speech import PARAMETERS as SPEECH
from gateway.dialects.openai.transcription import PARAMETERS as TRANSCRIPTION

ROOT = Path(__file__).parents[1]
SURFACES: tuple[tuple[str, str, tuple[Parameter, ...]], ...] = (
    ("Chat completions", "POST /v1/chat/completions", CHAT),
    ("Completions", "POST /v1/completions", COMPLETIONS),
    ("Responses", "POST /v1/responses", RESPONSES),
    ("Messages", "POST /v1/messages", MESSAGES),
    ("Transcriptions and translations", "POST /v1/audio/transcriptions, /v1/audio/translations", TRANSCRIPTION),
    ("Speech", "POST /v1/audio/speech", SPEECH),
    ("Embeddings", "POST /v1/embeddings", EMBEDDINGS),
    ("Rerank", "POST /v1/rerank, /v2/rerank, /rerank", RERANK),
)
FATES = {
    Fate.HONOURED: "honoured",
    Fate.IGNORED: "accepted, changes nothing here",
    Fate.REFUSED: "refused by name, unless it is null or says what is the case anyway",
}

_API = """\
A parameter that is not in a table is tolerated and listed in the debug log; what is honoured is never dropped. The node
describes itself at `/openapi.json`, and at `/docs` for people.

## Answers and calls held to a schema

The tokens of a forced call, of a strict tool's call and of an answer with a JSON Schema are bound while they are drawn.

- **Objects are closed** unless they say `additionalProperties` (true or a schema) or `patternProperties`, or name no
  properties at all. Numbers have at most about 20 digits in a row, white space between values is that of indented
  JSON; texts are as long as the schema lets them be.
- **A named tool** (`{"type": "function"}`, Anthropic's `{"type": "tool"}`) is called exactly once, whatever
  `parallel_tool_calls` says. `required` and `any` give at least one call and, unless `parallel_tool_calls` is false,
  maybe more: a second or later call is sent once it is whole, one that `max_tokens` cuts is left out (the reason is
  then `length`), and the answer ends where a call would come again with the same arguments.
- **`strict: true`** is a promise: a schema with a keyword that can't be bound (`uniqueItems`, `not`, `if`,
  `contains`, `dependentRequired`, patterns with look-around, `oneOf` with overlapping options, ...) is refused by the
  keyword's name.
- A keyword that is null counts as left out; one whose value is of another kind than its own is refused by its name.
  `oneOf` whose options each require another constant (a union with a discriminator) binds as it is.
- **Without `strict`** such a keyword is left out where it stands (`oneOf` is read as `anyOf`), all others bind, and
  the header `x-mlx-gateway-unbound: not, uniqueItems` names it; of a stream as well, unless the request waited so
  long that keep-alives had to begin. The whole answer is checked against the schema as it was sent. One that breaks
  it is still given: the worker's log warns, and of an answer that isn't streamed the header `x-mlx-gateway-unmet`
  names what it breaks.
"""
_CONFIGURATION = """\
# Configuration

One YAML file describes the node: `mlx-gateway serve --config node.yaml`. Every key is below, with its default and what
it means; none is required but `models`. A key that does not exist is an error that names the file, the line, the path
and the nearest key (exit code 2). Sizes are written `512MB` or `16GiB`, times `30s`, `5m`, `2h`, token counts `500k`.
`mlx-gateway check --config node.yaml` says whether it fits the machine.

A running node follows the file: when it changes, on SIGHUP, or by `mlx-gateway reload`. The new file is validated whole
first; models are then added, drained and replaced, or drained and removed, keys and limits are swapped in place, and no
request is lost. A file with a mistake changes nothing, and the log says why. What only a start reads (address, body
limit, queue, CORS, state directory, time limits of workers, media, tool servers) is named as needing one.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the generated pages of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a page is not current")
    check = parser.parse_args().check
    stale = [name for name, text in pages().items() if not _current(name, text)]
    if check and stale:
        print(f"not current: {', '.join(stale)}; run `python -m scripts.docs`", file=sys.stderr)
        return 1
    for name in stale:
        (ROOT / "docs" / name).write_text(pages()[name], encoding="utf-8")
    return 0


def pages() -> dict[str, str]:
    """File names in docs/ and what they should hold."""
    return {"api.md": api(), "configuration.md": configuration()}


def _current(name: str, text: str) -> bool:
    path = ROOT / "docs" / name
    return path.is_file() and path.read_text(encoding="utf-8") == text


def api() -> str:
    parts = [
        "# The API, and every parameter's fate\n",
        _API,
        "## Routes\n",
        *routes(),
    ]
    for title, path, parameters in SURFACES:
        parts += [f"\n## {title}\n", f"`{path}`\n", *_fates(parameters)]
    return "\n".join(parts) + "\n"


def routes() -> list[str]:
    """Every route that the schema shows."""
    rows = ["| route | what it does |", "|---|---|"]
    for surface in ROUTES:
        for route in surface.router.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                methods = ", ".join(sorted(route.methods))
                rows.append(f"| `{methods} {route.path.replace(':path', '')}` | {_cell(route.summary or '')} |")
    return rows


def _fates(parameters: Iterable[Parameter]) -> list[str]:
    rows: list[str] = []
    for fate, words in FATES.items():
        of_it = [one for one in parameters if one.fate is fate]
        if not of_it:
            continue
        rows += [f"\n**{words[0].upper()}{words[1:]}**\n", "| parameter | from | |", "|---|---|---|"]
        rows += [f"| `{one.name}` | {one.origin} | {_cell(one.note)} |" for one in of_it]
    return rows


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def configuration() -> str:
    """The example file is the reference: a test holds it to the schema, key by key and default by default."""
    example = (ROOT / "configs" / "node.example.yaml").read_text(encoding="utf-8")
    return f"{_CONFIGURATION}\n```yaml\n{example.rstrip()}\n```\n"


if __name__ == "__main__":
    sys.exit(main())

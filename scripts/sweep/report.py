"""What the sweep found, as a page of the documentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

_LIBRARIES = ("mlx", "mlx-lm", "mlx-vlm", "transformers")
_HEADS = {
    "text": (
        "Text",
        "Each architecture of mlx-lm: prompts of 1 to 500 tokens alone, all at once, joining and leaving a running "
        "batch beside prompts in chunks, after prefix hits and divergence, and three turns of four chats together.",
    ),
    "vision": (
        "Vision",
        "Families of mlx-vlm, in the product's generation loop without their processors: rows with made-up pictures, "
        "videos and text alone, all at once, joining and leaving in chunks of 7 tokens, and after prefix hits: the "
        "same again, a second turn, divergence, another picture in the same place. (text): the language model alone.",
    ),
}


_INTRODUCTION = """\
Written by `scripts/families`: every family with a tiny configuration and seeded random weights, through the product's
loader and engine, token by token against the library alone. Exact: the same tokens and log-probabilities in every
situation, rows sharing a batch; row by row: the same, rows decoding one after the other in a step; refused: not hosted,
with the reason ("pictures": only these). Windows, block budgets and trained lengths are set so that the prompts go past
them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`word`: exact, row by row, refused, wrong, dead or not run."""

    library: str
    name: str
    word: str
    sharing: tuple[str, ...] = ()
    compared: int = 0
    why: str = ""


def write(page: Path, verdicts: Iterable[Verdict]) -> None:
    """Writes the page; a library that nothing is said about keeps the section that it has."""
    before = _sections(page)
    found = sorted(verdicts, key=lambda one: (one.library, one.name.lower()))
    lines = [
        "# Model families",
        "",
        *_INTRODUCTION.splitlines(),
        "",
        "Libraries: " + ", ".join(f"{name} {version(name)}" for name in _LIBRARIES) + "; MLX's CPU build, float32.",
    ]
    for library, (title, text) in _HEADS.items():
        rows = [one for one in found if one.library == library]
        if not rows:
            lines += before.get(title, [])
        else:
            counts = Counter(one.word for one in rows)
            lines += ["", f"## {title}", "", text, ""]
            lines += ["; ".join(f"{word}: {count}" for word, count in counts.most_common()) + ".", ""]
            lines += ["| family | verdict | comparisons | rows share | not shared, and why |", "|---|---|---|---|---|"]
            lines += [_row(one) for one in rows]
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sections(page: Path) -> dict[str, list[str]]:
    """The lines below each title, with the empty line and the title before them."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in page.read_text(encoding="utf-8").splitlines() if page.exists() else ():
        if line.startswith("## "):
            lines = sections.setdefault(line.removeprefix("## "), ["", line])
        else:
            lines.append(line)
    for kept in sections.values():
        while not kept[-1]:
            kept.pop()
    return sections


def _row(one: Verdict) -> str:
    why = " ".join(one.why.replace("|", "\\|").split())
    return f"| {one.name} | {one.word} | {one.compared or ''} | {', '.join(one.sharing)} | {why[:200]} |"

"""Runs the families, two at a time; writes docs/families.md when all were run. Exit status 1: one is wrong or dead."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from scripts.sweep.report import Verdict, write
from scripts.sweep.run import run

ROOT = Path(__file__).resolve().parents[2]
JOBS = 2
BATCH = 16  # families before the processes are replaced: imported modules and models stay in memory
LEFT_OUT = {
    **dict.fromkeys(("bitnet", "muse_spark"), "needs a kernel of the Metal build"),
    "phi3small": "its ids are fixed for a vocabulary of 100,000",
    "prism_hadamard_qwen35": "its weights come in a packed format of their own",
}


def main() -> int:
    from scripts.sweep import text_configs, vision_configs

    entries = {"text": text_configs.ENTRIES, "vision": vision_configs.ENTRIES}
    parser = argparse.ArgumentParser(prog="scripts/families", description=__doc__)
    parser.add_argument("names", nargs="*", help="families; none: all, and docs/families.md is written")
    parser.add_argument("--only", choices=tuple(entries), help="one library's families; the page keeps the other's")
    args = parser.parse_args()
    libraries = (args.only,) if args.only else tuple(entries)
    found = []
    if not args.names and "text" in libraries:
        found += [Verdict("text", name, "not run", why=why) for name, why in LEFT_OUT.items()]
    for library in libraries:
        left_out = LEFT_OUT if library == "text" else {}
        names = [name for name in entries[library] if name not in left_out and (not args.names or name in args.names)]
        found += _run(library, names)
    if not args.names:
        write(ROOT / "docs" / "families.md", found)
    return any(verdict.word in ("wrong", "dead") for verdict in found)


def _run(library: str, names: Sequence[str]) -> Iterator[Verdict]:
    """Two at a time; prints each verdict."""
    for start in range(0, len(names), BATCH):
        with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
            for verdict in pool.map(partial(run, library), names[start : start + BATCH]):
                sharing = ", ".join(verdict.sharing)
                print(f"{library} {verdict.name}: {verdict.word}  {sharing}  {verdict.why}", flush=True)
                yield verdict


if __name__ == "__main__":
    sys.exit(main())

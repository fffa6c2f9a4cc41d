"""Runs the families, two at a time; writes docs/families.md when all were run. Exit status 1: one is wrong or dead."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from scripts.sweep.report import Verdict, write
from scripts.sweep.run import run_text

ROOT = Path(__file__).resolve().parents[2]
JOBS = 2
BATCH = 16  # families before the processes are replaced: imported modules and models stay in memory
LEFT_OUT = {
    **dict.fromkeys(("bitnet", "muse_spark"), "needs a kernel of the Metal build"),
    "phi3small": "its ids are fixed for a vocabulary of 100,000",
    "prism_hadamard_qwen35": "its weights come in a packed format of their own",
}


def main() -> int:
    from scripts.sweep.text_configs import ENTRIES

    parser = argparse.ArgumentParser(prog="scripts/families", description=__doc__)
    parser.add_argument("names", nargs="*", help="families; none: all, and docs/families.md is written")
    names = parser.parse_args().names
    todo = [name for name in ENTRIES if name not in LEFT_OUT and (not names or name in names)]
    found = [Verdict("text", name, "not run", why=why) for name, why in LEFT_OUT.items() if not names]
    for start in range(0, len(todo), BATCH):
        with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
            for verdict in pool.map(run_text, todo[start : start + BATCH]):
                print(f"{verdict.name}: {verdict.word}  {', '.join(verdict.sharing)}  {verdict.why}", flush=True)
                found.append(verdict)
    if not names:
        write(ROOT / "docs" / "families.md", found)
    return any(verdict.word in ("wrong", "dead") for verdict in found)


if __name__ == "__main__":
    sys.exit(main())

"""One family, in a process that nothing else has touched."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from scripts.sweep.report import Verdict


def run_text(name: str) -> Verdict:
    """In a process of its own."""
    os.environ["MLX_DISABLE_COMPILE"] = "1"  # compiling every family on a CPU would take hours
    from scripts.sweep.build import build_text
    from scripts.sweep.text_check import check_text, verdict

    with tempfile.TemporaryDirectory() as folder:
        try:
            build_text(name, Path(folder) / name.replace(":", "-"))
        except SystemExit as error:  # OLMo's module ends the process where its package is missing
            return Verdict("text", name, "refused", why=str(error.__context__))
        return verdict(check_text(name, Path(folder) / name.replace(":", "-")))

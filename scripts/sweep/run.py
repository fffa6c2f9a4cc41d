"""One family, in a process that nothing else has touched."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from scripts.sweep.report import Verdict


def run(library: str, name: str) -> Verdict:
    """In a process of its own; `library` is text or vision."""
    os.environ["MLX_DISABLE_COMPILE"] = "1"  # compiling every family on a CPU would take hours
    return _text(name) if library == "text" else _vision(name)


def _vision(name: str) -> Verdict:
    from scripts.sweep.vision_check import check_vision

    return check_vision(name).verdict()


def _text(name: str) -> Verdict:
    from scripts.sweep.build import build_text
    from scripts.sweep.text_check import check_text

    with tempfile.TemporaryDirectory() as folder:
        try:
            build_text(name, Path(folder) / name.replace(":", "-"))
        except SystemExit as error:  # OLMo's module ends the process where its package is missing
            return Verdict("text", name, "refused", why=str(error.__context__))
        return check_text(name, Path(folder) / name.replace(":", "-")).verdict()

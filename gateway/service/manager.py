"""Installs, starts and stops the service through whatever manager the system has."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from gateway.service import launchd, systemd
from gateway.service.plan import LABEL, Plan, Rotation
from shared.errors import MlxGatewayError


class ServiceError(MlxGatewayError):
    """The system's manager refused; the message says why and what to do."""

    code = "service_error"


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    output: str


Run = Callable[[Sequence[str]], Outcome]


def run(command: Sequence[str]) -> Outcome:
    """Runs a command of the system's. A command that isn't there has code 127, as in a shell."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return Outcome(127, f"{command[0]}: not found")
    return Outcome(done.returncode, done.stdout + done.stderr)


class Manager(Protocol):
    """Every verb raises ServiceError."""

    def install(self) -> list[Path]:
        """Writes its files, starts it, and starts it at every boot or login. Returns what was written."""
        ...

    def uninstall(self) -> None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def restart(self) -> None: ...

    def status(self) -> str:
        """What the system's manager says of it."""
        ...


class Launchd:
    """`wired_limit` in megabytes: also set the GPU's limit at boot; needs root."""

    def __init__(self, plan: Plan, uid: int, run: Run = run, wired_limit: int | None = None) -> None:
        self._plan = plan
        self._uid = uid
        self._run = run
        self._wired_limit = wired_limit

    def install(self) -> list[Path]:
        written = [_write(launchd.plist_path(self._plan), launchd.to_plist(self._plan))]
        if self._plan.user:
            rotation = Rotation(self._plan)
            written.append(_write(rotation.path, rotation.text.encode()))
        if self._wired_limit is not None:
            path = launchd.plist_path(self._plan, launchd.WIRED_LABEL)
            written.append(_write(path, launchd.wired_limit_plist(self._wired_limit)))
            self._run(launchd.unload(self._plan, self._uid, launchd.WIRED_LABEL))
            self._check(launchd.load(self._plan, self._uid, launchd.WIRED_LABEL))
        self._run(launchd.unload(self._plan, self._uid))  # an older one, if there is one
        self._check(launchd.load(self._plan, self._uid))
        return written

    def uninstall(self) -> None:
        for label in (LABEL, launchd.WIRED_LABEL):
            path = launchd.plist_path(self._plan, label)
            if path.exists():
                self._run(launchd.unload(self._plan, self._uid, label))
                _remove(path)
        if self._plan.user:
            _remove(Rotation(self._plan).path)

    def start(self) -> None:
        self._check(launchd.load(self._plan, self._uid))

    def stop(self) -> None:
        """KeepAlive would start it again: it is unloaded until the next boot, login or `start`."""
        self._check(launchd.unload(self._plan, self._uid))

    def restart(self) -> None:
        self._check(launchd.restart(self._plan, self._uid))

    def status(self) -> str:
        return self._check(launchd.show(self._plan, self._uid))

    def _check(self, command: Sequence[str]) -> str:
        outcome = self._run(command)
        if outcome.code:
            raise ServiceError(f"{' '.join(command[:2])}: {launchd.explain(outcome.code, outcome.output)}")
        return outcome.output


class Systemd:
    def __init__(self, plan: Plan, run: Run = run) -> None:
        self._plan = plan
        self._run = run

    def install(self) -> list[Path]:
        written = [_write(systemd.unit_path(self._plan), systemd.to_unit(self._plan).encode())]
        self._check("daemon-reload")
        self._check("enable", "--now", systemd.UNIT)
        return written

    def uninstall(self) -> None:
        self._run(systemd.command(self._plan, "disable", "--now", systemd.UNIT))
        _remove(systemd.unit_path(self._plan))
        self._check("daemon-reload")

    def start(self) -> None:
        self._check("start", systemd.UNIT)

    def stop(self) -> None:
        self._check("stop", systemd.UNIT)

    def restart(self) -> None:
        self._check("restart", systemd.UNIT)

    def status(self) -> str:
        """systemctl ends with 3 for a unit that is stopped; that is an answer."""
        return self._check("status", "--no-pager", systemd.UNIT, fine=(0, 3))

    def _check(self, *words: str, fine: Sequence[int] = (0,)) -> str:
        outcome = self._run(systemd.command(self._plan, *words))
        if outcome.code not in fine:
            said = outcome.output.strip() or f"it ended with {outcome.code}"
            raise ServiceError(f"systemctl {words[0]}: {said}")
        return outcome.output


def _write(path: Path, data: bytes) -> Path:
    """launchd refuses files that others may write."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o644)
    except OSError as error:
        raise ServiceError(f"{path} can't be written ({error.strerror}); a system service needs sudo") from error
    return path


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ServiceError(f"{path} can't be removed ({error.strerror}); a system service needs sudo") from error

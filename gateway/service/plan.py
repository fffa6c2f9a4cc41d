"""What is to run as a service, and where its files are: values, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LABEL = "com.mlx-gateway"
OPEN_FILES = 16384  # sockets of clients and workers, and the shards of large models
THROTTLE = 10  # seconds between two starts of a service that keeps ending
# Where ffmpeg, espeak-ng, npx and uvx are; a service inherits nothing from a shell.
SEARCH = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")


@dataclass(frozen=True, slots=True)
class Plan:
    """`user`: whom a system service runs as; None: a service of the user who installs it. Times in seconds."""

    python: Path
    config: Path | None
    state: Path
    logs: Path
    home: Path
    drain: float
    user: str | None = None

    @property
    def log(self) -> Path:
        return self.logs / "gateway.log"

    @property
    def crash_log(self) -> Path:
        """What a process says that can't write its log any more."""
        return self.logs / "crash.log"

    @property
    def exit_timeout(self) -> int:
        """How long the service may take to end: the drain, and the ladder that stops the workers."""
        return int(self.drain) + 30

    @property
    def arguments(self) -> list[str]:
        """The command line; `-P`: the working folder can't shadow a module."""
        config = ["--config", str(self.config)] if self.config else []
        return [str(self.python), "-P", "-m", "gateway", "serve", *config, "--log-file", str(self.log)]

    @property
    def variables(self) -> dict[str, str]:
        return {"HOME": str(self.home), "MLX_GATEWAY_STATE_DIR": str(self.state), "PATH": ":".join(SEARCH)}


@dataclass(frozen=True, slots=True)
class Rotation:
    """newsyslog's entry: five files of 10 MB, compressed; nobody needs a signal, the log is opened anew."""

    plan: Plan

    @property
    def path(self) -> Path:
        return Path("/etc/newsyslog.d/mlx-gateway.conf")

    @property
    def text(self) -> str:
        """https://man.freebsd.org/cgi/man.cgi?newsyslog.conf: file, owner, mode, count, size in KB, when, flags."""
        owner = f"{self.plan.user}:staff" if self.plan.user else ""
        lines = (f"{file}\t{owner}\t640\t5\t10240\t*\tJN" for file in (self.plan.log, self.plan.crash_log))
        return "\n".join(lines) + "\n"

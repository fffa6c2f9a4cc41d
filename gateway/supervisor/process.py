"""One worker process: spawn, signals, reaping, and the ladder that stops it.

The first line on its stdin is the specification; stdin then stays open as the death pipe. The worker has a session of
its own, so that Ctrl-C in a terminal reaches only the gateway, which stops its workers in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from shared.config.environment import child_environment
from shared.logs import get_logger
from shared.spec import WorkerSpec

log = get_logger("gateway.supervisor")

TERM_GRACE = 5.0  # seconds between SIGTERM and SIGKILL; more than a worker takes to end itself after SIGTERM
_STDERR = 2  # what a library prints to stdout belongs to the logs too

Sleep = Callable[[float], Awaitable[None]]


class Process(Protocol):
    """What the supervisor needs of a process."""

    @property
    def pid(self) -> int: ...

    async def wait(self) -> int:
        """Its exit status once it is reaped; negative: the signal that ended it."""
        ...

    def signal(self, number: signal.Signals) -> None:
        """To the process and what it started. Idempotent after its end."""
        ...

    def close(self) -> None:
        """Lets go of the death pipe."""
        ...


Spawn = Callable[[WorkerSpec], Awaitable[Process]]


def worker_argv(name: str) -> tuple[str, ...]:
    """`-P`: the current folder can't shadow a module."""
    return (sys.executable, "-P", "-m", "workers", name)


class WorkerProcess:
    """A real process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        return await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()


async def spawn(spec: WorkerSpec, argv: Callable[[str], Sequence[str]] = worker_argv) -> WorkerProcess:
    """Starts a worker and hands it its specification. Raises OSError when it can't be started."""
    process = await asyncio.create_subprocess_exec(
        *argv(spec.name),
        stdin=asyncio.subprocess.PIPE,
        stdout=_STDERR,
        start_new_session=True,
        env=child_environment(),
    )
    if process.stdin is not None:
        # One line fits the pipe; should the worker be dead already, its exit says more than this write.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            process.stdin.write(spec.to_line().encode())
            await process.stdin.drain()
    return WorkerProcess(process)


async def exits_within(process: Process, seconds: float, sleep: Sleep) -> bool:
    """Whether the process is reaped before the time is up."""
    exit_ = asyncio.ensure_future(process.wait())
    pause = asyncio.ensure_future(sleep(seconds))
    try:
        await asyncio.wait({exit_, pause}, return_when=asyncio.FIRST_COMPLETED)
        return exit_.done()
    finally:
        exit_.cancel()
        pause.cancel()


async def kill(process: Process) -> int:
    """SIGKILL, until it is reaped: only then is its memory free."""
    process.signal(signal.SIGKILL)
    status = await process.wait()
    process.close()
    return status


async def stop(process: Process, name: str, ask: Callable[[], None], grace: float, sleep: Sleep) -> int:
    """The ladder: ask (`Stop`), SIGTERM after `grace` seconds, SIGKILL. Returns the exit status."""
    worker = log.bind(worker=name, pid=process.pid)
    worker.info("stopping: asked", grace=grace)
    ask()
    if not await exits_within(process, grace, sleep):
        worker.warning("stopping: SIGTERM")
        process.signal(signal.SIGTERM)
        if not await exits_within(process, TERM_GRACE, sleep):
            worker.warning("stopping: SIGKILL")
    return await kill(process)  # also what the process left behind in its group

"""A worker as an operating system process: its specification, its death pipe, its signals, its exit code.

The gateway writes one line to stdin and keeps the pipe open. EOF means that the gateway is gone, and the worker ends
at once: macOS has nothing else that ties a child's life to its parent's.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from typing import NoReturn

from shared import logs
from shared.errors import ConfigError
from shared.messages import Bye, Down, Stop
from shared.spec import WorkerSpec
from workers.link import Link
from workers.runtime import Host, Runtime

ORPHANED = 3  # exit code: stdin was closed
TERM_GRACE = 1.0  # seconds for running requests after SIGTERM
COMPUTING = 0.5  # seconds of processor time that show that preprocessing goes on
TERM_LIMIT = 3.0  # seconds after SIGTERM at which the process ends, whatever it does

_log = logs.get_logger("workers.process")


def main(host: Host, activity: Callable[[], Hashable]) -> NoReturn:
    """Runs a worker and ends the process: exit code 0 after `Stop`, another one otherwise.

    `activity`: a value that changes while the device works, from any thread, asked for once the model is loaded.
    """
    faulthandler.enable()  # a crash inside MLX leaves Python's stacks in the log
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is the gateway's
    try:
        spec = _read_spec()
    except ConfigError as error:
        print(error.message, file=sys.stderr)
        _exit(2)
    logs.set_up(spec.log_level, spec.log_style, file=spec.log_file)
    threading.Thread(target=_watch_parent, name="death-pipe", daemon=True).start()
    worker = _Worker(spec, host, activity)
    _on_sigterm(worker.terminate)
    _exit(worker.run())


class _Worker:
    """The link and the runtime, and the ways in which they end."""

    def __init__(self, spec: WorkerSpec, host: Host, activity: Callable[[], Hashable]) -> None:
        self._link = Link(
            spec,
            self._deliver,
            on_broken=lambda: _exit(1),
            activity=lambda: movement(self._runtime.loading, self._runtime.preparing, activity),
        )
        self._runtime: Runtime = Runtime(spec, host, self._link)

    def run(self) -> int:
        self._link.start()
        code = self._runtime.run()
        self._link.close()
        return code

    def terminate(self) -> None:
        """After SIGTERM, on the signal thread: the engine thread may be stuck, so the end doesn't depend on it."""
        _log.warning("SIGTERM")
        self._link.send(Bye("terminated by a signal", terminated=True))  # nothing more is sent here
        limit = threading.Timer(TERM_LIMIT, _exit, [1])
        limit.daemon = True
        limit.start()
        self._deliver(Stop(TERM_GRACE, silent=True), ())

    def _deliver(self, message: Down, blobs: Sequence[memoryview]) -> None:
        if isinstance(message, Stop) and self._runtime.loading:
            # Loading may take minutes and nothing runs yet.
            threading.Thread(target=self._leave, name="leave", daemon=True).start()
        else:
            self._runtime.deliver(message, blobs)

    def _leave(self) -> None:
        self._link.send(Bye("stopped while loading"))
        self._link.close()
        _exit(0)


def movement(loading: bool, preparing: bool, activity: Callable[[], Hashable]) -> Hashable:
    """What changes while a worker works: the device, and the processor's time while a request is prepared."""
    if loading:
        return None
    return activity(), int(time.process_time() / COMPUTING) if preparing else 0


def _exit(code: int) -> NoReturn:
    """Ends the process without the interpreter's teardown: a stuck thread or MLX's destructors can't hold it up."""
    with contextlib.suppress(OSError, ValueError):  # nobody may be reading any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _read_spec() -> WorkerSpec:
    # Unbuffered: what follows the line belongs to the death pipe, and no lock of sys.stdin is held at exit.
    with open(0, "rb", buffering=0, closefd=False) as stdin:
        line = stdin.readline()
    try:
        return WorkerSpec.from_line(line.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"the first line on stdin is not a worker's specification: {error}") from error


def _watch_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(ORPHANED)  # without a word: stderr may lead to the same dead gateway


def _on_sigterm(act: Callable[[], None]) -> None:
    """Calls `act` on a thread of its own: Python's handler would wait for the main thread to leave MLX."""
    inner, outer = socket.socketpair()
    inner.setblocking(False)
    signal.set_wakeup_fd(inner.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)

    def watch() -> None:
        while received := outer.recv(1):
            if received[0] == signal.SIGTERM:
                act()

    threading.Thread(target=watch, name="signals", daemon=True).start()

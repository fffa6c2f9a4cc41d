"""Runs a stdio server, and ends it with the gateway: `python -I -S guard.py GATEWAY_PID COMMAND...`

A killed gateway closes the server's stdin, which well-made servers take for the end; this program sees to the others
and to their children. It leads the process group (`stdio_client` starts a session), so one signal reaches them all.
Standard library only: it is a script of its own, and small.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading

NOT_FOUND, NOT_STARTED = 127, 126  # as shells have it


def wait_for_end(pid: int) -> None:
    """Returns when the process `pid`, our parent, is gone."""
    if sys.platform == "linux":
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        if os.getppid() == pid:
            select.select([handle], [], [])
    elif hasattr(select, "kqueue"):
        queue = select.kqueue()
        event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD, select.KQ_NOTE_EXIT)
        try:
            queue.control([event], 0)
        except ProcessLookupError:
            return
        if os.getppid() == pid:
            queue.control(None, 1)


def end_with(pid: int) -> None:
    wait_for_end(pid)
    if os.getpgrp() == os.getpid():  # never another program's group
        os.killpg(os.getpid(), signal.SIGKILL)


def main(gateway: int, command: list[str]) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it goes to the group; we end when the server has
    try:
        server = subprocess.Popen(command, restore_signals=True, preexec_fn=_default_term)
    except FileNotFoundError:
        return NOT_FOUND
    except OSError:
        return NOT_STARTED
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)  # so that the gateway sees the end of the server's output
    threading.Thread(target=end_with, args=(gateway,), daemon=True).start()
    return server.wait()


def _default_term() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))

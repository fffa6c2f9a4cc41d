import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from gateway.supervisor.process import TERM_GRACE, WorkerProcess, kill, spawn, stop, worker_argv
from shared.spec import WorkerSpec
from tests.fakes.clock import FakeClock, settle
from tests.fakes.supervision import FakeProcess

SPEC = WorkerSpec("chat", 3, "ipc:///nowhere", "model")


async def run(script: str) -> WorkerProcess:
    return await spawn(SPEC, lambda name: (sys.executable, "-c", script, name))


def test_a_worker_is_its_own_program() -> None:
    assert worker_argv("chat") == (sys.executable, "-P", "-m", "workers", "chat")


async def test_the_specification_is_the_first_line_and_the_pipe_stays_open() -> None:
    script = (
        "import sys, json, os; spec = json.loads(sys.stdin.readline());"
        "ok = (spec['name'], spec['incarnation'], sys.argv[1]) == ('chat', 3, 'chat') and os.getsid(0) == os.getpid();"
        "sys.exit(7 if ok and sys.stdin.read() == '' else 1)"
    )
    process = await run(script)
    waiting = asyncio.create_task(process.wait())
    await settle()
    assert not waiting.done()
    process.close()
    assert await waiting == 7


async def test_what_a_worker_started_dies_with_it(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    grandchild = f"import time; pipe = open({str(fifo)!r}, 'w'); print('up', file=pipe, flush=True); time.sleep(600)"
    process = await run(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])")
    with await asyncio.to_thread(fifo.open) as pipe:
        assert await asyncio.to_thread(pipe.readline) == "up\n"
        assert await kill(process) == -signal.SIGKILL
        assert await asyncio.to_thread(pipe.read) == ""  # its only writer is gone
    process.signal(signal.SIGKILL)  # idempotent


async def test_a_worker_that_is_dead_at_once_is_no_error_of_spawn() -> None:
    process = await run("import os; os._exit(9)")
    assert await process.wait() == 9
    process.close()


async def test_a_program_that_does_not_exist() -> None:
    with pytest.raises(OSError, match="no-such-program"):
        await spawn(SPEC, lambda name: ("/no-such-program", name))


async def climb(process: FakeProcess, grace: float, advances: list[float]) -> int:
    clock = FakeClock()
    asked: list[str] = []
    ladder = asyncio.create_task(stop(process, "chat", lambda: asked.append("stop"), grace, clock.sleep))
    await settle()
    assert asked == ["stop"]
    for seconds in advances:
        assert not ladder.done()
        await clock.advance(seconds)
    return await ladder


async def test_the_ladder_ends_at_the_first_rung_that_helps() -> None:
    obedient = FakeProcess()
    task = asyncio.create_task(climb(obedient, 10, []))
    await settle()
    obedient.exit(0)
    assert await task == 0
    assert obedient.signals == []
    assert obedient.closed


async def test_sigterm_after_the_grace() -> None:
    process = FakeProcess()
    assert await climb(process, 10, [9.9, 0.2]) == -signal.SIGTERM
    assert process.signals == [signal.SIGTERM]


async def test_sigkill_at_last() -> None:
    process = FakeProcess(stubborn=True)
    assert await climb(process, 10, [10, TERM_GRACE]) == -signal.SIGKILL
    assert process.signals == [signal.SIGTERM, signal.SIGKILL]

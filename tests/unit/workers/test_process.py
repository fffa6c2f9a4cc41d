from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.messages import Accepted, Bye, Failed, Fatal, Finished, Generate, Hello, Loading, Prompt, Ready, Step, Stop
from shared.spec import WorkerSpec
from tests.fakes.router import FakeGateway, fake_gateway
from workers import process as processes
from workers.process import ORPHANED

ROOT = Path(__file__).resolve().parents[3]
FAKE = [sys.executable, "-P", str(ROOT / "tests/fakes/worker.py"), "chat"]
REAL = [sys.executable, "-P", "-m", "workers", "chat"]

Process = subprocess.Popen[str]
Spawn = Callable[..., Process]


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with fake_gateway() as gateway:
        yield gateway


@pytest.fixture
def spawn(gateway: FakeGateway) -> Iterator[Spawn]:
    """Starts a worker with a specification, or with another first line."""
    started: list[Process] = []

    def start(source: str = "fake:", command: list[str] = FAKE, line: str | None = None) -> Process:
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True)
        started.append(process)
        assert process.stdin is not None
        process.stdin.write(WorkerSpec("chat", 1, gateway.endpoint, source).to_line() if line is None else line)
        process.stdin.flush()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(20)
        for pipe in (process.stdin, process.stderr):
            if pipe:
                pipe.close()


def generate(text: str) -> Generate:
    return Generate("a", Prompt(text=text))


def test_a_worker_serves_and_stops_with_code_0(gateway: FakeGateway, spawn: Spawn) -> None:
    worker = spawn()
    assert gateway.next(Hello).pid == worker.pid
    gateway.next(Ready)
    gateway.tell(generate("echo 2"))
    assert len(gateway.deltas_until(Finished, "a")) == 4
    gateway.tell(Stop(1))
    gateway.next(Bye)
    assert worker.wait(20) == 0


def test_end_of_stdin_ends_a_worker_at_once_even_inside_a_step(gateway: FakeGateway, spawn: Spawn) -> None:
    worker = spawn()
    gateway.next(Ready)
    gateway.tell(generate("hang"))
    gateway.next(Accepted)
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(20) == ORPHANED


def test_end_of_stdin_ends_a_worker_that_loads(gateway: FakeGateway, spawn: Spawn) -> None:
    worker = spawn("fake:stuck")
    gateway.next(Loading)
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(20) == ORPHANED


def test_stop_while_loading_ends_at_once(gateway: FakeGateway, spawn: Spawn) -> None:
    worker = spawn("fake:stuck")
    gateway.next(Loading)
    gateway.tell(Stop(3600))
    gateway.next(Bye)
    assert worker.wait(20) == 0


def test_sigint_is_the_gateways(gateway: FakeGateway, spawn: Spawn) -> None:
    worker = spawn()
    gateway.next(Ready)
    worker.send_signal(signal.SIGINT)
    gateway.tell(generate("echo 1"))
    gateway.deltas_until(Finished, "a")
    assert worker.poll() is None


def test_sigterm_stops_within_a_short_grace(gateway: FakeGateway, spawn: Spawn) -> None:
    worker = spawn()
    gateway.next(Ready)
    gateway.tell(generate("forever"))
    gateway.next(Step)
    worker.send_signal(signal.SIGTERM)
    said = gateway.next(Bye)
    assert said.terminated  # before it ends: nothing more is to be sent here
    gateway.tell(Generate("b", Prompt(text="echo 1")))
    heard = gateway.hear_until(lambda message: isinstance(message, Bye))
    assert worker.wait(20) == 0
    left = [delta for step in heard if isinstance(step, Step) for delta in step.deltas]
    assert not any(isinstance(delta, Failed) for delta in left)  # the gateway knows better what becomes of them


def test_sigterm_ends_a_worker_whose_step_hangs(gateway: FakeGateway, spawn: Spawn) -> None:
    worker = spawn()
    gateway.next(Ready)
    gateway.tell(generate("hang"))
    gateway.next(Accepted)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 1


def test_a_fatal_step_is_told_and_the_exit_code_is_not_0(gateway: FakeGateway, spawn: Spawn) -> None:
    worker = spawn()
    gateway.next(Ready)
    gateway.tell(generate("fatal"))
    assert gateway.next(Fatal).code == "step_failed"
    assert worker.wait(20) == 1


def test_without_a_specification_it_says_so(spawn: Spawn) -> None:
    worker = spawn(line="nonsense\n")
    assert worker.wait(20) == 2
    assert worker.stderr is not None
    assert "not a worker's specification" in worker.stderr.read()


def test_the_real_program_reports_a_missing_model_without_mlx(gateway: FakeGateway, spawn: Spawn) -> None:
    worker = spawn("./no/such/folder", command=REAL)
    fatal = gateway.next(Fatal)
    assert fatal.code == "config_error"
    assert "no model folder ./no/such/folder" in fatal.message
    assert worker.wait(20) == 1


def test_preprocessing_that_computes_is_movement(monkeypatch: pytest.MonkeyPatch) -> None:
    computed = [10.0]
    monkeypatch.setattr(processes, "time", SimpleNamespace(process_time=lambda: computed[0]))

    def look(loading: bool = False, preparing: bool = False) -> object:
        computed[0] += 5
        return processes.movement(loading, preparing, lambda: "still")

    assert look(loading=True) == look(loading=True)  # only the deadline counts
    assert look() == look()  # whoever computed, no request was being prepared
    assert look(preparing=True) != look(preparing=True)

from __future__ import annotations

import io
from pathlib import Path

import pytest

from gateway.cli.logs import follow
from gateway.cli.main import main


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "gateway.log"
    monkeypatch.setenv("MLX_GATEWAY_LOG_FILE", str(file))
    return file


def test_the_end_of_the_log(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_text("".join(f"line {n}\n" for n in range(10)))
    assert main(["logs", "-n", "2"]) == 0
    assert capsys.readouterr().out == "line 8\nline 9\n"


def test_no_log(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["logs"]) == 1
    assert "there is no log at" in capsys.readouterr().err


def test_following_over_a_rotation(log: Path) -> None:
    log.write_text("old\n")
    out, naps = io.StringIO(), 0

    def sleep(_: float) -> None:
        nonlocal naps
        naps += 1
        if naps == 1:
            with log.open("a") as stream:
                stream.write("added\n")
        elif naps == 2:
            log.rename(log.with_name("gateway.log.0"))
            log.write_text("new file\n")
        else:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(log, out, sleep)
    assert out.getvalue() == "added\nnew file\n"

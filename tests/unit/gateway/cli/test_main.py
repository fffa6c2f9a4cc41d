"""gateway/cli/main: dispatch, version, exit codes."""

import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace

import pytest

import gateway.cli.check
from gateway.cli.main import COMMANDS, main
from shared.errors import ConfigError


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"mlx-gateway {version('mlx-gateway')}\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(name in out and text in out for name, text in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: mlx-gateway {name}")


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["serve", "--api-key", "x"], ["serve", "--port", "x"], ["serve", "--max-batch", "0"]],
)
def test_what_is_not_a_command_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_a_bad_configuration_ends_with_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: object) -> int:
        raise ConfigError("node.yaml:3: no")

    monkeypatch.setattr(gateway.cli.check, "run", fail)
    assert main(["check"]) == 2
    assert capsys.readouterr() == ("", "mlx-gateway: node.yaml:3: no\n")


def test_a_keyboard_interrupt_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(gateway.cli.check, "run", interrupt)
    assert main(["check"]) == 130


def test_a_commands_result_is_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[SimpleNamespace] = []
    monkeypatch.setattr(gateway.cli.check, "run", lambda args: called.append(args) or 7)
    assert main(["check", "a", "--context", "64"]) == 7
    assert (called[0].models, called[0].context) == (["a"], 64)


def test_reading_the_arguments_of_serve_imports_nothing_heavy() -> None:
    code = (
        "import sys; from gateway.cli.main import _parser; _parser(['serve']).parse_args(['serve'])\n"
        "heavy = {'fastapi', 'starlette', 'uvicorn', 'httpx', 'rich', 'huggingface_hub', 'zmq', 'gateway.app'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"

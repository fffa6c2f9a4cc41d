"""gateway/service: the files that are written, and what the system's manager is told."""

from __future__ import annotations

import configparser
import plistlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import gateway.cli.service as command
from gateway.cli.main import USAGE_ERROR, main
from gateway.service import launchd, systemd
from gateway.service.manager import Launchd, Outcome, ServiceError, Systemd, run
from gateway.service.plan import LABEL, Plan, Rotation


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    home = tmp_path / "home of ana"
    return Plan(
        python=Path("/opt/venv/bin/python"),
        config=Path("/srv/node.yaml"),
        state=home / ".mlx-gateway",
        logs=home / "Library" / "Logs" / "mlx-gateway",
        home=home,
        drain=10.0,
    )


class Recorder:
    """A launchctl or systemctl that notes its calls; `codes` by the verb."""

    def __init__(self, **codes: int) -> None:
        self.calls: list[list[str]] = []
        self.codes = codes

    def __call__(self, command: Sequence[str]) -> Outcome:
        self.calls.append(list(command))
        code = self.codes.get(command[1], 0)
        return Outcome(code, "Bootstrap failed: 5: Input/output error\n" if code else "state = running\n")

    @property
    def verbs(self) -> list[str]:
        return [call[1] for call in self.calls]


def test_the_plist_says_all_that_keeps_a_node_fast_and_up(plan: Plan) -> None:
    values = plistlib.loads(launchd.to_plist(plan))
    assert values["Label"] == LABEL
    assert values["ProcessType"] == "Interactive"
    assert (values["KeepAlive"], values["RunAtLoad"], values["ThrottleInterval"]) == (True, True, 10)
    assert values["ExitTimeOut"] > plan.drain + 20
    assert values["SoftResourceLimits"]["NumberOfFiles"] >= 16384
    arguments = values["ProgramArguments"]
    assert arguments[:5] == ["/opt/venv/bin/python", "-P", "-m", "gateway", "serve"]
    assert arguments[5:] == ["--config", "/srv/node.yaml", "--log-file", str(plan.log)]
    assert "/opt/homebrew/bin" in values["EnvironmentVariables"]["PATH"]
    paths = [arguments[0], values["WorkingDirectory"], values["StandardErrorPath"], values["StandardOutPath"]]
    assert all(Path(path).is_absolute() for path in paths)
    assert "UserName" not in values


def test_a_daemon_runs_as_a_user(plan: Plan) -> None:
    daemon = replace(plan, user="ana")
    assert plistlib.loads(launchd.to_plist(daemon))["UserName"] == "ana"
    assert launchd.plist_path(daemon) == Path(f"/Library/LaunchDaemons/{LABEL}.plist")
    assert launchd.domain(daemon, 501) == "system"
    assert launchd.plist_path(plan) == plan.home / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    assert launchd.domain(plan, 501) == "gui/501"


def test_the_wired_limit_is_set_at_boot() -> None:
    values = plistlib.loads(launchd.wired_limit_plist(100_000))
    assert values["ProgramArguments"] == ["/usr/sbin/sysctl", "iogpu.wired_limit_mb=100000"]
    assert values["RunAtLoad"] is True


def test_log_rotation_asks_for_no_signal(plan: Plan) -> None:
    lines = Rotation(replace(plan, user="ana")).text.splitlines()
    assert [line.split("\t") for line in lines] == [
        [str(file), "ana:staff", "640", "5", "10240", "*", "JN"] for file in (plan.log, plan.crash_log)
    ]


def test_installing_with_launchd(plan: Plan) -> None:
    launchctl = Recorder(bootout=3)  # nothing was installed before
    assert Launchd(plan, 501, launchctl).install() == [launchd.plist_path(plan)]
    assert launchd.plist_path(plan).stat().st_mode & 0o777 == 0o644
    assert launchctl.calls == [
        ["launchctl", "bootout", f"gui/501/{LABEL}"],
        ["launchctl", "bootstrap", "gui/501", str(launchd.plist_path(plan))],
    ]


def test_the_other_verbs_with_launchd(plan: Plan) -> None:
    launchctl = Recorder()
    service = Launchd(plan, 501, launchctl)
    service.install()
    launchctl.calls.clear()
    service.stop()
    service.start()
    service.restart()
    assert service.status() == "state = running\n"
    service.uninstall()
    assert launchctl.verbs == ["bootout", "bootstrap", "kickstart", "print", "bootout"]
    assert launchctl.calls[2] == ["launchctl", "kickstart", "-k", f"gui/501/{LABEL}"]
    assert not launchd.plist_path(plan).exists()


@pytest.mark.parametrize(("code", "words"), [(5, "it is loaded already"), (125, "--system"), (99, "Bootstrap failed")])
def test_launchctls_codes_are_explained(plan: Plan, code: int, words: str) -> None:
    with pytest.raises(ServiceError, match=words):
        Launchd(plan, 501, Recorder(bootstrap=code)).install()


def test_the_unit(plan: Plan) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(systemd.to_unit(plan))
    service = parser["Service"]
    assert service["ExecStart"].startswith("/opt/venv/bin/python -P -m gateway serve --config /srv/node.yaml")
    assert f'"{plan.log}"' in service["ExecStart"]  # the home has blanks
    assert (service["Restart"], service["KillMode"], service["TimeoutStopSec"]) == ("always", "mixed", "40")
    assert parser["Install"]["WantedBy"] == "default.target"
    system = systemd.to_unit(replace(plan, user="ana", home=Path("/home/100%")))
    assert "User=ana" in system
    assert "Environment=HOME=/home/100%%" in system


def test_the_verbs_with_systemd(plan: Plan) -> None:
    systemctl = Recorder()
    service = Systemd(plan, systemctl)
    assert service.install() == [systemd.unit_path(plan)]
    service.stop()
    service.start()
    service.restart()
    service.status()
    service.uninstall()
    assert [call[:3] for call in systemctl.calls[:2]] == [
        ["systemctl", "--user", "daemon-reload"],
        ["systemctl", "--user", "enable"],
    ]
    assert [call[2] for call in systemctl.calls[2:]] == [
        "stop",
        "start",
        "restart",
        "status",
        "disable",
        "daemon-reload",
    ]
    assert not systemd.unit_path(plan).exists()


def test_a_stopped_unit_has_a_status_too(plan: Plan) -> None:
    assert Systemd(plan, lambda _: Outcome(3, "inactive (dead)")).status() == "inactive (dead)"
    with pytest.raises(ServiceError, match="could not be found"):
        Systemd(plan, lambda _: Outcome(4, "Unit mlx-gateway.service could not be found.")).status()


def test_a_manager_that_is_not_there() -> None:
    assert run(["no-such-manager"]) == Outcome(127, "no-such-manager: not found")


def test_a_folder_that_may_not_be_written(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "home of ana").write_text("not a folder")
    with pytest.raises(ServiceError, match="needs sudo"):
        Launchd(plan, 501, Recorder()).install()


# ---------------------------------------------------------------- the command
@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(command, "manager", lambda plan, args: Systemd(plan, recorder))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("MLX_GATEWAY_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("MLX_GATEWAY_CONFIG", raising=False)
    return recorder


def test_install_by_command(systemctl: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "install"]) == 0
    unit = tmp_path / ".config" / "systemd" / "user" / systemd.UNIT
    assert capsys.readouterr().out == f"wrote {unit}\n"
    assert str(tmp_path / "state") in unit.read_text()
    assert (tmp_path / "state" / "logs").is_dir()


def test_a_refusal_ends_with_1(systemctl: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    systemctl.codes["--user"] = 1
    assert main(["service", "start"]) == 1
    assert "systemctl start" in capsys.readouterr().err


def test_logs_go_back_over_a_rotation(systemctl: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "logs"]) == 1
    logs = tmp_path / "state" / "logs"
    logs.mkdir(parents=True)
    (logs / "gateway.log.0").write_text("old\n" * 500)
    (logs / "gateway.log").write_text("new\n")
    assert main(["service", "logs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[-1], lines[-2]) == (200, "new", "old")


def test_a_user_that_is_none(systemctl: Recorder, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["service", "install", "--system", "--user", "nobody-of-this-name"]) == USAGE_ERROR
    assert "there is no user" in capsys.readouterr().err

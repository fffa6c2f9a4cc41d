"""The same service for systemd: a unit of the user, or of the system.

https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html
"""

from __future__ import annotations

from pathlib import Path

from gateway.service.plan import OPEN_FILES, THROTTLE, Plan

UNIT = "mlx-gateway.service"


def unit_path(plan: Plan) -> Path:
    return Path("/etc/systemd/system") / UNIT if plan.user else plan.home / ".config" / "systemd" / "user" / UNIT


def to_unit(plan: Plan) -> str:
    """KillMode=mixed: only the gateway is told to end; it stops its workers, in order."""
    user = f"User={plan.user}\n" if plan.user else ""
    target = "multi-user.target" if plan.user else "default.target"
    variables = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in plan.variables.items())
    return f"""[Unit]
Description=mlx-gateway: a team's model server
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart={" ".join(_quoted(part) for part in plan.arguments)}
{user}{variables}WorkingDirectory={plan.state}
Restart=always
RestartSec={THROTTLE}
KillMode=mixed
TimeoutStopSec={plan.exit_timeout}
LimitNOFILE={OPEN_FILES}
UMask=0027

[Install]
WantedBy={target}
"""


def command(plan: Plan, *words: str) -> list[str]:
    return ["systemctl", *(() if plan.user else ("--user",)), *words]


def _quoted(text: str) -> str:
    """systemd's own quoting: its specifiers start with a per cent sign."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if any(sign in escaped for sign in " \"\\'") else escaped

"""launchd's property list for the gateway, and what launchctl has to be told.

https://keith.github.io/xcode-man-pages/launchd.plist.5.html, https://keith.github.io/xcode-man-pages/launchctl.1.html
"""

from __future__ import annotations

import plistlib
from pathlib import Path
from typing import Any

from gateway.service.plan import LABEL, OPEN_FILES, THROTTLE, Plan

WIRED_LABEL = f"{LABEL}.wired-limit"

# launchctl's exit codes are errno-like and unexplained; these are the ones that people meet.
MEANINGS = {
    3: "it is not loaded",
    5: "launchd could not load it: it is loaded already, is disabled, or its plist is not owned by who loads it",
    36: "launchd is still stopping it; try again in a moment",
    37: "it is loaded already",
    113: "launchd does not know it: it is not installed, or not in this domain",
    119: "it is disabled: `launchctl enable` it first",
    125: "this domain does not exist: log in at the screen once, or install with --system",
    134: "the domain does not take such a service",
}


def domain(plan: Plan, uid: int) -> str:
    """`system`, or the domain of a user's graphical session."""
    return "system" if plan.user else f"gui/{uid}"


def folder(plan: Plan) -> Path:
    return Path("/Library/LaunchDaemons") if plan.user else plan.home / "Library" / "LaunchAgents"


def plist_path(plan: Plan, label: str = LABEL) -> Path:
    return folder(plan) / f"{label}.plist"


def to_plist(plan: Plan) -> bytes:
    """`Interactive`: launchd's other process types are throttled, and a model decodes many times slower there."""
    values: dict[str, Any] = {
        "Label": LABEL,
        "ProgramArguments": plan.arguments,
        "EnvironmentVariables": plan.variables,
        "WorkingDirectory": str(plan.state),
        "ProcessType": "Interactive",
        "RunAtLoad": True,
        "KeepAlive": True,
        "ThrottleInterval": THROTTLE,
        "ExitTimeOut": plan.exit_timeout,
        "SoftResourceLimits": {"NumberOfFiles": OPEN_FILES},
        "HardResourceLimits": {"NumberOfFiles": OPEN_FILES},
        "StandardOutPath": str(plan.crash_log),
        "StandardErrorPath": str(plan.crash_log),
        "Umask": 0o027,
    }
    if plan.user:
        values["UserName"] = plan.user
    return plistlib.dumps(values)


def wired_limit_plist(megabytes: int) -> bytes:
    """A daemon that sets the GPU's wired limit at boot; macOS forgets it. Only root can."""
    return plistlib.dumps(
        {
            "Label": WIRED_LABEL,
            "ProgramArguments": ["/usr/sbin/sysctl", f"iogpu.wired_limit_mb={megabytes}"],
            "RunAtLoad": True,
        }
    )


def load(plan: Plan, uid: int, label: str = LABEL) -> list[str]:
    return ["launchctl", "bootstrap", domain(plan, uid), str(plist_path(plan, label))]


def unload(plan: Plan, uid: int, label: str = LABEL) -> list[str]:
    return ["launchctl", "bootout", f"{domain(plan, uid)}/{label}"]


def restart(plan: Plan, uid: int) -> list[str]:
    """`-k` ends the running one first."""
    return ["launchctl", "kickstart", "-k", f"{domain(plan, uid)}/{LABEL}"]


def show(plan: Plan, uid: int) -> list[str]:
    return ["launchctl", "print", f"{domain(plan, uid)}/{LABEL}"]


def explain(code: int, words: str) -> str:
    """What an exit code of launchctl's means, after its own words."""
    meaning = MEANINGS.get(code)
    said = words.strip().splitlines()[0] if words.strip() else f"launchctl ended with {code}"
    return f"{said} ({meaning})" if meaning else said

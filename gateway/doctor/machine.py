"""The machine and what is installed on it."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.cli.units import size
from gateway.doctor.finding import Finding, ok, problem, warning
from gateway.doctor.system import System
from gateway.supervisor.pressure import Reading, severity

_REQUIRED = ("mlx", "mlx-lm", "mlx-vlm", "mlx-audio", "av")
_OLDEST_MAC = 14  # that MLX's wheels run on
_WIRES = 15  # the first macOS on which MLX can keep memory wired
_MOST_WIRED = 0.9  # of the memory; macOS needs the rest
_DEFAULT_WIRED = 0.75  # of the memory, about; macOS's own limit


def examine(system: System, budget: int | None) -> Iterator[Finding]:
    """`budget`: what the node's models may hold together, bytes; None: not known."""
    yield chip(system)
    yield memory(system)
    yield operating_system(system)
    yield versions(system)
    if system.is_mac:
        yield wired(system, budget)
    yield espeak(system)
    yield ffmpeg(system)


def chip(system: System) -> Finding:
    if not system.is_mac:
        gpu = system.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
        name = ", ".join(gpu.output.split("\n")).strip(", ") if gpu.code == 0 else ""
        return ok("chip", name or f"{system.machine}, no NVIDIA GPU: MLX computes on the CPU")
    name = system.sysctl("machdep.cpu.brand_string") or "unknown"
    if system.machine != "arm64":
        under = system.sysctl("sysctl.proc_translated") == "1"
        words = f"{name}, but Python runs under Rosetta" if under else f"{name}: MLX needs Apple silicon"
        return problem(
            "chip", words, "install an arm64 Python (Homebrew's, python.org's or uv's) and the gateway in it"
        )
    return ok("chip", name)


def memory(system: System) -> Finding:
    total, available, swap = system.memory()
    words = f"{size(available)} of {size(total)} available, {size(swap)} swapped out"
    advice = "unload models (`mlx-gateway unload`), close applications, or lower `node.memory_budget`"
    match severity(Reading(total, available)):
        case "critical":
            return problem("memory", words, advice)
        case "tight":
            return warning("memory", words, advice)
    return ok("memory", words)


def operating_system(system: System) -> Finding:
    if not system.is_mac:
        return ok("system", system.release().get("PRETTY_NAME", system.kernel))
    words = f"macOS {system.mac_version}"
    major = int(system.mac_version.partition(".")[0] or 0)
    if major < _OLDEST_MAC:
        return problem("system", words, f"MLX needs macOS {_OLDEST_MAC} or later")
    if major < _WIRES:
        advice = f"from macOS {_WIRES} on weights stay wired; before, a large model may decode very slowly"
        return warning("system", words, advice)
    return ok("system", words)


def versions(system: System) -> Finding:
    found = {package: system.installed(package) for package in ("mlx-gateway", *_REQUIRED)}
    words = ", ".join(f"{package} {version}" for package, version in found.items() if version)
    missing = [package for package in _REQUIRED if not found[package]]
    if missing:
        lacking = ", ".join(missing)
        return problem(
            "versions", f"{words or 'nothing'}; missing: {lacking}", "install mlx-gateway anew, with pip or uv"
        )
    return ok("versions", words)


def wired(system: System, budget: int | None) -> Finding:
    """The GPU's wired limit: 0 is macOS's own choice."""
    total, *_ = system.memory()
    setting = system.sysctl("iogpu.wired_limit_mb")
    megabytes = int(setting) if setting.isdecimal() else 0
    limit = megabytes * 2**20 or int(total * _DEFAULT_WIRED)
    words = f"the GPU may wire {size(limit)}" + ("" if megabytes else ", about: macOS's default")
    if limit > total * _MOST_WIRED:
        advice = f"leave macOS a tenth: `sudo sysctl iogpu.wired_limit_mb={int(total * _MOST_WIRED) // 2**20}`"
        return problem("wired limit", f"{words} of {size(total)}", advice)
    if budget is not None and budget > limit:
        advice = (
            "lower `node.memory_budget`, or raise the limit:"
            " `sudo mlx-gateway service install --system --wired-limit SIZE`"
        )
        return warning("wired limit", f"{words}, the models' budget is {size(budget)}", advice)
    return ok("wired limit", words)


def espeak(system: System) -> Finding:
    """The package that workers load; a program of that name is not used."""
    if version := system.installed("espeakng-loader"):
        return ok("espeak-ng", f"espeakng-loader {version}")
    program = " (the program is there, but workers need the package)" if system.which("espeak-ng") else ""
    advice = "for speech in other languages than English: `pip install 'mlx-gateway[speech]'`"
    return warning("espeak-ng", f"not installed{program}", advice)


def ffmpeg(system: System) -> Finding:
    path = system.which("ffmpeg")
    return ok("ffmpeg", f"{path or 'not installed'}; not needed: sound and video are decoded by the package av")

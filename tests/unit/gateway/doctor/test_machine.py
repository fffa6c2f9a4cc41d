"""gateway/doctor/machine: each finding, good and bad."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.doctor import machine
from gateway.service.manager import Outcome
from tests.fakes.doctor import GB, VERSIONS, fake_system


def test_a_healthy_mac() -> None:
    found = list(machine.examine(fake_system(), 40 * GB))
    assert [one.level for one in found] == ["ok"] * 7
    assert [one.matter for one in found] == [
        "chip",
        "memory",
        "system",
        "versions",
        "wired limit",
        "espeak-ng",
        "ffmpeg",
    ]
    assert not any(one.advice for one in found)


def test_linux_is_asked_what_makes_sense_there() -> None:
    system = fake_system(kernel="linux", machine="x86_64", mac_version="")
    found = {one.matter: one for one in machine.examine(system, 40 * GB)}
    assert "wired limit" not in found
    assert "no NVIDIA GPU" in found["chip"].words
    assert found["system"].words == "Debian GNU/Linux 12"
    gpu = fake_system(kernel="linux", commands={"nvidia-smi": Outcome(0, "NVIDIA H200\nNVIDIA H200\n")})
    assert machine.chip(gpu).words == "NVIDIA H200, NVIDIA H200"


@pytest.mark.parametrize(("translated", "words"), [("1", "under Rosetta"), ("0", "needs Apple silicon")])
def test_a_python_that_is_not_for_apple_silicon(translated: str, words: str) -> None:
    found = machine.chip(fake_system({"sysctl.proc_translated": translated}, machine="x86_64"))
    assert (found.level, words in found.words) == ("problem", True)
    assert "arm64" in found.advice


@pytest.mark.parametrize(("available", "level"), [(40 * GB, "ok"), (5 * GB, "warning"), (1 * GB, "problem")])
def test_memory(available: int, level: str) -> None:
    found = machine.memory(fake_system(memory=lambda: (64 * GB, available, 3 * GB)))
    assert (found.level, "3 GB swapped out" in found.words, bool(found.advice)) == (level, True, level != "ok")


@pytest.mark.parametrize(
    ("version", "level"), [("13.6", "problem"), ("14.7", "warning"), ("15.0", "ok"), ("26.1", "ok")]
)
def test_macos(version: str, level: str) -> None:
    assert machine.operating_system(fake_system(mac_version=version)).level == level


def test_a_library_that_is_missing() -> None:
    found = machine.versions(fake_system(installed=lambda name: None if name == "mlx-vlm" else VERSIONS.get(name)))
    assert (found.level, "missing: mlx-vlm" in found.words) == ("problem", True)
    assert machine.versions(fake_system(installed=lambda _: None)).level == "problem"


@pytest.mark.parametrize(
    ("megabytes", "budget", "level", "words"),
    [
        ("0", 40 * GB, "ok", "48 GB, about: macOS's default"),
        ("0", 50 * GB, "warning", "the models' budget is 50 GB"),
        ("50000", 50 * GB, "ok", "52.4 GB"),
        ("50000", 53 * GB, "warning", "53 GB"),
        ("60000", 50 * GB, "problem", "of 64 GB"),
        ("0", None, "ok", "about"),
    ],
)
def test_the_wired_limit(megabytes: str, budget: int | None, level: str, words: str) -> None:
    found = machine.wired(fake_system({"iogpu.wired_limit_mb": megabytes}), budget)
    assert (found.level, words in found.words) == (level, True)


def test_a_kernel_without_that_limit() -> None:
    silent: Any = fake_system(sysctl={"iogpu.wired_limit_mb": ""})
    assert machine.wired(silent, 10 * GB).level == "ok"


def test_espeak_is_a_package_not_a_program() -> None:
    nothing = machine.espeak(fake_system(installed=lambda _: None))
    assert (nothing.level, nothing.words) == ("warning", "not installed")
    assert "mlx-gateway[speech]" in nothing.advice
    program = machine.espeak(fake_system(installed=lambda _: None, which=lambda _: "/opt/homebrew/bin/espeak-ng"))
    assert (program.level, "workers need the package" in program.words) == ("warning", True)


@pytest.mark.parametrize("path", [None, "/opt/homebrew/bin/ffmpeg"])
def test_ffmpeg_may_be_there(path: str | None) -> None:
    found = machine.ffmpeg(fake_system(which=lambda _: path))
    assert (found.level, (path or "not installed") in found.words) == ("ok", True)

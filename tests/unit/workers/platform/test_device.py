from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from workers.platform.device import Device, read_device


def fake_mx(default: str, metal: bool, cuda: bool, facts: dict[str, Any] | None) -> Any:
    def device_info() -> dict[str, Any]:
        if facts is None:
            raise RuntimeError("no facts")
        return facts

    return SimpleNamespace(
        gpu="gpu",
        default_device=lambda: default,
        device_info=device_info,
        metal=SimpleNamespace(is_available=lambda: metal),
        cuda=SimpleNamespace(is_available=lambda: cuda),
    )


METAL = {"device_name": "Apple M4 Max", "memory_size": 64 << 30, "max_recommended_working_set_size": 48 << 30}
CUDA = {"device_name": "NVIDIA H200", "total_memory": 139 << 30}


@pytest.mark.parametrize(
    ("mx", "device"),
    [
        (fake_mx("gpu", True, False, METAL), Device("metal", "Apple M4 Max", 64 << 30, 48 << 30)),
        (fake_mx("cpu", True, False, METAL), Device("cpu", "Apple M4 Max", 64 << 30, None)),
        (fake_mx("gpu", False, True, CUDA), Device("cuda", "NVIDIA H200", 139 << 30, None)),
    ],
)
def test_facts_come_from_mlx(mx: Any, device: Device) -> None:
    assert read_device(mx) == device


def test_without_facts_the_operating_system_answers() -> None:
    device = read_device(fake_mx("cpu", False, False, None))
    assert device.backend == "cpu"
    assert device.memory == psutil.virtual_memory().total
    assert device.name


def test_the_machine_that_runs_this_has_a_device() -> None:
    device = read_device()
    assert device.memory > 0
    assert device.label.startswith(device.backend)

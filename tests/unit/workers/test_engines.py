from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.errors import ConfigError
from shared.spec import WorkerSpec
from tests.fakes.engine import FakeEngine
from workers import engines


def ignore(*_: Any) -> None:
    return None


def test_a_kind_that_this_build_lacks_is_named() -> None:
    with pytest.raises(ConfigError, match=r"can't serve models of kind 'oracle'; it serves .*llm"):
        engines.engine_path("oracle")


def test_engines_are_imported_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("fake_modality")
    monkeypatch.setitem(sys.modules, "fake_modality", module)
    module.Late = FakeEngine  # type: ignore[attr-defined]
    assert engines.engine_class("fake_modality:Late") is FakeEngine


def test_host_finds_folder_and_kind_and_limits_memory_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    (tmp_path / "model.safetensors").touch()
    calls: list[Any] = []
    monkeypatch.setattr(engines, "apply_limits", lambda *limits: calls.append(limits))
    monkeypatch.setattr(engines, "engine_class", lambda path: calls.append(path) or FakeEngine)
    asked = WorkerSpec("chat", 1, "ipc://x", str(tmp_path), memory_budget=8, wired_limit=4)
    engine, spec = engines.host(asked, ignore)
    assert isinstance(engine, FakeEngine)
    assert (spec.kind, spec.source) == ("llm", str(tmp_path))
    assert calls == [(8, 4), engines.ENGINES["llm"]]


def test_a_stated_kind_is_not_detected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'oracle'"):
        engines.host(WorkerSpec("r", 1, "ipc://x", str(tmp_path), kind="oracle"), ignore)

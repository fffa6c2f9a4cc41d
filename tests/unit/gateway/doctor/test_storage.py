"""gateway/doctor/storage, and the questions about folders that are put to the real system."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.doctor import storage
from gateway.doctor.system import System, free_space, installed, nearest, writable
from tests.fakes.doctor import GB, fake_system


@pytest.mark.parametrize(("free", "level"), [(500 * GB, "ok"), (19 * GB, "warning"), (GB // 2, "problem")])
def test_space_for_models(free: int, level: str, tmp_path: Path) -> None:
    cache, state = storage.examine(fake_system(free_space=lambda _: free), tmp_path, tmp_path / "new")
    assert (cache.matter, cache.level, "HF_HOME" in cache.advice) == ("hub cache", level, level != "ok")
    assert state.level == ("warning" if free < GB else "ok")
    assert "not there yet" in state.words


def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    found = storage.folder(fake_system(writable=lambda _: False), "state", tmp_path, GB, "choose another")
    assert (found.level, found.words) == ("problem", f"{tmp_path} can't be written")
    assert "choose another" in found.advice


def test_the_hub_cache_is_the_librarys_own() -> None:
    assert storage.hub_cache().name == "hub"


def test_the_real_system_is_asked_about_what_exists(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    assert nearest(deep) == tmp_path
    assert writable(deep)
    assert free_space(deep) > 0
    assert installed("pytest") == pytest.__version__
    assert installed("no-such-package") is None
    system = System()
    assert system.sysctl("no.such.value") == ""
    assert set(system.release()) or system.is_mac

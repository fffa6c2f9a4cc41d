"""Real weights: `scripts/real` fetches and converts them into build/real and then runs these tests."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.real_weights.catalogue import BUILD, MODELS, REFERENCE
from tests.real.node import Asker, real_node

_HERE = Path(__file__).parent
_FIGURES = pytest.StashKey[list[tuple[str, str]]]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """They run where somebody names them, and where there are weights."""
    named = any(_HERE in (path, *path.parents) for path in (Path(arg.split("::")[0]).resolve() for arg in config.args))
    if named and MODELS.is_dir():
        return
    reason = "no build/real: scripts/real makes it" if named else "real weights: scripts/real runs these"
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    figures = config.stash.get(_FIGURES, [])
    if figures:
        terminalreporter.section("figures")
        lines = [f"{what}: {value}" for what, value in figures]
        for line in lines:
            terminalreporter.write_line(line)
        with (BUILD / "figures.txt").open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)


@pytest.fixture(scope="session")
def figure(pytestconfig: pytest.Config) -> Callable[[str, str], None]:
    """Keeps a measured value for the end of the run; docs/benchmarks.md is written from them."""
    found = pytestconfig.stash.setdefault(_FIGURES, [])
    return lambda what, value: found.append((what, value))


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    folder = tmp_path_factory.mktemp("real")
    with real_node(folder, _whisper_with_silero(folder)) as asker:
        yield asker


def _whisper_with_silero(folder: Path) -> Path | None:
    """The same Whisper in a folder with a Silero inside, as an operator would lay it out."""
    if not ((MODELS / "whisper-base").is_dir() and (MODELS / "silero-vad").is_dir()):
        return None
    made = folder / "whisper-silero"
    made.mkdir()
    for path in (MODELS / "whisper-base").iterdir():
        (made / path.name).symlink_to(path)
    shutil.copytree(MODELS / "silero-vad", made / "silero-vad")
    return made


@pytest.fixture(scope="session")
def reference() -> Callable[[str], Path]:
    """A file of build/real/reference; its engine may be one that can't be installed here."""

    def find(name: str) -> Path:
        path = REFERENCE / name
        if not path.is_file():
            pytest.skip(f"no {path.relative_to(BUILD)}: its engine could not be installed")
        return path

    return find


@pytest.fixture(scope="session")
def llama(reference: Callable[[str], Path]) -> Callable[[str], list[dict[str, Any]]]:
    """What llama.cpp answered for a model."""

    def answers(model: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(reference(f"llama-{model}.json").read_text())["answers"]
        return found

    return answers


@pytest.fixture(scope="module")
def memory_checked(real: Asker, figure: Callable[[str, str], None]) -> Callable[[str], None]:
    """Holds what a worker used at most against what the node kept for it."""

    def check(model: str) -> None:
        peak, kept = real.peak_memory(model), real.worker(model)["memory_budget"]
        if peak is None:
            pytest.skip("only Linux tells a process's peak")
        figure(f"memory of {model}", f"kept {kept / 1e6:.0f} MB, used at most {peak / 1e6:.0f} MB")
        assert peak <= kept

    return check

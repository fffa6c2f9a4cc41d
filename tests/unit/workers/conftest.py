from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests import models
from tests.text_driver import Driver


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The model folder of a family, made once."""
    root = tmp_path_factory.mktemp("models")

    @cache
    def of(family: str) -> Path:
        return models.build(family, root / family)

    return of


@pytest.fixture(scope="session")
def driver(folder: Callable[[str], Path]) -> Callable[..., Driver]:
    """A loaded engine for a family and a specification, made once; idle when a test gets it."""

    @cache
    def of(family: str = "qwen3", **spec: Any) -> Driver:
        return Driver(folder(family), **spec)

    def idle(family: str = "qwen3", **spec: Any) -> Driver:
        found = of(family, **spec)
        for request in list(found.answers):
            found.cancel(request)  # what a test that failed has left behind
        found.drain()
        found.answers.clear()
        return found

    return idle

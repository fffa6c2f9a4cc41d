from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from tests import vision_folder as vision_folder_module
from tests.vision_driver import EngineDriver, library_tokens
from tests.vision_models import Case, Family, build


class Known:
    """A family's tiny model, and what mlx-vlm itself answers to prompts with it."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self._answers: dict[int, tuple[Case, list[int]]] = {}

    def answer(self, case: Case) -> list[int]:
        if id(case) not in self._answers:
            self._answers[id(case)] = (case, library_tokens(self.family.model, case))
        return self._answers[id(case)][1]


@pytest.fixture(scope="session")
def known() -> Callable[..., Known]:
    """By the family's name and variant; made once."""

    @cache
    def of(family: str, variant: str = "") -> Known:
        return Known(build(family, variant))

    return of


@pytest.fixture(scope="session")
def vision_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The model folder of a family, made once: qwen2_vl or gemma3."""
    root = tmp_path_factory.mktemp("vision")

    @cache
    def of(family: str) -> Path:
        return cast(Path, getattr(vision_folder_module, family)(root / family))

    return of


@pytest.fixture(scope="session")
def eyes(vision_folder: Callable[[str], Path]) -> Callable[..., EngineDriver]:
    """A loaded engine, made once."""

    @cache
    def of(family: str = "qwen2_vl", **spec: Any) -> EngineDriver:
        return EngineDriver(vision_folder(family), **spec)

    return of

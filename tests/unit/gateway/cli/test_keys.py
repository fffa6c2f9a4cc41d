from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.main import USAGE_ERROR, main
from gateway.tenancy import keyfile
from gateway.tenancy.ring import KeyRing


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLX_GATEWAY_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("MLX_GATEWAY_CONFIG", raising=False)
    return tmp_path / keyfile.NAME


def made(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["keys", *arguments]) == 0
    return capsys.readouterr().out.strip()


def test_a_key_from_its_making_to_its_end(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = made(capsys, "create", "ana", "--models", "qwen*", "whisper", "--weight", "2", "--tokens-per-day", "2M")
    (kept,) = keyfile.read(file)
    assert (kept.name, kept.models, kept.weight, kept.tokens_per_day) == ("ana", ("qwen*", "whisper"), 2, 2_000_000)
    assert KeyRing((), file).tenant(key).name == "ana"
    other = made(capsys, "rotate", "ana")
    assert keyfile.read(file) == (kept.model_copy(update={"key_sha256": keyfile.digest(other)}),)
    assert key != other
    made(capsys, "revoke", "ana")
    assert keyfile.read(file) == ()


def test_the_list_shows_limits_and_no_keys(capsys: pytest.CaptureFixture[str]) -> None:
    key = made(capsys, "create", "ana", "--requests-per-minute", "60", "--role", "admin")
    shown = made(capsys, "list")
    assert "ana" in shown
    assert "admin" in shown
    assert "60" in shown
    assert key not in shown
    assert keyfile.digest(key)[:12] not in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create", "ana"], "there is a key 'ana' already"),
        (["create", "../x"], "name:"),
        (["create", "ben", "--weight", "0"], "weight:"),
        (["create", "ben", "--tokens-per-day", "lots"], "tokens_per_day:"),
        (["revoke", "ben"], "there is no key 'ben'; known: ana"),
        (["rotate", "ben"], "there is no key 'ben'"),
    ],
)
def test_what_can_not_be(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    made(capsys, "create", "ana")
    assert main(["keys", *arguments]) == USAGE_ERROR
    assert words in capsys.readouterr().err


def test_a_key_of_the_yaml_is_changed_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "node.yaml"
    config.write_text(f"keys:\n  - {{name: ana, key_sha256: {'a' * 64}}}\n")
    for verb in ("revoke", "rotate"):
        assert main(["keys", verb, "ana", "--config", str(config)]) == USAGE_ERROR
        assert "YAML" in capsys.readouterr().err
    assert main(["keys", "create", "ana", "--config", str(config)]) == USAGE_ERROR

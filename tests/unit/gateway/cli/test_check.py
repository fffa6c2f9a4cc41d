"""gateway/cli/check: what it says about models, and its exit codes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import gateway.cli.check as check
from gateway.cli.check import FITS, TOO_BIG, UNUSABLE, Row, examine, locate, verdict
from gateway.cli.main import main
from shared.config import ModelConfig
from shared.errors import ConfigError
from shared.footprint import Footprint

SMALL = Row("small", "x", "llm", 4, context=10, footprint=Footprint(weights=1000, growing=20), needed=1500)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = {
        "model_type": "qwen3",
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_size": 64,
        "max_position_embeddings": 128,
    }
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "config.json").write_text(json.dumps(model))
    header = json.dumps({"w": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]}}).encode()
    (tmp_path / "tiny" / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    return tmp_path / "tiny"


def test_a_model_on_disk_is_measured(folder: Path) -> None:
    row = examine("tiny", ModelConfig(source=str(folder), max_batch=4))
    assert (row.kind, row.context, row.weights, row.problem) == ("llm", 128, 64, None)
    assert row.one_request == 128 * 2 * 2 * 64 * 2
    assert row.needed > row.weights + 4 * row.one_request


def test_the_configured_context_and_kind_win(folder: Path) -> None:
    row = examine("tiny", ModelConfig(source=str(folder), context=16, kind="embedding"))
    assert (row.kind, row.context) == ("embedding", 16)


def test_no_more_context_is_told_than_the_model_has(folder: Path) -> None:
    assert examine("tiny", ModelConfig(source=str(folder), context=100_000)).context == 128


def test_a_folder_without_a_model_is_a_problem(tmp_path: Path) -> None:
    row = examine("empty", ModelConfig(source=str(tmp_path)))
    assert row.footprint is None
    assert "config.json" in (row.problem or "")


def test_a_hub_model_is_looked_up_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: str(tmp_path / "config.json"))
    assert locate("org/name") == tmp_path
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)
    assert locate("org/name") is None
    assert examine("chat", ModelConfig(source="org/name")).problem is None


def test_what_is_not_a_hub_id() -> None:
    with pytest.raises(ConfigError, match="neither a folder nor a hub id"):
        locate("not a hub id")


def test_what_loads_at_the_start_must_fit_together() -> None:
    assert verdict([SMALL, SMALL], 3000)[0] == FITS
    code, words = verdict([SMALL, SMALL], 2999)
    assert code == TOO_BIG
    assert words == (
        "weights 2 kB; kept for what loads at the start 3 kB; the budget is 3 kB: does not fit;"
        " `load: on_demand` lets models take turns"
    )


def test_models_on_demand_take_turns() -> None:
    later = replace(SMALL, name="later", at_start=False)
    assert verdict([SMALL, later, later], 1500)[0] == FITS


def test_what_can_never_fit_is_named_with_the_numbers() -> None:
    large = replace(SMALL, name="large", at_start=False, needed=3000)
    assert verdict([large], 3000)[0] == FITS
    code, words = verdict([replace(SMALL, pinned=True), large], 4000)
    assert (code, words.rsplit(": ", 1)[1]) == (TOO_BIG, "large needs 3 kB, at most 2.5 kB can be had")


def test_replicas_count_each() -> None:
    assert verdict([replace(SMALL, replicas=2)], 2999)[0] == TOO_BIG


def test_what_is_absent_is_named_and_does_not_hide_what_is_too_big() -> None:
    absent = Row("big", "org/big", "", 32)
    assert verdict([SMALL, absent], 5000) == (FITS, verdict([SMALL, absent], 5000)[1])
    assert verdict([SMALL, absent], 5000)[1].endswith("not on this machine yet: big")
    assert verdict([SMALL, absent], 100)[0] == TOO_BIG


def test_a_broken_model_is_unusable() -> None:
    assert verdict([SMALL, Row("bad", "x", "", 1, problem="no weights")], 10**9) == (UNUSABLE, "bad: no weights")


def test_the_table_names_every_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder)]) == FITS
    out = capsys.readouterr().out
    assert "tiny" in out
    assert "llm" in out
    assert out.rstrip().endswith("fits")


def test_too_little_memory_ends_with_1(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_memory", lambda: 100)
    assert main(["check", str(folder)]) == TOO_BIG


def test_a_broken_configuration_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("modles: {}")
    assert main(["check", "--config", str(tmp_path / "node.yaml")]) == 2
    assert main(["check", str(tmp_path)]) == UNUSABLE

from __future__ import annotations

import time
from pathlib import Path

import pytest

from gateway.cli.main import USAGE_ERROR, main
from gateway.cli.usage import chart
from gateway.tenancy.ledger import NAME, Ledger, Record


@pytest.fixture(autouse=True)
async def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLX_GATEWAY_STATE_DIR", str(tmp_path))
    monkeypatch.delenv("MLX_GATEWAY_CONFIG", raising=False)
    ledger = Ledger(tmp_path / NAME, 1e12, time.time)
    ledger.record(Record(time.time(), "ana", "chat", "/v1/x", 1234, 4, 5, 0.0, 0.1, 0.5, 2.0, "stop"))
    ledger.record(Record(time.time() - 40 * 86400, "old", "chat", "/v1/x", 9, 0, 0, 0.0, 0.1, None, 2.0, "stop"))
    ledger.start()
    ledger.close()


def test_a_table_and_a_chart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage"]) == 0
    shown = capsys.readouterr().out
    assert "ana" in shown
    assert "1,234" in shown
    assert "█" in shown
    assert "old" not in shown


def test_csv_of_a_longer_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--csv", "--by", "key,model", "--days", "60"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[:2] for line in lines] == [["key", "model"], ["ana", "chat"], ["old", "chat"]]


def test_a_group_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage", "--by", "colour"]) == USAGE_ERROR
    assert "--by takes some of key, model" in capsys.readouterr().err


def test_the_longest_bar_is_the_busiest_day() -> None:
    days = [{"day": day, "prompt_tokens": tokens, "completion_tokens": 0} for day, tokens in (("a", 10), ("b", 40))]
    assert [line.count("█") for line in chart(days)] == [10, 40]
    assert chart([]) == []

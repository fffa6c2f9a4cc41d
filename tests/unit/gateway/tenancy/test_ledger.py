from __future__ import annotations

import contextlib
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from gateway.tenancy import ledger as ledgers
from gateway.tenancy.ledger import Ledger, Record
from gateway.tenancy.report import to_csv, totals
from gateway.tenancy.windows import DAY
from shared.errors import ConfigError

MONDAY = 20_000 * DAY  # 2024-10-04
ONE = Record(MONDAY, "ana", "chat", "/v1/chat/completions", 10, 4, 5, 0.0, 0.1, 0.5, 2.0, "stop")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / ledgers.NAME


@pytest.fixture
def ledger(file: Path) -> Iterator[Ledger]:
    found = Ledger(file, 30 * DAY, lambda: MONDAY + DAY)
    found.start()
    yield found
    found.close()


async def test_when_the_event_is_set_the_row_is_on_the_disk(ledger: Ledger) -> None:
    await ledger.record(ONE).wait()
    with contextlib.closing(sqlite3.connect(ledger.file)) as database:
        assert database.execute("SELECT key, prompt_tokens, outcome FROM requests").fetchall() == [("ana", 10, "stop")]


async def test_what_is_written_is_its_owners_alone(ledger: Ledger) -> None:
    await ledger.record(ONE).wait()
    assert stat.S_IMODE(ledger.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(ledger.file.parent.stat().st_mode) == 0o700


async def test_closing_writes_what_waits(file: Path) -> None:
    ledger = Ledger(file, 30 * DAY, lambda: MONDAY)
    events = [ledger.record(ONE) for _ in range(50)]
    ledger.start()
    ledger.close()
    assert totals(file, [])[0]["requests"] == len(events)


async def test_a_disk_that_is_far_behind_loses_rows_and_counts_them(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "PENDING", 2)
    ledger = Ledger(file, 30 * DAY, lambda: MONDAY)
    events = [ledger.record(ONE) for _ in range(3)]
    assert [event.is_set() for event in events] == [False, False, True]
    assert ledger.lost == 1


async def test_old_rows_go(file: Path) -> None:
    first = Ledger(file, 30 * DAY, lambda: MONDAY)
    first.start()
    first.record(ONE)
    first.record(replace(ONE, at=MONDAY + 2 * DAY))
    first.close()
    second = Ledger(file, 30 * DAY, lambda: MONDAY + 31 * DAY)
    second.start()
    second.close()
    assert totals(file, [])[0]["requests"] == 1


async def test_a_write_that_fails_is_counted_and_the_next_one_works(ledger: Ledger) -> None:
    with contextlib.closing(sqlite3.connect(ledger.file)) as database:
        database.execute("ALTER TABLE requests RENAME TO away")
        await ledger.record(ONE).wait()
        assert ledger.lost == 1
        database.execute("ALTER TABLE away RENAME TO requests")
    await ledger.record(ONE).wait()
    assert totals(ledger.file, [])[0]["requests"] == 1


def test_a_file_that_is_no_ledger(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("nothing of the kind, and long enough to be read as a header by anybody who tries" * 20)
    with pytest.raises(ConfigError, match=r"usage\.db: can't be used"):
        Ledger(file, DAY, lambda: 0.0)


def test_a_file_of_a_newer_release_is_left_alone(file: Path) -> None:
    file.parent.mkdir()
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version=99")
    with pytest.raises(ConfigError, match="newer release"):
        Ledger(file, DAY, lambda: 0.0)


async def test_tokens_of_today(ledger: Ledger) -> None:
    for record in (ONE, replace(ONE, at=MONDAY - 1), replace(ONE, key="ben", completion_tokens=7)):
        await ledger.record(record).wait()
    assert ledger.tokens_since(MONDAY) == {"ana": 15, "ben": 17}


async def test_sums_by_key_and_day(ledger: Ledger) -> None:
    records = [
        ONE,
        replace(ONE, outcome="worker_lost", first=None),
        replace(ONE, at=MONDAY + DAY),
        replace(ONE, key=""),
    ]
    for record in records:
        await ledger.record(record).wait()
    rows = totals(ledger.file, ["key", "day"])
    found = [(row["key"], row["day"], row["requests"], row["errors"], row["prompt_tokens"]) for row in rows]
    assert found == [
        ("", "2024-10-04", 1, 0, 10),
        ("ana", "2024-10-04", 2, 1, 20),
        ("ana", "2024-10-05", 1, 0, 10),
    ]
    assert rows[1]["mean_first"] == 0.5


async def test_days_include_both_ends(ledger: Ledger) -> None:
    for at in (MONDAY - 1, MONDAY, MONDAY + 2 * DAY - 1, MONDAY + 2 * DAY):
        await ledger.record(replace(ONE, at=at)).wait()
    (row,) = totals(ledger.file, [], date(2024, 10, 4), date(2024, 10, 5), "ana")
    assert row["requests"] == 2
    assert totals(ledger.file, ["key"], key="ben") == []


def test_no_file_is_no_usage(file: Path) -> None:
    assert totals(file, ["key"]) == []


async def test_csv(ledger: Ledger) -> None:
    await ledger.record(replace(ONE, key="a,b")).wait()
    header, line = to_csv(totals(ledger.file, ["key"]), ["key"]).splitlines()
    assert header.startswith("key,requests,errors,prompt_tokens")
    assert line.startswith('"a,b",1,0,10,4,5')


def test_what_the_client_was_told_survives_kill_9(file: Path) -> None:
    code = (
        "import asyncio, os, signal, sys\n"
        "from pathlib import Path\n"
        "from gateway.tenancy.ledger import Ledger, Record\n"
        "async def main():\n"
        "    ledger = Ledger(Path(sys.argv[1]), 1e9, lambda: 0.0)\n"
        "    ledger.start()\n"
        "    for n in range(20):\n"
        "        await ledger.record(Record(1.0, 'ana', 'chat', '/', n, 0, 0, 0.0, 0.0, None, 0.0, 'stop')).wait()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).parents[4]
    done = subprocess.run([sys.executable, "-c", code, str(file)], cwd=root, check=False)
    assert done.returncode == -9
    assert totals(file, [])[0]["prompt_tokens"] == sum(range(20))


def test_no_thread_is_left(file: Path) -> None:
    ledger = Ledger(file, DAY, lambda: 0.0)
    ledger.start()
    ledger.close()
    assert "usage" not in [thread.name for thread in threading.enumerate()]

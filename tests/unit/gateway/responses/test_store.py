from __future__ import annotations

import sqlite3

import pytest

from gateway.responses.database import Database, Limits
from gateway.responses.record import Record
from gateway.responses.store import FILE, ResponseStore
from shared.errors import InternalError


def record(name: str, *, status="completed", previous=None, created=1000.0, text="x", events=()) -> Record:
    response = {
        "id": name,
        "created_at": created,
        "status": status,
        "previous_response_id": previous,
        "output": [{"id": f"out_{name}", "text": text}],
    }
    return Record(response, ({"id": f"in_{name}"},), events)


@pytest.fixture
async def store(tmp_path):
    found = ResponseStore(tmp_path / "state", clock=lambda: 1000.0)
    yield found
    await found.close()


async def test_what_is_saved_is_read_again(store):
    saved = record("a", events=({"type": "response.created"},))
    await store.save(saved)
    assert await store.get("a") == saved
    assert await store.get("b") is None
    await store.save(record("a", status="failed"))
    assert (await store.get("a")).status == "failed"


async def test_a_read_sees_a_write_that_was_not_waited_for(store):
    store.save_soon(record("a"))
    assert (await store.get("a")).id == "a"


async def test_it_outlives_its_process_and_nobody_else_can_read_it(tmp_path):
    first = ResponseStore(tmp_path / "state")
    await first.save(record("a", created=4e9))
    await first.close()
    second = ResponseStore(tmp_path / "state")
    assert (await second.get("a")).id == "a"
    await second.close()
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


async def test_a_chain_goes_back_to_its_beginning(store):
    for name, previous in (("a", None), ("b", "a"), ("c", "b")):
        await store.save(record(name, previous=previous))
    assert [one.id for one in await store.chain("c")] == ["a", "b", "c"]
    await store.delete("a")
    assert await store.chain("c") is None


async def test_items_are_found_until_their_response_goes(store):
    await store.save(record("a"))
    assert (await store.holding("out_a")).id == (await store.holding("in_a")).id == "a"
    assert await store.holding("out_b") is None
    assert await store.delete("a")
    assert not await store.delete("a")
    assert await store.holding("out_a") is None


async def test_old_responses_go(tmp_path):
    now = 1000.0
    store = ResponseStore(None, Limits(age=100), clock=lambda: now)
    await store.save(record("old", created=now))
    now += 101
    await store.save(record("new", created=now))
    assert await store.get("old") is None
    assert (await store.get("new")).id == "new"
    await store.close()


async def test_the_oldest_make_room(tmp_path):
    store = ResponseStore(None, Limits(size=1000), clock=lambda: 1000.0)
    for number in range(20):
        await store.save(record(f"r{number}", created=float(900 + number)))
    assert await store.get("r0") is None
    assert (await store.get("r19")).id == "r19"
    await store.save(record("huge", text="".join(chr(33 + n * n % 9000) for n in range(9000)), created=950.0))
    assert (await store.get("huge")).id == "huge"  # what was just written stays
    await store.close()


async def test_what_runs_never_makes_room(tmp_path):
    store = ResponseStore(None, Limits(age=1, size=1), clock=lambda: 1e6)
    await store.save(record("runs", status="queued"))
    await store.save(record("b", created=1e6))
    await store.save(record("c", created=1e6))
    assert (await store.get("runs")).status == "queued"
    assert await store.get("b") is None
    await store.close()


def test_what_a_dead_process_left_has_failed_and_what_a_living_one_does_goes_on(tmp_path):
    path = str(tmp_path / FILE)
    database = Database(path, Limits(), lambda: 1000.0)
    for name, status in (("dead", "in_progress"), ("alive", "queued"), ("done", "completed")):
        database.save(record(name, status=status))
    database.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE responses SET owner = '1 1.5' WHERE id = 'dead'")
    connection.close()
    database = Database(path, Limits(), lambda: 1000.0)
    assert [database.get(name).status for name in ("dead", "alive", "done")] == ["failed", "queued", "completed"]
    assert "restarted" in database.get("dead").response["error"]["message"]
    database.close()


@pytest.mark.parametrize("obstacle", ["file", "garbage"])
async def test_a_folder_that_cannot_be_used_is_an_error_and_no_crash(tmp_path, obstacle):
    folder = tmp_path / "state"
    if obstacle == "file":
        folder.write_text("no folder")
    else:
        folder.mkdir()
        (folder / FILE).write_text("no database " * 1000)
    store = ResponseStore(folder)
    with pytest.raises(InternalError, match="log says why"):
        await store.save(record("a"))
    await store.close()


async def test_a_closed_store_takes_nothing_more(tmp_path):
    store = ResponseStore(None)
    await store.save(record("a"))
    await store.close()
    with pytest.raises(InternalError, match="stopping"):
        await store.save(record("b"))

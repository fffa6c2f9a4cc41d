from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from gateway.tenancy import keyfile
from gateway.tenancy.ring import KeyRing
from shared.config.keys import KeyConfig
from shared.errors import ConfigError, Unauthorized
from tests.fakes.tenancy import OpenStream


def entry(name: str, key: str, **values: Any) -> KeyConfig:
    return KeyConfig(name=name, key_sha256=keyfile.digest(key), **values)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / keyfile.NAME


def test_a_key_file_is_its_owners_alone(file: Path) -> None:
    keyfile.write(file, [entry("ana", "secret", weight=2)])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert keyfile.read(file) == (entry("ana", "secret", weight=2),)
    assert "secret" not in file.read_text()
    assert [path.name for path in file.parent.iterdir()] == [keyfile.NAME]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": [{"name": "ana"}]}', '{"keys": 3}'])
def test_a_broken_key_file_is_told(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"keys\.json"):
        keyfile.read(file)


def test_keys_differ_and_can_be_known_as_ours() -> None:
    first, second = keyfile.new_key(), keyfile.new_key()
    assert first != second
    assert first.startswith("mg-")
    assert len(first) > 40


def test_without_keys_anyone_may() -> None:
    ring = KeyRing()
    assert not ring.guarded
    assert ring.tenant(None).is_admin
    assert ring.tenant("whatever").is_admin


@pytest.mark.parametrize("presented", [None, "", "wrong", "secret ", "SECRET", "\udcff"])
def test_with_keys_a_key_is_needed(presented: str | None) -> None:
    ring = KeyRing([entry("ana", "secret")])
    with pytest.raises(Unauthorized):
        ring.tenant(presented)
    assert ring.tenant("secret").name == "ana"


def test_a_key_made_later_closes_an_open_node_for_good(file: Path) -> None:
    ring = KeyRing((), file)
    keyfile.write(file, [entry("ana", "secret")])
    ring.look()
    with pytest.raises(Unauthorized):
        ring.tenant(None)
    keyfile.write(file, [])
    ring.look()
    with pytest.raises(Unauthorized):
        ring.tenant(None)


def test_revoking_ends_open_streams_rotating_too_and_others_stay(file: Path) -> None:
    keyfile.write(file, [entry("ana", "1"), entry("ben", "2"), entry("eva", "3")])
    ring = KeyRing((), file)
    streams: dict[str, Any] = {key: OpenStream() for key in "123"}
    for key, stream in streams.items():
        ring.tenant(key).opened(stream)
    keyfile.write(file, [entry("ana", "1", weight=3), entry("ben", "new")])
    ring.look()
    assert [bool(stream.ended) for stream in streams.values()] == [False, True, True]
    assert (ring.tenant("1").weight, ring.tenant("new").name) == (3, "ben")
    for key in "23":
        with pytest.raises(Unauthorized):
            ring.tenant(key)


def test_a_tenant_keeps_its_windows_when_its_limits_change() -> None:
    ring = KeyRing([entry("ana", "1", requests_per_minute=5)])
    ring.tenant("1").enter()
    ring.configure([entry("ana", "1", requests_per_minute=9)])
    (limit,) = ring.tenant("1").limits()
    assert (limit.most, limit.used) == (9, 1)


def test_a_file_that_breaks_changes_nothing(file: Path) -> None:
    keyfile.write(file, [entry("ana", "1")])
    ring = KeyRing((), file)
    file.write_text("{")
    ring.look()
    assert ring.tenant("1").name == "ana"


def test_a_name_in_both_places_is_refused(file: Path) -> None:
    keyfile.write(file, [entry("ana", "1")])
    with pytest.raises(ConfigError, match="'ana' is in the configuration too"):
        KeyRing([entry("ana", "2")], file)
    ring = KeyRing((), file)
    with pytest.raises(ConfigError):
        ring.configure([entry("ana", "2")])
    assert ring.tenant("1").name == "ana"
    ring.look()
    with pytest.raises(Unauthorized):
        ring.tenant("2")


async def test_the_file_is_watched(file: Path) -> None:
    ring, looked = KeyRing((), file), asyncio.Event()
    keyfile.write(file, [entry("ana", "1")])
    naps = 0

    async def sleep(seconds: float) -> None:
        nonlocal naps
        naps += 1
        if naps > 1:
            looked.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(ring.watch(sleep))
    await looked.wait()
    task.cancel()
    assert ring.tenant("1").name == "ana"


def test_commands_on_this_machine_get_an_admin_key(file: Path) -> None:
    ring = KeyRing([entry("ana", "1")], file)
    ring.open_local()
    key = keyfile.read_local(file.parent)
    assert key is not None
    assert stat.S_IMODE((file.parent / keyfile.LOCAL).stat().st_mode) == 0o600
    assert (ring.tenant(key).name, ring.tenant(key).is_admin) == ("local", True)
    assert json.dumps(key) not in json.dumps([tenant.name for tenant in ring.tenants])

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path

import pytest

from gateway.api.page import INDEX, MEDIA_TYPES, assets
from gateway.tenancy import keyfile
from gateway.tenancy.ring import KeyRing
from shared.config.keys import KeyConfig
from tests.fakes.asgi import Exchange
from tests.fakes.dispatcher import make_app, make_node

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "gateway" / "dashboard"
PATHS = {"/": INDEX, **{f"/page/{name}": name for name in assets()}}
TEXTS = {name: asset.body.decode() for name, asset in assets().items()}
SCRIPTS = {name: text for name, text in TEXTS.items() if name.endswith(".js")}


async def get(path: str, method: str = "GET", **headers: str) -> Exchange:
    ring = KeyRing([KeyConfig(name="ana", key_sha256=keyfile.digest("good"))])
    return await Exchange(make_app(make_node(ring=ring)), path, method=method, **headers).run()


@pytest.mark.parametrize(("path", "name"), PATHS.items())
async def test_every_file_is_there_for_everybody(path: str, name: str) -> None:
    done = await get(path)
    assert (done.status, done.body) == (200, (FOLDER / name).read_bytes())
    assert done.headers["content-type"] == MEDIA_TYPES[name.rpartition(".")[2]]
    assert int(done.headers["content-length"]) == len(done.body)


async def test_what_a_browser_may_do_with_it() -> None:
    headers = (await get("/")).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert (policy["img-src"], policy["media-src"]) == ("'self' blob: data:", "blob:")
    assert policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


async def test_a_browser_keeps_what_has_not_changed() -> None:
    first = await get("/page/page.js")
    assert first.headers["cache-control"] == "no-cache"
    again = await get("/page/page.js", if_none_match=f'W/"other", {first.headers["etag"]}')
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"] != (await get("/")).headers["etag"]
    assert (await get("/page/page.js", if_none_match='"other"')).status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_head(path: str) -> None:
    done = await get(path, "HEAD")
    assert (done.status, done.body) == (200, b"")


@pytest.mark.parametrize(
    "path", ["/page/nope.js", "/page/__init__.py", "/page/..", "/page/../__init__.py", "/page/", "/page/a/b"]
)
async def test_nothing_else_is_there(path: str) -> None:
    assert (await get(path)).status == 404


async def test_the_data_wants_a_key() -> None:
    assert (await get("/page")).status == 401
    assert (await get("/v1/status")).status == 401


@pytest.mark.parametrize("name", TEXTS)
def test_nothing_comes_from_another_host(name: str) -> None:
    found = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", TEXTS[name]))
    assert found <= {"http://www.w3.org/2000/svg"}


def test_the_markup_has_no_scripts_or_styles_of_its_own() -> None:
    html = TEXTS[INDEX]
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", html) == []
    assert {f"/{path}" for path in re.findall(r'(?:src|href)="(page/[^"]+)"', html)} <= set(PATHS)


@pytest.mark.parametrize("name", SCRIPTS)
def test_text_only_ever_becomes_text(name: str) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|localStorage|cookie"
    )
    assert re.findall(forbidden, SCRIPTS[name]) == []
    assert {f"/page/{path}" for path in re.findall(r'from "\./([^"]+)"', SCRIPTS[name])} <= set(PATHS)


def test_every_id_that_scripts_ask_for_is_in_the_markup() -> None:
    asked = {name for text in SCRIPTS.values() for name in re.findall(r'byId\("([\w-]+)"\)', text)}
    assert asked
    assert asked - set(re.findall(r'\sid="([\w-]+)"', TEXTS[INDEX])) == set()


def test_the_wheel_carries_every_file() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["gateway"]
    names = [file.name for file in files("gateway.dashboard").iterdir() if file.is_file() and file.name[-3:] != ".py"]
    assert set(names) == set(TEXTS)
    assert [name for name in names if not any(fnmatch(f"dashboard/{name}", pattern) for pattern in patterns)] == []

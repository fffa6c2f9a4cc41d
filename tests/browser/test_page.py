from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
from playwright.sync_api import Page, expect

from gateway.routing.registry import Registry
from gateway.tenancy import keyfile
from gateway.tenancy.ledger import Record
from gateway.tenancy.ring import KeyRing
from shared.config.keys import KeyConfig
from shared.errors import WorkerLost
from shared.lifecycle import State
from shared.messages import Accepted, TextDelta, Usage
from tests.browser.conftest import PATIENCE
from tests.fakes.page import MB, VISION, page_node, thinks

IMAGES = Path(__file__).parents[1] / "data" / "images"
PICTURE = next(path for path in sorted(IMAGES.iterdir()) if path.suffix in (".png", ".jpg"))
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True}
HELLO = thinks("Hello", " there!")

expect.set_options(timeout=PATIENCE)


def ring() -> KeyRing:
    return KeyRing(
        [
            KeyConfig(name="ana", key_sha256=keyfile.digest("good")),
            KeyConfig(name="root", key_sha256=keyfile.digest("admin"), role="admin"),
        ]
    )


def ask(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send").click()


def give_key(page: Page, key: str) -> None:
    page.get_by_role("textbox", name="Key").fill(key)
    page.get_by_role("button", name="Use this key").click()


def answers(page: Page) -> Any:
    return page.locator(".turn.said")


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


# ------------------------------------------------------------------ the chat
def test_a_chat_streams_with_its_thought_folded(serve, visit):
    gate = asyncio.Event()
    node = serve(page_node(thinks("Hello", " there!", gate=gate)))
    page = visit(node.url)
    ask(page, "Hi")
    expect(answers(page).locator("> .text")).to_have_text("Hello")
    expect(page.get_by_role("log", name="Conversation")).to_have_attribute("aria-busy", "true")
    node.open(gate)
    expect(answers(page).locator("> .text")).to_have_text("Hello there!")
    thought = answers(page).locator("details")
    expect(thought).not_to_have_attribute("open", "")
    expect(thought.locator("summary")).to_have_text(re.compile(r"^Thought for \d+\.\d s$"))
    thought.locator("summary").click()
    expect(thought.get_by_text("The user greets me.")).to_be_visible()
    expect(answers(page).locator(".meta")).to_contain_text("3 tokens")
    expect(page.get_by_role("log", name="Conversation")).to_have_attribute("aria-busy", "false")


def test_the_next_question_carries_the_conversation_and_new_chat_forgets_it(serve, visit):
    node = serve(page_node(HELLO))
    page = visit(node.url)
    page.get_by_text("Settings").click()
    page.get_by_label("System prompt").fill("Be brief.")
    page.get_by_label("Temperature").fill("0.5")
    for number, text in enumerate(("Hi", "And now?"), 1):
        ask(page, text)
        expect(answers(page)).to_have_count(number)
        expect(page.get_by_role("button", name="Send")).to_be_visible()
    work = node.node.dispatcher.work
    said = [(message.role, message.content[0].text) for message in work.prompt.messages]
    assert said == [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello there!"), ("user", "And now?")]
    assert work.sampling.temperature == 0.5
    page.get_by_role("button", name="New chat").click()
    expect(page.locator(".turn")).to_have_count(0)
    ask(page, "Hi again")
    expect(answers(page)).to_have_count(1)
    assert len(node.node.dispatcher.work.prompt.messages) == 2


@pytest.mark.parametrize("how", ["button", "escape"])
def test_stop_ends_the_work_and_keeps_what_was_said(serve, visit, how):
    node = serve(page_node(thinks("Hello", " there!", gate=asyncio.Event())))
    page = visit(node.url)
    ask(page, "Hi")
    expect(answers(page).locator("> .text")).to_have_text("Hello")
    if how == "button":
        page.get_by_role("button", name="Stop").click()
    else:
        page.get_by_label("Message").press("Escape")
    expect(answers(page).locator(".meta")).to_contain_text("stopped")
    expect(answers(page).locator("> .text")).to_have_text("Hello")
    (stream,) = node.node.dispatcher.streams
    node.wait(stream.closed.wait())
    assert stream.cancelled
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_an_error_in_the_middle_is_told(serve, visit):
    node = serve(
        page_node(lambda work: [Accepted(work.request), TextDelta(work.request, 0, "Hel"), WorkerLost("It died.")])
    )
    page = visit(node.url)
    ask(page, "Hi")
    expect(answers(page).locator(".meta")).to_contain_text("It died.")
    expect(answers(page)).to_have_class(re.compile("bad"))


def test_a_request_that_waits_says_what_for(serve, visit):
    gate = asyncio.Event()
    node = page_node(lambda work: [gate, *HELLO(work)])
    node.fleet.change("chat", state=State.LOADING, stage="load", fraction=0.4)
    running = serve(node)
    page = visit(running.url)
    ask(page, "Hi")
    expect(answers(page).locator(".meta")).to_have_text("loading chat load 40%")
    running.open(gate)
    expect(answers(page).locator("> .text")).to_have_text("Hello there!")


def test_a_node_without_a_model_of_the_kind(serve, visit):
    node = page_node(HELLO)
    node.registry = Registry([entry for entry in node.registry if entry.kind == "stt"])
    page = visit(serve(node).url)
    expect(page.locator("#models > li")).to_have_count(1)
    expect(page.locator("#chat-model")).to_have_text("none on this node")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()


def test_markup_in_an_answer_stays_text(serve, visit):
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    node = serve(page_node(thinks(evil, thought=evil)))
    page = visit(node.url)
    ask(page, evil)
    expect(answers(page).locator("> .text")).to_have_text(evil)
    assert page.locator("#transcript img, #transcript script").count() == 0


def test_pictures_go_to_models_that_see(serve, visit):
    node = serve(page_node(HELLO))
    page = visit(node.url)
    expect(page.locator("#picture-buttons")).to_be_hidden()
    page.locator("#chat-model").select_option(VISION)
    page.set_input_files("#picture", PICTURE)
    expect(page.get_by_role("button", name="Remove picture 1")).to_be_visible()
    ask(page, "What is it?")
    expect(answers(page)).to_have_count(1)
    entry, work, _ = node.node.dispatcher.opened[-1]
    assert (entry.name, [part.__class__.__name__ for part in work.prompt.messages[0].content]) == (
        VISION,
        ["MediaPart", "TextPart"],
    )
    assert node.node.dispatcher.blobs[-1] == (PICTURE.read_bytes(),)
    expect(page.locator(".turn.asked img")).to_be_visible()
    page.locator("#chat-model").select_option("chat")
    ask(page, "And in words?")
    expect(answers(page)).to_have_count(2)
    assert node.node.dispatcher.blobs[-1] == ()


# ------------------------------------------------------------------ sound
def test_a_file_becomes_text(serve, visit):
    node = serve(page_node(HELLO))
    page = visit(node.url)
    page.get_by_role("tab", name="Transcribe").click()
    page.set_input_files("#sound", {"name": "a.wav", "mimeType": "audio/wav", "buffer": b"RIFF"})
    expect(page.get_by_role("log", name="Transcript")).to_have_text("Hello there.")
    assert bytes(node.node.dispatcher.work.audio.data) == b"RIFF"


def test_a_recording_becomes_text(serve, visit):
    node = serve(page_node(HELLO))
    page = visit(node.url)
    page.get_by_role("tab", name="Transcribe").click()
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop recording").click()
    expect(page.get_by_role("log", name="Transcript")).to_have_text("Hello there.")
    assert len(node.node.dispatcher.work.audio.data) > 0
    expect(page.get_by_role("button", name="Record")).to_have_attribute("aria-pressed", "false")


def test_a_text_becomes_sound(serve, visit):
    node = serve(page_node(HELLO))
    page = visit(node.url)
    page.get_by_role("tab", name="Speak").click()
    page.locator("#speak-voice").select_option("bf_ann")
    page.get_by_label("Text to speak").fill("Good morning")
    page.get_by_role("button", name="Speak", exact=True).click()
    expect(page.get_by_label("The model’s voice")).to_have_attribute("src", re.compile("^blob:"))
    work = node.node.dispatcher.work
    assert (work.text, work.voice, work.format) == ("Good morning", "bf_ann", "mp3")


# ------------------------------------------------------------------ keys
def test_the_key_is_asked_for_and_lives_in_the_tab_only(serve, visit):
    node = serve(page_node(HELLO, ring()))
    page = visit(node.url)
    expect(page.get_by_role("textbox", name="Key")).to_be_focused()
    give_key(page, "wrong")
    expect(page.get_by_text("Incorrect API key provided.")).to_be_visible()
    give_key(page, "good")
    expect(page.locator("#who")).to_have_text("ana")
    expect(page.get_by_role("dialog")).to_be_hidden()
    ask(page, "Hi")
    expect(answers(page).locator("> .text")).to_have_text("Hello there!")
    assert page.evaluate("[JSON.stringify({...sessionStorage}), localStorage.length, document.cookie]") == [
        json.dumps({"mlx-gateway-key": "good"}, separators=(",", ":")),
        0,
        "",
    ]
    other = page.context.new_page()
    other.goto(node.url)
    expect(other.get_by_role("textbox", name="Key")).to_be_visible()
    page.get_by_role("button", name="Forget the key").click()
    expect(page.get_by_role("textbox", name="Key")).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_without_a_key_the_page_waits(serve, visit):
    node = serve(page_node(HELLO, ring()))
    page = visit(node.url)
    page.get_by_role("button", name="Not now").click()
    expect(page.get_by_role("alert")).to_contain_text("You didn't provide an API key.")
    page.get_by_role("button", name="Enter a key").click()
    give_key(page, "admin")
    expect(page.locator("#who")).to_have_text("root, admin")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_key_that_is_revoked_meanwhile_is_asked_for_again(serve, visit):
    node = serve(page_node(HELLO, ring()))
    page = visit(node.url)
    give_key(page, "good")
    expect(page.locator("#who")).to_have_text("ana")
    node.loop.call_soon_threadsafe(node.node.ring.configure, [KeyConfig(name="ana", key_sha256=keyfile.digest("new"))])
    page.get_by_role("button", name="Not now").click()
    expect(page.locator("#status")).to_have_text("offline")
    ask(page, "Hi")
    give_key(page, "new")
    expect(answers(page).locator("> .text")).to_have_text("Hello there!")
    expect(page.locator("#status")).to_have_text("ready")


def test_a_key_with_characters_that_no_key_has_is_not_taken(serve, visit):
    page = visit(serve(page_node(HELLO, ring())).url)
    give_key(page, "schlüssel")
    assert page.locator("#key-input").evaluate("(input) => input.validity.patternMismatch")
    expect(page.get_by_role("dialog")).to_be_visible()
    give_key(page, " good ")
    expect(page.locator("#who")).to_have_text("ana")


# ------------------------------------------------------------------ the node
def test_admins_load_and_unload(serve, visit):
    node = serve(page_node(HELLO))
    page = visit(node.url)
    page.get_by_role("button", name="Load embed").click()
    expect(page.get_by_role("button", name="Unload embed")).to_be_visible()
    page.get_by_role("button", name=f"Unload {VISION}").click()
    expect(page.get_by_role("button", name=f"Load {VISION}", exact=True)).to_be_visible()
    assert node.node.fleet.calls == ["load embed", f"unload {VISION}"]
    node.node.fleet.refusal = "It needs 9 GB of 8 GB."
    page.get_by_role("button", name=f"Load {VISION}", exact=True).click()
    expect(page.get_by_text("It needs 9 GB of 8 GB.")).to_be_visible()


def test_others_see_neither_buttons_nor_people_nor_errors(serve, visit):
    node = serve(page_node(HELLO, ring()))
    page = visit(node.url)
    give_key(page, "good")
    expect(page.locator("#models > li")).to_have_count(5)
    expect(page.get_by_role("button", name=re.compile("load (chat|embed)", re.IGNORECASE))).to_have_count(0)
    expect(page.locator("#people-section")).to_be_hidden()
    expect(page.locator("#errors-section")).to_be_hidden()


def test_what_goes_on_is_shown(serve, visit):
    node = page_node(HELLO, ring())
    fleet: Any = node.fleet
    fleet.change("whisper", state=State.LOADING, stage="warm-up", fraction=0.4, stats=None)
    fleet.change("kokoro", state=State.QUARANTINED, reserved=0, stats=None, last_error="no such folder")
    fleet.facts.append(replace(fleet.facts[0], name="chat~2", restarts=1, tokens_per_second=10.0))
    node.metrics.running["chat"], node.metrics.waiting["chat"] = 3, 2
    node.failures.note("worker_lost", key="ana", model="chat", endpoint="/v1/messages")
    row = Record(time.time(), "ana", "chat", "/v1/messages", 1200, 300, 45_000, 0.0, 0.1, 0.25, 3.0, "stop")
    running = serve(node)

    async def record() -> None:
        await node.ledger.record(row).wait()

    running.wait(record())
    page = visit(running.url)
    give_key(page, "admin")
    models = page.locator("#models > li")
    expect(models.nth(0)).to_contain_text("3 running, 2 waiting")
    expect(models.nth(0)).to_contain_text("58.2 tok/s")
    expect(models.nth(0)).to_contain_text("chat~2 · ready · 0 running, 10.0 tok/s, 1.0 GB · restarted 1×")
    expect(models.nth(2)).to_contain_text("warm-up 40 %")
    assert models.nth(2).locator("progress").evaluate("(bar) => bar.value") == pytest.approx(0.4)
    expect(models.nth(3)).to_contain_text("no such folder")
    expect(page.locator("#memory-text")).to_have_text("4.8 GB of 8.0 GB reserved, 3.2 GB free")
    expect(page.locator("#memory-bar .part")).to_have_count(4)
    expect(page.locator("#people tr").nth(0)).to_have_text(re.compile("^ana000.01120045.0k$"))
    expect(page.locator("#usage tr")).to_have_text(["chat10120030045.0k0.25 s"])
    expect(page.locator("#errors tr")).to_contain_text(["worker_lostchatana/v1/messages"])


class Busy:
    """A stream that has more tokens whenever somebody looks."""

    state = "running"

    def __init__(self) -> None:
        self.counts = itertools.count(step=500)

    @property
    def usage(self) -> Usage:
        return Usage(completion_tokens=next(self.counts))


def test_tokens_a_second_by_key(serve, visit):
    node = page_node(HELLO, ring())
    busy: Any = Busy()
    node.ring.tenants[0].opened(busy)
    page = visit(serve(node).url)
    give_key(page, "admin")
    cells = page.locator("#people tr").filter(has_text="ana").locator("td")
    expect(cells.nth(0)).to_have_text("1")
    expect(cells.nth(2)).to_have_text(re.compile(r"^\d*[1-9]\d*(\.\d)?$"))
    expect(page.locator("#people tr").filter(has_text="root").locator("td").nth(2)).to_have_text("0.0")


def test_nobody_asks_while_nobody_looks(serve, visit):
    page = visit(serve(page_node(HELLO)).url)
    expect(page.locator("#models > li")).to_have_count(5)
    page.clock.install()
    page.reload()
    expect(page.locator("#models > li")).to_have_count(5)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    hide = "Object.defineProperty(document, 'hidden', {configurable: true, get: () => %s});"
    page.evaluate(hide % "true" + "document.dispatchEvent(new Event('visibilitychange'))")
    page.clock.run_for(60_000)
    assert [url for url in asked if url.endswith("/v1/status")] == []
    with page.expect_request("**/v1/status"):
        page.evaluate(hide % "false" + "document.dispatchEvent(new Event('visibilitychange'))")


def test_a_node_that_is_gone_is_told_and_comes_back(serve, visit):
    page = visit(serve(page_node(HELLO)).url)
    expect(page.locator("#status")).to_have_text("ready")
    page.route("**/v1/status", lambda route: route.fulfill(status=503, json={"error": {"message": "Shutting down."}}))
    expect(page.get_by_role("alert")).to_have_text("Shutting down.")
    expect(page.locator("#status")).to_have_text("offline")
    page.unroute("**/v1/status")
    expect(page.locator("#status")).to_have_text("ready")
    expect(page.get_by_role("alert")).to_be_hidden()


# ------------------------------------------------------------------ how it looks and is operated
CONTRAST = """(selectors) => selectors.flatMap((selector) => [...document.querySelectorAll(selector)].map((element) => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((value) => value / 255)
      .map((value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  let behind = element;
  while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  const [low, high] = [light(getComputedStyle(element).color), light(getComputedStyle(behind).backgroundColor)].sort();
  return [selector, (Math.max(low, high) + 0.05) / (Math.min(low, high) + 0.05)];
}))"""
TEXTS = [".aside", ".state", "button:not(:disabled)", ".name strong", ".turn .text", "th", "td", "label", ".detail"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible_in_both_schemes(serve, visit, scheme):
    node = page_node(HELLO)
    node.fleet.change("kokoro", state=State.QUARANTINED, last_error="no such folder")
    page = visit(serve(node).url, color_scheme=scheme)
    ask(page, "Hi")
    expect(answers(page).locator("> .text")).to_have_text("Hello there!")
    expect(page.locator("#models > li")).to_have_count(5)
    red, *_ = map(int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor")))
    assert (red < 64) == (scheme == "dark")
    weak = {(selector, round(ratio, 2)) for selector, ratio in page.evaluate(CONTRAST, TEXTS) if ratio < 4.5}
    assert weak == set()


def test_a_phone_needs_no_sideways_scrolling(serve, visit):
    node = page_node(thinks("word " * 60, "x" * 200))
    node.failures.note("context_length_exceeded", key="ana", model=VISION, endpoint="/v1/chat/completions")
    node.fleet.change("kokoro", state=State.QUARANTINED, last_error="/a/rather/long/path" * 8)
    page = visit(serve(node).url, **PHONE)
    expect(page.locator("#models > li")).to_have_count(5)
    expect(page.locator("#errors tr")).to_have_count(1)
    assert overflow(page) == 0
    expect(page.locator("#play")).to_be_hidden()
    page.get_by_role("button", name="Playground").tap()
    expect(page.locator("#node")).to_be_hidden()
    page.locator("#chat-model").select_option(VISION)
    expect(page.locator("#camera")).to_have_attribute("capture", "environment")
    page.get_by_label("Message").fill("y" * 120)
    page.get_by_role("button", name="Send").tap()
    expect(answers(page).locator(".meta")).to_contain_text("3 tokens")
    expect(page.get_by_role("button", name="Send")).to_be_in_viewport(ratio=1)
    for tab in ("Chat", "Transcribe", "Speak"):
        page.get_by_role("tab", name=tab).tap()
        assert overflow(page) == 0
    heights = page.locator("button, select, input:not(.away)").evaluate_all(
        "(all) => all.map((one) => one.offsetHeight)"
    )
    assert min(filter(None, heights)) >= 44


def test_by_keyboard_alone(serve, visit):
    node = serve(page_node(HELLO, ring()))
    page = visit(node.url)
    expect(page.get_by_role("textbox", name="Key")).to_be_focused()
    page.keyboard.type("admin")
    page.keyboard.press("Enter")
    expect(page.locator("#models > li")).to_have_count(5)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the playground")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Message")).to_be_focused()
    page.keyboard.type("Hi")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("you")
    page.keyboard.press("Enter")
    expect(answers(page).locator("> .text")).to_have_text("Hello there!")
    assert node.node.dispatcher.work.prompt.messages[0].content[0].text == "Hi\nyou"
    page.get_by_role("tab", name="Chat").focus()
    for name in ("Transcribe", "Speak", "Chat", "Transcribe"):
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name=name)).to_be_focused()
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.locator("#hear-model")).to_be_focused()
    page.get_by_role("link", name="Skip to the playground").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Message")).to_be_focused()
    page.get_by_role("button", name="Load embed").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Unload embed")).to_be_focused()


def test_everything_that_can_be_focused_has_a_name(serve, visit):
    page = visit(serve(page_node(HELLO)).url)
    expect(page.locator("#models > li")).to_have_count(5)
    all_of_them = page.locator("button, input, select, textarea, audio, progress.shown, [tabindex]")
    named = "one.ariaLabel || one.getAttribute('aria-labelledby') || one.labels?.length || one.textContent.trim()"
    assert all_of_them.count() > 20
    assert all_of_them.evaluate_all(f"(all) => all.filter((one) => !({named})).map((one) => one.outerHTML)") == []


def test_nothing_jumps(serve, visit):
    gate = asyncio.Event()
    node = page_node(thinks("Hello", " there!" * 50, gate=gate))
    running = serve(node)
    page = visit(running.url)
    expect(page.locator("#models > li")).to_have_count(5)
    ask(page, "Hi")
    expect(answers(page).locator("> .text")).to_have_text("Hello")
    node.fleet.change("chat", tokens_per_second=1234.5, reserved=2200 * MB)
    expect(page.locator("#models > li").nth(0)).to_contain_text("1235 tok/s")
    running.open(gate)
    expect(answers(page).locator(".meta")).to_contain_text("3 tokens")
    assert sum(page.evaluate("window.shifts")) < 0.02

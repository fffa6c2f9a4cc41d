// The chat: a conversation that streams, with pictures for models that see, and thoughts folded.

import { events, request } from "./api.js";
import { byId, make, rate, say } from "./dom.js";
import { fillMenu } from "./models.js";
import { toDataUrl } from "./picture.js";

const SHORT = 0.2; // seconds; over less a rate says nothing

const turns = []; // the conversation as the API takes it
let models = [];
let pictures = []; // data URLs that the next message will carry
let running = null; // an AbortController while the model answers
let awaited = null; // the answer that is on its way

/** Wires the panel; returns what takes the node's models. */
export function startChat() {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  byId("prompt").addEventListener("keydown", (event) => {
    const sends = event.key === "Enter" && !event.shiftKey && !event.isComposing;
    if (!sends || matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    send();
  });
  byId("chat").addEventListener("keydown", ({ key }) => {
    if (key === "Escape") running?.abort();
  });
  byId("stop").addEventListener("click", () => running?.abort());
  byId("chat-clear").addEventListener("click", clear);
  byId("chat-model").addEventListener("change", showPictureButtons);
  byId("camera-part").hidden = !matchMedia("(pointer: coarse)").matches;
  for (const id of ["picture", "camera"]) byId(id).addEventListener("change", ({ target }) => take(target));
  byId("prompt").addEventListener("paste", ({ clipboardData }) => addAll(clipboardData.files));
  return (found) => {
    models = found;
    fillMenu(byId("chat-model"), models, ["llm", "vlm"], byId("send"));
    showPictureButtons();
    awaited?.wait(models);
  };
}

function clear() {
  running?.abort();
  turns.length = 0;
  pictures = [];
  showPictures();
  byId("transcript").replaceChildren();
  say(byId("chat-status"), "");
  byId("prompt").focus();
}

// ------------------------------------------------------------------ pictures
function seesPictures() {
  const model = models.find(({ id }) => id === byId("chat-model").value);
  const { kind, capabilities } = model ?? { kind: "llm", capabilities: [] };
  return kind !== "llm" && (!capabilities.length || capabilities.includes("image"));
}

function showPictureButtons() {
  byId("picture-buttons").hidden = !seesPictures();
  byId("pictures").hidden = !pictures.length || !seesPictures();
}

async function take(input) {
  await addAll(input.files);
  input.value = "";
}

async function addAll(files) {
  if (!seesPictures()) return;
  for (const file of files) {
    try {
      pictures.push(await toDataUrl(file));
    } catch {
      warn(`${file.name} can’t be read as a picture.`);
    }
  }
  showPictures();
}

/** A status that is no mere "Answering", so phones have to show it too. */
function warn(text) {
  say(byId("chat-status"), text);
  byId("chat-status").classList.toggle("warning", Boolean(text));
}

function showPictures() {
  const shown = pictures.map((src, n) => {
    const remove = make("button", { type: "button", textContent: "×", aria: { label: `Remove picture ${n + 1}` } });
    remove.addEventListener("click", () => {
      pictures.splice(n, 1);
      showPictures();
      byId("prompt").focus();
    });
    return make("li", {}, make("img", { src, alt: `Picture ${n + 1}` }), remove);
  });
  byId("pictures").replaceChildren(...shown);
  showPictureButtons();
}

// ------------------------------------------------------------------ asking
async function send() {
  const text = byId("prompt").value.trim();
  const seen = seesPictures() ? pictures : [];
  if (running || !byId("chat-model").value || !(text || seen.length)) return;
  const parts = seen.map((url) => ({ type: "image_url", image_url: { url } }));
  turns.push({ role: "user", content: parts.length ? [...parts, { type: "text", text }] : text });
  byId("transcript").append(question(text, seen));
  byId("prompt").value = "";
  pictures = [];
  showPictures();
  const shown = new Answer();
  byId("transcript").append(shown.element);
  follow(true);
  await answer(shown);
}

async function answer(shown) {
  running = new AbortController();
  awaited = shown;
  toggle(true);
  try {
    const stream = await request("v1/chat/completions", { json: body(), signal: running.signal });
    for await (const event of events(stream)) {
      const near = isNear();
      shown.add(event);
      follow(near);
    }
    shown.finish("");
  } catch (problem) {
    shown.finish(problem.name === "AbortError" ? "stopped" : problem.message, problem.name !== "AbortError");
  }
  running = awaited = null;
  toggle(false);
  document.dispatchEvent(new Event("answered"));
  if (shown.text) turns.push({ role: "assistant", content: shown.text });
  else turns.pop();
  follow(true);
}

function body() {
  const system = byId("chat-system").value.trim();
  const temperature = byId("chat-temperature").valueAsNumber;
  const longest = byId("chat-max").valueAsNumber;
  return {
    model: byId("chat-model").value,
    messages: [...(system ? [{ role: "system", content: system }] : []), ...turns.map(readable)],
    stream: true,
    stream_options: { include_usage: true },
    ...(Number.isNaN(temperature) ? {} : { temperature }),
    ...(Number.isNaN(longest) ? {} : { max_tokens: longest }),
  };
}

/** A turn for the model of now: one that does not see gets no pictures. */
function readable({ role, content }) {
  if (typeof content === "string" || seesPictures()) return { role, content };
  return { role, content: content.filter(({ type }) => type === "text").map(({ text }) => text).join("\n") };
}

function toggle(on) {
  byId("send").hidden = on;
  byId("stop").hidden = !on;
  byId("transcript").setAttribute("aria-busy", String(on)); // read out when whole, not by the token
  warn("");
  say(byId("chat-status"), on ? "Answering" : "");
  if (!on && document.activeElement === document.body) byId("prompt").focus();
}

const isNear = () => {
  const { scrollHeight, scrollTop, clientHeight } = byId("transcript");
  return scrollHeight - scrollTop - clientHeight < 40;
};

function follow(near) {
  if (near) byId("transcript").scrollTop = byId("transcript").scrollHeight;
}

// ------------------------------------------------------------------ what is shown
function question(text, seen) {
  const shown = seen.map((src, n) => make("img", { src, alt: `Picture ${n + 1}` }));
  const who = make("h3", { className: "away", textContent: "You" });
  return make("article", { className: "turn asked" }, who, ...shown, make("p", { className: "text", textContent: text }));
}

class Answer {
  constructor() {
    this.text = "";
    this.model = byId("chat-model").value;
    this.began = performance.now();
    this.first = 0;
    this.tokens = null;
    this.reason = "";
    this.said = make("p", { className: "text" });
    this.meta = make("p", { className: "meta aside", textContent: "…" });
    const who = make("h3", { className: "away", textContent: this.model });
    this.element = make("article", { className: "turn said" }, who, this.said, this.meta);
  }

  add({ data, comment }) {
    if (comment !== undefined) {
      this.told = true;
      if (!this.first) say(this.meta, comment);
      return;
    }
    this.tokens = data.usage ?? this.tokens;
    const [choice] = data.choices;
    if (!choice) return;
    this.reason = choice.finish_reason ?? this.reason;
    const { content, reasoning_content: thought } = choice.delta;
    if (thought || content) this.first ||= performance.now();
    if (thought) this.#think(thought);
    if (content) {
      this.#thoughtEnds();
      this.text += content;
      this.said.append(content);
    }
  }

  /** What a look at the node tells of the model, until the answer's own stream says more. */
  wait(found) {
    const state = found.find(({ id }) => id === this.model)?.state;
    if (!this.first && !this.told) say(this.meta, state === "ready" ? "…" : `${this.model}: ${state}`);
  }

  finish(message, bad = false) {
    this.#thoughtEnds();
    this.element.classList.toggle("bad", bad);
    say(this.meta, [message, this.reason === "length" ? "cut at the longest answer" : "", this.#speed()].filter(Boolean).join(" · "));
  }

  #think(text) {
    if (!this.thought) {
      this.summary = make("summary", { textContent: "Thinking…" });
      this.thought = make("p", { className: "text" });
      this.said.before(make("details", { className: "thought" }, this.summary, this.thought));
    }
    this.thought.append(text);
  }

  #thoughtEnds() {
    if (!this.thought || this.thinking === false) return;
    this.thinking = false;
    say(this.summary, `Thought for ${((performance.now() - this.first) / 1000).toFixed(1)} s`);
  }

  #speed() {
    if (!this.first) return "";
    const wait = `first after ${((this.first - this.began) / 1000).toFixed(1)} s`;
    if (!this.tokens) return wait;
    const seconds = (performance.now() - this.first) / 1000;
    const count = this.tokens.completion_tokens;
    const speed = seconds > SHORT ? `${rate((count - 1) / seconds)} tok/s · ` : "";
    return `${count} tokens · ${speed}${wait}`;
  }
}

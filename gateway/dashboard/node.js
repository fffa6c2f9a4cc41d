// The node as it is now: memory, models, people, usage, errors.

import { request } from "./api.js";
import { byId, bytes, count, fillRows, make, rate, reconcile, say } from "./dom.js";

const LOADING = ["spawned", "loading"];
const BROKEN = ["crashed", "backoff", "quarantined"];
const POINTS = 60; // of the line of tokens a second
const SOON = 1000; // ms; over less time a rate says nothing

const busy = new Map(); // what an admin asked for, by model, until it is done
const failed = new Map(); // why it was not
const rates = [];
let earlier = { now: -Infinity, speeds: new Map(), generated: new Map() }; // people at the last look

// ------------------------------------------------------------------ memory
export function showMemory({ memory, workers }) {
  const { budget, reserved } = memory;
  byId("memory").hidden = !budget;
  if (!budget) return;
  const parts = workers.filter((worker) => worker.reserved > 0).map(part);
  const others = reserved - parts.reduce((sum, one) => sum + one.size, 0);
  if (others > 0) parts.push({ name: "other models", size: others, used: others });
  reconcile(byId("memory-bar"), parts, (one) => one.name, newPart, (element, one) => {
    element.style.width = `${(100 * one.size) / budget}%`;
    element.firstElementChild.style.width = `${(100 * one.used) / one.size}%`;
    say(element.lastElementChild, one.name);
    element.title = `${one.name}: ${bytes(one.used)} used of ${bytes(one.size)} reserved`;
  });
  const free = Math.max(0, budget - reserved);
  say(byId("memory-text"), `${bytes(reserved)} of ${bytes(budget)} reserved, ${bytes(free)} free`);
  const told = parts.map((one) => `${one.name} ${bytes(one.size)}`).join(", ") || "nothing reserved";
  byId("memory-bar").setAttribute("aria-label", `${told}; budget ${bytes(budget)}`);
}

function part(worker) {
  return { name: worker.name, size: worker.reserved, used: Math.min(worker.reserved, holds(worker)) };
}

const newPart = () => make("div", { className: "part" }, make("div", { className: "used" }), make("span"));

const holds = ({ stats, weight_bytes: weights }) => (stats ? stats.active_bytes + stats.cache_bytes : weights ?? 0);

// ------------------------------------------------------------------ models
export function showModels(status, changed) {
  const admin = status.key.role === "admin";
  const models = status.models.map((model) => ({
    ...model,
    workers: status.workers.filter((worker) => worker.model === model.id),
  }));
  byId("models-section").hidden = false;
  const create = (model) => newModel(model, changed);
  reconcile(byId("models"), models, (model) => model.id, create, (element, model) => fillModel(element, model, admin));
  rates.push(status.tokens_per_second);
  if (rates.length > POINTS) rates.shift();
  const highest = Math.max(1, ...rates);
  const at = (value, n) => `${((n + POINTS - rates.length) * 120) / (POINTS - 1)},${19 - (18 * value) / highest}`;
  byId("rate").firstElementChild.setAttribute("points", rates.map(at).join(" "));
  say(byId("rate-text"), `${rate(status.tokens_per_second)} tok/s`);
}

function newModel({ id }, changed) {
  const button = make("button", { type: "button", className: "move" });
  button.addEventListener("click", () => move(id, button, changed));
  return make("li", {},
    make("div", { className: "name" }, make("strong", { textContent: id, title: id }), make("span", { className: "aside" })),
    make("p", { className: "state" }, make("span")),
    make("p", { className: "facts" }, make("span"), make("span"), make("span"), make("span")),
    make("div", { className: "side" }, button),
    make("progress", { max: 1, className: "load" }),
    make("p", { className: "detail" }),
    make("ul", { className: "replicas" }));
}

function fillModel(element, model, admin) {
  const [name, state, facts, side, progress, detail, replicas] = element.children;
  const { workers, requests } = model;
  const shown = workers.find((worker) => LOADING.includes(worker.state)) ?? workers[0];
  const speed = workers.reduce((sum, worker) => sum + worker.tokens_per_second, 0);
  const loaded = workers.filter((worker) => worker.reserved > 0);
  const used = loaded.reduce((sum, worker) => sum + holds(worker), 0);
  const kept = loaded.reduce((sum, worker) => sum + worker.reserved, 0);
  say(name.lastElementChild, [model.kind, ...model.aliases].filter(Boolean).join(" · "));
  name.lastElementChild.title = model.aliases.join(", ");
  state.dataset.state = tone(overall(model));
  say(state.firstElementChild, words(overall(model), shown));
  const { running, waiting } = requests;
  say(facts.children[0], running || waiting ? `${running} running${waiting ? `, ${waiting} waiting` : ""}` : overall(model) === "ready" ? "idle" : "");
  facts.children[0].classList.toggle("aside", !(running || waiting));
  say(facts.children[1], speed ? `${rate(speed)} tok/s` : "");
  say(facts.children[2], used ? bytes(used) : "");
  say(facts.children[3], kept ? `of ${bytes(kept)}` : "");
  fillProgress(progress, shown, model.id);
  say(detail, failed.get(model.id) ?? trouble(workers));
  detail.classList.toggle("bad", failed.has(model.id) || BROKEN.includes(overall(model)));
  fillButton(side.firstElementChild, model, admin);
  const several = workers.length > 1 ? workers : [];
  reconcile(replicas, several, (one) => one.name, () => make("li"), (line, one) => {
    const load = one.stats ? `${one.open_requests} running, ${rate(one.tokens_per_second)} tok/s, ${bytes(holds(one))}` : "";
    say(line, [one.name, words(one.state, one), load, again(one)].filter(Boolean).join(" · "));
  });
}

/** The model is as far as the best of its replicas. */
function overall({ workers, state }) {
  const states = workers.map((worker) => worker.state);
  return ["ready", "loading", "spawned", "draining"].find((one) => states.includes(one)) ?? states[0] ?? state;
}

function tone(state) {
  if (state === "ready") return "good";
  if (BROKEN.includes(state)) return "bad";
  return state === "stopped" ? "idle" : "busy";
}

function words(state, worker) {
  if (worker?.wanted && state === "stopped") return "waits for memory";
  if (!LOADING.includes(state) || !worker?.stage) return state;
  return worker.fraction === null ? worker.stage : `${worker.stage} ${Math.round(100 * worker.fraction)} %`;
}

const again = ({ restarts }) => (restarts ? `restarted ${restarts}×` : "");

function trouble(workers) {
  const broken = workers.find((worker) => worker.last_error && BROKEN.includes(worker.state));
  return broken?.last_error ?? (workers.length === 1 ? again(workers[0]) : "");
}

function fillProgress(progress, worker, id) {
  const loading = worker && LOADING.includes(worker.state);
  progress.classList.toggle("shown", Boolean(loading));
  progress.toggleAttribute("aria-hidden", !loading);
  progress.setAttribute("aria-label", `Loading ${id}`);
  if (loading && worker.fraction !== null) progress.value = worker.fraction;
  else if (loading) progress.removeAttribute("value");
  else progress.value = 0;
}

function fillButton(button, model, admin) {
  const verb = busy.get(model.id) ?? (["stopped", ...BROKEN].includes(overall(model)) ? "Load" : "Unload");
  button.hidden = !admin;
  button.dataset.verb = verb.toLowerCase();
  button.setAttribute("aria-disabled", String(busy.has(model.id)));
  button.setAttribute("aria-label", `${verb} ${model.id}`);
  say(button, verb);
}

async function move(id, button, changed) {
  if (busy.has(id)) return;
  const { verb } = button.dataset;
  busy.set(id, verb === "load" ? "Loading" : "Unloading");
  failed.delete(id);
  changed();
  try {
    await request(`v1/models/${id.split("/").map(encodeURIComponent).join("/")}/${verb}`, { method: "POST" });
  } catch (problem) {
    failed.set(id, problem.message);
  }
  busy.delete(id);
  changed();
}

// ------------------------------------------------------------------ people, usage, errors
export function showPeople({ people }, used) {
  byId("people-section").hidden = !people.length && !used.some((row) => row.key);
  const speeds = speedsOf(people);
  const names = [...new Set([...people.map((one) => one.name), ...used.map((row) => row.key)])];
  fillRows(byId("people"), names.map((name) => {
    const live = people.find((one) => one.name === name) ?? { running: 0, waiting: 0 };
    const today = used.find((row) => row.key === name) ?? { requests: 0, prompt_tokens: 0, completion_tokens: 0 };
    const sums = [today.requests, today.prompt_tokens, today.completion_tokens].map(count);
    return { key: name, cells: [name || "without a key", `${live.running}`, `${live.waiting}`, rate(speeds.get(name) ?? 0), ...sums] };
  }));
}

/** Tokens a second by key since the last look; a look that follows at once changes nothing. */
function speedsOf(people) {
  const now = performance.now();
  if (now - earlier.now < SOON) return earlier.speeds;
  const speeds = new Map(people.map(({ name, generated }) => {
    const before = earlier.generated.get(name) ?? generated;
    return [name, Math.max(0, (1000 * (generated - before)) / (now - earlier.now))];
  }));
  earlier = { now, speeds, generated: new Map(people.map((one) => [one.name, one.generated])) };
  return speeds;
}

export function showUsage(rows, limits, whose) {
  byId("usage-section").hidden = false;
  const shown = rows.map((row) => ({
    key: row.model,
    cells: [
      row.model,
      ...[row.requests, row.errors, row.prompt_tokens, row.cached_tokens, row.completion_tokens].map(count),
      row.mean_first === null ? "–" : `${row.mean_first.toFixed(2)} s`,
    ],
  }));
  fillRows(byId("usage"), shown.length ? shown : [{ key: "", cells: ["nothing yet", "", "", "", "", "", ""] }]);
  say(byId("usage-text"), `${whose} requests and tokens, UTC`);
  reconcile(byId("limits"), limits, (one) => one.measure, () => make("li", {}, make("span"), make("meter", { min: 0 })), (line, one) => {
    say(line.firstElementChild, `${one.measure.replaceAll("_", " ")}: ${count(one.used)} of ${count(one.limit)}`);
    Object.assign(line.lastElementChild, { max: one.limit, value: one.used, ariaLabel: one.measure });
  });
}

export function showErrors(rows) {
  byId("errors-section").hidden = false;
  const shown = rows.map((row, n) => ({
    key: `${row.at} ${n}`,
    cells: [new Date(1000 * row.at).toLocaleTimeString(), row.code, row.model || "–", row.key || "–", row.endpoint],
  }));
  fillRows(byId("errors"), shown.length ? shown : [{ key: "", cells: ["none", "", "", "", ""] }]);
  say(byId("errors-text"), rows.length ? `the last ${rows.length}` : "");
}

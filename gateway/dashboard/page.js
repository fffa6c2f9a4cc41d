// The page: asks the node how it is while somebody looks, and hands the answers to the views.

import { forgetKey, hasKey, onKeyWanted, read } from "./api.js";
import { startChat } from "./chat.js";
import { byId, duration, rate, say } from "./dom.js";
import { showErrors, showMemory, showModels, showPeople, showUsage } from "./node.js";
import { startHearing, startSpeaking } from "./sound.js";

const EVERY = 1500; // ms between looks at the status
const LONGEST = 12_000; // ms between them while the node does not answer
const SELDOM = 10_000; // ms between looks at usage and errors

const views = [startChat(), startHearing(), startSpeaking()];
let timer = 0;
let looking = false;
let pause = EVERY;
let seldom = -Infinity;
let used = []; // today's usage by key, for admins
let locked = false; // nobody gave a key

// ------------------------------------------------------------------ looking
async function look() {
  clearTimeout(timer);
  if (looking || locked || document.hidden) return;
  looking = true;
  try {
    show(await read("v1/status"));
    pause = EVERY;
    notify("");
  } catch (problem) {
    locked = problem.status === 401;
    pause = Math.min(LONGEST, 2 * pause);
    notify(problem.status ? problem.message : "No answer from the node; trying again.");
    mark("offline", "bad");
  }
  looking = false;
  showKey();
  if (!document.hidden) timer = setTimeout(look, pause);
}

function show(status) {
  mark(status.status, { ready: "good", degraded: "bad" }[status.status] ?? "busy");
  const { running, waiting } = status.requests;
  say(byId("totals"), `${running} running, ${waiting} waiting · ${rate(status.tokens_per_second)} tok/s · up ${duration(status.uptime)} · ${status.version}`);
  const { name, role } = status.key;
  say(byId("who"), name ? `${name}${role === "admin" ? ", admin" : ""}` : "");
  showMemory(status);
  showModels(status, look);
  showPeople(status, used);
  for (const update of views) update(status.models);
  if (performance.now() - seldom > SELDOM) lookSeldom(role === "admin");
}

async function lookSeldom(admin) {
  seldom = performance.now();
  const since = `since=${new Date().toISOString().slice(0, 10)}`;
  const mine = await read(`v1/me/usage?by=model&${since}`).catch(() => null); // a node may keep none
  if (admin) {
    used = mine ? (await read(`admin/usage?by=key&${since}`).catch(() => ({ data: used }))).data : [];
    const all = mine && (await read(`admin/usage?by=model&${since}`).catch(() => null));
    if (all) showUsage(all.data, mine.limits, "Everybody’s");
    const errors = await read("admin/errors").catch(() => null);
    if (errors) showErrors(errors.data);
  } else if (mine) {
    showUsage(mine.data, mine.limits, "Your");
  }
}

function mark(text, state) {
  say(byId("status-text"), text);
  byId("status").dataset.state = state;
}

function notify(text) {
  byId("notice").hidden = !text;
  say(byId("notice"), text);
}

// ------------------------------------------------------------------ the key
function askForKey(message) {
  const dialog = byId("key-dialog");
  const input = byId("key-input");
  say(byId("key-text"), message || "Whoever looks after it hands them out.");
  input.value = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const answer = new AbortController();
    const done = (key) => {
      answer.abort();
      input.value = "";
      dialog.close();
      resolve(key);
      if (key === null || !locked) return;
      locked = false;
      setTimeout(look); // once the key is kept
    };
    const { signal } = answer;
    byId("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      done(input.value.trim() || null);
    }, { signal });
    byId("key-cancel").addEventListener("click", () => done(null), { signal });
    dialog.addEventListener("cancel", () => done(null), { signal });
  });
}

function showKey() {
  byId("key-button").hidden = !locked && !hasKey();
  say(byId("key-button"), locked ? "Enter a key" : "Forget the key");
}

byId("key-button").addEventListener("click", () => {
  if (locked) {
    locked = false;
    forgetKey();
    look();
  } else {
    forgetKey();
    location.reload();
  }
});

// ------------------------------------------------------------------ views and tabs
for (const button of document.querySelectorAll("nav [data-view]")) {
  button.addEventListener("click", () => turnTo(button.dataset.view));
}

function turnTo(view) {
  document.body.dataset.view = view;
  for (const button of document.querySelectorAll("nav [data-view]")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === view));
  }
}


const tabs = [...document.querySelectorAll('[role="tab"]')];
for (const [n, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab));
  tab.addEventListener("keydown", ({ key }) => {
    const to = { ArrowRight: n + 1, ArrowLeft: n - 1, Home: 0, End: tabs.length - 1 }[key];
    if (to === undefined) return;
    select(tabs.at(to % tabs.length));
    tabs.at(to % tabs.length).focus();
  });
}

function select(chosen) {
  for (const tab of tabs) {
    const is = tab === chosen;
    tab.setAttribute("aria-selected", String(is));
    tab.tabIndex = is ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !is;
  }
}

document.querySelector(".skip").addEventListener("click", () => {
  turnTo("play");
  select(tabs[0]);
});

// ------------------------------------------------------------------ start
onKeyWanted(askForKey);
document.addEventListener("visibilitychange", look);
addEventListener("online", look);
document.addEventListener("answered", () => {
  seldom = -Infinity;
});
look();

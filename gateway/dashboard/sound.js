// Sound in both directions: a file or the microphone becomes text, text becomes a voice.

import { events, request } from "./api.js";
import { byId, make, say } from "./dom.js";
import { fillMenu } from "./models.js";

const RECORDED = [["audio/webm;codecs=opus", "webm"], ["audio/mp4", "m4a"], ["audio/ogg;codecs=opus", "ogg"]];

/** Makes `player` play a sound, and lets go of the one before. */
function play(player, sound) {
  if (player.src) URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(sound);
}

/** Runs one piece of work at a time, with a status line and a stop button; what it throws is said. */
function worker(status, stop, start) {
  let running = null;
  stop.addEventListener("click", () => running?.abort());
  return async (work) => {
    running?.abort();
    const own = new AbortController();
    running = own;
    stop.hidden = false;
    if (start) start.hidden = true;
    let end = "";
    try {
      end = await work(own.signal);
    } catch (problem) {
      end = problem.name === "AbortError" ? "Stopped" : problem.message;
    }
    if (running !== own) return; // a later one has begun
    running = null;
    stop.hidden = true;
    if (start) start.hidden = false;
    say(status, end);
  };
}

// ------------------------------------------------------------------ hearing
export function startHearing() {
  const run = worker(byId("hear-status"), byId("hear-stop"));
  const hear = (sound, name) => run((signal) => transcribe(sound, name, signal));
  byId("sound").addEventListener("change", ({ target }) => {
    const [file] = target.files;
    if (file) hear(file, file.name);
    target.value = "";
  });
  const canRecord = Boolean(navigator.mediaDevices?.getUserMedia && globalThis.MediaRecorder);
  byId("record").disabled = !canRecord;
  byId("hear-hint").hidden = canRecord;
  let recorder = null;
  byId("record").addEventListener("click", async () => {
    if (recorder) {
      recorder.stop();
      recorder = null;
    } else {
      recorder = await record(hear);
    }
    byId("record").setAttribute("aria-pressed", String(Boolean(recorder)));
    say(byId("record"), recorder ? "Stop recording" : "Record");
  });
  return (models) => fillMenu(byId("hear-model"), models, ["stt"]);
}

/** A recorder that runs, or null where the microphone can't be had. Hands its sound to `hear` when it is stopped. */
async function record(hear) {
  const status = byId("hear-status");
  let microphone;
  try {
    microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch {
    say(status, "The microphone can’t be used.");
    return null;
  }
  const [mimeType, ending] = RECORDED.find(([type]) => MediaRecorder.isTypeSupported(type)) ?? ["", "webm"];
  const recorder = new MediaRecorder(microphone, mimeType ? { mimeType } : {});
  const pieces = [];
  const began = performance.now();
  const time = byId("record-time"); // not read out, unlike the status
  const ticker = setInterval(() => say(time, `${Math.floor((performance.now() - began) / 1000)} s`), 500);
  say(status, "Recording");
  recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
  recorder.addEventListener("stop", () => {
    clearInterval(ticker);
    say(time, "");
    for (const track of microphone.getTracks()) track.stop();
    hear(new Blob(pieces, { type: recorder.mimeType }), `recording.${ending}`);
  });
  recorder.start();
  return recorder;
}

async function transcribe(sound, name, signal) {
  const text = byId("hear-text");
  play(byId("heard"), sound);
  text.replaceChildren();
  say(byId("hear-status"), "Listening");
  const form = new FormData();
  form.append("file", sound, name);
  form.append("model", byId("hear-model").value);
  form.append("stream", "true");
  if (byId("hear-language").value.trim()) form.append("language", byId("hear-language").value.trim());
  const began = performance.now();
  const stream = await request("v1/audio/transcriptions", { body: form, signal });
  for await (const { data, comment } of events(stream)) {
    if (comment) say(byId("hear-status"), comment);
    if (data?.type === "transcript.text.delta") text.append(data.delta);
    if (data?.type === "transcript.text.done") say(text, data.text);
  }
  if (!text.textContent) say(text, "(nothing was said)");
  return `Done in ${((performance.now() - began) / 1000).toFixed(1)} s`;
}

// ------------------------------------------------------------------ speaking
export function startSpeaking() {
  const run = worker(byId("speak-status"), byId("speak-stop"), byId("speak-button"));
  let models = [];
  const showVoices = () => {
    const voices = models.find(({ id }) => id === byId("speak-model").value)?.voices ?? [];
    const menu = byId("speak-voice");
    if (menu.dataset.filled === String(voices)) return;
    const named = voices.map((voice) => make("option", { value: voice, textContent: voice }));
    menu.replaceChildren(make("option", { value: "", textContent: "the model’s own" }), ...named);
    menu.dataset.filled = String(voices);
  };
  byId("speak-model").addEventListener("change", showVoices);
  byId("speak-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (byId("speak-input").value.trim()) run(speak);
  });
  return (found) => {
    models = found;
    fillMenu(byId("speak-model"), models, ["tts"], byId("speak-button"));
    showVoices();
  };
}

async function speak(signal) {
  say(byId("speak-status"), "Speaking");
  const voice = byId("speak-voice").value;
  const speed = byId("speak-speed").valueAsNumber;
  const json = {
    model: byId("speak-model").value,
    input: byId("speak-input").value.trim(),
    response_format: "mp3",
    ...(voice ? { voice } : {}),
    ...(Number.isNaN(speed) ? {} : { speed }),
  };
  const answer = await request("v1/audio/speech", { json, signal });
  const sound = await answer.blob();
  play(byId("spoken"), sound);
  await byId("spoken").play().catch(() => {}); // a browser may want a tap first
  return "";
}

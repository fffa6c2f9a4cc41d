// Talks to the node: the key, errors in its words, and server-sent events over fetch.

const KEY = "mlx-gateway-key"; // in session storage, nowhere else
const PATIENCE = 15_000; // ms for what is asked for again and again

let askForKey = async () => null;
let asking = null;

/** `ask(message)` resolves to a key, or to null when there is none to be had. */
export function onKeyWanted(ask) {
  askForKey = ask;
}

export const hasKey = () => sessionStorage.getItem(KEY) !== null;
export const forgetKey = () => sessionStorage.removeItem(KEY);

/** What a request met: the node's message, its code, the HTTP status (0: no answer). */
export class Problem extends Error {
  constructor(message, { code = "", status = 0 } = {}) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** One request; `json` becomes the body. Asks for a key at a 401. Throws Problem, or AbortError. */
export async function request(path, { json, body, method = json || body ? "POST" : "GET", signal, timeout } = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = key === null ? {} : { authorization: `Bearer ${key}` };
    if (json) headers["content-type"] = "application/json";
    const until = signal ?? (timeout ? AbortSignal.timeout(timeout) : null);
    const answer = await reach(path, { method, headers, signal: until, body: json ? JSON.stringify(json) : body });
    if (answer.ok) return answer;
    const problem = await problemOf(answer);
    if (answer.status !== 401) throw problem;
    if (sessionStorage.getItem(KEY) === key) await nextKey(key === null ? "" : problem.message, problem);
  }
}

async function reach(path, options) {
  try {
    return await fetch(path, { ...options, cache: "no-store", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The node does not answer.");
  }
}

async function problemOf(answer) {
  const told = await answer.json().catch(() => null);
  const { message = `The node answered ${answer.status}.`, code = "" } = told?.error ?? {};
  return new Problem(message, { code: code ?? "", status: answer.status });
}

/** Everybody who waits for a key waits for the same one. */
async function nextKey(message, problem) {
  asking ??= askForKey(message).finally(() => {
    asking = null;
  });
  const key = await asking;
  if (key === null) throw problem;
  sessionStorage.setItem(KEY, key);
}

export const read = async (path) => (await request(path, { timeout: PATIENCE })).json();

/** The events of an answer: `{ data }`, or `{ comment }` while it waits. Throws Problem for one that is an error. */
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await pull(reader);
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        if (block.startsWith(":")) yield { comment: block.slice(1).trim() };
        else if (block.startsWith("data:") && block !== "data: [DONE]") yield { data: parsed(block.slice(5)) };
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function pull(reader) {
  try {
    return await reader.read();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The connection broke off.");
  }
}

function parsed(text) {
  const data = JSON.parse(text);
  if (data.error) throw new Problem(data.error.message, { code: data.error.code ?? "" });
  return data;
}

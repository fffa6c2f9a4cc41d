// A menu of the models of some kinds.

import { make } from "./dom.js";

const NAMES = { llm: "Text", vlm: "Text and pictures", stt: "Speech to text", tts: "Text to speech" };

/**
 * Fills `select` with the models of the kinds, in groups where there are several; keeps what was chosen. Without a
 * model the `button` can't be pressed.
 */
export function fillMenu(select, models, kinds, button) {
  const fitting = models.filter(({ kind }) => kind === null || kinds.includes(kind));
  const signature = JSON.stringify(fitting.map(({ id, kind }) => [id, kind]));
  if (select.dataset.filled === signature) return;
  const chosen = select.value;
  const groups = groupBy(fitting);
  const parts = [...groups].map(([kind, members]) =>
    groups.size > 1 ? make("optgroup", { label: NAMES[kind] ?? "Models" }, ...members.map(option)) : members.map(option));
  select.replaceChildren(...(fitting.length ? parts.flat() : [make("option", { value: "", textContent: "none on this node" })]));
  select.disabled = !fitting.length;
  if (button) button.disabled = !fitting.length;
  const first = fitting.find(({ aliases }) => aliases.includes("default")) ?? fitting[0];
  select.value = fitting.some(({ id }) => id === chosen) ? chosen : first?.id ?? "";
  select.dataset.filled = signature;
  select.dispatchEvent(new Event("change"));
}

const option = ({ id }) => make("option", { value: id, textContent: id });

function groupBy(models) {
  const groups = new Map();
  for (const model of models) groups.set(model.kind, [...(groups.get(model.kind) ?? []), model]);
  return groups;
}

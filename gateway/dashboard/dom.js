// Small helpers: elements, and numbers as people read them. Text only ever becomes text.

export const byId = (id) => document.getElementById(id);

/** An element with properties, `dataset` and `aria` included, and children (elements or text). */
export function make(tag, { dataset = {}, aria = {}, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, properties);
  Object.assign(element.dataset, dataset);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(`aria-${name}`, value);
  element.append(...children);
  return element;
}

/** Writes text only when it changed, so that nothing is laid out or announced for nothing. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes `parent` hold one element an item, in order: `create` makes it, `update` fills it. Elements stay as long as
 * their item's key does, and with them focus and selection.
 */
export function reconcile(parent, items, keyOf, create, update) {
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const keys = new Set(items.map((item) => String(keyOf(item))));
  for (const [key, element] of before) if (!keys.has(key)) element.remove();
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let element = before.get(key);
    if (!element) {
      element = create(item);
      element.dataset.key = key;
    }
    if (element === at) at = at.nextElementSibling;
    else parent.insertBefore(element, at);
    update(element, item);
  }
}

/** Rows of a table: a cell for each text; the first one heads its row. */
export function fillRows(body, rows) {
  const heads = body.parentElement.tHead.rows[0].cells;
  const cell = (_, n) => make(n ? "td" : "th", { className: heads[n].className, ...(n ? {} : { scope: "row" }) });
  const create = ({ cells }) => make("tr", {}, ...cells.map(cell));
  reconcile(body, rows, (row) => row.key, create, (element, { cells }) => {
    cells.forEach((text, n) => say(element.children[n], text));
    element.firstElementChild.title = cells[0];
  });
}

/** Bytes in decimal units. */
export function bytes(count) {
  let value = count;
  for (const unit of ["B", "kB", "MB"]) {
    if (value < 999.5) return `${value < 9.95 && unit !== "B" ? value.toFixed(1) : Math.round(value)} ${unit}`;
    value /= 1000;
  }
  return `${value < 99.95 ? value.toFixed(1) : Math.round(value)} GB`;
}

export function count(number) {
  if (number < 10_000) return String(Math.round(number));
  if (number < 999_500) return `${(number / 1e3).toFixed(number < 99_950 ? 1 : 0)}k`;
  return `${(number / 1e6).toFixed(1)}M`;
}

export const rate = (number) => (number < 99.95 ? number.toFixed(1) : String(Math.round(number)));

export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

// Making and reusing elements. Text is always set as text: nothing from a table is read as HTML.

export const find = (id) => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") element.className = value;
    else if (value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((c) => c != null));
  return element;
}

export function svg(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes the children of `parent` those of `items`: known keys are updated in place, so that nothing flickers. */
export function keep(parent, items, key, create, update) {
  const known = new Map();
  for (const child of parent.children) known.set(child.dataset.key, child);
  let before = parent.firstElementChild;
  for (const item of items) {
    const id = String(key(item));
    let element = known.get(id);
    if (!element) {
      element = create(item);
      element.dataset.key = id;
    }
    known.delete(id);
    update(element, item);
    if (element === before) before = before.nextElementSibling;
    else parent.insertBefore(element, before);
  }
  for (const element of known.values()) element.remove();
}

/** Pairs of a name and a value, for `<dl>`. */
export function facts(list, pairs) {
  keep(list, pairs, (p) => p[0], (p) => make("div", {}, make("dt", {}, p[0]), make("dd")), (e, p) => setText(e.lastChild, p[1]));
}

export function empty(parent, message) {
  if (parent.dataset.empty !== message) parent.replaceChildren(make(parent.matches("ul, ol") ? "li" : "p", { class: "empty" }, message));
  parent.dataset.empty = message;
}

/** Forgets the message of `empty` before rows are shown. */
export function filled(parent) {
  if (parent.dataset.empty) {
    parent.replaceChildren();
    delete parent.dataset.empty;
  }
}

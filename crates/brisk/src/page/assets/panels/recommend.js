// Question 8: what to show a customer next. Only the chosen customer's rows are streamed.

import { empty, filled, find, keep, make, setText } from "../dom.js";

const RETRY_MS = 3000;

export function start() {
  const select = find("customer");
  let stream = null;
  let rows = new Map();
  empty(find("recommend"), "waiting for customers who browse");

  const draw = () => show([...rows.values()].sort((a, b) => a.rn - b.rn));
  const follow = (customer) => {
    stream?.close();
    rows = new Map();
    stream = new EventSource(`/live/recommendations/stream?filter=${encodeURIComponent(`customer:${customer}`)}`);
    stream.addEventListener("snapshot", (e) => {
      const data = JSON.parse(e.data);
      rows = new Map(data.ids.map((id, i) => [id, data.rows[i]]));
      draw();
    });
    stream.addEventListener("changes", (e) => {
      const data = JSON.parse(e.data);
      for (const id of data.removed) rows.delete(id);
      for (const { id, row } of data.put) rows.set(id, row);
      draw();
    });
  };
  select.addEventListener("change", () => follow(select.value));
  choose(select, follow);
}

/** Fills the list of customers as soon as there are some. */
async function choose(select, follow) {
  const answer = await fetch("/live/recommendations").then((r) => (r.ok ? r.json() : null)).catch(() => null);
  const names = [...new Set((answer?.rows ?? []).map((r) => r.customer))].sort();
  if (names.length < 5) return setTimeout(() => choose(select, follow), RETRY_MS);
  select.replaceChildren(...names.map((name) => make("option", {}, name)));
  follow(names[0]);
}

function show(rows) {
  const parent = find("recommend");
  if (!rows.length) return empty(parent, "this customer has not browsed yet");
  filled(parent);
  const list = parent.querySelector(".picks") ?? parent.appendChild(make("ol", { class: "picks" }));
  const create = () => make("li", {}, make("span", { class: "no" }), make("div", {}, make("span", { class: "name" }), make("small")), make("span", { class: "times" }));
  keep(list, rows.slice(0, 4), (r) => r.rn, create, (element, row) => {
    setText(element.children[0], String(row.rn));
    setText(element.children[1].firstChild, row.recommended);
    setText(element.children[1].lastChild, `viewed with ${row.viewed}`);
    setText(element.children[2], `${row.times}×`);
  });
}

// Questions 4 and 5: every host's CPU against its threshold, and hosts that have fallen silent. The thresholds are rows
// of a table: moving one posts a row to it, and the job does the rest.

import { empty, filled, find, keep, make, setText } from "../dom.js";
import { millis } from "../format.js";

/** How long a posted threshold may take to be in force before the mark goes back to what is. */
const PATIENCE_MS = 3000;

export const tables = ["host_load", "host_state"];

export function start(source) {
  source.on(["host_load", "host_state"], () => {
    const rows = source.rows("host_load").sort((a, b) => a.host.localeCompare(b.host));
    if (!rows.length) return empty(find("hosts"), "waiting for heartbeats");
    const down = new Map(source.rows("host_state").map((r) => [r.host, r]));
    draw(rows.map((r) => ({ ...r, silent: down.get(r.host)?.down === true })));
  });
}

function draw(rows) {
  const parent = find("hosts");
  filled(parent);
  const list = parent.querySelector(".host-list") ?? parent.appendChild(make("ul", { class: "host-list" }));
  keep(list, rows, (r) => r.host, create, (element, row) => {
    const [name, gauge, value] = element.children;
    const [bar, mark, slider] = gauge.children;
    const over = row.cpu_p75 > row.threshold;
    element.className = row.silent ? "silent" : over ? "over" : "";
    element.title = `${row.host}: CPU mean ${row.cpu_avg?.toFixed(1)}%, memory ${row.mem_avg?.toFixed(1)}%, threshold ${row.threshold}%, until ${new Date(millis(row.window_end)).toLocaleTimeString()}`;
    setText(name, row.host);
    bar.style.transform = `scaleX(${Math.min(row.cpu_p75, 100) / 100})`;
    // While it is moved, and until the row that was posted is in force, it shows where it is going.
    if ("moving" in slider.dataset && slider.value !== String(row.threshold)) return;
    delete slider.dataset.moving;
    mark.style.left = `${row.threshold}%`;
    slider.value = row.threshold;
    setText(value, row.silent ? "silent" : `${Math.round(row.cpu_p75)}%${over ? " ▲" : ""}`);
  });
}

function create({ host }) {
  const mark = make("u");
  const slider = make("input", { type: "range", min: "1", max: "100", "aria-label": `CPU threshold of ${host}, percent` });
  const value = make("span", { class: "value" });
  slider.addEventListener("input", () => {
    slider.dataset.moving = "";
    mark.style.left = `${slider.value}%`;
    setText(value, `> ${slider.value}%`);
  });
  slider.addEventListener("change", () => {
    const row = JSON.stringify({ host, threshold: Number(slider.value) });
    fetch("/ingest/thresholds", { method: "POST", body: row }).catch(() => null);
    setTimeout(() => delete slider.dataset.moving, PATIENCE_MS);
  });
  return make("li", {}, make("span", { class: "name" }), make("span", { class: "gauge" }, make("i"), mark, slider), value);
}

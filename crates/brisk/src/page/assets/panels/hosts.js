// Questions 4 and 5: every host's CPU against its threshold, and hosts that have fallen silent.

import { empty, filled, find, keep, make, setText } from "../dom.js";
import { millis } from "../format.js";

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
  const create = () => make("li", {}, make("span", { class: "name" }), make("span", { class: "gauge" }, make("i"), make("u")), make("span", { class: "value" }));
  keep(list, rows, (r) => r.host, create, (element, row) => {
    const [name, gauge, value] = element.children;
    const over = row.cpu_p75 > row.threshold;
    element.className = row.silent ? "silent" : over ? "over" : "";
    element.title = `${row.host}: CPU mean ${row.cpu_avg?.toFixed(1)}%, memory ${row.mem_avg?.toFixed(1)}%, threshold ${row.threshold}%, until ${new Date(millis(row.window_end)).toLocaleTimeString()}`;
    setText(name, row.host);
    gauge.firstChild.style.transform = `scaleX(${Math.min(row.cpu_p75, 100) / 100})`;
    gauge.lastChild.style.left = `${row.threshold}%`;
    setText(value, row.silent ? "silent" : `${Math.round(row.cpu_p75)}%${over ? " ▲" : ""}`);
  });
}

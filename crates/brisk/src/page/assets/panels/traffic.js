// Question 2: page views and unique visitors of the last minute, and what is searched.

import { empty, facts, filled, find, keep, make, setText } from "../dom.js";
import { LineChart } from "../charts/line.js";
import { millis, whole } from "../format.js";

export const tables = ["traffic", "hot_searches"];

export function start(source) {
  const chart = new LineChart(find("traffic-chart"), ["#4cc9f0", "#a78bfa"]);
  source.on(["traffic"], () => draw(source.rows("traffic"), chart));
  source.on(["hot_searches"], () => searches(source.rows("hot_searches").sort((a, b) => a.rn - b.rn)));
}

function searches(rows) {
  const parent = find("searches");
  if (!rows.length) return empty(parent, "waiting for searches");
  filled(parent);
  const list = parent.querySelector(".words") ?? parent.appendChild(make("ol", { class: "words" }));
  keep(list, rows, (r) => r.rn, () => make("li", {}, make("span"), make("b")), (element, row) => {
    setText(element.firstChild, row.keyword);
    setText(element.lastChild, `${whole(row.times)}×`);
  });
}

function draw(rows, chart) {
  const last = rows.at(-1);
  facts(find("traffic-now"), [["page views", whole(last?.pv)], ["visitors", whole(last?.uv)]]);
  chart.draw([rows.map((r) => ({ x: millis(r.window_end), y: r.pv })), rows.map((r) => ({ x: millis(r.window_end), y: r.uv }))]);
}

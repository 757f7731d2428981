// Question 2: page views and unique visitors of the last minute.

import { facts, find } from "../dom.js";
import { LineChart } from "../charts/line.js";
import { millis, whole } from "../format.js";

export const tables = ["traffic"];

export function start(source) {
  const chart = new LineChart(find("traffic-chart"), ["#4cc9f0", "#a78bfa"]);
  source.on(["traffic"], () => draw(source.rows("traffic"), chart));
}

function draw(rows, chart) {
  const last = rows.at(-1);
  facts(find("traffic-now"), [["page views", whole(last?.pv)], ["visitors", whole(last?.uv)]]);
  chart.draw([rows.map((r) => ({ x: millis(r.window_end), y: r.pv })), rows.map((r) => ({ x: millis(r.window_end), y: r.uv }))]);
}

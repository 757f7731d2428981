// Question 1: sales today and by the minute, by city and by channel.

import { empty, facts, filled, find, setText } from "../dom.js";
import { drawBars } from "../charts/bars.js";
import { Counter } from "../charts/counter.js";
import { drawDonut } from "../charts/donut.js";
import { LineChart } from "../charts/line.js";
import { millis, money, percent, whole } from "../format.js";

export const tables = ["gmv_today", "sales_by_minute", "city_sales", "channel_sales"];

export function start(source) {
  const counter = new Counter(find("gmv").lastElementChild);
  const chart = new LineChart(find("minute-chart"), ["#ffb454"]);
  setText(counter.whole, "—");
  source.on(["gmv_today", "sales_by_minute"], () => today(source, counter));
  source.on(["sales_by_minute"], () => minute(source, chart));
  source.on(["city_sales"], () => cities(source.rows("city_sales")));
  source.on(["channel_sales"], () => channels(source.rows("channel_sales")));
}

function today(source, counter) {
  const day = source.rows("gmv_today").sort((a, b) => millis(a.window_start) - millis(b.window_start)).at(-1);
  const lastMinute = source.rows("sales_by_minute").at(-1);
  facts(find("facts"), [
    ["orders", whole(day?.orders)],
    ["buyers", whole(day?.buyers)],
    ["average order", day?.orders ? `¥${(Number(day.gmv) / day.orders).toFixed(2)}` : "—"],
    ["sales per minute", money(lastMinute?.gmv)],
  ]);
  if (day) counter.set(Number(day.gmv));
}

function minute(source, chart) {
  const rows = source.rows("sales_by_minute");
  setText(find("minute-now"), whole(rows.at(-1)?.orders));
  chart.draw([rows.map((r) => ({ x: millis(r.window_end), y: r.orders }))]);
}

function cities(rows) {
  if (!rows.length) return empty(find("cities"), "waiting for the first orders");
  const all = rows.reduce((sum, r) => sum + Number(r.gmv), 0);
  const items = rows.map((r) => ({ name: r.city, value: Number(r.gmv), text: percent(Number(r.gmv) / all) }));
  drawBars(find("cities"), items.sort((a, b) => b.value - a.value).slice(0, 8));
}

function channels(rows) {
  if (!rows.length) return empty(find("channels"), "waiting for the first orders");
  filled(find("channels"));
  drawDonut(find("channels"), rows.map((r) => ({ name: r.channel, value: Number(r.gmv) })).sort((a, b) => a.name.localeCompare(b.name)));
}

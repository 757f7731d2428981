// Jobs with their state, and the rows of the live tables, looked at every second.

import { empty, filled, find, keep, make, setText } from "./dom.js";
import { short, span, time } from "./format.js";

const EVERY_MS = 1000;
const MOST_ROWS = 50;
let chosen = decodeURIComponent(location.hash.slice(1));

const read = (path) => fetch(path).then((r) => (r.ok ? r.json() : null)).catch(() => null);

function drawTable(parent, columns, rows) {
  filled(parent);
  const head = make("tr", {}, ...columns.map((c) => make("th", { class: c.number ? "number" : "" }, c.name)));
  const body = rows.map((row) => make("tr", {}, ...columns.map((c) => make("td", { class: c.number ? "number" : "" }, c.text(row)))));
  parent.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

const number = (name, of) => ({ name, number: true, text: (row) => short(of(row)) });
const text = (name, of) => ({ name, text: (row) => String(of(row) ?? "") });
const jobColumns = [
  text("job", (j) => j.id),
  text("state", (j) => String(j.state).toLowerCase()),
  text("started", (j) => (j.started_ms ? time(j.started_ms) : "")),
  number("rows in", (j) => j.records_in),
  number("rows out", (j) => j.records_out),
  number("late", (j) => j.late_records),
  number("bad", (j) => j.bad_records),
  number("restarts", (j) => j.restarts),
  text("lag", (j) => (j.watermark_ms == null ? "" : span(Math.max(Date.now() - j.watermark_ms, 0)))),
  text("checkpoint", (j) => (j.last_checkpoint ? `${j.last_checkpoint.id} in ${span(j.last_checkpoint.duration_ms)}` : "")),
  text("error", (j) => j.error),
];

async function jobs() {
  const answer = await read("/api/jobs");
  if (!answer) return empty(find("job-list"), "the server does not answer");
  if (!answer.jobs.length) return empty(find("job-list"), "no jobs: brisk submit SCRIPT.sql starts some");
  drawTable(find("job-list"), jobColumns, answer.jobs);
}

async function tables() {
  const answer = await read("/live");
  const known = answer?.tables ?? [];
  if (!known.length) return empty(find("rows"), "no live tables: INSERT INTO a table WITH ('connector' = 'live') makes one");
  if (!known.some((t) => t.table === chosen)) chosen = known[0].table;
  const tab = (t) => {
    const button = make("button", { type: "button", role: "tab" }, t.table);
    button.addEventListener("click", () => {
      chosen = t.table;
      history.replaceState(null, "", `#${encodeURIComponent(chosen)}`);
      tables();
    });
    return button;
  };
  keep(find("tabs"), known, (t) => t.table, tab, (button, t) => {
    setText(button, `${t.table} · ${short(t.rows)}`);
    button.setAttribute("aria-selected", String(t.table === chosen));
  });
  const page = await read(`/live/${encodeURIComponent(chosen)}?limit=${MOST_ROWS}`);
  const table = known.find((t) => t.table === chosen);
  const isNumber = (type) => /INT|DECIMAL|DOUBLE|FLOAT/.test(type);
  const columns = table.columns.map((c) => ({ name: c.name, number: isNumber(c.type), text: (row) => (row[c.name] == null ? "" : String(row[c.name])) }));
  drawTable(find("rows"), columns, page?.rows ?? []);
}

const look = () => Promise.all([jobs(), tables()]).finally(() => setTimeout(look, EVERY_MS));
look();

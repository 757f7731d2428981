// Questions 6 and 7: error lines as they are written, and orders and cards at risk.

import { empty, filled, find, keep, make, setText } from "../dom.js";
import { millis, time, whole } from "../format.js";

export const tables = ["error_lines", "risks"];

const MOST = 14;
const RECENT_MS = 60000;

export function start(source) {
  source.on(["error_lines"], () => errors(source.rows("error_lines")));
  source.on(["risks"], () => risks(source.rows("risks")));
}

function errors(rows) {
  const newest = millis(rows.at(-1)?.log_time);
  setText(find("errors-now"), rows.length ? `${rows.filter((r) => millis(r.log_time) > newest - RECENT_MS).length} in a minute` : "");
  lines(find("errors"), rows, "no error so far", (r) => [r.log_time, r.app, "red", r.message, ""]);
}

function risks(rows) {
  const kinds = { sweep: ["1-yuan sweep", "amber"], card: ["card probe", "red"] };
  lines(find("risk"), rows, "nothing suspicious so far", (r) => [r.event_time, kinds[r.kind]?.[0] ?? r.kind, kinds[r.kind]?.[1] ?? "violet", `${r.who} · ${r.detail}`, r.amount == null ? "" : `¥${whole(Number(r.amount))}`]);
}

/** The newest rows first; each is [time, tag, colour, text, end]. */
function lines(parent, rows, none, columns) {
  if (!rows.length) return empty(parent, none);
  filled(parent);
  const newest = rows.map((row) => ({ row, key: JSON.stringify(row) })).slice(-MOST).reverse();
  const create = () => make("li", {}, make("time"), make("span", { class: "tag" }), make("span", { class: "body" }), make("span", { class: "end" }));
  keep(parent, newest, (r) => r.key, create, (element, { row }) => {
    const [at, tag, colour, text, end] = columns(row);
    const [timeBox, tagBox, body, endBox] = element.children;
    setText(timeBox, time(at));
    setText(tagBox, tag);
    tagBox.className = `tag ${colour}`;
    setText(body, text);
    setText(endBox, end);
  });
}

// Alerts that fire, and what reached the mailbox and the webhook.

import { empty, filled, find, keep, make, setText } from "../dom.js";
import { millis, time } from "../format.js";

const MOST = 12;
const RECOVERED = 3;

export function start(source) {
  const ended = new Map();
  source.on(["alerts"], () => active(source.topics.get("alerts")?.active, ended));
  source.on(["demo"], () => delivered(source.topics.get("demo")));
}

const key = (alert) => `${alert.table} ${alert.key}`;

/** What fires, and below it what has just recovered. */
function active(alerts, ended) {
  const parent = find("alerts");
  if (!alerts) return empty(parent, "waiting for the rules");
  recover(alerts, ended);
  setText(find("alerts-now"), alerts.length ? `${alerts.length} firing` : "");
  if (!alerts.length && !ended.size) return empty(parent, "all quiet: cause some trouble");
  filled(parent);
  const create = () => make("li", {}, make("strong", {}, make("span"), make("time")), make("p"));
  const newest = [...alerts].sort((a, b) => millis(b.starts_at) - millis(a.starts_at));
  const recovered = [...ended.values()].sort((a, b) => b.ended_ms - a.ended_ms).slice(0, RECOVERED);
  keep(parent, [...newest, ...recovered], key, create, (element, alert) => {
    element.className = alert.ended_ms ? "recovered" : `firing ${alert.severity}`;
    setText(element.firstChild.firstChild, alert.summary);
    setText(element.firstChild.lastChild, alert.ended_ms ? `recovered ${time(alert.ended_ms)}` : time(alert.starts_at));
    setText(element.lastChild, alert.text);
  });
}

let fired = new Map();

function recover(alerts, ended) {
  const firing = new Map(alerts.map((a) => [key(a), a]));
  for (const [id, alert] of fired) if (!firing.has(id)) ended.set(id, { ...alert, ended_ms: Date.now() });
  for (const id of firing.keys()) ended.delete(id);
  fired = firing;
}

function delivered(demo) {
  const parent = find("inbox");
  const all = [...(demo?.mails ?? []).map((m) => ({ ...m, kind: "mail" })), ...(demo?.hooks ?? []).map((h) => ({ ...h, kind: "hook" }))];
  if (!all.length) return empty(parent, "nothing delivered so far");
  filled(parent);
  const create = () => make("li", {}, make("time"), make("span", { class: "tag" }), make("span", { class: "tag" }), make("span", { class: "body" }));
  const newest = all.sort((a, b) => b.received_ms - a.received_ms || b.id - a.id).slice(0, MOST);
  keep(parent, newest, (m) => `${m.kind}${m.id}`, create, (element, m) => {
    const [at, kind, state, body] = element.children;
    setText(at, time(m.received_ms));
    setText(kind, m.kind);
    kind.className = `tag ${m.kind === "mail" ? "" : "violet"}`;
    setText(state, m.resolved ? "✓" : "▲");
    state.ariaLabel = m.resolved ? "recovered" : "firing";
    state.className = `tag ${m.resolved ? "green" : "red"}`;
    setText(body, m.title);
    element.title = m.text;
  });
}

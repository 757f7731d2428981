// Alerts that fire, and what reached the mailbox and the webhook.

import { empty, filled, find, keep, make, setText } from "../dom.js";
import { millis, time } from "../format.js";

const MOST = 12;

export function start(source) {
  source.on(["alerts"], () => active(source.topics.get("alerts")?.active ?? []));
  source.on(["demo"], () => delivered(source.topics.get("demo")));
}

function active(alerts) {
  const parent = find("alerts");
  setText(find("alerts-now"), alerts.length ? `${alerts.length} firing` : "");
  if (!alerts.length) return empty(parent, "all quiet: cause some trouble");
  filled(parent);
  const create = () => make("li", {}, make("strong", {}, make("span"), make("time")), make("p"));
  const newest = [...alerts].sort((a, b) => millis(b.starts_at) - millis(a.starts_at));
  keep(parent, newest, (a) => `${a.table} ${a.key}`, create, (element, alert) => {
    element.className = `firing ${alert.severity}`;
    setText(element.firstChild.firstChild, alert.summary);
    setText(element.firstChild.lastChild, time(alert.starts_at));
    setText(element.lastChild, alert.text);
  });
}

function delivered(demo) {
  const parent = find("inbox");
  const all = [...(demo?.mails ?? []).map((m) => ({ ...m, kind: "mail" })), ...(demo?.hooks ?? []).map((h) => ({ ...h, kind: "webhook" }))];
  if (!all.length) return empty(parent, "nothing delivered so far");
  filled(parent);
  const create = () => make("li", {}, make("time"), make("span", { class: "tag" }), make("span", { class: "tag" }), make("span", { class: "body" }));
  const newest = all.sort((a, b) => b.received_ms - a.received_ms || b.id - a.id).slice(0, MOST);
  keep(parent, newest, (m) => `${m.kind}${m.id}`, create, (element, m) => {
    const [at, kind, state, body] = element.children;
    setText(at, time(m.received_ms));
    setText(kind, m.kind);
    kind.className = `tag ${m.kind === "mail" ? "" : "violet"}`;
    setText(state, m.resolved ? "recovered" : "firing");
    state.className = `tag ${m.resolved ? "green" : "red"}`;
    setText(body, m.title);
    element.title = m.text;
  });
}

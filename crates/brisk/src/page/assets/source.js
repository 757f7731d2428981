// One stream of everything the page shows: rows of live tables and topics (jobs, alerts, demo).
//
//   event: snapshot  {"table", "ids", "rows"}            the table as it is
//   event: changes   {"table", "put": [{id, row}], "removed": [id]}
//   event: topic     {"topic", "value"}
//
// A browser allows six connections to one server, so that tables share one. It reconnects by itself and begins with
// snapshots again.

export class Source {
  constructor(tables) {
    this.tables = new Map(tables.map((name) => [name, new Map()]));
    this.topics = new Map();
    this.changed = new Set();
    this.listeners = [];
    this.state = "connecting";
    this.onState = () => {};
  }

  start() {
    const events = new EventSource(`/page/stream?tables=${[...this.tables.keys()].join(",")}`);
    events.onopen = () => this.become("live");
    events.onerror = () => {
      this.become("lost");
      if (events.readyState === EventSource.CLOSED) setTimeout(() => this.start(), 2000);
    };
    events.addEventListener("snapshot", (e) => this.snapshot(JSON.parse(e.data)));
    events.addEventListener("changes", (e) => this.changes(JSON.parse(e.data)));
    events.addEventListener("topic", (e) => this.topic(JSON.parse(e.data)));
  }

  /** Calls `draw` when one of these tables or topics changed, at most once a frame. */
  on(names, draw) {
    this.listeners.push({ names, draw });
    this.touch(names[0]);
  }

  /** The rows of a table, oldest first. */
  rows(table) {
    return [...(this.tables.get(table)?.values() ?? [])];
  }

  snapshot({ table, ids, rows }) {
    this.tables.set(table, new Map(ids.map((id, i) => [id, rows[i]])));
    this.touch(table);
  }

  changes({ table, put, removed }) {
    const rows = this.tables.get(table) ?? new Map();
    for (const id of removed) rows.delete(id);
    for (const { id, row } of put) rows.set(id, row);
    this.tables.set(table, rows);
    this.touch(table);
  }

  topic({ topic, value }) {
    this.topics.set(topic, value);
    this.touch(topic);
  }

  become(state) {
    this.state = state;
    this.onState(state);
  }

  touch(name) {
    if (!this.changed.size) requestAnimationFrame(() => this.flush());
    this.changed.add(name);
  }

  flush() {
    const changed = this.changed;
    this.changed = new Set();
    for (const { names, draw } of this.listeners) if (names.some((n) => changed.has(n))) draw(this);
  }
}

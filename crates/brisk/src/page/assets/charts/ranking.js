// A ranking whose rows glide to their new places, with arrows for what moved since the places were last different.

import { filled, make, setText } from "../dom.js";

const SHOW_MOVE_MS = 20000;

export class Ranking {
  constructor(list, places) {
    this.list = list;
    this.places = places;
    this.rows = new Map();
  }

  /** Items are {name, value, count, detail} in their order. */
  draw(items) {
    filled(this.list);
    const most = Math.max(...items.map((i) => i.value), 1);
    const gone = new Set(this.rows.keys());
    items.slice(0, this.places).forEach((item, place) => {
      gone.delete(item.name);
      this.place(this.rows.get(item.name) ?? this.add(item.name), item, place, most);
    });
    for (const name of gone) this.remove(name);
  }

  add(name) {
    const what = make("div", { class: "what" }, make("div", { class: "name" }, name), make("div", { class: "track" }, make("i")));
    const element = make("li", {}, make("span", { class: "place" }), make("span", { class: "move" }), what, make("div", { class: "count" }, make("span"), make("small")));
    element.style.transform = `translateY(${this.places * 100}%)`;
    element.style.opacity = 0;
    this.list.append(element);
    // The browser must have seen the start of the glide.
    element.getBoundingClientRect();
    const row = { element, place: null, moved: 0, until: 0 };
    this.rows.set(name, row);
    return row;
  }

  place(row, item, place, most) {
    const now = Date.now();
    if (row.place === null && this.drawn) [row.moved, row.until] = ["new", now + SHOW_MOVE_MS];
    else if (row.place !== null && row.place !== place) [row.moved, row.until] = [row.place - place, now + SHOW_MOVE_MS];
    else if (now > row.until) row.moved = 0;
    row.place = place;
    const [number, move, what, count] = row.element.children;
    row.element.className = place === 0 ? "first" : "";
    row.element.style.transform = `translateY(${place * 100}%)`;
    row.element.style.opacity = 1;
    setText(number, String(place + 1));
    setText(move, row.moved === "new" ? "new" : row.moved > 0 ? `▲${row.moved}` : row.moved < 0 ? `▼${-row.moved}` : "·");
    move.className = `move ${row.moved === "new" || row.moved > 0 ? "up" : row.moved < 0 ? "down" : ""}`;
    what.lastChild.firstChild.style.transform = `scaleX(${item.value / most})`;
    what.lastChild.firstChild.style.display = "block";
    setText(count.children[0], item.count);
    setText(count.children[1], item.detail);
    if (place === this.places - 1) this.drawn = true;
  }

  remove(name) {
    const { element } = this.rows.get(name);
    this.rows.delete(name);
    element.style.transform = `translateY(${this.places * 100}%)`;
    element.style.opacity = 0;
    setTimeout(() => element.remove(), 500);
  }
}

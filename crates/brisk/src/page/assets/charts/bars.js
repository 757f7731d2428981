// Horizontal bars: {name, value, text}, longest first.

import { filled, keep, make, setText } from "../dom.js";

export function drawBars(parent, items) {
  filled(parent);
  const list = parent.querySelector(".bars") ?? parent.appendChild(make("ul", { class: "bars" }));
  const most = Math.max(...items.map((i) => i.value), 1e-9);
  const create = () => make("li", {}, make("span", { class: "name" }), make("span", { class: "track" }, make("i")), make("span", { class: "value" }));
  keep(list, items, (i) => i.name, create, (element, item) => {
    const [name, track, value] = element.children;
    setText(name, item.name);
    setText(value, item.text);
    track.firstChild.style.transform = `scaleX(${item.value / most})`;
  });
}

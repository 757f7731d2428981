// Shares of a whole as a ring with its legend: {name, value}.

import { filled, keep, make, setText, svg } from "../dom.js";
import { percent } from "../format.js";

const COLOURS = ["#4cc9f0", "#ffb454", "#a78bfa", "#4ade80", "#f472b6", "#94a3b8"];
const ROUND = 2 * Math.PI * 40;

export function drawDonut(parent, items) {
  filled(parent);
  const box = parent.querySelector(".donut") ?? parent.appendChild(make("div", { class: "donut" }, svg("svg", { viewBox: "0 0 100 100", "aria-hidden": "true" }), make("ul")));
  const [ring, legend] = box.children;
  const all = items.reduce((sum, i) => sum + i.value, 0) || 1;
  const shares = items.map((item, i) => ({ ...item, share: item.value / all, colour: COLOURS[i % COLOURS.length] }));
  while (ring.children.length < shares.length) ring.append(svg("circle", { cx: 50, cy: 50, r: 40 }));
  let from = 0;
  shares.forEach((item, i) => {
    const arc = ring.children[i];
    arc.setAttribute("stroke", item.colour);
    arc.style.strokeDasharray = `${Math.max(item.share * ROUND - 1.5, 0)} ${ROUND}`;
    arc.style.strokeDashoffset = `${-from * ROUND}`;
    from += item.share;
  });
  const create = () => make("li", {}, make("i", { class: "dot" }), make("span"), make("b"));
  keep(legend, shares, (i) => i.name, create, (element, item) => {
    element.children[0].style.background = item.colour;
    setText(element.children[1], item.name);
    setText(element.children[2], percent(item.share));
  });
}

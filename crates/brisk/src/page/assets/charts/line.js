// Curves over time with a filled area. Points are {x, y}; the first series is the main one.

import { make, svg, setText } from "../dom.js";
import { short, time } from "../format.js";

const LINES = 3;

export class LineChart {
  constructor(parent, colours) {
    this.svg = svg("svg", { viewBox: "0 0 1000 1000", preserveAspectRatio: "none", "aria-hidden": "true" });
    this.grid = svg("path", { class: "grid" });
    this.svg.append(this.grid);
    this.series = colours.map((colour) => this.addSeries(colour));
    this.plot = make("div", { class: "plot" }, this.svg);
    this.labels = Array.from({ length: LINES }, () => make("span", { class: "y" }));
    this.first = make("span", { class: "x first" });
    this.last = make("span", { class: "x last" });
    parent.replaceChildren(this.plot, ...this.labels, this.first, this.last);
    this.grid.setAttribute("d", Array.from({ length: LINES }, (_, i) => `M0 ${(i * 1000) / (LINES - 1)}H1000`).join(""));
  }

  addSeries(colour) {
    const area = svg("path", { fill: colour, opacity: ".16", stroke: "none" });
    const line = svg("path", { fill: "none", stroke: colour, "stroke-width": "2.5", "stroke-linejoin": "round" });
    this.svg.append(area, line);
    return { area, line };
  }

  draw(series) {
    const points = series.flat();
    if (points.length < 2) return;
    const xs = points.map((p) => p.x);
    const [from, to] = [Math.min(...xs), Math.max(...xs)];
    const top = nice(Math.max(...points.map((p) => p.y), 1));
    const x = (p) => (((p.x - from) / (to - from || 1)) * 1000).toFixed(1);
    const y = (p) => (1000 - (p.y / top) * 1000).toFixed(1);
    series.forEach((list, i) => {
      const path = list.map((p, n) => `${n ? "L" : "M"}${x(p)} ${y(p)}`).join("");
      this.series[i].line.setAttribute("d", path);
      this.series[i].area.setAttribute("d", list.length > 1 ? `${path}L${x(list.at(-1))} 1000L${x(list[0])} 1000Z` : "");
    });
    this.labels.forEach((label, i) => {
      const share = i / (LINES - 1);
      setText(label, short(top * share));
      label.style.bottom = `calc(20px + (100% - 28px) * ${share})`;
    });
    setText(this.first, time(from));
    setText(this.last, time(to));
  }
}

/** The next round number, such as 1.5, 2 or 2.5 times a power of ten. */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].map((n) => n * power).find((n) => n >= value);
}

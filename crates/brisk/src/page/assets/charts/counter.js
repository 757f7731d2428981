// A number that runs to its new value instead of jumping.

import { make, setText } from "../dom.js";

const TIME_MS = 900;
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Counter {
  constructor(element) {
    this.whole = make("span");
    this.cents = make("span", { class: "cents" });
    this.box = element.parentElement;
    element.replaceChildren(this.whole, this.cents);
    this.shown = this.from = this.to = null;
  }

  set(value) {
    if (value === this.to) return;
    this.from = this.shown ?? value;
    this.to = value;
    this.start = performance.now();
    if (!this.running) this.step();
  }

  step() {
    const part = calm.matches ? 1 : Math.min((performance.now() - this.start) / TIME_MS, 1);
    this.shown = this.from + (this.to - this.from) * (1 - (1 - part) ** 3);
    const [whole, cents] = this.shown.toFixed(2).split(".");
    const text = Number(whole).toLocaleString("en-US");
    setText(this.whole, text);
    // The size of the digits depends on how many there are.
    this.box.style.setProperty("--digits", Math.max(text.length + 2.5, 9));
    setText(this.cents, `.${cents}`);
    this.running = part < 1;
    if (this.running) requestAnimationFrame(() => this.step());
  }
}

// Buttons that cause trouble; each shows how long it still lasts.

import { find, keep, make, setText } from "../dom.js";

export function start(source) {
  let troubles = [];
  const draw = () => keep(find("trouble"), troubles, (t) => t.name, button, update);
  source.on(["demo"], () => {
    troubles = source.topics.get("demo")?.troubles ?? [];
    draw();
  });
  setInterval(draw, 1000);
}

function button(trouble) {
  const element = make("button", { type: "button", "aria-pressed": "false" }, make("strong", {}, trouble.title), make("span"), make("i"));
  element.addEventListener("click", () => fetch(`/demo/trouble/${trouble.name}`, { method: "POST" }));
  return element;
}

function update(element, trouble) {
  const left = Math.max((trouble.ends_ms ?? 0) - Date.now(), 0);
  element.setAttribute("aria-pressed", String(left > 0));
  setText(element.children[1], left > 0 ? `for ${Math.ceil(left / 1000)} s more` : trouble.what);
  element.children[2].style.transform = `scaleX(${Math.min(left / trouble.lasts_ms, 1)})`;
}

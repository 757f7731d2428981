// Question 3: the five best sellers, with movement.

import { empty, find } from "../dom.js";
import { Ranking } from "../charts/ranking.js";
import { money, whole } from "../format.js";

export const tables = ["top_items"];

export function start(source) {
  const ranking = new Ranking(find("sellers"), 5);
  source.on(["top_items"], () => {
    const rows = source.rows("top_items").sort((a, b) => a.rn - b.rn);
    if (!rows.length) return empty(find("sellers"), "waiting for the first minute");
    // Rows of one window come one after the other; an item may stand in two places for a moment.
    const names = new Set();
    const once = rows.filter((r) => !names.has(r.item) && names.add(r.item));
    ranking.draw(once.map((r) => ({ name: r.item, value: r.sold, count: whole(r.sold), detail: money(r.revenue) })));
  });
}

// The promotion day's page: one source, and panels that draw what they are about.

import { Source } from "./source.js";
import { find, setText } from "./dom.js";
import { time } from "./format.js";
import * as sales from "./panels/sales.js";
import * as traffic from "./panels/traffic.js";
import * as sellers from "./panels/sellers.js";
import * as hosts from "./panels/hosts.js";
import * as lines from "./panels/lines.js";
import * as alerts from "./panels/alerts.js";
import * as trouble from "./panels/trouble.js";
import * as recommend from "./panels/recommend.js";
import * as health from "./panels/health.js";

const panels = [sales, traffic, sellers, hosts, lines, alerts, trouble, recommend, health];
const source = new Source([...new Set(panels.flatMap((panel) => panel.tables ?? []))]);
const words = { connecting: "connecting", live: "live", lost: "reconnecting" };

source.onState = (state) => {
  find("link").className = `link ${state}`;
  setText(find("link").lastElementChild, words[state]);
  document.body.classList.toggle("away", state === "lost");
};
for (const panel of panels) panel.start(source);
source.start();

const tick = () => setText(find("clock"), time(Date.now()));
tick();
setInterval(tick, 1000);

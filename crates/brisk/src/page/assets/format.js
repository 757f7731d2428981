// Numbers and times as people read them.

const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const whole = (n) => (n == null ? "—" : grouped.format(n));
export const short = (n) => (n == null ? "—" : Math.abs(n) < 10000 ? grouped.format(n) : compact.format(n));
export const percent = (part) => `${Math.round(part * 100)}%`;
export const money = (n) => (n == null ? "—" : `¥${short(Number(n))}`);

/** Timestamps of live tables are without a zone and mean UTC. */
export function millis(text) {
  if (typeof text !== "string") return text ?? NaN;
  const iso = text.replace(" ", "T");
  return Date.parse(/(Z|[+-]\d\d:\d\d)$/.test(iso) ? iso : `${iso}Z`);
}

export const time = (at) => {
  const ms = millis(at);
  return Number.isFinite(ms) ? clock.format(ms) : "--:--:--";
};

export function span(ms) {
  if (ms == null || !Number.isFinite(ms)) return "—";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60000)} min`;
}

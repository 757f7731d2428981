// How the jobs are: the vitals in the header and one card a job.

import { empty, facts, filled, find, keep, make, setText } from "../dom.js";
import { short, span } from "../format.js";

export function start(source) {
  let before = null;
  facts(find("vitals"), vitals(0, [], []));
  source.on(["jobs"], () => {
    const now = source.topics.get("jobs");
    if (!now) return empty(find("jobs"), "waiting for the jobs");
    const rates = before ? ratesBetween(before, now) : new Map();
    draw(now, rates);
    before = now;
  });
}

/** Rows a second that each job reads. */
function ratesBetween(before, now) {
  const seconds = (now.now_ms - before.now_ms) / 1000 || 1;
  const read = new Map(before.jobs.map((j) => [j.id, j.records_in]));
  return new Map(now.jobs.map((j) => [j.id, Math.max(j.records_in - (read.get(j.id) ?? j.records_in), 0) / seconds]));
}

const lag = (now, job) => (job.watermark_ms == null ? null : Math.max(now.now_ms - job.watermark_ms, 0));

function vitals(rate, lags, checkpoints) {
  const most = (list) => (list.length ? span(Math.max(...list)) : "—");
  return [["rows/s", short(Math.round(rate))], ["watermark lag", most(lags)], ["checkpoint", most(checkpoints)]];
}

function draw(now, rates) {
  const running = now.jobs.filter((j) => j.state === "Running");
  const total = [...rates.values()].reduce((sum, r) => sum + r, 0);
  const lags = running.map((j) => lag(now, j)).filter((l) => l != null);
  const checkpoints = running.filter((j) => j.last_checkpoint).map((j) => j.last_checkpoint.duration_ms);
  facts(find("vitals"), [["jobs", `${running.length} of ${now.jobs.length}`], ...vitals(total, lags, checkpoints)]);
  filled(find("jobs"));
  keep(find("jobs"), now.jobs, (j) => j.id, () => make("div", {}, make("strong", {}, make("i"), make("span")), make("span")), (element, job) => {
    const ok = running.includes(job);
    element.className = `job ${ok ? "" : job.error ? "failed" : "ailing"}`;
    element.title = job.error ?? `${job.id}: ${job.records_in} rows read, ${job.records_out} written, ${job.late_records} late, ${job.bad_records} bad`;
    setText(element.firstChild.lastChild, job.script.replace(/^\d+_/, "").replaceAll("_", " "));
    const state = ok ? `${short(Math.round(rates.get(job.id) ?? 0))} rows/s · lag ${span(lag(now, job))}` : (job.error ?? String(job.state).toLowerCase());
    setText(element.lastChild, state);
  });
}

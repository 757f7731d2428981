//! From an event to its result.
//!
//! The Nexmark source gives each event out when its own time has come, so an event that has to wait in the source counts
//! as late from the moment at which it was due, and a pause is not hidden by events that were not made in it. The result
//! goes to standard output, and what is measured ends where another process has read it. Event times have whole
//! milliseconds, rounded down: at more than a thousand events a second the figures are up to 1 ms too great.
//!
//! A thread that only sleeps a millisecond at a time runs beside it: how late it wakes up is what the machine adds.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::arguments::Arguments;
use super::queries::Workspace;

const RATES: [u64; 3] = [1_000, 10_000, 100_000];
/// Rows of the first second are left out: the process starts.
const WARM_UP_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400_000_000;

const WINDOWLESS: (&str, &str) = ("projection", "SELECT bid.auction, bid.price * 9 / 10 AS price, made FROM events WHERE event_type = 2");
const WINDOW: (&str, &str) = (
    "TUMBLE 1 s",
    "SELECT bid.auction, COUNT(*) AS bids, window_end FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(made), INTERVAL '1' SECOND))
     WHERE event_type = 2 GROUP BY bid.auction, window_start, window_end",
);

pub fn run(brisk: &Path, arguments: &Arguments) -> Result<()> {
    let work = Workspace::new(arguments)?;
    println!("milliseconds from an event (of a window, from its end) to its result in the hands of a reader, parallelism {}", arguments.parallelism);
    println!("{:<14}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>22}", "query", "events/s", "rows", "p50", "p99", "p99.9", "max", "sleeper's p50, p99");
    for (name, query) in [WINDOWLESS, WINDOW] {
        for rate in RATES {
            let script = work.write("latency", &script(query, rate, arguments.seconds))?;
            let sleeper = Sleeper::start();
            let mut late_us = measure(brisk, &script, arguments.parallelism).with_context(|| format!("{name} at {rate}"))?;
            let mut asleep_us = sleeper.stop();
            let ms = |values: &mut Vec<i64>, share: f64| percentile(values, share) as f64 / 1000.0;
            let machine = format!("{:.1}, {:.1}", ms(&mut asleep_us, 0.5), ms(&mut asleep_us, 0.99));
            println!(
                "{name:<14}{rate:>12}{:>10}{:>10.1}{:>10.1}{:>10.1}{:>10.1}{machine:>22}",
                late_us.len(),
                ms(&mut late_us, 0.5),
                ms(&mut late_us, 0.99),
                ms(&mut late_us, 0.999),
                ms(&mut late_us, 1.0)
            );
        }
    }
    Ok(())
}

fn script(query: &str, rate: u64, seconds: u64) -> String {
    format!(
        "CREATE TABLE events (
           event_type INT,
           bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR>,
           made AS bid.`dateTime`,
           WATERMARK FOR made AS made
         ) WITH ('connector' = 'nexmark', 'first-event.rate' = '{rate}', 'events.num' = '{}', 'max-emit-speed' = 'false');
         {query};\n",
        rate * (seconds + 1)
    )
}

/// How late each row came, in µs.
fn measure(brisk: &Path, script: &Path, parallelism: u32) -> Result<Vec<i64>> {
    let mut command = Command::new(brisk);
    command.arg("run").arg(script).args(["-o", "tsv", "--parallelism", &parallelism.to_string()]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("brisk")?;
    let mut out = BufReader::with_capacity(1 << 20, child.stdout.take().context("a pipe")?);
    let (mut late, mut first, mut rest) = (Vec::new(), None, Vec::new());
    loop {
        let bytes = out.fill_buf()?;
        let now = time_of_day_us();
        let length = bytes.len();
        if length == 0 {
            break;
        }
        rest.extend_from_slice(bytes);
        out.consume(length);
        let complete = rest.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        for line in rest[..complete].split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let at = line.rsplit(|b| *b == b'\t').next().and_then(parse_time_of_day_us).with_context(|| String::from_utf8_lossy(line).into_owned())?;
            if since(*first.get_or_insert(at), at) >= WARM_UP_US {
                late.push(since(at, now));
            }
        }
        rest.drain(..complete);
    }
    if !child.wait()?.success() || late.is_empty() {
        bail!("{command:?} gave no rows or failed");
    }
    Ok(late)
}

/// From one time of day to another less than half a day away.
fn since(from: i64, to: i64) -> i64 {
    (to - from + DAY_US + DAY_US / 2).rem_euclid(DAY_US) - DAY_US / 2
}

fn time_of_day_us() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64);
    now.rem_euclid(DAY_US)
}

/// Of `2026-11-27 19:50:16.123`.
fn parse_time_of_day_us(text: &[u8]) -> Option<i64> {
    let time = std::str::from_utf8(text).ok()?.split_once(' ')?.1;
    let mut parts = time.split(':');
    let (hours, minutes) = (parts.next()?.parse::<i64>().ok()?, parts.next()?.parse::<i64>().ok()?);
    let seconds = parts.next()?.parse::<f64>().ok()?;
    Some((hours * 3600 + minutes * 60) * 1_000_000 + (seconds * 1e6).round() as i64)
}

fn percentile(values: &mut [i64], share: f64) -> i64 {
    values.sort_unstable();
    let place = (values.len() as f64 * share).ceil() as usize;
    values.get(place.saturating_sub(1)).copied().unwrap_or(0)
}

/// A thread that sleeps a millisecond at a time.
struct Sleeper {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<i64>>,
}

impl Sleeper {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut late, step) = (Vec::new(), Duration::from_millis(1));
            while !asked.load(Ordering::Relaxed) {
                let begin = Instant::now();
                std::thread::sleep(step);
                late.push(begin.elapsed().saturating_sub(step).as_micros() as i64);
            }
            late
        });
        Self { stop, thread }
    }

    /// How much later than asked it woke up, in µs.
    fn stop(self) -> Vec<i64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_compared_over_midnight() {
        let at = |text: &str| parse_time_of_day_us(text.as_bytes()).expect("a time");
        assert_eq!(at("2026-11-27 00:00:01.250"), 1_250_000);
        assert_eq!(since(at("2026-11-27 23:59:59.999"), at("2026-11-28 00:00:00")), 1000);
        assert_eq!(percentile(&mut [3, 1, 2], 0.5), 2);
    }
}

//! What checkpoints cost: queries with one every second against one at the end alone and against none, and a million groups
//! that all change. A job whose input has ended takes a last checkpoint before it is over. That costs no throughput, so the time
//! that events took is that of the whole run less that of this checkpoint, and `loss` compares such times with those without checkpoints.
//!
//! The times of the checkpoints are those that brisk logs; `stop` is the longest time for which any task was stopped in
//! one piece while events came.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::arguments::Arguments;
use super::measure::{Cost, measure_log, median};
use super::queries::Workspace;

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
struct Checkpoint {
    full: bool,
    duration_ms: f64,
    bytes: f64,
    stop_ms: f64,
}

/// When a run takes checkpoints.
#[derive(Debug, Clone, Copy)]
enum When {
    Never,
    AtTheEnd,
    EverySecond,
}

pub fn run(brisk: &Path, arguments: &Arguments) -> Result<()> {
    let work = Workspace::new(arguments)?;
    println!(
        "{} events, parallelism {}, no checkpoint, one at the end, one every second, median of {}",
        arguments.events, arguments.parallelism, arguments.rounds
    );
    println!(
        "{:<7}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>10}{:>10}{:>8}{:>6}{:>14}{:>14}{:>10}",
        "query", "CPU s", "end", "second", "wall s", "end", "second", "events s", "events s", "loss", "taken", "max stop ms", "duration ms", "MB each"
    );
    for &query in &arguments.queries {
        let (mut none, mut end, mut second, mut taken) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (mut events_end, mut events_second) = (Vec::new(), Vec::new());
        let events_s = |cost: &Cost, last: Option<&Checkpoint>| cost.wall_s - last.map_or(0.0, |c| c.duration_ms / 1e3);
        for _ in 0..arguments.rounds {
            let script = work.script(query)?;
            none.push(cost(brisk, &work, &script, arguments.parallelism, When::Never)?.0);
            let (run, checkpoints) = cost(brisk, &work, &script, arguments.parallelism, When::AtTheEnd)?;
            events_end.push(events_s(&run, checkpoints.last()));
            end.push(run);
            let (run, mut checkpoints) = cost(brisk, &work, &script, arguments.parallelism, When::EverySecond)?;
            events_second.push(events_s(&run, checkpoints.pop().as_ref()));
            second.push(run);
            taken.extend(checkpoints);
        }
        let (none, end, second) = (Cost::median(&none), Cost::median(&end), Cost::median(&second));
        let events = median(events_second);
        println!(
            "{:<7}{:>8.2}{:>8.2}{:>8.2}{:>8.2}{:>8.2}{:>8.2}{:>10.2}{:>10.2}{:>8}{:>6}{:>14.1}{:>14.0}{:>10.2}",
            format!("q{query}"),
            none.cpu_s,
            end.cpu_s,
            second.cpu_s,
            none.wall_s,
            end.wall_s,
            second.wall_s,
            median(events_end),
            events,
            format!("{:.0} %", (events / none.wall_s - 1.0) * 100.0),
            taken.len(),
            taken.iter().map(|c| c.stop_ms).fold(0.0, f64::max),
            median(taken.iter().map(|c| c.duration_ms).collect()),
            median(taken.iter().map(|c| c.bytes / 1e6).collect()),
        );
    }
    million_groups(brisk, &work, arguments)
}

/// A sum and a count by a key of a million values, about a million of them changed every second.
fn million_groups(brisk: &Path, work: &Workspace, arguments: &Arguments) -> Result<()> {
    let script = work.write(
        "million",
        "CREATE TABLE numbers (k BIGINT, v BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000000', 'number-of-rows' = '16000000',
           'fields.k.min' = '0', 'fields.k.max' = '999999', 'fields.v.min' = '0', 'fields.v.max' = '1000');
         CREATE TABLE sums (k BIGINT, n BIGINT, total BIGINT) WITH ('connector' = 'blackhole');
         INSERT INTO sums SELECT k, COUNT(*), SUM(v) FROM numbers GROUP BY k;\n",
    )?;
    let (_, checkpoints) = cost(brisk, work, &script, arguments.parallelism, When::EverySecond).context("a million groups")?;
    println!("COUNT and SUM of a million groups, up to 2 million rows a second:");
    println!("{:<14}{:>12}{:>14}{:>10}", "checkpoint", "stop ms", "durable ms", "MB");
    for c in &checkpoints {
        println!("{:<14}{:>12.1}{:>14.0}{:>10.1}", if c.full { "full" } else { "changes" }, c.stop_ms, c.duration_ms, c.bytes / 1e6);
    }
    Ok(())
}

fn cost(brisk: &Path, work: &Workspace, script: &Path, parallelism: u32, when: When) -> Result<(Cost, Vec<Checkpoint>)> {
    let mut command = Command::new(brisk);
    command.arg("run").arg(script).args(["--log", "debug", "--parallelism", &parallelism.to_string()]);
    let interval = match when {
        When::Never => None,
        When::AtTheEnd => Some("1 d"),
        When::EverySecond => Some("1 s"),
    };
    if let Some(interval) = interval {
        command.arg("--checkpoint-dir").arg(work.empty("checkpoints")?).args(["--checkpoint-interval", interval]);
    }
    let (cost, log) = measure_log(&mut command, &work.dir().join("log.txt"))?;
    let taken: Vec<Checkpoint> = log.lines().filter(|l| l.contains("checkpoint completed")).map(parse).collect::<Result<_>>()?;
    if interval.is_some() && taken.is_empty() {
        bail!("{command:?} took no checkpoint");
    }
    Ok((cost, taken))
}

fn parse(line: &str) -> Result<Checkpoint> {
    let field = |name: &str| super::measure::field(line, name).with_context(|| format!("{name} in: {line}"));
    let number = |name: &str| -> Result<f64> { Ok(field(name)?.parse()?) };
    Ok(Checkpoint { full: field("full")? == "true", duration_ms: number("duration_ms")?, bytes: number("bytes")?, stop_ms: number("stop_us")? / 1000.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_understood() {
        let line = "2026-11-27T19:50:52Z DEBUG checkpoint completed job=\"a\" checkpoint=3 full=false duration_ms=12 bytes=2000 stop_us=1500 start_delay_us=7";
        assert_eq!(parse(line).expect("a line"), Checkpoint { full: false, duration_ms: 12.0, bytes: 2000.0, stop_ms: 1.5 });
        assert!(parse("checkpoint completed").is_err());
    }
}

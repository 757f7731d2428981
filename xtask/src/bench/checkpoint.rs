//! What checkpoints cost: queries with one every second, and without; and a million groups that all change.
//!
//! Two runs of one program differ by more than a checkpoint costs where a machine has neighbours, so what it costs is measured
//! within a run: the rows that came while it was under way, against those of the same time before and after it. That holds the time
//! for which tasks stop (`stopped`, as they measure it) and what is slower meanwhile, since the thread that writes uses the same
//! memory and disk. A checkpoint at which the input ended is left out, and so is the last one of an ended job: it costs no throughput.
//!
//! The times of the checkpoints are those that brisk logs; `stop` is the longest time for which any task was stopped in
//! one piece. A machine stops threads too: how long, of two that only look at the clock, is printed first.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::arguments::Arguments;
use super::measure::{Cost, longest_stall_ms, measure_log, median};
use super::queries::Workspace;

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
struct Checkpoint {
    full: bool,
    duration_s: f64,
    bytes: f64,
    stop_ms: f64,
    sync_s: f64,
    /// Rows of all sources while it was under way, and between the one before (or the start) and it.
    rows: f64,
    before_s: f64,
    rows_before: f64,
}

pub fn run(brisk: &Path, arguments: &Arguments) -> Result<()> {
    let work = Workspace::new(arguments)?;
    println!("two threads that only look at the clock were stopped for up to {:.1} ms", longest_stall_ms(2));
    println!(
        "{} events, parallelism {}, without checkpoints and with one every second, median of {}",
        arguments.events, arguments.parallelism, arguments.rounds
    );
    println!(
        "{:<7}{:>8}{:>8}{:>8}{:>8}{:>9}{:>9}{:>7}{:>10}{:>10}{:>10}{:>10}",
        "query", "CPU s", "second", "wall s", "second", "loss", "stopped", "taken", "stop ms", "longest", "durable", "MB each"
    );
    for &query in &arguments.queries {
        let (mut none, mut second, mut taken, mut losses, mut stopped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..arguments.rounds {
            let script = work.script(query)?;
            none.push(cost(brisk, &work, &script, arguments.parallelism, None)?.0);
            let (run, mut checkpoints) = cost(brisk, &work, &script, arguments.parallelism, Some("1 s"))?;
            let lost_s = lost_s(&checkpoints);
            // The last one is after the end.
            let events_s = run.wall_s - checkpoints.pop().map_or(0.0, |last| last.duration_s);
            losses.push(lost_s / (events_s - lost_s));
            stopped.push(checkpoints.iter().map(|c| c.sync_s).sum::<f64>() / events_s);
            second.push(run);
            taken.extend(checkpoints);
        }
        let (none, second) = (Cost::median(&none), Cost::median(&second));
        let of = |figure: fn(&Checkpoint) -> f64| taken.iter().map(figure).collect::<Vec<_>>();
        println!(
            "{:<7}{:>8.2}{:>8.2}{:>8.2}{:>8.2}{:>9}{:>9}{:>7}{:>10.1}{:>10.1}{:>10.0}{:>10.2}",
            format!("q{query}"),
            none.cpu_s,
            second.cpu_s,
            none.wall_s,
            second.wall_s,
            format!("{:.1} %", median(losses) * 100.0),
            format!("{:.1} %", median(stopped) * 100.0),
            taken.len(),
            median(of(|c| c.stop_ms)),
            of(|c| c.stop_ms).into_iter().fold(0.0, f64::max),
            median(of(|c| c.duration_s * 1e3)),
            median(of(|c| c.bytes / 1e6)),
        );
    }
    million_groups(brisk, &work, arguments)
}

/// By how much the events of a run took longer than at the pace between its checkpoints.
fn lost_s(checkpoints: &[Checkpoint]) -> f64 {
    let lost = |(i, pair): (usize, &[Checkpoint])| {
        let [one, next] = pair else { return 0.0 };
        // What was before the first one holds the start.
        let (rows, time_s) = if i == 0 { (0.0, 0.0) } else { (one.rows_before, one.before_s) };
        let pace = (rows + next.rows_before) / (time_s + next.before_s);
        if next.rows_before > 0.0 { one.duration_s - one.rows / pace } else { 0.0 }
    };
    checkpoints.windows(2).enumerate().map(lost).sum()
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
    let (_, checkpoints) = cost(brisk, work, &script, arguments.parallelism, Some("1 s")).context("a million groups")?;
    println!("COUNT and SUM of a million groups, up to 2 million rows a second:");
    println!("{:<14}{:>12}{:>14}{:>10}", "checkpoint", "stop ms", "durable ms", "MB");
    for c in &checkpoints {
        println!("{:<14}{:>12.1}{:>14.0}{:>10.1}", if c.full { "full" } else { "changes" }, c.stop_ms, c.duration_s * 1e3, c.bytes / 1e6);
    }
    Ok(())
}

/// With checkpoints at this interval, if there is one.
fn cost(brisk: &Path, work: &Workspace, script: &Path, parallelism: u32, interval: Option<&str>) -> Result<(Cost, Vec<Checkpoint>)> {
    let mut command = Command::new(brisk);
    command.arg("run").arg(script).args(["--log", "debug", "--parallelism", &parallelism.to_string()]);
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
    Ok(Checkpoint {
        full: field("full")? == "true",
        duration_s: number("duration_us")? / 1e6,
        bytes: number("bytes")?,
        stop_ms: number("stop_us")? / 1e3,
        sync_s: number("sync_us")? / 1e6,
        rows: number("source_rows")?,
        before_s: number("before_us")? / 1e6,
        rows_before: number("source_rows_before")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_understood() {
        let line = "2026-11-27T19:50:52Z DEBUG checkpoint completed job=\"a\" checkpoint=3 full=false duration_us=12000 source_rows=700 before_us=900000 \
                    source_rows_before=90000 bytes=2000 stop_us=1500 sync_us=3000 start_delay_us=7";
        assert_eq!(parse(line).expect("a line"), checkpoint(0.012, 700.0, 0.9, 90_000.0));
        assert!(parse("checkpoint completed").is_err());
    }

    fn checkpoint(duration_s: f64, rows: f64, before_s: f64, rows_before: f64) -> Checkpoint {
        Checkpoint { full: false, duration_s, bytes: 2000.0, stop_ms: 1.5, sync_s: 0.003, rows, before_s, rows_before }
    }

    #[test]
    fn what_is_lost_is_told_by_the_pace_around_a_checkpoint() {
        // A hundred rows a second around them. The first one stops everything for half of its time, the second one does not.
        let mut all = vec![checkpoint(0.2, 10.0, 0.8, 500.0), checkpoint(0.1, 10.0, 0.8, 80.0), checkpoint(0.1, 0.0, 0.9, 90.0)];
        assert!((lost_s(&all) - 0.1).abs() < 1e-9);
        // The input ended while the second one was under way.
        (all[2].before_s, all[2].rows_before) = (0.001, 0.0);
        assert!((lost_s(&all) - 0.1).abs() < 1e-9);
    }
}

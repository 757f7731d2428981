//! The Nexmark table: each query's cost, beside Flink's.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::arguments::Arguments;
use super::flink;
use super::measure::{Cost, measure};
use super::queries::Workspace;

pub fn run(brisk: &Path, arguments: &Arguments) -> Result<()> {
    let work = Workspace::new(arguments)?;
    if arguments.files {
        work.write_events(brisk)?;
    }
    let idle = match &arguments.flink {
        Some(lib) => Some(flink::startup(lib, &work)?),
        None => None,
    };
    let from = if arguments.files { "files" } else { "the generator" };
    println!("{} events, parallelism {}, from {from}, median of {}", arguments.events, arguments.parallelism, arguments.rounds);
    if let Some(idle) = &idle {
        println!("Flink that does nothing: {:.1} CPU s, {:.0} MB", idle.cpu_s, idle.peak_mb);
    }
    println!("{:<5}{:>10}{:>14}{:>10}{:>10}{:>16}{:>10}{:>12}", "query", "CPU s", "events/CPU s", "wall s", "peak MB", "Flink's CPU s", "MB", "ratio");
    let mut ratios = Vec::new();
    for &query in &arguments.queries {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..arguments.rounds {
            ours.push(query_cost(brisk, &work.script(query)?, arguments.parallelism).with_context(|| format!("q{query}"))?);
            if let (Some(lib), Some(idle)) = (&arguments.flink, &idle) {
                theirs.push(flink::run(lib, arguments.nexmark.as_deref(), &work.flink_script(query)?, arguments.parallelism)?.less(idle));
            }
        }
        let theirs = match theirs.as_slice() {
            [] if arguments.files => None,
            [] => flink::measured(query, arguments.events),
            costs => Some(Cost::median(costs)),
        };
        ratios.extend(line(query, arguments.events, &Cost::median(&ours), theirs.as_ref()));
    }
    if !ratios.is_empty() {
        let mean = (ratios.iter().map(|r| r.ln()).sum::<f64>() / ratios.len() as f64).exp();
        println!("geometric mean of {} ratios: {mean:.1}", ratios.len());
    }
    for query in arguments.queries_left_out() {
        println!("skipped: {query}");
    }
    Ok(())
}

/// What a script costs at a parallelism.
pub fn query_cost(brisk: &Path, script: &Path, parallelism: u32) -> Result<Cost> {
    let mut command = Command::new(brisk);
    command.arg("run").arg(script).args(["--parallelism", &parallelism.to_string()]);
    measure(&mut command)
}

/// Prints a row of the table and gives the ratio.
fn line(query: u32, events: u64, ours: &Cost, theirs: Option<&Cost>) -> Option<f64> {
    let ratio = theirs.map(|t| t.cpu_s / ours.cpu_s);
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_string());
    let per_second = events as f64 / ours.cpu_s;
    println!(
        "{:<5}{:>10.2}{:>14.0}{:>10.2}{:>10.0}{:>16}{:>10}{:>12}",
        format!("q{query}"),
        ours.cpu_s,
        per_second,
        ours.wall_s,
        ours.peak_mb,
        or_dash(theirs.map(|t| format!("{:.2}", t.cpu_s))),
        or_dash(theirs.filter(|t| t.peak_mb > 0.0).map(|t| format!("{:.0}", t.peak_mb))),
        or_dash(ratio.map(|r| format!("{r:.1}x"))),
    );
    ratio
}

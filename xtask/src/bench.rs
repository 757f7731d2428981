//! `cargo xtask bench`: what each Nexmark query costs on brisk, beside Flink; `cargo xtask bench start`: what starting costs.
//!
//! Costs are those of the whole process as the system counts them, start-up included. Flink's are either those measured
//! once with 10 million generated events at parallelism 2 (less 7 s of start-up), or, with `--flink`, those of a run over
//! the same files right after brisk's, less a run that does nothing.

mod arguments;
mod files;
mod flink;
mod measure;
mod queries;
mod start;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use arguments::Arguments;
use measure::{Cost, measure};
use queries::Workspace;

pub fn run(args: &[String]) -> Result<()> {
    if args.iter().any(|a| a == "--help" || a == "-h") {
        println!("{}\n\n{}", arguments::USAGE, files::USAGE);
        return Ok(());
    }
    if let Some(rest) = args.split_first().filter(|(first, _)| *first == "files").map(|(_, rest)| rest) {
        return files::run(rest);
    }
    let arguments = Arguments::parse(args)?;
    let brisk = match &arguments.binary {
        Some(path) => path.clone(),
        None => build()?,
    };
    if arguments.start { start::run(&brisk) } else { nexmark(&brisk, &arguments) }
}

fn build() -> Result<PathBuf> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let status = Command::new(cargo).args(["build", "--release", "-p", "brisk"]).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("the release build failed");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| queries::root().join("target"), PathBuf::from);
    Ok(target.join("release").join("brisk"))
}

fn nexmark(brisk: &PathBuf, arguments: &Arguments) -> Result<()> {
    let work = Workspace::new(arguments)?;
    if arguments.files {
        work.write_events(brisk)?;
    }
    let idle = match &arguments.flink {
        Some(lib) => Some(flink::startup(lib, &work)?),
        None => None,
    };
    println!("{} events, parallelism {}, from {}", arguments.events, arguments.parallelism, if arguments.files { "files" } else { "the generator" });
    if let Some(idle) = &idle {
        println!("Flink that does nothing: {:.1} CPU s, {:.0} MB", idle.cpu_s, idle.peak_mb);
    }
    println!("{:<5}{:>10}{:>14}{:>10}{:>10}{:>16}{:>10}{:>12}", "query", "CPU s", "events/CPU s", "wall s", "peak MB", "Flink's CPU s", "MB", "ratio");
    let mut ratios = Vec::new();
    for &query in &arguments.queries {
        let script = work.script(query)?;
        let mut command = Command::new(brisk);
        command.arg("run").arg(&script).args(["--parallelism", &arguments.parallelism.to_string()]);
        let ours = measure(&mut command).with_context(|| format!("q{query}"))?;
        let theirs = match (&arguments.flink, &idle) {
            (Some(lib), Some(idle)) => Some(flink::run(lib, &work.script(query)?, arguments.parallelism)?.less(idle)),
            _ if arguments.files => None,
            _ => flink::measured(query, arguments.events),
        };
        ratios.extend(line(query, arguments.events, &ours, theirs.as_ref()));
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

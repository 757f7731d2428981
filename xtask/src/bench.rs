//! `cargo xtask bench`: what each Nexmark query costs on brisk, beside Flink; with a word, what starting, latency,
//! checkpoints, restoring, a second core or ten times as many events cost.
//!
//! Costs are those of the whole process as the system counts them, start-up included. Flink's are either those measured
//! once with 10 million generated events at parallelism 2 (less 7 s of start-up), or, with `--flink`, those of a run right
//! after brisk's over the same files, or with `--nexmark` over the events of Flink's generator, less a run that does nothing.

mod arguments;
mod checkpoint;
mod files;
mod flat;
mod flink;
mod latency;
mod measure;
mod nexmark;
mod queries;
mod restore;
mod scaling;
mod start;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use arguments::{Arguments, What};

pub fn run(args: &[String]) -> Result<()> {
    if args.iter().any(|a| a == "--help" || a == "-h") {
        println!("{}\n\n{}", arguments::USAGE, files::USAGE);
        return Ok(());
    }
    if let Some(rest) = args.split_first().filter(|(first, _)| *first == "files").map(|(_, rest)| rest) {
        return files::run(rest);
    }
    if let [word, megabytes] = args
        && word == measure::TOUCH
    {
        return measure::touch(megabytes);
    }
    let arguments = Arguments::parse(args)?;
    let brisk = match &arguments.binary {
        Some(path) => path.clone(),
        None => build()?,
    };
    measure::warm_before_each(arguments.warm_mb);
    if let Some(load) = measure::load() {
        println!("load average {load:.1}, fresh memory {:.0} MB/s", measure::fresh_memory_mb_s()?);
    }
    match arguments.what {
        What::Nexmark => nexmark::run(&brisk, &arguments),
        What::Start => start::run(&brisk),
        What::Latency => latency::run(&brisk, &arguments),
        What::Checkpoint => checkpoint::run(&brisk, &arguments),
        What::Restore => restore::run(&brisk, &arguments),
        What::Scaling => scaling::run(&brisk, &arguments),
        What::Flat => flat::run(&brisk, &arguments),
    }
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

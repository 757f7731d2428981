//! `brisk test FILE|DIR...`: golden scripts, each as written and with small batches, in parallel, through crashes.

use std::path::PathBuf;

use anyhow::{Context, bail};
use brisk_testing::{Mode, find_scripts, run_file, summary};
use clap::Args;

use crate::registry::ProgramRegistry;
use crate::server::connectors_without_server;

#[derive(Args)]
pub struct TestArgs {
    /// Scripts (*.slt), or directories of them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Write what the scripts give as written into them, as what they expect. So does UPDATE=1 in the environment.
    #[arg(long)]
    update: bool,
    /// Only as written: the changelog line by line, without small batches, parallelism and crashes.
    #[arg(long)]
    quick: bool,
}

pub fn run(args: TestArgs) -> anyhow::Result<()> {
    let update = args.update || std::env::var("UPDATE").is_ok_and(|v| v == "1");
    let modes: &[Mode] = if args.quick { &[Mode::Written] } else { &Mode::ALL };
    let registry = ProgramRegistry::with(connectors_without_server());
    let scripts = find_scripts(&args.paths).context("cannot list the scripts")?;
    let mut reports = Vec::with_capacity(scripts.len());
    for path in &scripts {
        let report = run_file(path, modes, &registry, update);
        println!("{report}");
        reports.push(report);
    }
    println!("{}", summary(&reports));
    let failed = reports.iter().filter(|r| !r.failures.is_empty()).count();
    if failed > 0 {
        bail!("{failed} of {} scripts failed", reports.len());
    }
    Ok(())
}

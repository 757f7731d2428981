//! `brisk explain SCRIPT.sql`: the plan of every job of a script, without running any.

use std::path::PathBuf;

use clap::Args;

use super::run::{VariableArgs, read_script};
use crate::registry::ProgramRegistry;
use crate::script::{ScriptOptions, ScriptRunner};
use crate::server::connectors_without_server;

#[derive(Args)]
pub struct ExplainArgs {
    /// The script, or - for standard input.
    script: PathBuf,
    #[command(flatten)]
    variables: VariableArgs,
    /// How many subtasks operators have, unless the script says.
    #[arg(short, long)]
    parallelism: Option<usize>,
}

pub fn run(args: ExplainArgs) -> anyhow::Result<()> {
    let text = args.variables.substitute(&read_script(&args.script)?)?;
    let options = ScriptOptions { parallelism: args.parallelism, ..ScriptOptions::default() };
    let registry = ProgramRegistry::with(connectors_without_server());
    ScriptRunner::with_registry(options, registry).explain(&text)?;
    Ok(())
}

//! `brisk explain SCRIPT.sql`: the plan of every job of a script, without running any; or what becomes of the state that a
//! checkpoint holds when the script goes on from it.

use std::path::{Path, PathBuf};

use brisk_runtime::checkpoint::compare::{Comparison, Fate, OperatorState, compare};
use clap::Args;

use super::columns::print_columns;
use super::run::{VariableArgs, read_script};
use crate::readable::{size, time};
use crate::registry::ProgramRegistry;
use crate::script::{ScriptOptions, ScriptRunner, checkpoint_dir};
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
    /// Instead of the plan, say which operators keep, rebuild or lose their state when the script goes on from this
    /// checkpoint, savepoint or directory of checkpoints (the newest good one counts). Of a server's job it is
    /// `<data-dir>/jobs/<job>/checkpoints`.
    #[arg(long, value_name = "CHECKPOINT")]
    against: Option<String>,
}

pub fn run(args: ExplainArgs) -> anyhow::Result<()> {
    let text = args.variables.substitute(&read_script(&args.script)?)?;
    let options = ScriptOptions { parallelism: args.parallelism, ..ScriptOptions::default() };
    let registry = ProgramRegistry::with(connectors_without_server());
    let mut runner = ScriptRunner::with_registry(options, registry);
    let Some(path) = args.against else { return Ok(runner.explain(&text)?) };
    let jobs = runner.job_graphs(&text)?;
    anyhow::ensure!(!jobs.is_empty(), "the script has no job: no INSERT, no statement set and no SELECT");
    let several = jobs.len() > 1;
    for (number, (at, graph)) in jobs.iter().enumerate() {
        let own = checkpoint_dir(&path, number + 1);
        let comparison = compare(graph, if Path::new(&own).is_dir() { &own } else { &path })?;
        if several {
            println!("{}job {}, statement {}, line {}", if number > 0 { "\n" } else { "" }, number + 1, at.statement, at.line);
        }
        print(&comparison);
    }
    Ok(())
}

fn print(comparison: &Comparison) {
    let checkpoint = &comparison.checkpoint;
    println!("checkpoint {} of {} ({})", checkpoint.id, time(checkpoint.time_ms), checkpoint.path);
    for (path, why) in &checkpoint.skipped {
        println!("a newer one is damaged and not looked at: {path}: {why}");
    }
    let header = ["STATE", "OPERATOR", "ID", "BYTES", ""].map(str::to_owned).to_vec();
    print_columns(&std::iter::once(header).chain(comparison.operators.iter().map(row)).collect::<Vec<_>>());
    let count = |fate| comparison.operators.iter().filter(|o| o.fate == fate).count();
    println!(
        "{} keep their state, {} begin without and build it from what comes, {} are left behind",
        count(Fate::Keeps),
        count(Fate::Rebuilds),
        count(Fate::Loses)
    );
    if count(Fate::Loses) > 0 {
        println!("`brisk run` leaves state behind only with SET 'execution.state-recovery.ignore-unclaimed-state' = 'true'; `brisk submit --replace` does");
    }
}

fn row(operator: &OperatorState) -> Vec<String> {
    let (fate, bytes) = match operator.fate {
        Fate::Keeps => ("keeps", size(operator.bytes)),
        Fate::Rebuilds => ("rebuilds", "-".to_owned()),
        Fate::Loses => ("loses", size(operator.bytes)),
    };
    let about = operator.description.clone().unwrap_or_else(|| "not in this script".to_owned());
    vec![fate.to_owned(), operator.name.clone(), operator.operator_id.clone(), bytes, about]
}

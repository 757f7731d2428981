//! The command line.

mod explain;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Real-time computing in one program: Flink SQL over events as they happen.
#[derive(Parser)]
#[command(name = "brisk", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a script: its statements one after the other, its jobs until they end.
    Run(run::RunArgs),
    /// Show the plan of a script: changelog modes, state per operator, delivery guarantee per sink.
    Explain(explain::ExplainArgs),
}

/// Runs the program. Exit status 0: success; 1: a failure that was reported; 2: wrong arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Run(args) => run::run(args),
        Command::Explain(args) => explain::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

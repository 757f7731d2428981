//! The command line.

mod client;
mod columns;
mod completion;
mod demo;
mod explain;
mod http;
mod run;
mod server;
mod sql;
mod test;

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
    /// See it all at work: a shop's promotion day, live on this machine.
    Demo(demo::DemoArgs),
    #[command(hide = true)]
    DemoLoad(demo::DemoLoadArgs),
    /// Run a script: its statements one after the other, its jobs until they end.
    Run(run::RunArgs),
    /// Show the plan of a script: changelog modes, state per operator, delivery guarantee per sink.
    Explain(explain::ExplainArgs),
    /// A shell for SQL: statements end with a semicolon.
    Sql(sql::SqlArgs),
    /// Run golden scripts: SQL, what arrives, what must come out.
    Test(test::TestArgs),
    /// Serve jobs, HTTP ingest, live tables and metrics.
    Server(server::ServerArgs),
    /// Run a script on a server.
    Submit(client::SubmitArgs),
    /// List the jobs of a server, or show one; say why it gives no output.
    Jobs(client::JobsArgs),
    /// End a job of a server for good.
    Cancel(client::JobArgs),
    /// Take a savepoint of a job of a server.
    Savepoint(client::SavepointArgs),
    /// List the last checkpoints of a job of a server, or those in a directory.
    Checkpoints(client::CheckpointsArgs),
}

/// Runs the program. Exit status 0: success; 1: a failure that was reported; 2: wrong arguments.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Demo(args) => demo::run(args),
        Command::DemoLoad(args) => demo::run_load(args),
        Command::Run(args) => run::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Sql(args) => sql::run(args),
        Command::Test(args) => test::run(args),
        Command::Server(args) => server::run(args),
        Command::Submit(args) => client::submit(args),
        Command::Jobs(args) => client::jobs(args),
        Command::Cancel(args) => client::cancel(args),
        Command::Savepoint(args) => client::savepoint(args),
        Command::Checkpoints(args) => client::checkpoints(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What people must know goes to standard error, with the time.
fn log_to_standard_error(level: tracing::Level) {
    // An error means that a log is set up already.
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(level).with_ansi(false).with_target(false).try_init();
}

//! The `brisk` program: commands, server, ingest, live tables, alerts and the page.

mod cli;
mod job;
mod output;
mod registry;
mod script;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}

//! The `brisk` program: commands, server, ingest, live tables, alerts and the page.

mod alerts;
mod cli;
mod demo;
mod ingest;
mod job;
mod live;
mod memory;
mod output;
mod page;
mod readable;
mod registry;
mod script;
mod server;
mod settings;
mod why;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: memory::Allocator = memory::Allocator;

fn main() -> ExitCode {
    cli::main()
}

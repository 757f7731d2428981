//! The program as its users meet it: scripts, files, servers, kills.

mod demo;
mod dirty_input;
mod flink;
mod ingest;
mod large_state;
mod memory;
mod nexmark;
mod plans;
mod process;
mod program;
mod scenarios;
mod server;

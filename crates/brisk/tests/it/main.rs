//! The program as its users meet it: scripts, files, servers, kills.

mod demo;
mod dirty_input;
mod ingest;
mod process;
mod program;
mod scenarios;
mod server;

//! The program as its users meet it: scripts, files, servers, kills.

mod dirty_input;
mod program;
mod scenarios;

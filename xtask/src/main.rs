//! Chores of the project: `cargo xtask test` checks everything, as CI does; `cargo xtask bench` measures.

mod bench;
mod test;

use anyhow::{Result, bail};

const USAGE: &str = "usage: cargo xtask test | bench [--help]";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.split_first() {
        Some((command, rest)) if command == "test" => test::run(rest),
        Some((command, rest)) if command == "bench" => bench::run(rest),
        _ => bail!(USAGE),
    }
}

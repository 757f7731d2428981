//! `cargo xtask test`: formatting, lints as errors, documentation without warnings, what the tree depends on, and all tests.
//!
//! The tests come last, so that the runner's own closing lines end the output. What a test needs beyond cargo it starts
//! by itself; what is not to be had here it names with the word "skipped".

use std::process::Command;

use anyhow::{Context, Result, bail};

/// Extra arguments go to `cargo test`.
pub fn run(args: &[String]) -> Result<()> {
    cargo(&["fmt", "--all", "--", "--check"], &[])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"], &[])?;
    cargo(
        &["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"],
        &[("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links -A rustdoc::invalid-html-tags")],
    )?;
    dependencies()?;
    let mut tests = vec!["test", "--workspace"];
    tests.extend(args.iter().map(String::as_str));
    cargo(&tests, &[])
}

/// What `deny.toml` says about licenses, advisories and sources.
fn dependencies() -> Result<()> {
    let known = Command::new(cargo_program()).args(["deny", "--version"]).output().is_ok_and(|o| o.status.success());
    if !known {
        println!("skipped: cargo deny check, since cargo-deny is not installed (cargo install cargo-deny)");
        return Ok(());
    }
    cargo(&["deny", "--workspace", "check"], &[])
}

fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string())
}

fn cargo(args: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    println!("cargo {}", args.join(" "));
    let status = Command::new(cargo_program()).args(args).envs(environment.iter().copied()).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("cargo {} failed", args.join(" "));
    }
    Ok(())
}

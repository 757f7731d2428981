//! `cargo xtask bench`: how fast brisk is, beside others where they are to be had.

use anyhow::{Result, bail};

pub fn run(_args: &[String]) -> Result<()> {
    bail!("no benchmark yet")
}

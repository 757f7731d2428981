//! Whether an event of many costs what an event of few costs, in queries whose state does not grow with the events.

use std::path::Path;

use anyhow::{Context, Result};

use super::arguments::Arguments;
use super::measure::Cost;
use super::nexmark::query_cost;
use super::queries::Workspace;

pub fn run(brisk: &Path, arguments: &Arguments) -> Result<()> {
    let few = (arguments.events / 10).max(1);
    println!("CPU ns an event at parallelism {}, median of {}", arguments.parallelism, arguments.rounds);
    println!("{:<7}{:>16}{:>16}{:>10}{:>12}{:>12}", "query", few, arguments.events, "change", "peak MB", "peak MB");
    for &query in &arguments.queries {
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for _ in 0..arguments.rounds {
            for (events, costs) in [(few, &mut small), (arguments.events, &mut large)] {
                let script = Workspace::with_events(arguments, events)?.script(query)?;
                costs.push(query_cost(brisk, &script, arguments.parallelism).with_context(|| format!("q{query}"))?);
            }
        }
        let (small, large) = (Cost::median(&small), Cost::median(&large));
        let (a, b) = (small.cpu_s * 1e9 / few as f64, large.cpu_s * 1e9 / arguments.events as f64);
        println!(
            "{:<7}{a:>16.0}{b:>16.0}{:>10}{:>12.0}{:>12.0}",
            format!("q{query}"),
            format!("{:+.0} %", (b / a - 1.0) * 100.0),
            small.peak_mb,
            large.peak_mb
        );
    }
    Ok(())
}

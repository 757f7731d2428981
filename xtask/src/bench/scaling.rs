//! Parallelism 2 against 1: events a second on two cores, and what the exchange costs in CPU.

use std::path::Path;

use anyhow::{Context, Result};

use super::arguments::Arguments;
use super::measure::Cost;
use super::nexmark::query_cost;
use super::queries::Workspace;

pub fn run(brisk: &Path, arguments: &Arguments) -> Result<()> {
    let work = Workspace::new(arguments)?;
    println!("{} events, median of {}; wall time means little on cores that others use", arguments.events, arguments.rounds);
    println!("{:<7}{:>14}{:>14}{:>10}{:>10}{:>10}{:>10}", "query", "events/s, 1", "events/s, 2", "faster", "CPU s, 1", "CPU s, 2", "dearer");
    for &query in &arguments.queries {
        let script = work.script(query)?;
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..arguments.rounds {
            one.push(query_cost(brisk, &script, 1).with_context(|| format!("q{query}"))?);
            two.push(query_cost(brisk, &script, 2).with_context(|| format!("q{query}"))?);
        }
        let (one, two) = (Cost::median(&one), Cost::median(&two));
        let rate = |cost: &Cost| arguments.events as f64 / cost.wall_s;
        println!(
            "{:<7}{:>14.0}{:>14.0}{:>10}{:>10.2}{:>10.2}{:>10}",
            format!("q{query}"),
            rate(&one),
            rate(&two),
            format!("{:.2}x", one.wall_s / two.wall_s),
            one.cpu_s,
            two.cpu_s,
            format!("{:+.0} %", (two.cpu_s / one.cpu_s - 1.0) * 100.0)
        );
    }
    Ok(())
}

//! How long state takes to come back: a run leaves a checkpoint of about a gigabyte, a second one restores it. The times
//! are those that brisk logs, from looking for the checkpoint until every operator has its state.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::arguments::Arguments;
use super::measure::{field, measure_log, median};
use super::queries::Workspace;

/// Name, columns, options of the columns, query, and rows of a gigabyte of files.
const SHAPES: [(&str, &str, &str, &str, u64); 2] = [
    (
        "rows",
        "k BIGINT, text STRING",
        "'fields.text.length' = '200'",
        "SELECT k, text FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY PROCTIME() DESC) AS n FROM numbers) WHERE n = 1",
        7_000_000,
    ),
    ("groups", "k BIGINT, v BIGINT", "'fields.v.max' = '1000000000'", "SELECT k, COUNT(*), SUM(v), MAX(v) FROM numbers GROUP BY k", 20_000_000),
];

pub fn run(brisk: &Path, arguments: &Arguments) -> Result<()> {
    let work = Workspace::new(arguments)?;
    println!("{:<8}{:>12}{:>12}{:>14}{:>16}{:>12}{:>12}", "state", "entries", "MB written", "restore s", "of which read s", "MB/s", "peak MB");
    for (name, columns, options, query, rows) in SHAPES {
        let sink = if name == "rows" { "k BIGINT, text STRING, PRIMARY KEY (k) NOT ENFORCED" } else { "k BIGINT, n BIGINT, total BIGINT, most BIGINT" };
        let script = work.write(
            name,
            &format!(
                "CREATE TABLE numbers ({columns}) WITH ('connector' = 'datagen', 'rows-per-second' = '1000000000', 'number-of-rows' = '{rows}',
                   'fields.k.kind' = 'sequence', 'fields.k.start' = '1', 'fields.k.end' = '{rows}', {options});
                 CREATE TABLE answer ({sink}) WITH ('connector' = 'blackhole');
                 INSERT INTO answer {query};\n"
            ),
        )?;
        let dir = work.empty("checkpoints")?;
        let mut command = Command::new(brisk);
        command.arg("run").arg(&script).args(["--log", "debug", "--parallelism", &arguments.parallelism.to_string(), "--checkpoint-dir"]).arg(&dir);
        let log = work.dir().join("log.txt");
        let mut values = Vec::new();
        for round in 0..=arguments.rounds {
            let (cost, text) = measure_log(&mut command, &log)?;
            if round > 0 {
                let line = text.lines().find(|l| l.contains("state restored")).with_context(|| format!("{name}: nothing was restored"))?;
                let number = |name: &str| -> Result<f64> { Ok(field(line, name).with_context(|| line.to_owned())?.parse()?) };
                values.push([number("bytes")? / 1e6, number("duration_ms")? / 1e3, number("read_ms")? / 1e3, cost.peak_mb]);
            }
        }
        let of = |i: usize| median(values.iter().map(|v| v[i]).collect());
        println!("{name:<8}{rows:>12}{:>12.0}{:>14.2}{:>16.2}{:>12.0}{:>12.0}", of(0), of(1), of(2), of(0) / of(1), of(3));
        std::fs::remove_dir_all(&dir)?;
    }
    Ok(())
}

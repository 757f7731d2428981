//! Flink's side of the table: a run now, or what was measured once.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::measure::{Cost, measure};
use super::queries::{Workspace, root};

/// Process CPU seconds of Flink 2.2.1 for 10 million generated events at parallelism 2, start-up included.
const MEASURED: &[(u32, f64)] = &[
    (0, 22.8),
    (1, 20.7),
    (2, 20.6),
    (3, 25.7),
    (4, 59.6),
    (5, 43.3),
    (7, 80.9),
    (8, 24.7),
    (9, 82.7),
    (11, 34.4),
    (12, 31.5),
    (14, 20.4),
    (15, 35.1),
    (16, 100.2),
    (17, 40.2),
    (18, 46.7),
    (19, 64.2),
    (20, 61.0),
    (21, 37.8),
    (22, 26.6),
];
const STARTUP_S: f64 = 7.0;

/// What so many events cost by that measurement, start-up taken off.
pub fn measured(query: u32, events: u64) -> Option<Cost> {
    let (_, cpu_s) = MEASURED.iter().find(|(q, _)| *q == query)?;
    Some(Cost { cpu_s: (cpu_s - STARTUP_S) * events as f64 / 1e7, wall_s: 0.0, peak_mb: 0.0 })
}

/// A script on Flink, in a process of its own. `nexmark` are the classes of its generator, if it makes the events.
pub fn run(lib: &Path, nexmark: Option<&Path>, script: &Path, parallelism: u32) -> Result<Cost> {
    let mut classes = lib.as_os_str().to_owned();
    classes.push("/*");
    if let Some(nexmark) = nexmark {
        classes.push(":");
        classes.push(nexmark);
    }
    let mut command = Command::new("java");
    command.arg(format!("-Dp={parallelism}")).arg("-cp").arg(classes).arg(root().join("tests/nexmark/FlinkRun.java")).arg(script);
    measure(&mut command).context("Flink")
}

/// What Flink costs for one row.
pub fn startup(lib: &Path, work: &Workspace) -> Result<Cost> {
    let script = work.dir().join("nothing.sql");
    fs::write(&script, "CREATE TABLE nothing (a INT) WITH ('connector' = 'blackhole');\nINSERT INTO nothing VALUES (1);\n")?;
    run(lib, None, &script, 1)
}

//! What starting costs: the first row of a ten-row file, and the memory of a server that does nothing.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::queries::root;

const RUNS: usize = 21;

pub fn run(brisk: &Path) -> Result<()> {
    let dir = root().join("target").join("start");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    let dir = dir.canonicalize()?;
    let mut times = (0..RUNS).map(|_| first_row_ms(brisk, &dir)).collect::<Result<Vec<_>>>()?;
    times.sort_by(f64::total_cmp);
    println!("first row of a ten-row file: {:.1} ms from process start (median of {RUNS}; {:.1} to {:.1})", times[RUNS / 2], times[0], times[RUNS - 1]);
    match idle_server_mb(brisk, &dir)? {
        Some(mb) => println!("idle server: {mb:.1} MB resident"),
        None => println!("skipped: the memory of an idle server is read from /proc, which is not to be had here"),
    }
    Ok(())
}

fn first_row_ms(brisk: &Path, dir: &Path) -> Result<f64> {
    let rows: String = (1..=10).map(|n| format!("{n},item {n}\n")).collect();
    fs::write(dir.join("ten.csv"), rows)?;
    let script = dir.join("ten.sql");
    let path = dir.join("ten.csv");
    fs::write(
        &script,
        format!(
            "CREATE TABLE ten (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');\nSELECT * FROM ten;\n",
            path.display()
        ),
    )?;
    let begin = Instant::now();
    let mut child = Ours(Command::new(brisk).arg("run").arg(&script).args(["-o", "tsv"]).stdout(Stdio::piped()).spawn().context("brisk")?);
    let first = first_line(&mut child.0)?;
    let ms = begin.elapsed().as_secs_f64() * 1e3;
    if first.trim() != "1\titem 1" {
        bail!("the first row is {first:?}");
    }
    child.0.wait()?;
    Ok(ms)
}

fn idle_server_mb(brisk: &Path, dir: &Path) -> Result<Option<f64>> {
    let mut command = Command::new(brisk);
    command.args(["server", "--listen", "127.0.0.1:0", "--data-dir"]).arg(dir.join("data"));
    let mut server = Ours(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("brisk server")?);
    first_line(&mut server.0)?;
    // What it does at the start is over then.
    std::thread::sleep(Duration::from_secs(2));
    let Ok(status) = fs::read_to_string(format!("/proc/{}/status", server.0.id())) else { return Ok(None) };
    let kib = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).and_then(|l| l.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    Ok(kib.map(|kib| kib * 1024.0 / 1e6))
}

fn first_line(child: &mut Child) -> Result<String> {
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("a pipe")?).read_line(&mut line)?;
    Ok(line)
}

/// A child that does not outlive us.
struct Ours(Child);

impl Drop for Ours {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

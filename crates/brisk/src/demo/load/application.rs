//! An application that writes a log file, and moves it away when it has become long.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use brisk_core::{Error, Result};

use super::random::Random;
use super::timestamp::timestamp;
use super::{Span, Troubles};

const APPS: &[&str] = &["order-service", "cart-service", "pay-service", "search-service"];
const FAILING: &str = "order-service";
const ERRORS: &[&str] = &[
    "connection to inventory timed out after 3000 ms",
    "cannot lock the row of cart 8823112, retry 3 of 3",
    "payment gateway answered 502 Bad Gateway",
    "index shard 4 is not available",
];
const BURST: &str = "cannot reserve stock: the pool of connections is exhausted";
/// A log that is longer is moved away.
const ROTATE_BYTES: u64 = 256 << 10;
/// Lines a second, and how many of a thousand are errors.
const LINES: f64 = 8.0;
const ERRORS_PER_MILLE: i64 = 45;
const BURST_ERRORS: f64 = 4.0;

pub struct Application {
    path: PathBuf,
    file: File,
    written: u64,
    random: Random,
}

impl Application {
    pub fn open(logs: &Path) -> Result<Self> {
        let path = logs.join("app.log");
        let file = append(&path)?;
        let written = file.metadata()?.len();
        Ok(Self { path, file, written, random: Random::new(7) })
    }

    pub fn step(&mut self, span: Span, troubles: &Troubles) -> Result<()> {
        let seconds = (span.to_ms - span.from_ms) as f64 / 1000.0;
        let mut text = String::new();
        for _ in 0..self.random.count(LINES * seconds) {
            text.push_str(&self.line(span.to_ms));
        }
        if troubles.on("errors", span.to_ms) {
            for _ in 0..self.random.count(BURST_ERRORS * seconds) {
                text.push_str(&entry(span.to_ms, "ERROR", FAILING, self.random.between(1, 9), BURST));
            }
        }
        self.file.write_all(text.as_bytes())?;
        self.written += text.len() as u64;
        if self.written > ROTATE_BYTES { self.rotate() } else { Ok(()) }
    }

    fn line(&mut self, at: i64) -> String {
        let (app, worker) = (*self.random.pick(APPS), self.random.between(1, 9));
        match self.random.between(0, 1000) {
            n if n < ERRORS_PER_MILLE => {
                let place = self.random.between(0, ERRORS.len() as i64) as usize;
                entry(at, "ERROR", APPS[place], worker, ERRORS[place])
            }
            n if n < 3 * ERRORS_PER_MILLE => entry(at, "WARN", app, worker, "the answer took longer than a second"),
            n => entry(at, "INFO", app, worker, &format!("request handled in {} ms", n / 4)),
        }
    }

    fn rotate(&mut self) -> Result<()> {
        std::fs::rename(&self.path, self.path.with_extension("log.1"))?;
        self.file = append(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path).map_err(|e| Error::external(format!("cannot write the log {}: {e}", path.display())))
}

fn entry(at: i64, level: &str, app: &str, worker: i64, message: &str) -> String {
    format!("{} {level:<5} [{app}] [worker-{worker}] - {message}\n", timestamp(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_look_as_the_script_expects() {
        assert_eq!(entry(0, "WARN", "cart-service", 3, "slow"), "1970-01-01 00:00:00.000 WARN  [cart-service] [worker-3] - slow\n");
    }
}

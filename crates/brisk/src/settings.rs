//! `brisk.yaml`: what the server is told. One struct per owner; unknown keys are refused; everything has a default.
//!
//! ```yaml
//! listen: 127.0.0.1:8080
//! data-dir: ./brisk-data
//! scripts: [promotion.sql]
//! checkpoints: { interval: 1 s, retained: 3 }
//! ingest: { max-body-size: 8 mb, max-log-size: 1 gb }
//! memory: { limit: 4 gb }
//! ```

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use brisk_core::connector::{MemorySize, TimeSpan};
use brisk_core::{Error, Result};
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Where HTTP is served. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where catalog, jobs, checkpoints and ingested events lie.
    pub data_dir: PathBuf,
    /// Scripts whose jobs run from the start. Paths are relative to the settings file.
    pub scripts: Vec<PathBuf>,
    /// Threads that serve HTTP; jobs have their own.
    pub http_threads: usize,
    pub checkpoints: CheckpointSettings,
    pub ingest: IngestSettings,
    pub memory: MemorySettings,
    /// Read by the alerts; see `brisk::alerts`.
    pub alerts: serde_json::Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CheckpointSettings {
    /// Of jobs whose script does not set `execution.checkpointing.interval`.
    pub interval: TimeSpan,
}

/// Limits of tables with `'connector' = 'http'` that do not set their own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct IngestSettings {
    /// A larger body is refused with 413.
    pub max_body_size: MemorySize,
    /// Once so much of a table waits on disk, events are refused with 503 until the jobs have caught up.
    pub max_log_size: MemorySize,
}

/// How much memory the process takes; see `brisk::memory`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct MemorySettings {
    /// A size or `none`. 80 % of the machine's memory by default.
    pub limit: Option<String>,
    /// Where state beyond the limit lies. `spill` in the data directory by default.
    pub spill_dir: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data_dir: PathBuf::from("./brisk-data"),
            scripts: Vec::new(),
            http_threads: 2,
            checkpoints: CheckpointSettings::default(),
            ingest: IngestSettings::default(),
            memory: MemorySettings::default(),
            alerts: serde_json::Value::Null,
        }
    }
}

impl Default for CheckpointSettings {
    fn default() -> Self {
        Self { interval: TimeSpan(Duration::from_secs(1)) }
    }
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self { max_body_size: MemorySize(8 << 20), max_log_size: MemorySize(1 << 30) }
    }
}

impl Settings {
    /// Reads a file. Its relative paths are taken from where it lies.
    pub fn load(path: &Path) -> Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| Error::invalid(format!("cannot read the settings {shown}: {e}")))?;
        let mut settings = Self::parse(&text).map_err(|e| e.context(shown))?;
        let base = path.parent().unwrap_or(Path::new(""));
        settings.data_dir = base.join(&settings.data_dir);
        settings.memory.spill_dir = settings.memory.spill_dir.map(|dir| base.join(dir));
        settings.scripts = settings.scripts.iter().map(|s| base.join(s)).collect();
        Ok(settings)
    }

    fn parse(text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_norway::from_str(text).map_err(|e| Error::invalid(format!("settings: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: std::result::Result<&str, &str>) {
        let seen = Settings::parse(text).map(|s| format!("{} {} {}", s.listen, s.checkpoints.interval, s.ingest.max_body_size));
        match (seen, expected) {
            (Ok(seen), Ok(expected)) => assert_eq!(seen, expected),
            (Err(seen), Err(part)) => assert!(seen.message.contains(part), "{} does not hold {part}", seen.message),
            (seen, _) => panic!("{seen:?}"),
        }
    }

    #[test]
    fn settings_have_defaults_and_refuse_what_they_do_not_know() {
        check("", Ok("127.0.0.1:8080 1000 ms 8388608 b"));
        check("listen: 0.0.0.0:9000\ncheckpoints: {interval: 200 ms}\n", Ok("0.0.0.0:9000 200 ms 8388608 b"));
        check("ingest:\n  max-body-size: 1 kb\n", Ok("127.0.0.1:8080 1000 ms 1024 b"));
        check("port: 80\n", Err("unknown field `port`"));
        check("checkpoints: {interval: 5 parsecs}\n", Err("is no unit of time"));
    }
}

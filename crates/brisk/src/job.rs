//! From a session's options to a running job: what the planner and the runtime are told.

use std::time::Duration;

use brisk_core::connector::TimeSpan;
use brisk_core::{Error, Result};
use brisk_runtime::checkpoint::CheckpointStore;
use brisk_runtime::job::{CheckpointMode, CheckpointOptions, JobOptions, RestartStrategy};
use brisk_sql::physical::PlannerSettings;

/// Whether state that the script has no operator for may be left behind: Flink's name, and the one it had before 2.0.
const IGNORE_STATE: [&str; 2] = ["execution.state-recovery.ignore-unclaimed-state", "execution.savepoint.ignore-unclaimed-state"];
const NOT_NULL_ENFORCER: &str = "table.exec.sink.not-null-enforcer";
const UPSERT_MATERIALIZE: &str = "table.exec.sink.upsert-materialize";

/// Reads options by their Flink names.
pub struct SessionOptions<'a> {
    /// The value of an option that is set.
    pub get: &'a dyn Fn(&str) -> Option<String>,
}

impl SessionOptions<'_> {
    pub fn parallelism(&self) -> Result<usize> {
        Ok(self.number("parallelism.default")?.or(self.number("table.exec.resource.default-parallelism")?).unwrap_or(1).max(1))
    }

    pub fn planner(&self, parallelism: usize, now_ms: i64) -> Result<PlannerSettings> {
        let mini_batch = self.text("table.exec.mini-batch.enabled").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        Ok(PlannerSettings {
            time_zone: self.time_zone()?,
            parallelism,
            now_ms,
            state_ttl_ms: self.span("table.exec.state.ttl")?.map(millis).filter(|ms| *ms > 0),
            idle_timeout_ms: self.span("table.exec.source.idle-timeout")?.map(millis),
            watermark_every_row: self.span("pipeline.auto-watermark-interval")?.is_some_and(|d| d.is_zero()),
            not_null_enforcer: self.word(NOT_NULL_ENFORCER)?,
            upsert_materialize: self.word(UPSERT_MATERIALIZE)?,
            duplicate_changes: self.text("table.exec.source.cdc-events-duplicate").is_some_and(|v| v.eq_ignore_ascii_case("true")),
            mini_batch_rows: if mini_batch { Some(self.number("table.exec.mini-batch.size")?.unwrap_or(5000)) } else { None },
        })
    }

    /// An option with a few values, or its default.
    fn word<T: std::str::FromStr<Err = String> + Default>(&self, name: &str) -> Result<T> {
        match self.text(name) {
            Some(text) => text.parse().map_err(|e| Error::invalid(format!("'{name}' = '{text}': {e}"))),
            None => Ok(T::default()),
        }
    }

    pub fn time_zone(&self) -> Result<chrono_tz::Tz> {
        let mut options = brisk_sql::session::Options::default();
        if let Some(name) = self.text("table.local-time-zone") {
            options.set("table.local-time-zone", &name)?;
        }
        Ok(options.time_zone())
    }

    /// `fallback_dir`: where checkpoints go if the script does not say.
    pub fn job(&self, name: &str, parallelism: usize, fallback_dir: Option<&str>, fallback_interval: Option<Duration>) -> Result<JobOptions> {
        let mut options = JobOptions { name: name.to_string(), parallelism, ..JobOptions::default() };
        if let Some(groups) = self.number::<u64>("pipeline.max-parallelism")? {
            options.key_groups = u16::try_from(groups).map_err(|_| Error::invalid("'pipeline.max-parallelism' is more than 65535"))?;
        }
        let dir = self.text("execution.checkpointing.dir").or_else(|| self.text("state.checkpoints.dir")).or_else(|| fallback_dir.map(str::to_string));
        let interval = self.span("execution.checkpointing.interval")?.or(fallback_interval);
        if let Some(dir) = dir {
            let mut checkpoint = CheckpointOptions::new(CheckpointStore::open(&dir)?);
            checkpoint.interval = interval;
            checkpoint.retained = self.number("execution.checkpointing.num-retained")?.unwrap_or(checkpoint.retained);
            checkpoint.min_pause = self.span("execution.checkpointing.min-pause")?.unwrap_or(checkpoint.min_pause);
            checkpoint.timeout = self.span("execution.checkpointing.timeout")?.unwrap_or(checkpoint.timeout);
            checkpoint.mode = match self.text("execution.checkpointing.mode").map(|m| m.to_ascii_uppercase()).as_deref() {
                Some("AT_LEAST_ONCE") => CheckpointMode::AtLeastOnce,
                _ => CheckpointMode::ExactlyOnce,
            };
            options.checkpoint = Some(checkpoint);
        } else if interval.is_some() {
            return Err(Error::invalid("'execution.checkpointing.interval' is set, but no directory for checkpoints")
                .with_remedy("SET 'execution.checkpointing.dir' = '...', or use --checkpoint-dir"));
        }
        options.restart = self.restart()?;
        let ignored = IGNORE_STATE.iter().find_map(|key| self.text(key));
        options.allow_non_restored_state = ignored.is_some_and(|v| v.eq_ignore_ascii_case("true"));
        Ok(options)
    }

    fn restart(&self) -> Result<RestartStrategy> {
        let kind = self.text("restart-strategy.type").or_else(|| self.text("restart-strategy"));
        match kind.as_deref() {
            None | Some("none" | "off" | "disable") => Ok(RestartStrategy::None),
            Some("fixed-delay" | "fixeddelay") => Ok(RestartStrategy::Fixed {
                attempts: self.number("restart-strategy.fixed-delay.attempts")?.unwrap_or(1),
                delay: self.span("restart-strategy.fixed-delay.delay")?.unwrap_or(Duration::from_secs(1)),
            }),
            Some("exponential-delay" | "exponentialdelay") => Ok(RestartStrategy::exponential()),
            Some(other) => {
                Err(Error::invalid(format!("'restart-strategy.type' = '{other}' is not known")).with_remedy("use 'none', 'fixed-delay' or 'exponential-delay'"))
            }
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        (self.get)(key)
    }

    fn number<T: std::str::FromStr>(&self, key: &str) -> Result<Option<T>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| Error::invalid(format!("'{key}' = '{text}' is not a whole number that fits")))
    }

    fn span(&self, key: &str) -> Result<Option<Duration>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let span: TimeSpan = text.parse().map_err(|e| Error::invalid(format!("'{key}' = '{text}': {e}")))?;
        Ok(Some(span.0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

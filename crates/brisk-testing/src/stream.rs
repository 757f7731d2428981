//! The running job of a script, step by step; in some modes with a crash in every step.
//!
//! ```text
//!   step:   [checkpoint] -> change -> settle -> [crash -> begin at the checkpoint -> settle] -> what came out
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use brisk_core::clock::Clock;
use brisk_core::graph::StreamGraph;
use brisk_core::{Error, Result};
use brisk_runtime::checkpoint::CheckpointStore;
use brisk_runtime::{CheckpointOptions, Checks, Job, JobHandle, JobOptions, Restore};
use object_store::memory::InMemory;

use crate::mode::Mode;
use crate::sink::Sinks;

/// A step that takes longer has failed.
const STEP_LIMIT: Duration = Duration::from_secs(60);

pub struct Stream {
    mode: Mode,
    graph: StreamGraph,
    sinks: Arc<Sinks>,
    options: JobOptions,
    handle: JobHandle,
    restarts: usize,
    /// How many lines of each sink were shown.
    shown: BTreeMap<String, usize>,
    failure: Option<String>,
}

/// What came out of a stream.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lines {
    /// In the last step.
    pub step: Vec<String>,
    /// Since the stream began.
    pub all: Vec<String>,
}

impl Stream {
    pub fn start(mode: Mode, graph: StreamGraph, sinks: Arc<Sinks>, clock: Arc<dyn Clock>) -> Result<Self> {
        let mut options = job_options(mode, clock);
        if mode.crashes() {
            options.checkpoint = Some(CheckpointOptions::new(CheckpointStore::new(Arc::new(InMemory::new()), "memory")));
        }
        let handle = Job::start(graph.clone(), options.clone(), Restore::None)?;
        let mut stream = Self { mode, graph, sinks, options, handle, restarts: 0, shown: BTreeMap::new(), failure: None };
        stream.settle()?;
        Ok(stream)
    }

    /// Makes a change and gives what came of it.
    pub fn step(&mut self, change: impl FnOnce()) -> Result<Lines> {
        let crash = self.mode.crashes() && !self.has_ended();
        if crash {
            self.handle.trigger_checkpoint()?;
        }
        change();
        self.handle.clock_moved();
        self.settle()?;
        if crash && !self.has_ended() {
            self.crash_and_restore()?;
        }
        Ok(self.lines())
    }

    /// Waits for the end of a job whose inputs have ended.
    pub fn wait(&mut self) -> Result<Lines> {
        if self.handle.wait_for(STEP_LIMIT).is_none() {
            return Err(Error::internal(format!("the job did not end within {} s", STEP_LIMIT.as_secs())));
        }
        self.note_failure();
        Ok(self.lines())
    }

    /// What came out since the last call.
    pub fn lines(&mut self) -> Lines {
        let mut lines = Lines::default();
        for (sink, all) in self.sinks.lines() {
            let shown = self.shown.insert(sink, all.len()).unwrap_or(0);
            lines.step.extend_from_slice(&all[shown.min(all.len())..]);
            lines.all.extend(all);
        }
        if let Some(failure) = &self.failure {
            if self.shown.insert("the end".to_string(), 1).is_none() {
                lines.step.push(failure.clone());
            }
            lines.all.push(failure.clone());
        }
        lines
    }

    fn settle(&mut self) -> Result<()> {
        if !self.handle.settle(STEP_LIMIT) {
            return Err(Error::internal(format!("the job did not come to rest within {} s", STEP_LIMIT.as_secs())));
        }
        self.note_failure();
        Ok(())
    }

    fn crash_and_restore(&mut self) -> Result<()> {
        self.handle.cancel();
        // That it was cancelled is no news.
        let _ = self.handle.wait();
        self.restarts += 1;
        self.sinks.clear_lines();
        self.options.parallelism = self.mode.parallelism(self.restarts);
        self.handle = Job::start(self.graph.clone(), self.options.clone(), Restore::Latest)?;
        self.settle()
    }

    fn has_ended(&self) -> bool {
        self.handle.wait_for(Duration::ZERO).is_some()
    }

    fn note_failure(&mut self) {
        if let Some(Err(error)) = self.handle.wait_for(Duration::ZERO) {
            self.failure = Some(format!("error: {error}"));
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.handle.cancel();
        let _ = self.handle.wait();
    }
}

pub fn job_options(mode: Mode, clock: Arc<dyn Clock>) -> JobOptions {
    JobOptions {
        name: "script".to_string(),
        parallelism: mode.parallelism(0),
        max_batch_rows: mode.batch_rows(),
        checks: Checks::Heavy,
        clock,
        ..JobOptions::default()
    }
}

//! `'connector' = 'nexmark'`: the events of the Nexmark benchmark for streaming systems, as its Flink edition makes them.
//!
//! As many generators as there are subtasks when the job first starts, each with its own time line and ids; a generator
//! is a split and keeps its number when the job is restored at another parallelism.

mod bids;
mod columns;
mod config;
mod events;
mod generator;
#[cfg(test)]
mod oracle;
mod price;
mod random;
#[cfg(test)]
mod tests;
mod text;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use brisk_core::connector::{Connector, TableDescriptor};
use brisk_core::operator::SubtaskContext;
use brisk_core::source::{Payload, Poll, Source, SourceData, SourceReader, SplitState};
use brisk_core::{ChangelogBatch, Error, Result};

use config::NexmarkOptions;
use events::{EventColumns, EventShape};
use generator::{Generator, Share};
use text::Texts;

pub struct Nexmark;

impl Connector for Nexmark {
    fn name(&self) -> &'static str {
        "nexmark"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(NexmarkOptions).to_value()
    }

    fn source(&self, table: &TableDescriptor) -> Result<Arc<dyn Source>> {
        let options = NexmarkOptions::of(table)?;
        Ok(Arc::new(NexmarkSource { shape: EventShape::of(table)?, options, texts: OnceLock::new() }))
    }
}

struct NexmarkSource {
    options: NexmarkOptions,
    shape: EventShape,
    /// Made for the first reader, shared with the others.
    texts: OnceLock<Arc<Texts>>,
}

impl Source for NexmarkSource {
    fn is_bounded(&self) -> bool {
        self.options.limit().is_some() && !self.options.keep_alive
    }

    fn reader(&self, context: &SubtaskContext, restored: Vec<SplitState>) -> Result<Box<dyn SourceReader>> {
        // Where event times begin with the start, an event is due at its own time: both are read from the clock here.
        let started_us = now_us();
        let base_time = self.options.base_time.unwrap_or(started_us.div_euclid(1000));
        let shares: Vec<SavedShare> = match restored.is_empty() {
            true => vec![SavedShare::fresh(base_time, context.subtask_index as u64, context.parallelism as u64)],
            false => restored.iter().map(SavedShare::decode).collect::<Result<Vec<_>>>()?,
        };
        let mine = shares.into_iter().filter(|s| s.index as usize % context.parallelism == context.subtask_index);
        let texts = Arc::clone(self.texts.get_or_init(|| Arc::new(Texts::new(self.options.seed))));
        let splits = mine.map(|share| GeneratorSplit::new(&self.options, share)).collect();
        let options = self.options.clone();
        Ok(Box::new(NexmarkReader { options, columns: self.shape.columns(), texts, splits, next: 0, started_us, announced: Vec::new() }))
    }

    fn describe(&self) -> String {
        let events = self.options.limit().map_or("without end".to_string(), |n| format!("{n} events"));
        format!("nexmark({events}, {} a second, seed {})", self.options.first_event_rate, self.options.seed)
    }
}

struct NexmarkReader {
    options: NexmarkOptions,
    columns: EventColumns,
    texts: Arc<Texts>,
    splits: Vec<GeneratorSplit>,
    /// Whose turn it is.
    next: usize,
    started_us: i64,
    /// Splits whose end has been told.
    announced: Vec<usize>,
}

struct GeneratorSplit {
    name: Arc<str>,
    share: SavedShare,
    generator: Generator,
    /// How many events it makes.
    limit: i64,
    /// The time of the first event that this reader makes, ms: it is due when the reader starts.
    first_time: i64,
}

impl GeneratorSplit {
    fn new(options: &NexmarkOptions, share: SavedShare) -> Self {
        let mut generator = Generator::new(options, Share { generators: share.generators, index: share.index, base_time: share.base_time });
        if share.events > 0 {
            generator.resume(share.events, share.random_state);
        }
        let limit = options.limit().map_or(i64::MAX, |limit| {
            let even = limit / share.generators;
            (if share.index + 1 == share.generators { limit - even * (share.generators - 1) } else { even }) as i64
        });
        let first_time = generator.next_time();
        Self { name: format!("{}/{}", share.index, share.generators).into(), share, generator, limit, first_time }
    }
}

impl SourceReader for NexmarkReader {
    fn poll(&mut self, max_wait: Duration) -> Result<Poll> {
        let mut wait = max_wait;
        for _ in 0..self.splits.len() {
            let at = self.next % self.splits.len();
            self.next = at + 1;
            let split = &mut self.splits[at];
            if split.generator.events() >= split.limit {
                if !self.announced.contains(&at) {
                    self.announced.push(at);
                    return Ok(Poll::SplitFinished(Arc::clone(&split.name)));
                }
                continue;
            }
            // When events come at their time, only those that are due.
            let due = if self.options.max_emit_speed { i64::MAX } else { split.first_time + (now_us() - self.started_us).div_euclid(1000) };
            let columns = &mut self.columns;
            columns.begin_batch();
            while !columns.is_full() && split.generator.events() < split.limit {
                // A run of events is not longer than what is due of it.
                let most = if due == i64::MAX { split.limit - split.generator.events() } else { i64::from(split.generator.is_due(due)) };
                if most == 0 {
                    break;
                }
                split.generator.next(most, &self.texts, columns);
            }
            if columns.len() > 0 {
                let rows = ChangelogBatch::append(columns.finish_batch()?);
                return Ok(Poll::Data(SourceData { split: Arc::clone(&split.name), payload: Payload::Rows(rows), metadata: Vec::new() }));
            }
            // Nothing was due, or nothing of what was is wanted.
            if !self.options.max_emit_speed {
                let due_us = (split.generator.next_time() - split.first_time) * 1000;
                let wait_us = due_us - (now_us() - self.started_us);
                wait = wait.min(Duration::from_micros(wait_us.max(0) as u64));
            }
        }
        let finished = self.splits.iter().all(|s| s.generator.events() >= s.limit);
        if finished && !self.options.keep_alive {
            return Ok(Poll::Finished);
        }
        std::thread::sleep(wait);
        Ok(Poll::Idle)
    }

    fn snapshot(&mut self) -> Result<Vec<SplitState>> {
        let state = |s: &GeneratorSplit| {
            let saved = SavedShare { events: s.generator.events(), random_state: s.generator.random_state(), ..s.share };
            SplitState { split: Arc::clone(&s.name), state: saved.encode() }
        };
        Ok(self.splits.iter().map(state).collect())
    }
}

/// A split's state: six little-endian 64-bit numbers.
#[derive(Debug, Clone, Copy)]
struct SavedShare {
    index: u64,
    generators: u64,
    base_time: i64,
    events: i64,
    random_state: u64,
}

impl SavedShare {
    fn fresh(base_time: i64, index: u64, generators: u64) -> Self {
        Self { index, generators, base_time, events: 0, random_state: 0 }
    }

    fn encode(&self) -> Vec<u8> {
        let numbers = [self.index, self.generators, self.base_time as u64, self.events as u64, self.random_state];
        numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    fn decode(state: &SplitState) -> Result<Self> {
        let damaged = || Error::corrupt(format!("the state of nexmark split {} is damaged", state.split));
        let mut numbers = [0u64; 5];
        if state.state.len() != 40 {
            return Err(damaged());
        }
        for (number, bytes) in numbers.iter_mut().zip(state.state.chunks_exact(8)) {
            *number = u64::from_le_bytes(bytes.try_into().map_err(|_| damaged())?);
        }
        let [index, generators, base_time, events, random_state] = numbers;
        Ok(Self { index, generators, base_time: base_time as i64, events: events as i64, random_state })
    }
}

fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as i64)
}

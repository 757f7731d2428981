//! The source side: reads a table's log from a checkpoint's position, and gives space back when checkpoints have passed.
//!
//! One split, the path; its state is the number of the next record, as text.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, PrimitiveArray};
use brisk_connectors::durable_log::{Consumer, LogChunk, LogReader};
use brisk_core::connector::RecordJudge;
use brisk_core::operator::SubtaskContext;
use brisk_core::source::{Framing, Payload, Poll, RecordChunk, Source, SourceData, SourceReader, SplitState, owns_split};
use brisk_core::{DataType, Error, Result, SqlType};
use bytes::Bytes;

use super::table::{IngestTable, KEY_MARK};
use crate::server::needs_server;

pub struct IngestSource {
    /// `None` where nothing is served.
    pub table: Option<Arc<IngestTable>>,
    pub path: String,
    pub metadata: Vec<Metadata>,
    pub start: Start,
    /// Held for the table, which lets it judge as long as this source is there.
    pub _judge: Option<RecordJudge>,
}

/// Where a job without a checkpoint begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// After what former jobs have read.
    Committed,
    /// With the oldest event that is kept.
    Earliest,
    Latest,
}

#[derive(Debug, Clone, Copy)]
pub enum Metadata {
    IngestTime,
}

impl Metadata {
    pub fn keys() -> Vec<(&'static str, SqlType)> {
        vec![("ingest-time", SqlType::not_null(DataType::TimestampLtz(3)))]
    }

    pub fn parse(key: &str, sql_type: &SqlType) -> Result<Self> {
        match (key, &sql_type.data_type) {
            ("ingest-time", DataType::TimestampLtz(0..=3)) => Ok(Metadata::IngestTime),
            _ => {
                Err(Error::invalid(format!("connector 'http' has no metadata '{key}' of type {sql_type}"))
                    .with_remedy("it has 'ingest-time', a TIMESTAMP_LTZ(3)"))
            }
        }
    }

    fn column(self, chunk: &LogChunk) -> ArrayRef {
        match self {
            Metadata::IngestTime => {
                let times: PrimitiveArray<TimestampMillisecondType> = chunk.times_ms.clone().into();
                Arc::new(times.with_timezone("UTC"))
            }
        }
    }
}

impl Source for IngestSource {
    fn is_bounded(&self) -> bool {
        false
    }

    fn max_parallelism(&self) -> Option<usize> {
        Some(1)
    }

    fn reader(&self, context: &SubtaskContext, restored: Vec<SplitState>) -> Result<Box<dyn SourceReader>> {
        let table = self.table.as_ref().ok_or_else(|| needs_server(&self.path, "http"))?;
        let split: Arc<str> = self.path.as_str().into();
        if !owns_split(&split, context.subtask_index, context.parallelism) {
            return Ok(Box::new(NoReader));
        }
        let log = &table.log;
        let position = match restored.iter().find(|s| s.split == split) {
            Some(state) => position_of(state)?,
            None => match self.start {
                Start::Committed => table.begin(&context.operator_id),
                Start::Earliest => log.first(),
                Start::Latest => log.end(),
            },
        };
        if position > log.end() {
            return Err(Error::corrupt(format!("the checkpoint has read {position} records of {split}, but the log has {}", log.end()))
                .with_remedy("the data directory was replaced: start without the checkpoint"));
        }
        let read = table.progress(&context.operator_id);
        read.store(position, Ordering::Release);
        let (consumer, reader) = (log.consumer(&context.operator_id, position), log.reader(position));
        let (table, metadata) = (table.clone(), self.metadata.clone());
        Ok(Box::new(IngestReader { table, split, reader, consumer, read, at_checkpoints: VecDeque::new(), metadata }))
    }

    fn describe(&self) -> String {
        format!("http(POST {})", self.path)
    }
}

fn position_of(state: &SplitState) -> Result<u64> {
    let text = std::str::from_utf8(&state.state).ok();
    text.and_then(|t| t.parse().ok()).ok_or_else(|| Error::corrupt(format!("the position of {} is not a number", state.split)))
}

struct IngestReader {
    table: Arc<IngestTable>,
    split: Arc<str>,
    reader: LogReader,
    consumer: Consumer,
    /// How far it has read, for the table.
    read: Arc<AtomicU64>,
    /// The positions of the last snapshots, oldest first.
    at_checkpoints: VecDeque<u64>,
    metadata: Vec<Metadata>,
}

/// How many durable checkpoints the log stays behind, so that a restore can fall back to an older one.
const KEPT_CHECKPOINTS: usize = 3;
/// Snapshots that may be waiting; positions of older ones are dropped, which only gives space back later.
const SNAPSHOTS_MAX: usize = 64;

impl SourceReader for IngestReader {
    fn poll(&mut self, max_wait: Duration) -> Result<Poll> {
        let Some(chunk) = self.reader.read(max_wait)? else { return Ok(Poll::Idle) };
        self.read.store(self.reader.position(), Ordering::Release);
        let chunk = without_keys(chunk);
        let metadata = self.metadata.iter().map(|m| m.column(&chunk)).collect();
        let records = RecordChunk { data: chunk.data, framing: Framing::Offsets(chunk.ends.into()), origin: self.split.clone(), first_record: chunk.first };
        Ok(Poll::Data(SourceData { split: self.split.clone(), payload: Payload::Records(records), metadata }))
    }

    fn live_splits(&self) -> Vec<Arc<str>> {
        vec![self.split.clone()]
    }

    fn snapshot(&mut self) -> Result<Vec<SplitState>> {
        let position = self.reader.position();
        self.at_checkpoints.push_back(position);
        if self.at_checkpoints.len() > SNAPSHOTS_MAX {
            self.at_checkpoints.pop_front();
        }
        Ok(vec![SplitState { split: self.split.clone(), state: position.to_string().into_bytes() }])
    }

    fn checkpoint_complete(&mut self, _checkpoint_id: u64) -> Result<()> {
        // The newest snapshot may be of a checkpoint under way; the ones before it are of this one and older ones.
        while self.at_checkpoints.len() > KEPT_CHECKPOINTS + 1 {
            let Some(position) = self.at_checkpoints.pop_front() else { break };
            self.table.before_trim()?;
            self.consumer.passed(position)?;
        }
        Ok(())
    }
}

/// For subtasks that the split does not fall to.
struct NoReader;

impl SourceReader for NoReader {
    fn poll(&mut self, _max_wait: Duration) -> Result<Poll> {
        Ok(Poll::Finished)
    }

    fn snapshot(&mut self) -> Result<Vec<SplitState>> {
        Ok(Vec::new())
    }
}

/// The events alone. Their numbers are then those of a dense chunk, which matters for messages only.
fn without_keys(chunk: LogChunk) -> LogChunk {
    let starts = || std::iter::once(0).chain(chunk.ends.iter().copied());
    let is_key = |start: u32, end: u32| start < end && chunk.data[start as usize] == KEY_MARK;
    if !starts().zip(&chunk.ends).any(|(start, end)| is_key(start, *end)) {
        return chunk;
    }
    let (mut data, mut ends, mut times_ms) = (Vec::with_capacity(chunk.data.len()), Vec::new(), Vec::new());
    for ((start, end), time) in starts().zip(&chunk.ends).zip(&chunk.times_ms) {
        if !is_key(start, *end) {
            data.extend_from_slice(&chunk.data[start as usize..*end as usize]);
            ends.push(data.len() as u32);
            times_ms.push(*time);
        }
    }
    LogChunk { first: chunk.first, data: Bytes::from(data), ends, times_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_records_are_left_out() {
        let chunk = LogChunk { first: 4, data: Bytes::from_static(b"\0keyab\0k2c"), ends: vec![4, 5, 6, 9, 10], times_ms: vec![1, 1, 1, 2, 2] };
        let seen = without_keys(chunk);
        assert_eq!((&seen.data[..], seen.ends, seen.times_ms), (b"abc".as_slice(), vec![1, 2, 3], vec![1, 1, 2]));
    }
}

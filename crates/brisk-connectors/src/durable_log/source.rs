//! A source over logs: one split a log, its position the number of the next record.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, Int64Array, PrimitiveArray};
use brisk_core::operator::SubtaskContext;
use brisk_core::source::{Framing, Payload, Poll, RecordChunk, Source, SourceData, SourceReader, SplitState, owns_split};
use brisk_core::{DataType, Error, Result, SqlType};

use super::{Consumer, DurableLog, LogChunk, LogReader};

/// Reads the records of logs for the table's format to decode.
///
/// Whatever writes the logs, the HTTP endpoint or a host's sampler, only has to append: reading, replay after a
/// failure and giving back space are here.
pub struct LogSource {
    name: String,
    logs: Vec<(Arc<str>, Arc<DurableLog>)>,
    metadata: Vec<Metadata>,
}

#[derive(Debug, Clone, Copy)]
enum Metadata {
    Offset,
    AppendTime,
}

impl LogSource {
    /// The metadata keys that a table over logs may name.
    pub fn metadata_keys() -> Vec<(&'static str, SqlType)> {
        vec![("offset", SqlType::not_null(DataType::BigInt)), ("ingest-time", SqlType::not_null(DataType::TimestampLtz(3)))]
    }

    /// A source called `name` over `logs`, each with the name of its split. `metadata` as in the table's descriptor.
    pub fn new(name: impl Into<String>, logs: Vec<(Arc<str>, Arc<DurableLog>)>, metadata: &[(String, SqlType)]) -> Result<Self> {
        let name = name.into();
        let key = |(key, sql_type): &(String, SqlType)| match (key.as_str(), &sql_type.data_type) {
            ("offset", DataType::BigInt) => Ok(Metadata::Offset),
            ("ingest-time", DataType::TimestampLtz(0..=3)) => Ok(Metadata::AppendTime),
            _ => Err(Error::invalid(format!("{name}: there is no metadata '{key}' of type {sql_type}"))
                .with_remedy("'offset' is a BIGINT, 'ingest-time' a TIMESTAMP_LTZ(3)")),
        };
        let metadata = metadata.iter().map(key).collect::<Result<_>>()?;
        Ok(Self { name, logs, metadata })
    }
}

impl Source for LogSource {
    fn is_bounded(&self) -> bool {
        false
    }

    fn max_parallelism(&self) -> Option<usize> {
        Some(self.logs.len())
    }

    fn reader(&self, context: &SubtaskContext, restored: Vec<SplitState>) -> Result<Box<dyn SourceReader>> {
        let mut splits = Vec::new();
        for (split, log) in &self.logs {
            // A single log goes to the only reader there is; several are divided.
            if !owns_split(split, context.subtask_index, context.parallelism) {
                continue;
            }
            let position = match restored.iter().find(|s| s.split == *split) {
                Some(state) => position_of(state)?,
                None => log.first(),
            };
            let consumer = log.consumer(&context.operator_id, position);
            splits.push(Split { name: split.clone(), reader: log.reader(position), consumer, at_checkpoints: VecDeque::new() });
        }
        Ok(Box::new(LogSourceReader { origin: self.name.as_str().into(), splits, next: 0, metadata: self.metadata.clone() }))
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

fn position_of(state: &SplitState) -> Result<u64> {
    let bytes = state.state[..].try_into().map_err(|_| Error::corrupt(format!("the position of {} is not of eight bytes", state.split)))?;
    Ok(u64::from_le_bytes(bytes))
}

struct LogSourceReader {
    origin: Arc<str>,
    splits: Vec<Split>,
    /// The split to ask first, so that all have their turn.
    next: usize,
    metadata: Vec<Metadata>,
}

struct Split {
    name: Arc<str>,
    reader: LogReader,
    consumer: Consumer,
    /// The positions of the last snapshots, oldest first: which one has become durable is known by their number.
    at_checkpoints: VecDeque<u64>,
}

/// Snapshots that may be waiting to become durable; positions of older ones are dropped, which only gives space back later.
const SNAPSHOTS_MAX: usize = 64;

impl SourceReader for LogSourceReader {
    fn poll(&mut self, max_wait: Duration) -> Result<Poll> {
        let count = self.splits.len();
        for turn in 0..count {
            let i = (self.next + turn) % count;
            // Only the last one asked is waited for: a log tells no one else of news.
            let wait = if turn + 1 == count { max_wait } else { Duration::ZERO };
            if let Some(chunk) = self.splits[i].reader.read(wait)? {
                self.next = i + 1;
                return Ok(Poll::Data(self.data(i, chunk)));
            }
        }
        if count == 0 {
            return Ok(Poll::Finished);
        }
        Ok(Poll::Idle)
    }

    fn snapshot(&mut self) -> Result<Vec<SplitState>> {
        let mut states = Vec::new();
        for split in &mut self.splits {
            let position = split.reader.position();
            split.at_checkpoints.push_back(position);
            if split.at_checkpoints.len() > SNAPSHOTS_MAX {
                split.at_checkpoints.pop_front();
            }
            states.push(SplitState { split: split.name.clone(), state: position.to_le_bytes().to_vec() });
        }
        Ok(states)
    }

    fn checkpoint_complete(&mut self, _checkpoint_id: u64) -> Result<()> {
        // One snapshot is under way at a time at most, besides the one that is complete: the oldest is safe to pass.
        for split in &mut self.splits {
            if let Some(position) = split.at_checkpoints.pop_front() {
                split.consumer.passed(position)?;
            }
        }
        Ok(())
    }
}

impl LogSourceReader {
    fn data(&self, split: usize, chunk: LogChunk) -> SourceData {
        let metadata = self.metadata.iter().map(|key| column(*key, &chunk)).collect();
        let records = RecordChunk { data: chunk.data, framing: Framing::Offsets(chunk.ends.into()), origin: self.origin.clone(), first_record: chunk.first };
        SourceData { split: self.splits[split].name.clone(), payload: Payload::Records(records), metadata }
    }
}

fn column(key: Metadata, chunk: &LogChunk) -> ArrayRef {
    match key {
        Metadata::Offset => Arc::new((0..chunk.ends.len()).map(|i| (chunk.first + i as u64) as i64).collect::<Int64Array>()),
        Metadata::AppendTime => {
            let times: PrimitiveArray<TimestampMillisecondType> = chunk.times_ms.clone().into();
            Arc::new(times.with_timezone("UTC"))
        }
    }
}

//! Reading a log from a position on, in chunks of whole records.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::batch::{self, Broken, HEADER_BYTES};
use super::segment::{HEAD_BYTES, Segment, check_head, damage};
use super::{LogError, Shared};
use crate::filesystem::read_at_most;

/// How much is read from disk at a time.
const READ_BYTES: usize = 1 << 20;

/// Records that follow one another.
#[derive(Debug, Clone)]
pub struct LogChunk {
    /// The number of the first one.
    pub first: u64,
    pub data: Bytes,
    /// Where each record ends in `data`.
    pub ends: Vec<u32>,
    /// When each record was appended, ms since 1970.
    pub times_ms: Vec<i64>,
}

pub struct LogReader {
    shared: Arc<Shared>,
    position: u64,
    open: Option<Open>,
}

/// A segment that is read, and the batch that comes next in it.
struct Open {
    file: File,
    segment: Segment,
    offset: u64,
    /// The first record of that batch.
    next: u64,
}

impl LogReader {
    pub(super) fn new(shared: Arc<Shared>, position: u64) -> Self {
        Self { shared, position, open: None }
    }

    /// The number of the next record.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next records, waiting at most `max_wait` for any; `None` when there are none.
    pub fn read(&mut self, max_wait: Duration) -> Result<Option<LogChunk>, LogError> {
        if !self.shared.wait_for(self.position, max_wait) {
            return Ok(None);
        }
        loop {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => self.open_segment()?,
            };
            // The segment may have grown since.
            if let Some(now) = self.shared.lock().segments.iter().find(|s| s.first == open.segment.first) {
                open.segment = now.clone();
            }
            if open.next >= open.segment.end() {
                // All of it is read: the position is in a later one.
                self.position = self.position.max(open.segment.end());
                continue;
            }
            let chunk = open.read(self.position, &self.shared)?;
            self.open = Some(open);
            if let Some(chunk) = chunk {
                self.position = chunk.first + chunk.ends.len() as u64;
                return Ok(Some(chunk));
            }
        }
    }

    fn open_segment(&self) -> Result<Open, LogError> {
        let state = self.shared.lock();
        let found = state.segments.iter().find(|s| s.first <= self.position && self.position < s.end()).cloned();
        let first = state.first();
        drop(state);
        let segment = found.ok_or_else(|| LogError::Trimmed(self.shared.name(), first))?;
        let file = File::open(&segment.path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => LogError::Trimmed(self.shared.name(), self.shared.lock().first()),
            _ => LogError::Failed(format!("{} cannot be read: {e}", self.shared.name())),
        })?;
        let mut head = [0; HEAD_BYTES as usize];
        read_at_most(&file, &mut head, 0).map_err(|e| LogError::Failed(format!("{} cannot be read: {e}", self.shared.name())))?;
        check_head(&head, segment.first).map_err(|why| LogError::Corrupt(segment.path.display().to_string(), why))?;
        Ok(Open { file, offset: HEAD_BYTES, next: segment.first, segment })
    }
}

impl Open {
    /// Reads the next piece of the segment; `None` when all its records lie before `position`.
    fn read(&mut self, position: u64, shared: &Shared) -> Result<Option<LogChunk>, LogError> {
        let bytes = self.load(READ_BYTES.max(HEADER_BYTES), shared)?;
        let mut taken = self.take_batches(&bytes, position);
        if let (0, Some(Broken::Short(needed))) = (taken.bytes, &taken.broken) {
            // The batch is larger than what was read.
            let bytes = self.load(*needed, shared)?;
            taken = self.take_batches(&bytes, position);
        }
        if taken.bytes == 0 {
            return Err(damage(&self.segment.path, &taken.broken.unwrap_or(Broken::Wrong("a batch is missing"))));
        }
        self.offset += taken.bytes as u64;
        let chunk = LogChunk { first: position.max(self.next), data: taken.data.into(), ends: taken.ends, times_ms: taken.times_ms };
        self.next += taken.records;
        Ok((!chunk.ends.is_empty()).then_some(chunk))
    }

    /// At most `most` bytes from the next batch on, of those that are on disk for sure.
    fn load(&self, most: usize, shared: &Shared) -> Result<Vec<u8>, LogError> {
        let there = self.segment.bytes.saturating_sub(self.offset);
        let mut bytes = vec![0; most.min(usize::try_from(there).unwrap_or(most))];
        let read = read_at_most(&self.file, &mut bytes, self.offset).map_err(|e| LogError::Failed(format!("{} cannot be read: {e}", shared.name())))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// The records from `position` on of all whole batches in `bytes`.
    fn take_batches(&self, bytes: &[u8], position: u64) -> Taken {
        let mut taken = Taken::default();
        while taken.bytes < bytes.len() {
            let first = self.next + taken.records;
            match batch::read(&bytes[taken.bytes..], first) {
                Ok(batch) => {
                    taken.bytes += batch.bytes;
                    taken.records += batch.ends.len() as u64;
                    taken.add(&batch, usize::try_from(position.saturating_sub(first)).unwrap_or(usize::MAX));
                }
                Err(broken) => {
                    taken.broken = Some(broken);
                    break;
                }
            }
        }
        taken
    }
}

#[derive(Default)]
struct Taken {
    bytes: usize,
    records: u64,
    data: Vec<u8>,
    ends: Vec<u32>,
    times_ms: Vec<i64>,
    /// Why it stopped before the end of the bytes.
    broken: Option<Broken>,
}

impl Taken {
    /// Adds the records of a batch without the first `skipped`.
    fn add(&mut self, batch: &batch::Batch, skipped: usize) {
        if skipped >= batch.ends.len() {
            return;
        }
        let start = if skipped == 0 { 0 } else { batch.ends[skipped - 1] };
        let base = self.data.len() as u32;
        self.data.extend_from_slice(&batch.data[start as usize..]);
        self.ends.extend(batch.ends[skipped..].iter().map(|end| base + end - start));
        self.times_ms.resize(self.ends.len(), batch.time_ms);
    }
}

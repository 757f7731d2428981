//! One table that is posted to: its log, limits, keys and counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brisk_connectors::durable_log::{DurableLog, LogError, LogOptions};
use brisk_core::metrics::Counter;
use brisk_core::{Error, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::body::Shape;
use super::judge::Judges;
use super::keys::Keys;
use super::rate::RateLimit;

pub struct IngestTable {
    pub path: String,
    pub options: TableOptions,
    pub log: Arc<DurableLog>,
    pub counts: Counts,
    pub judges: Judges,
    directory: PathBuf,
    segment_bytes: u64,
    /// Locked while appending, so that a key and its events are one step.
    keys: Mutex<Keys>,
    rate: Option<Mutex<RateLimit>>,
    /// Where a job begins that was never here.
    consumed: Mutex<u64>,
    /// How far the consumers of this run have read, beyond their checkpoints.
    progress: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TableOptions {
    pub shape: Shape,
    pub max_body_bytes: usize,
    pub max_log_bytes: u64,
    /// Events a second.
    pub rate: Option<u64>,
}

/// What happened to requests and events.
#[derive(Debug, Default)]
pub struct Counts {
    pub events_accepted: Counter,
    pub bytes_accepted: Counter,
    pub requests_repeated: Counter,
    pub requests_refused: Counter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    New,
    /// The key is known: the events are there since an earlier request.
    Repeated,
}

#[derive(Debug, PartialEq)]
pub enum Refused {
    TooFast(Duration),
    /// The jobs have not caught up.
    Full,
    TooLarge(String),
    Failed(String),
}

/// `state.json`: what must outlive segments that are given back.
#[derive(Default, Serialize, Deserialize)]
struct State {
    consumed: u64,
    keys: Vec<String>,
}

/// A record with this first byte is the idempotency key of the records after it. No text of a format begins so.
pub const KEY_MARK: u8 = 0;
/// How many keys are remembered.
const REMEMBERED_KEYS: usize = 100_000;

impl IngestTable {
    pub fn open(path: &str, directory: &Path, options: TableOptions) -> Result<Self> {
        let context = |e: Error| e.context(format_args!("events of {path}"));
        // Space is given back a segment at a time.
        let segment_bytes = (options.max_log_bytes / 16).clamp(64 << 10, 64 << 20);
        let limits = LogOptions { segment_bytes, bytes_max: options.max_log_bytes, ..LogOptions::default() };
        let log = DurableLog::open(directory.join("log"), limits).map_err(|e| context(e.into()))?;
        let state = State::read(directory).map_err(context)?;
        let mut keys = Keys::new(REMEMBERED_KEYS);
        for key in &state.keys {
            keys.insert(key);
        }
        collect_keys(&log, &mut keys).map_err(context)?;
        let rate = options.rate.map(|rate| Mutex::new(RateLimit::new(rate)));
        Ok(Self {
            path: path.to_owned(),
            options,
            log: Arc::new(log),
            counts: Counts::default(),
            judges: Judges::default(),
            directory: directory.to_path_buf(),
            segment_bytes,
            keys: Mutex::new(keys),
            rate,
            consumed: Mutex::new(state.consumed),
            progress: Mutex::default(),
        })
    }

    /// Appends events; the answer comes when they are on disk.
    pub fn append(&self, events: &[&[u8]], key: Option<&str>, now_ms: i64) -> Result<oneshot::Receiver<Result<Accepted, Refused>>, Refused> {
        if let Some(rate) = &self.rate {
            lock(rate).take(events.len(), now_ms).map_err(Refused::TooFast)?;
        }
        let appended = self.append_once(events, key);
        if appended.is_err()
            && let Some(rate) = &self.rate
        {
            lock(rate).give_back(events.len());
        }
        let (ticket, accepted) = appended?;
        let (reply, answer) = oneshot::channel();
        ticket.on_durable(move |outcome| {
            // Nobody waits any more if the client has gone.
            let _ = reply.send(outcome.map(|()| accepted).map_err(Refused::from));
        });
        Ok(answer)
    }

    /// Keeps keys and position, before the log may give back segments that hold them.
    pub fn before_trim(&self) -> Result<()> {
        // While there is one segment nothing is given back.
        if self.log.bytes() <= self.segment_bytes || lock(&self.keys).is_empty() { Ok(()) } else { self.save() }
    }

    /// How far a consumer has read, for it to tell.
    pub fn progress(&self, consumer: &str) -> Arc<AtomicU64> {
        lock(&self.progress).entry(consumer.to_owned()).or_default().clone()
    }

    /// Consumers that are not wanted have left for good: nothing is kept for them, and a new one begins where they
    /// came to, not with what happens to be kept.
    pub fn retain_consumers(&self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        for (name, passed) in self.log.consumers().into_iter().filter(|(name, _)| !wanted(name)) {
            let read = lock(&self.progress).remove(&name).map_or(passed, |read| read.load(Ordering::Acquire));
            {
                let mut consumed = lock(&self.consumed);
                *consumed = (*consumed).max(read);
            }
            self.save()?;
            self.log.forget_consumer(&name)?;
        }
        Ok(())
    }

    /// Where a consumer begins that has no checkpoint: where its own last run came to, or its predecessors did.
    pub fn begin(&self, consumer: &str) -> u64 {
        let own = self.log.consumers().into_iter().find(|(name, _)| name == consumer).map(|(_, position)| position);
        own.unwrap_or_else(|| *lock(&self.consumed)).max(self.log.first()).min(self.log.end())
    }

    fn append_once(&self, events: &[&[u8]], key: Option<&str>) -> Result<(brisk_connectors::durable_log::Ticket, Accepted), Refused> {
        let mut keys = lock(&self.keys);
        let Some(key) = key else { return Ok((self.log.append(events.iter().copied())?, Accepted::New)) };
        if !keys.insert(key) {
            // The first request with this key may still be on its way to the disk: an empty append waits for it.
            return Ok((self.log.append(std::iter::empty())?, Accepted::Repeated));
        }
        let mark = [&[KEY_MARK], key.as_bytes()].concat();
        let ticket = self.log.append(std::iter::once(mark.as_slice()).chain(events.iter().copied()));
        if ticket.is_err() {
            keys.remove(key);
        }
        Ok((ticket?, Accepted::New))
    }

    fn save(&self) -> Result<()> {
        let keys = lock(&self.keys).all().into_iter().map(str::to_owned).collect();
        let state = State { consumed: *lock(&self.consumed), keys };
        state.write(&self.directory).map_err(|e| e.context(format_args!("events of {}", self.path)))
    }
}

impl From<LogError> for Refused {
    fn from(e: LogError) -> Self {
        match e {
            LogError::Full(_) => Refused::Full,
            LogError::TooLarge(..) => Refused::TooLarge(e.to_string()),
            other => Refused::Failed(other.to_string()),
        }
    }
}

impl State {
    fn read(directory: &Path) -> Result<Self> {
        match std::fs::read(directory.join("state.json")) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| Error::corrupt(format!("state.json: {e}"))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e.into()),
        }
    }

    /// On disk when it returns.
    fn write(&self, directory: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(self).map_err(|e| Error::internal(e.to_string()))?;
        let fresh = directory.join("state.json.new");
        let mut file = File::create(&fresh)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(fresh, directory.join("state.json"))?;
        #[cfg(unix)]
        File::open(directory)?.sync_all()?;
        Ok(())
    }
}

/// The keys of what the log still holds.
fn collect_keys(log: &DurableLog, keys: &mut Keys) -> Result<()> {
    let mut reader = log.reader(log.first());
    while let Some(chunk) = reader.read(Duration::ZERO)? {
        let starts = std::iter::once(0).chain(chunk.ends.iter().copied());
        for (start, end) in starts.zip(&chunk.ends) {
            if let [KEY_MARK, key @ ..] = &chunk.data[start as usize..*end as usize] {
                keys.insert(&String::from_utf8_lossy(key));
            }
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &Path, rate: Option<u64>) -> IngestTable {
        let options = TableOptions { shape: Shape::Json, max_body_bytes: 1 << 20, max_log_bytes: 1 << 20, rate };
        IngestTable::open("/ingest/t", directory, options).expect("opens")
    }

    fn append(table: &IngestTable, event: &str, key: Option<&str>) -> Result<Accepted, Refused> {
        table.append(&[event.as_bytes()], key, 1000)?.blocking_recv().expect("the log answers")
    }

    #[test]
    fn a_key_is_written_once_also_after_a_restart() {
        let directory = tempfile::tempdir().expect("a directory");
        let table = open(directory.path(), None);
        assert_eq!(append(&table, "{}", Some("k")), Ok(Accepted::New));
        assert_eq!(append(&table, "{}", Some("k")), Ok(Accepted::Repeated));
        drop(table);
        let table = open(directory.path(), None);
        assert_eq!(append(&table, "{}", Some("k")), Ok(Accepted::Repeated));
        assert_eq!(table.log.end(), 2);
    }

    #[test]
    fn keys_outlive_the_segments_that_are_given_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let table = open(directory.path(), None);
        let event = "x".repeat(50_000);
        let mut written = 0;
        while append(&table, &event, Some(&format!("k{written}"))) == Ok(Accepted::New) {
            written += 1;
        }
        assert_eq!(append(&table, &event, None), Err(Refused::Full));
        let consumer = table.log.consumer("job", 0);
        table.before_trim().expect("saved");
        consumer.passed(table.log.end()).expect("trimmed");
        assert!(table.log.first() > 0);
        assert_eq!(append(&table, &event, Some("late")), Ok(Accepted::New));
        drop((consumer, table));
        let table = open(directory.path(), None);
        assert_eq!(append(&table, &event, Some("k0")), Ok(Accepted::Repeated));
        // The event that was refused for lack of room was not remembered.
        assert_eq!(append(&table, &event, Some(&format!("k{written}"))), Ok(Accepted::New));
    }

    #[test]
    fn a_new_job_begins_where_the_last_one_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let table = open(directory.path(), None);
        append(&table, "{}", None).expect("written");
        assert_eq!(table.begin("a"), 0);
        let consumer = table.log.consumer("a", 0);
        table.progress("a").store(1, Ordering::Release);
        drop(consumer);
        table.retain_consumers(|name| name != "a").expect("forgotten");
        drop(table);
        let table = open(directory.path(), None);
        append(&table, "{}", None).expect("written");
        assert_eq!(table.begin("b"), 1);
    }

    #[test]
    fn the_rate_is_kept() {
        let directory = tempfile::tempdir().expect("a directory");
        let table = open(directory.path(), Some(1));
        append(&table, "{}", None).expect("written");
        assert_eq!(append(&table, "{}", None), Err(Refused::TooFast(Duration::from_secs(1))));
    }
}

//! A small append-only log on local disk: what makes a source replayable that cannot be asked again (HTTP push, a
//! socket, the readings of this machine). A record is acknowledged only when it is on disk, and kept until every
//! consumer's checkpoint has passed it.
//!
//! # On disk
//!
//! A log is a directory of segments, `<number of the first record, 20 digits>.log`; records are numbered from 0
//! without gaps. All numbers are little-endian.
//!
//! ```text
//!   segment   magic "BRSKLOG1" (8)   first record (u64)   batch*
//!   batch     length of body (u32)   CRC-32C of body (u32)   first record (u64)   body
//!   body      time of append, ms since 1970 (i64)   records (u32)   end of each record in data (u32 each)   data
//! ```
//!
//! Further files: `lock`, locked by the process that has the log open; `consumers.json`, the position up to which
//! each consumer's checkpoints have passed.
//!
//! # What holds
//!
//! - Batches are written in order and synced in groups: whoever waits while a sync is under way shares the next one.
//! - A segment is synced before the next one is begun, and the directory after. So only the last segment can have a
//!   torn end. Opening cuts it at the first batch that is not whole or whose sum or number is wrong: such a batch was
//!   never acknowledged. Damage anywhere else is an error when it is read.
//! - Readers see what is synced and nothing beyond.
//! - A log has a greatest size. When it is reached, appending fails with [`LogError::Full`] until consumers move on.
//! - After a failed write or sync nothing more is taken: what the disk holds is not known any more.

mod batch;
mod reader;
mod segment;
mod source;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use reader::{LogChunk, LogReader};
pub use source::LogSource;

use segment::Segment;

/// The limits of a log.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The size at which a segment is closed. Space is given back a segment at a time.
    pub segment_bytes: u64,
    /// The greatest size on disk, together with what waits to be written.
    pub bytes_max: u64,
    /// How much may wait to be written.
    pub pending_bytes_max: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes: 64 << 20, bytes_max: 4 << 30, pending_bytes_max: 64 << 20 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// Take no more until consumers have moved on: back-pressure.
    #[error("the log {0} is full: its consumers have not moved on")]
    Full(String),
    /// Disk trouble; the log takes nothing more until it is opened again.
    #[error("the log {0}")]
    Failed(String),
    /// The disk does not hold what was written.
    #[error("the log {0} is damaged: {1}")]
    Corrupt(String, String),
    /// The position was given back already.
    #[error("the log {0} begins at record {1}: what lies before it is gone")]
    Trimmed(String, u64),
    /// A batch that no segment can hold.
    #[error("the log {0}: {1} bytes are too much for one batch")]
    TooLarge(String, usize),
}

impl From<LogError> for brisk_core::Error {
    fn from(e: LogError) -> Self {
        match e {
            LogError::Corrupt(..) | LogError::Trimmed(..) => brisk_core::Error::corrupt(e.to_string()),
            LogError::TooLarge(..) => brisk_core::Error::bad_record(e.to_string()),
            LogError::Full(_) | LogError::Failed(_) => brisk_core::Error::external(e.to_string()),
        }
    }
}

/// An open log. Shared by whoever appends and reads; dropping it writes what is pending and closes it.
pub struct DurableLog {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    /// Keeps other processes out.
    _lock: File,
}

/// What writer, readers and tickets have in common.
pub(crate) struct Shared {
    directory: PathBuf,
    options: LogOptions,
    state: Mutex<State>,
    /// Told when something is pending or the log closes.
    work: Condvar,
    /// Told when more is durable, or never will be.
    durable: Condvar,
    next_instance: AtomicU64,
    /// Held while the positions of consumers are written: several jobs take their checkpoints at a time.
    keeping: Mutex<()>,
}

struct State {
    /// In order; the last one is written to.
    segments: Vec<Segment>,
    /// Encoded batches that wait to be written.
    pending: Vec<u8>,
    /// The number of the next record to be appended.
    next: u64,
    /// Every record before this is on disk.
    durable: u64,
    callbacks: Vec<(u64, Callback)>,
    failure: Option<LogError>,
    closing: bool,
    /// The positions of consumers as of their last durable checkpoint.
    consumers: BTreeMap<String, u64>,
    /// Of each consumer that is running now: its name and position.
    running: HashMap<u64, (String, u64)>,
}

type Callback = Box<dyn FnOnce(Result<(), LogError>) + Send>;

impl DurableLog {
    /// Opens the log in `directory`, which is made when it does not exist.
    pub fn open(directory: impl AsRef<Path>, options: LogOptions) -> Result<Self, LogError> {
        let directory = directory.as_ref().to_path_buf();
        let failed = |e: std::io::Error| LogError::Failed(format!("{} cannot be opened: {e}", directory.display()));
        fs::create_dir_all(&directory).map_err(failed)?;
        let lock = File::create(directory.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|_| LogError::Failed(format!("{} is open in another process", directory.display())))?;
        let segments = segment::recover(&directory)?;
        let end = segments.last().map_or(0, Segment::end);
        let state = State {
            segments,
            pending: Vec::new(),
            next: end,
            durable: end,
            callbacks: Vec::new(),
            failure: None,
            closing: false,
            consumers: read_consumers(&directory),
            running: HashMap::new(),
        };
        let shared = Arc::new(Shared {
            directory: directory.clone(),
            options,
            state: Mutex::new(state),
            work: Condvar::new(),
            durable: Condvar::new(),
            next_instance: AtomicU64::new(0),
            keeping: Mutex::new(()),
        });
        let name = format!("log-{}", directory.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default());
        let for_writer = shared.clone();
        let writer = std::thread::Builder::new().name(name).spawn(move || writer::run(&for_writer)).map_err(failed)?;
        Ok(Self { shared, writer: Some(writer), _lock: lock })
    }

    /// Appends records, together or not at all. They are on disk when the ticket says so.
    pub fn append<'a>(&self, records: impl IntoIterator<Item = &'a [u8]>) -> Result<Ticket, LogError> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
        let (body, count) = batch::body(now_ms, records).map_err(|bytes| LogError::TooLarge(self.shared.name(), bytes))?;
        let mut state = self.shared.lock();
        if let Some(failure) = &state.failure {
            return Err(failure.clone());
        }
        let added = batch::HEADER_BYTES + body.len();
        let waiting = state.pending.len() + added;
        // A batch that is alone is taken whatever its size.
        let crowded = waiting > self.shared.options.pending_bytes_max && !state.pending.is_empty();
        if crowded || state.bytes() + waiting as u64 > self.shared.options.bytes_max {
            return Err(LogError::Full(self.shared.name()));
        }
        if count > 0 {
            let first = state.next;
            batch::write(first, &body, &mut state.pending);
            state.next += u64::from(count);
            self.shared.work.notify_one();
        }
        Ok(Ticket { shared: self.shared.clone(), end: state.next })
    }

    /// A reader from record `position` on.
    pub fn reader(&self, position: u64) -> LogReader {
        LogReader::new(self.shared.clone(), position)
    }

    /// The oldest record that is still there.
    pub fn first(&self) -> u64 {
        self.shared.lock().first()
    }

    /// The number after the newest record on disk.
    pub fn end(&self) -> u64 {
        self.shared.lock().durable
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.shared.lock().bytes()
    }

    /// Gives back the segments whose records all lie before `position`.
    pub fn trim(&self, position: u64) -> Result<(), LogError> {
        self.shared.trim(position)
    }

    /// Joins the consumers: from now on no record at or after `position` is given back until [`Consumer::passed`].
    pub fn consumer(&self, name: &str, position: u64) -> Consumer {
        Consumer::new(self.shared.clone(), name, position)
    }

    /// Consumers and the positions up to which their checkpoints have passed.
    pub fn consumers(&self) -> Vec<(String, u64)> {
        self.shared.lock().consumers.clone().into_iter().collect()
    }

    /// Forgets a consumer that will not come back, so that it holds no records any more.
    pub fn forget_consumer(&self, name: &str) -> Result<(), LogError> {
        self.shared.lock().consumers.remove(name);
        self.shared.after_consumers_changed()
    }
}

impl Drop for DurableLog {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.work.notify_one();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has failed every ticket already.
            let _ = writer.join();
        }
    }
}

/// The promise that records will be on disk.
pub struct Ticket {
    shared: Arc<Shared>,
    /// The number after the last of the records.
    end: u64,
}

impl Ticket {
    /// The number after the last of the records.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Waits until the records are on disk.
    pub fn wait(&self) -> Result<(), LogError> {
        let mut state = self.shared.lock();
        loop {
            if let Some(outcome) = state.outcome(self.end) {
                return outcome;
            }
            state = self.shared.durable.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Calls back when the records are on disk or never will be; at once if that is known. The callback runs on the
    /// log's own thread and must not wait.
    pub fn on_durable(self, callback: impl FnOnce(Result<(), LogError>) + Send + 'static) {
        let mut state = self.shared.lock();
        match state.outcome(self.end) {
            Some(outcome) => {
                drop(state);
                callback(outcome);
            }
            None => state.callbacks.push((self.end, Box::new(callback))),
        }
    }
}

/// One that reads the log and remembers how far in its own checkpoints. Several with one name are the runs of one job.
pub struct Consumer {
    shared: Arc<Shared>,
    instance: u64,
}

impl Consumer {
    fn new(shared: Arc<Shared>, name: &str, position: u64) -> Self {
        let instance = shared.next_instance.fetch_add(1, Ordering::Relaxed);
        let mut state = shared.lock();
        state.running.insert(instance, (name.to_string(), position));
        state.consumers.entry(name.to_string()).or_insert(position);
        drop(state);
        Self { shared, instance }
    }

    /// The records before `position` will not be asked for again: a checkpoint past them is durable.
    pub fn passed(&self, position: u64) -> Result<(), LogError> {
        let mut state = self.shared.lock();
        let Some(own) = state.running.get_mut(&self.instance) else { return Ok(()) };
        own.1 = position;
        let name = own.0.clone();
        let least = state.running.values().filter(|(n, _)| *n == name).map(|(_, p)| *p).min().unwrap_or(position);
        state.consumers.insert(name, least);
        drop(state);
        self.shared.after_consumers_changed()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.shared.lock().running.remove(&self.instance);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the state whole: it is changed in single steps.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn name(&self) -> String {
        self.directory.display().to_string()
    }

    /// Waits until a record at `position` is on disk; `false` when the time is over first.
    fn wait_for(&self, position: u64, max_wait: Duration) -> bool {
        let until = Instant::now() + max_wait;
        let mut state = self.lock();
        loop {
            if state.durable > position {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || state.failure.is_some() {
                return false;
            }
            state = self.durable.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn trim(&self, position: u64) -> Result<(), LogError> {
        let mut state = self.lock();
        // The last segment is written to and stays.
        let gone = state.segments.iter().take(state.segments.len().saturating_sub(1)).take_while(|s| s.end() <= position).count();
        let removed: Vec<Segment> = state.segments.drain(..gone).collect();
        drop(state);
        for segment in removed {
            fs::remove_file(&segment.path).map_err(|e| LogError::Failed(format!("{} cannot be trimmed: {e}", self.name())))?;
        }
        Ok(())
    }

    /// Gives back what every consumer has passed, and keeps their positions for the next start.
    fn after_consumers_changed(&self) -> Result<(), LogError> {
        let _keeping = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        let consumers = self.lock().consumers.clone();
        write_consumers(&self.directory, &consumers).map_err(|e| LogError::Failed(format!("{} cannot keep its consumers: {e}", self.name())))?;
        match consumers.values().min() {
            Some(least) => self.trim(*least),
            None => Ok(()),
        }
    }
}

impl State {
    fn first(&self) -> u64 {
        self.segments.first().map_or(0, |s| s.first)
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.bytes).sum()
    }

    /// What became of the records before `end`; `None` while it is open.
    fn outcome(&self, end: u64) -> Option<Result<(), LogError>> {
        if self.durable >= end {
            return Some(Ok(()));
        }
        self.failure.clone().map(Err)
    }
}

fn consumers_path(directory: &Path) -> PathBuf {
    directory.join("consumers.json")
}

/// The positions kept by the last run; none when they cannot be read, since then nothing is given back too early.
fn read_consumers(directory: &Path) -> BTreeMap<String, u64> {
    let bytes = fs::read(consumers_path(directory)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn write_consumers(directory: &Path, consumers: &BTreeMap<String, u64>) -> std::io::Result<()> {
    let path = consumers_path(directory);
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(&serde_json::to_vec(consumers)?)?;
    fs::rename(&fresh, &path)
}

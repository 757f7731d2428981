//! Reading files: each once, from the first window of lines to the last, or of a bulk format from the first group of rows.
//!
//! A split is a file, or at higher parallelism a stripe of it: every n-th window or group, so that the subtasks move
//! through a large file side by side and event time stays together. A split keeps its stripe when it is restored at
//! another parallelism; its position is the next window, or the group and the rows read of it. Files are read in the
//! order of their names.
//!
//! With a monitor interval the directory is listed again and again; what was read is known by its path.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::ArrayRef;
use brisk_core::connector::TableDescriptor;
use brisk_core::format::{BulkReader, BulkReaderFactory};
use brisk_core::key_group::hash_bytes;
use brisk_core::operator::SubtaskContext;
use brisk_core::source::{Framing, Payload, Poll, RecordChunk, Source, SourceData, SourceReader, SplitState};
use brisk_core::{ChangelogBatch, Error, Result, SqlType};
use memchr::memchr_iter;
use serde::{Deserialize, Serialize};

use super::file::OpenedFile;
use super::listing::{FileEntry, is_pattern, list_files, modified_ms};
use super::window::{WINDOW_BYTES, WINDOW_BYTES_MAX, WindowReader};
use super::{FileSystemOptions, partition};
use crate::scalar_array::ScalarValue;

pub(super) struct FileSource {
    setup: Arc<Setup>,
}

struct Setup {
    path: PathBuf,
    monitor_interval: Option<Duration>,
    metadata: Vec<(MetadataKey, SqlType)>,
    partition_default: String,
    /// Reads the files of a bulk format; the others hold lines.
    bulk_reader: Option<Arc<dyn BulkReaderFactory>>,
}

/// A column that comes from the file and not from its records.
enum MetadataKey {
    Path,
    Name,
    Size,
    ModificationTime,
    Partition(String),
}

/// The prefix of the metadata keys that mean partition columns, as the planner asks for them.
const PARTITION_KEY: &str = "partition.";

impl FileSource {
    pub fn new(table: &TableDescriptor, options: &FileSystemOptions) -> Result<Self> {
        let path = options.local_path(table)?;
        if options.monitor_interval.is_none() && !is_pattern(&path) && !path.exists() {
            return Err(Error::invalid(format!("table `{}`: there is no file or directory {}", table.name, path.display())));
        }
        if let Some(column) = table.projection.iter().find(|c| table.partition_keys.contains(c)) {
            let name = &table.schema.columns[*column].name;
            return Err(Error::unsupported(format!("table `{}`: the partition column `{name}` cannot be read from the files' records", table.name)));
        }
        let metadata = table.metadata.iter().map(|(key, t)| Ok((metadata_key(&table.name, key)?, t.clone()))).collect::<Result<_>>()?;
        let monitor_interval = options.monitor_interval.map(|t| t.0);
        let bulk_reader = table.format.as_ref().and_then(|f| f.bulk_reader.clone());
        Ok(Self { setup: Arc::new(Setup { path, monitor_interval, metadata, partition_default: options.partition_default_name.clone(), bulk_reader }) })
    }
}

fn metadata_key(table: &str, key: &str) -> Result<MetadataKey> {
    Ok(match key {
        "file.path" => MetadataKey::Path,
        "file.name" => MetadataKey::Name,
        "file.size" => MetadataKey::Size,
        "file.modification-time" => MetadataKey::ModificationTime,
        _ => match key.strip_prefix(PARTITION_KEY) {
            Some(column) => MetadataKey::Partition(column.to_string()),
            None => return Err(Error::invalid(format!("table `{table}`: there is no metadata '{key}'"))),
        },
    })
}

impl Source for FileSource {
    fn is_bounded(&self) -> bool {
        self.setup.monitor_interval.is_none()
    }

    fn reader(&self, context: &SubtaskContext, restored: Vec<SplitState>) -> Result<Box<dyn SourceReader>> {
        Ok(Box::new(FileReader::new(self.setup.clone(), context, restored)?))
    }

    fn describe(&self) -> String {
        format!("filesystem(path={})", self.setup.path.display())
    }
}

/// A file or a stripe of one, and how far it is read.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Split {
    path: PathBuf,
    /// This split reads the windows (of a bulk format the groups) w with w % stripes == stripe.
    stripe: u64,
    stripes: u64,
    window_bytes: u64,
    next_window: u64,
    /// Lines before the next window, where one split reads them all; of a bulk format the rows read of the next group.
    lines: u64,
    finished: bool,
}

impl Split {
    fn name(&self) -> Arc<str> {
        let path = self.path.display();
        if self.stripes == 1 { path.to_string().into() } else { format!("{path}#{}/{}", self.stripe, self.stripes).into() }
    }

    /// The subtask that reads the split: the stripes of a file go to different ones.
    fn owner(&self, parallelism: usize) -> usize {
        let first = hash_bytes(self.path.as_os_str().as_encoded_bytes());
        (first.wrapping_add(self.stripe) % parallelism as u64) as usize
    }
}

/// The splits of a file, for `parallelism` readers: no more stripes than windows.
fn splits_of(file: &FileEntry, parallelism: usize) -> impl Iterator<Item = Split> + '_ {
    let stripes = file.size.div_ceil(WINDOW_BYTES).clamp(1, parallelism as u64);
    (0..stripes).map(move |stripe| Split {
        path: file.path.clone(),
        stripe,
        stripes,
        window_bytes: WINDOW_BYTES,
        next_window: stripe,
        lines: 0,
        finished: false,
    })
}

struct FileReader {
    setup: Arc<Setup>,
    subtask: usize,
    parallelism: usize,
    /// This reader's splits, read in this order.
    splits: Vec<Split>,
    /// The paths that are divided into splits already, by whichever subtask reads them.
    known: HashSet<PathBuf>,
    /// Where in `splits` the first unread one may be.
    current: usize,
    open: Option<OpenFile>,
    windows: WindowReader,
    finished: VecDeque<Arc<str>>,
    next_listing: Instant,
}

struct OpenFile {
    content: Content,
    /// The name of the split that it is open for, and for whom messages are meant.
    split: Arc<str>,
    origin: Arc<str>,
    metadata: Vec<ArrayRef>,
}

enum Content {
    Lines(File),
    Groups(Box<dyn BulkReader>),
}

impl FileReader {
    fn new(setup: Arc<Setup>, context: &SubtaskContext, restored: Vec<SplitState>) -> Result<Self> {
        let mut reader = Self {
            setup,
            subtask: context.subtask_index,
            parallelism: context.parallelism,
            splits: Vec::new(),
            known: HashSet::new(),
            current: 0,
            open: None,
            windows: WindowReader::default(),
            finished: VecDeque::new(),
            next_listing: Instant::now(),
        };
        let fresh = restored.is_empty();
        for state in restored {
            reader.restore(&state)?;
        }
        // A bounded source reads the files that were there when it began.
        if fresh || reader.setup.monitor_interval.is_some() {
            reader.list()?;
        }
        Ok(reader)
    }

    fn restore(&mut self, state: &SplitState) -> Result<()> {
        let split: Split = serde_json::from_slice(&state.state).map_err(|e| Error::corrupt(format!("the position of {} cannot be read: {e}", state.split)))?;
        if !(1..=WINDOW_BYTES_MAX).contains(&split.window_bytes) {
            return Err(Error::corrupt(format!("the position of {} counts windows of {} bytes", state.split, split.window_bytes)));
        }
        self.known.insert(split.path.clone());
        if split.owner(self.parallelism) == self.subtask {
            self.splits.push(split);
            self.splits.sort_by(|a, b| (&a.path, a.stripe).cmp(&(&b.path, b.stripe)));
        }
        Ok(())
    }

    /// Looks for files that are not known yet, and forgets those that are read and gone.
    fn list(&mut self) -> Result<()> {
        let files = list_files(&self.setup.path)?;
        if let Some(interval) = self.setup.monitor_interval {
            self.next_listing = Instant::now() + interval;
            self.forget(&files);
        }
        for file in &files {
            if self.known.insert(file.path.clone()) {
                let own = splits_of(file, self.parallelism).filter(|s| s.owner(self.parallelism) == self.subtask);
                self.splits.extend(own);
            }
        }
        Ok(())
    }

    fn forget(&mut self, present: &[FileEntry]) {
        let present: HashSet<&Path> = present.iter().map(|f| f.path.as_path()).collect();
        let waits: HashSet<PathBuf> = self.splits.iter().filter(|s| !s.finished).map(|s| s.path.clone()).collect();
        self.known.retain(|path| present.contains(path.as_path()) || waits.contains(path));
        self.splits.retain(|s| self.known.contains(&s.path));
        self.current = 0;
    }

    /// Reads on in the first unfinished split; `None` when the split ended with it.
    fn read(&mut self) -> Result<Option<SourceData>> {
        let split = &mut self.splits[self.current];
        let name = split.name();
        if self.open.as_ref().is_none_or(|o| o.split != name) {
            if self.setup.monitor_interval.is_some() && !split.path.exists() {
                tracing::warn!(path = %split.path.display(), "file is gone before it was read");
                return Ok(self.finish_current(name));
            }
            self.open = Some(OpenFile::open(split, name.clone(), &self.setup)?);
        }
        let open = self.open.as_mut().expect("opened above");
        let payload = match &mut open.content {
            Content::Lines(file) => read_lines(&mut self.windows, file, split, &open.origin)?.map(Payload::Records),
            Content::Groups(reader) => read_rows(reader.as_mut(), split)?.map(Payload::Rows),
        };
        let Some(payload) = payload else { return Ok(self.finish_current(name)) };
        Ok(Some(SourceData { split: name, payload, metadata: open.metadata.clone() }))
    }

    fn finish_current(&mut self, name: Arc<str>) -> Option<SourceData> {
        self.splits[self.current].finished = true;
        self.open = None;
        self.finished.push_back(name);
        None
    }
}

/// The lines of the split's next window.
fn read_lines(windows: &mut WindowReader, file: &File, split: &mut Split, origin: &Arc<str>) -> Result<Option<RecordChunk>> {
    let read = windows.read(file, split.window_bytes, split.next_window).map_err(|e| Error::external(format!("cannot read {origin}: {e}")))?;
    let Some(lines) = read else { return Ok(None) };
    let whole = split.stripes == 1;
    let first_record = if whole { split.lines + 1 } else { 1 };
    let origin = if whole || lines.offset == 0 { origin.clone() } else { format!("{origin} from byte {}", lines.offset).into() };
    split.next_window += split.stripes;
    if whole {
        split.lines += memchr_iter(b'\n', &lines.data).count() as u64;
    }
    Ok(Some(RecordChunk { data: lines.data, framing: Framing::Lines, origin, first_record }))
}

/// Some rows of the split's next group that has any left.
fn read_rows(reader: &mut dyn BulkReader, split: &mut Split) -> Result<Option<ChangelogBatch>> {
    while split.next_window < reader.groups() {
        if let Some(rows) = reader.read()? {
            split.lines += rows.num_rows() as u64;
            return Ok(Some(rows));
        }
        (split.next_window, split.lines) = (split.next_window + split.stripes, 0);
        if split.next_window < reader.groups() {
            reader.seek(split.next_window, 0)?;
        }
    }
    Ok(None)
}

impl OpenFile {
    fn open(split: &Split, name: Arc<str>, setup: &Setup) -> Result<Self> {
        let path = &split.path;
        let failed = |e: std::io::Error| Error::external(format!("cannot open {}: {e}", path.display()));
        let file = File::open(path).map_err(failed)?;
        let facts = file.metadata().map_err(failed)?;
        let value = |key: &MetadataKey| match key {
            MetadataKey::Path => ScalarValue::Text(path.display().to_string()),
            MetadataKey::Name => ScalarValue::Text(path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default()),
            MetadataKey::Size => ScalarValue::Integer(i64::try_from(facts.len()).unwrap_or(i64::MAX)),
            MetadataKey::ModificationTime => ScalarValue::Instant(modified_ms(&facts)),
            MetadataKey::Partition(column) => {
                partition::value_in(&setup.path, path, column, &setup.partition_default).map_or(ScalarValue::Null, ScalarValue::Text)
            }
        };
        let metadata = setup.metadata.iter().map(|(key, t)| value(key).to_array(t)).collect::<Result<_>>()?;
        let origin: Arc<str> = path.display().to_string().into();
        let content = match &setup.bulk_reader {
            None => Content::Lines(file),
            Some(factory) => {
                let mut reader = factory.open(Arc::new(OpenedFile(file)), &origin)?;
                if split.next_window < reader.groups() {
                    reader.seek(split.next_window, split.lines)?;
                }
                Content::Groups(reader)
            }
        };
        Ok(Self { content, split: name, origin, metadata })
    }
}

impl SourceReader for FileReader {
    fn poll(&mut self, max_wait: Duration) -> Result<Poll> {
        loop {
            if let Some(split) = self.finished.pop_front() {
                return Ok(Poll::SplitFinished(split));
            }
            while self.splits.get(self.current).is_some_and(|s| s.finished) {
                self.current += 1;
            }
            if self.current < self.splits.len() {
                match self.read()? {
                    Some(SourceData { payload: Payload::Records(chunk), .. }) if chunk.data.is_empty() => {}
                    Some(data) => return Ok(Poll::Data(data)),
                    None => {}
                }
                continue;
            }
            if self.setup.monitor_interval.is_none() {
                return Ok(Poll::Finished);
            }
            let wait = self.next_listing.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait.min(max_wait));
                if wait > max_wait {
                    return Ok(Poll::Idle);
                }
            }
            let before = self.splits.len();
            self.list()?;
            if self.splits.len() <= before && self.splits.iter().all(|s| s.finished) {
                return Ok(Poll::Idle);
            }
        }
    }

    fn snapshot(&mut self) -> Result<Vec<SplitState>> {
        let state = |s: &Split| {
            let state = serde_json::to_vec(s).map_err(|e| Error::internal(format!("the position of {} cannot be written: {e}", s.path.display())))?;
            Ok(SplitState { split: s.name(), state })
        };
        self.splits.iter().map(state).collect()
    }
}

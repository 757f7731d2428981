//! Writing files that appear whole, once, with the checkpoint that holds their rows.
//!
//! ```text
//!   rows --> .part-OPERATOR-RUN-SUBTASK-N.inprogress      hidden: no reader looks at it
//!   prepare_commit: closed and synced, its name goes into the checkpoint
//!   commit:         renamed to part-RUN-SUBTASK-N, directory synced
//! ```
//!
//! RUN is drawn for every writer, so no name comes twice. A file that was not prepared when the process died belongs to
//! rows that will be written again: the next writer of the same operator removes it. Whether a run is alive tells the
//! lock on its `.run-OPERATOR-RUN.lock`; the files that the restored checkpoint names are kept for its commit.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, UInt32Array};
use brisk_core::connector::TableDescriptor;
use brisk_core::format::{Encoder, EncoderFactory};
use brisk_core::operator::SubtaskContext;
use brisk_core::sink::{Committer, Guarantee, Sink, SinkWriter};
use brisk_core::{ChangelogBatch, Error, Result};
use serde::{Deserialize, Serialize};

use super::{FileSystemOptions, partition};
use crate::display::Display;

/// Encoded rows are handed to the file in pieces of about this size.
const BUFFER_BYTES: usize = 256 << 10;
/// Beyond it, those of a writer's files whose encoders hold more than the others are closed.
const HELD_BYTES_MAX: usize = 256 << 20;
/// Files that one writer keeps open at once, one a partition; beyond it all are closed.
const OPEN_FILES_MAX: usize = 256;

pub(super) struct FileSink {
    setup: Arc<Setup>,
}

struct Setup {
    directory: PathBuf,
    encoder: Arc<dyn EncoderFactory>,
    /// Name and position of the columns that are in the directories' names, and the positions of the others.
    partition_names: Vec<String>,
    partition_columns: Vec<usize>,
    data_columns: Vec<usize>,
    partition_default: String,
    /// The file put into a partition with every commit.
    success_file: Option<String>,
    file_bytes: u64,
    rollover_interval: Duration,
    inactivity_interval: Duration,
}

impl FileSink {
    pub fn new(table: &TableDescriptor, options: &FileSystemOptions) -> Result<Self> {
        let directory = options.local_path(table)?;
        if directory.is_file() {
            return Err(
                Error::invalid(format!("table `{}`: {} is a file", table.name, directory.display())).with_remedy("give the path of a directory to write to")
            );
        }
        let encoder = table.format.as_ref().and_then(|f| f.encoder.clone());
        let encoder = encoder.ok_or_else(|| Error::invalid(format!("table `{}`: 'format' is missing", table.name)))?;
        Ok(Self {
            setup: Arc::new(Setup {
                directory,
                encoder,
                partition_names: table.partition_keys.iter().map(|c| table.schema.columns[*c].name.clone()).collect(),
                partition_columns: table.partition_keys.clone(),
                data_columns: (0..table.schema.len()).filter(|c| !table.partition_keys.contains(c)).collect(),
                partition_default: options.partition_default_name.clone(),
                success_file: options.commit_policy.as_ref().map(|_| options.success_file.clone()),
                file_bytes: options.rolling_file_size.0,
                rollover_interval: options.rollover_interval.0,
                inactivity_interval: options.inactivity_interval.0,
            }),
        })
    }
}

impl Sink for FileSink {
    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn writer(&self, context: &SubtaskContext, restored: Vec<Vec<u8>>) -> Result<Box<dyn SinkWriter>> {
        let mut prepared = HashSet::new();
        for state in &restored {
            let state: WriterState = serde_json::from_slice(state).map_err(|e| Error::corrupt(format!("the state of a file writer cannot be read: {e}")))?;
            prepared.extend(state.prepared);
        }
        let operator = context.operator_id.clone();
        remove_leftovers(&self.setup.directory, &operator, &prepared).map_err(|e| failed("remove leftovers in", &self.setup.directory, e))?;
        Ok(Box::new(FileWriter {
            run: Run { operator, name: random_name(), subtask: context.subtask_index, files: 0, lock: None },
            setup: self.setup.clone(),
            open: HashMap::new(),
            closed: Vec::new(),
            prepared: Vec::new(),
        }))
    }

    fn committer(&self) -> Option<Box<dyn Committer>> {
        Some(Box::new(FileCommitter))
    }

    fn describe(&self) -> String {
        format!("filesystem(path={})", self.setup.directory.display())
    }
}

fn failed(what: &str, path: &Path, e: io::Error) -> Error {
    Error::external(format!("cannot {what} {}: {e}", path.display()))
}

/// A closed file that waits for its commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Committable {
    hidden: PathBuf,
    visible: PathBuf,
    /// The empty file that tells of the partition's new files.
    success: Option<PathBuf>,
}

/// What a writer keeps in a checkpoint: the hidden files whose commit is in this checkpoint.
#[derive(Debug, Serialize, Deserialize)]
struct WriterState {
    prepared: Vec<PathBuf>,
}

struct FileWriter {
    setup: Arc<Setup>,
    run: Run,
    /// By the partition's directory; an empty one without partitions.
    open: HashMap<String, OpenFile>,
    closed: Vec<Committable>,
    /// Handed to checkpoints; dropped once committed.
    prepared: Vec<Committable>,
}

/// The names of one writer's files.
struct Run {
    operator: String,
    name: String,
    subtask: usize,
    files: u64,
    /// Held as long as the run lives.
    lock: Option<(PathBuf, File)>,
}

struct OpenFile {
    file: File,
    encoder: Box<dyn Encoder>,
    names: Committable,
    buffer: Vec<u8>,
    written: u64,
    opened: Instant,
    last_row: Instant,
}

impl SinkWriter for FileWriter {
    fn write(&mut self, batch: &ChangelogBatch) -> Result<()> {
        if self.setup.partition_columns.is_empty() {
            self.write_to(String::new(), batch)?;
        } else {
            let data = batch.with_rows(batch.rows.project(&self.setup.data_columns)?);
            for (directory, ranges) in self.divide(batch)? {
                match ranges.as_slice() {
                    [one] => self.write_to(directory, &data.slice(one.start, one.len()))?,
                    many => {
                        let rows = many.iter().cloned().flatten().map(|row| row as u32);
                        self.write_to(directory, &data.take(&UInt32Array::from_iter_values(rows))?)?;
                    }
                }
            }
        }
        self.roll()
    }

    fn flush(&mut self) -> Result<()> {
        self.open.values_mut().try_for_each(OpenFile::write_out)?;
        self.roll()
    }

    fn prepare_commit(&mut self, _checkpoint_id: u64) -> Result<Vec<Vec<u8>>> {
        self.close_where(|_| true)?;
        // A commit that has not happened yet goes into this checkpoint too, which may be the one that is restored.
        self.prepared.retain(|c| c.hidden.exists());
        self.prepared.append(&mut self.closed);
        let bytes = |c: &Committable| serde_json::to_vec(c).map_err(|e| Error::internal(format!("a committable cannot be written: {e}")));
        self.prepared.iter().map(bytes).collect()
    }

    fn snapshot(&mut self) -> Result<Option<Vec<u8>>> {
        if self.prepared.is_empty() {
            return Ok(None);
        }
        let state = WriterState { prepared: self.prepared.iter().map(|c| c.hidden.clone()).collect() };
        serde_json::to_vec(&state).map(Some).map_err(|e| Error::internal(format!("the state of a file writer cannot be written: {e}")))
    }
}

impl FileWriter {
    /// The rows of every partition, by its directory. Rows of one partition mostly follow one another, so names are made of runs.
    fn divide(&self, batch: &ChangelogBatch) -> Result<HashMap<String, Vec<Range<usize>>>> {
        let columns: Vec<ArrayRef> = self.setup.partition_columns.iter().map(|c| batch.column(*c).clone()).collect();
        let shown = columns.iter().map(Display::new).collect::<Result<Vec<_>>>()?;
        let mut parts: HashMap<String, Vec<Range<usize>>> = HashMap::new();
        let mut directory = String::new();
        for run in arrow_ord::partition::partition(&columns)?.ranges() {
            directory.clear();
            partition::write_directory(&self.setup.partition_names, &shown, run.start, &self.setup.partition_default, &mut directory);
            match parts.get_mut(&directory) {
                Some(runs) => runs.push(run),
                None => {
                    parts.insert(directory.clone(), vec![run]);
                }
            }
        }
        Ok(parts)
    }

    fn write_to(&mut self, directory: String, batch: &ChangelogBatch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        if !self.open.contains_key(&directory) {
            if self.open.len() >= OPEN_FILES_MAX {
                self.close_where(|_| true)?;
            }
            let file = self.run.open_file(&self.setup, &directory)?;
            self.open.insert(directory.clone(), file);
        }
        let file = self.open.get_mut(&directory).expect("opened above");
        file.encoder.encode(batch, &mut file.buffer)?;
        file.last_row = Instant::now();
        if file.buffer.len() >= BUFFER_BYTES { file.write_out() } else { Ok(()) }
    }

    /// Closes the files that are large or old enough.
    fn roll(&mut self) -> Result<()> {
        if self.open.is_empty() {
            return Ok(());
        }
        let (setup, now) = (self.setup.clone(), Instant::now());
        let held: usize = self.open.values().map(|f| f.encoder.held_bytes()).sum();
        let held_max = if held > HELD_BYTES_MAX { held / self.open.len() } else { usize::MAX };
        self.close_where(|file| {
            file.bytes() >= setup.file_bytes
                || file.encoder.held_bytes() >= held_max
                || now.duration_since(file.opened) >= setup.rollover_interval
                || now.duration_since(file.last_row) >= setup.inactivity_interval
        })
    }

    fn close_where(&mut self, wanted: impl Fn(&OpenFile) -> bool) -> Result<()> {
        let names: Vec<String> = self.open.iter().filter(|(_, f)| wanted(f)).map(|(name, _)| name.clone()).collect();
        for name in names {
            let mut file = self.open.remove(&name).expect("found above");
            file.encoder.finish(&mut file.buffer)?;
            file.write_out()?;
            file.file.sync_all().map_err(|e| failed("sync", &file.names.hidden, e))?;
            self.closed.push(file.names);
        }
        Ok(())
    }
}

impl OpenFile {
    /// How large it is, with what is not in it yet.
    fn bytes(&self) -> u64 {
        self.written + (self.buffer.len() + self.encoder.held_bytes()) as u64
    }

    fn write_out(&mut self) -> Result<()> {
        self.file.write_all(&self.buffer).map_err(|e| failed("write", &self.names.hidden, e))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Run {
    fn open_file(&mut self, setup: &Setup, partition: &str) -> Result<OpenFile> {
        let directory = setup.directory.join(partition);
        fs::create_dir_all(&directory).map_err(|e| failed("create", &directory, e))?;
        self.take_lock(&setup.directory).map_err(|e| failed("lock a run in", &setup.directory, e))?;
        let Run { operator, name, subtask, files, .. } = self;
        let names = Committable {
            hidden: directory.join(format!(".part-{operator}-{name}-{subtask}-{files}.inprogress")),
            visible: directory.join(format!("part-{name}-{subtask}-{files}")),
            success: setup.success_file.as_ref().filter(|_| !partition.is_empty()).map(|f| directory.join(f)),
        };
        *files += 1;
        let file = OpenOptions::new().write(true).create_new(true).open(&names.hidden).map_err(|e| failed("create", &names.hidden, e))?;
        let now = Instant::now();
        Ok(OpenFile { file, encoder: setup.encoder.create(), names, buffer: Vec::new(), written: 0, opened: now, last_row: now })
    }

    /// The lock is taken under another name, so that nobody finds it free.
    fn take_lock(&mut self, directory: &Path) -> io::Result<()> {
        if self.lock.is_some() {
            return Ok(());
        }
        let path = lock_path(directory, &self.operator, &self.name);
        let fresh = path.with_extension("new");
        let file = File::create(&fresh)?;
        file.try_lock()?;
        fs::rename(&fresh, &path)?;
        self.lock = Some((path, file));
        Ok(())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some((path, _)) = &self.lock {
            // What is left behind is only untidy, and removed by the next writer.
            let _ = fs::remove_file(path);
        }
    }
}

fn lock_path(directory: &Path, operator: &str, run: &str) -> PathBuf {
    directory.join(format!(".run-{operator}-{run}.lock"))
}

/// 16 hexadecimal digits that no other run has.
fn random_name() -> String {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    hasher.write_u128(since.as_nanos());
    format!("{:016x}", hasher.finish())
}

/// Removes the hidden files of the operator's dead runs, except those that the restored checkpoint commits.
fn remove_leftovers(root: &Path, operator: &str, prepared: &HashSet<PathBuf>) -> io::Result<()> {
    let mut directories = vec![root.to_path_buf()];
    let mut alive: HashMap<String, bool> = HashMap::new();
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(&directory) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let Some(run) = hidden_run(&name, operator) else { continue };
            let lives = *alive.entry(run.to_string()).or_insert_with(|| is_alive(&lock_path(root, operator, run)));
            if !lives && !prepared.contains(&path) {
                remove_if_there(&path)?;
            }
        }
    }
    Ok(())
}

/// The run that a hidden file or lock of the operator belongs to.
fn hidden_run<'a>(name: &'a str, operator: &str) -> Option<&'a str> {
    let part = name.strip_prefix(".part-").filter(|n| n.ends_with(".inprogress"));
    let lock = name.strip_prefix(".run-").filter(|n| n.ends_with(".lock"));
    let rest = part.or(lock)?.strip_prefix(operator)?.strip_prefix('-')?;
    rest.split(['-', '.']).next()
}

fn is_alive(lock: &Path) -> bool {
    File::open(lock).is_ok_and(|file| file.try_lock_shared().is_err())
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

struct FileCommitter;

impl Committer for FileCommitter {
    fn commit(&mut self, committables: &[Vec<u8>]) -> Result<()> {
        let mut directories = HashSet::new();
        for bytes in committables {
            let names: Committable = serde_json::from_slice(bytes).map_err(|e| Error::corrupt(format!("a committable of files cannot be read: {e}")))?;
            match fs::rename(&names.hidden, &names.visible) {
                // Committed before; a reader may even have taken the file away.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {
                    if !names.visible.exists() {
                        tracing::warn!(path = %names.visible.display(), "committed before, and gone by now");
                    }
                    continue;
                }
                other => other.map_err(|e| failed("rename", &names.hidden, e))?,
            }
            if let Some(success) = &names.success {
                File::create(success).map_err(|e| failed("create", success, e))?;
            }
            directories.extend(names.visible.parent().map(Path::to_path_buf));
        }
        for directory in directories {
            File::open(&directory).and_then(|d| d.sync_all()).map_err(|e| failed("sync", &directory, e))?;
        }
        Ok(())
    }
}

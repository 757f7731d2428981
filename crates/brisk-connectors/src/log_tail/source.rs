//! Following all files of a path: looks for new ones now and then, at the known ones often while they grow.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use brisk_core::connector::TableDescriptor;
use brisk_core::key_group::mix;
use brisk_core::operator::SubtaskContext;
use brisk_core::source::{Payload, Poll, RecordChunk, Source, SourceData, SourceReader, SplitState};
use brisk_core::{Error, Result, SqlType};
use regex::bytes::Regex;

use super::follow::{Followed, Identity, Position};
use super::lines::{Cut, Records};
use super::{LogTailOptions, StartupMode};
use crate::filesystem::list_files;
use crate::scalar_array::ScalarValue;

/// How long a file that no directory shows is kept open for a writer that still has it.
const GONE_GRACE: Duration = Duration::from_secs(5);
/// The shortest pause between two looks at quiet files; it doubles up to the poll interval.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// The state that says that the source has begun, when no file was there.
const BEGUN: &str = "log-tail";

pub(super) struct LogTailSource {
    setup: Arc<Setup>,
}

struct Setup {
    path: PathBuf,
    startup_mode: StartupMode,
    poll_interval: Duration,
    discovery_interval: Duration,
    records: Records,
    group_timeout: Duration,
    metadata: Vec<(bool, SqlType)>,
}

impl LogTailSource {
    pub fn new(table: &TableDescriptor, options: &LogTailOptions) -> Result<Self> {
        let wrong = |message: String| Error::invalid(format!("table `{}`: {message}", table.name));
        let records = match &options.start_pattern {
            None => Records::Lines,
            Some(pattern) => Records::Groups(Regex::new(pattern).map_err(|e| wrong(format!("'multiline.start-pattern' = '{pattern}': {e}")))?),
        };
        let metadata = table.metadata.iter().map(|(key, t)| match key.as_str() {
            "file.path" => Ok((true, t.clone())),
            "file.name" => Ok((false, t.clone())),
            _ => Err(wrong(format!("there is no metadata '{key}'"))),
        });
        Ok(Self {
            setup: Arc::new(Setup {
                path: options.path.strip_prefix("file:").unwrap_or(&options.path).into(),
                startup_mode: options.startup_mode,
                poll_interval: options.poll_interval.0.max(PAUSE_MIN),
                discovery_interval: options.discovery_interval.0,
                records,
                group_timeout: options.multiline_timeout.0,
                metadata: metadata.collect::<Result<_>>()?,
            }),
        })
    }
}

impl Source for LogTailSource {
    fn is_bounded(&self) -> bool {
        false
    }

    fn reader(&self, context: &SubtaskContext, restored: Vec<SplitState>) -> Result<Box<dyn SourceReader>> {
        let mut reader = LogTailReader {
            setup: self.setup.clone(),
            subtask: context.subtask_index,
            parallelism: context.parallelism,
            files: Vec::new(),
            turn: 0,
            next_discovery: Instant::now(),
            pause: PAUSE_MIN,
        };
        let fresh = restored.is_empty();
        let positions = restored.iter().filter(|s| &*s.split != BEGUN).map(position_of).collect::<Result<Vec<_>>>()?;
        reader.resume(positions)?;
        reader.discover(fresh && self.setup.startup_mode == StartupMode::Latest)?;
        Ok(Box::new(reader))
    }

    fn describe(&self) -> String {
        format!("log-tail(path={})", self.setup.path.display())
    }
}

fn position_of(state: &SplitState) -> Result<Position> {
    serde_json::from_slice(&state.state).map_err(|e| Error::corrupt(format!("the position of {} cannot be read: {e}", state.split)))
}

struct LogTailReader {
    setup: Arc<Setup>,
    subtask: usize,
    parallelism: usize,
    files: Vec<Followed>,
    /// The file to ask first, so that all have their turn.
    turn: usize,
    next_discovery: Instant,
    pause: Duration,
}

impl LogTailReader {
    fn owns(&self, identity: Identity) -> bool {
        mix(identity.device, identity.inode) % self.parallelism as u64 == self.subtask as u64
    }

    /// Opens the files of a checkpoint under the names they have now.
    fn resume(&mut self, positions: Vec<Position>) -> Result<()> {
        for position in positions {
            if !self.owns(position.identity) {
                continue;
            }
            let Some(path) = find(&position) else {
                tracing::warn!(path = %position.path.display(), offset = position.offset, "file is gone; what was not read of it is lost");
                continue;
            };
            let file = Followed::open(&path, position).map_err(|e| failed("open", &path, e))?;
            self.files.push(file);
        }
        Ok(())
    }

    /// Looks for new files, and notices which ones have another name or none.
    fn discover(&mut self, skip_to_end: bool) -> Result<()> {
        self.next_discovery = Instant::now() + self.setup.discovery_interval;
        let mut known: HashMap<Identity, usize> = self.files.iter().enumerate().map(|(i, f)| (f.position.identity, i)).collect();
        let mut seen = vec![false; self.files.len()];
        for entry in list_files(&self.setup.path)? {
            let Some(identity) = Identity::at(&entry.path).filter(|id| self.owns(*id)) else { continue };
            if let Some(i) = known.get(&identity) {
                self.files[*i].rename(&entry.path);
                seen[*i] = true;
                continue;
            }
            match Followed::open(&entry.path, Position::start(identity, entry.path.clone())) {
                Ok(mut file) => {
                    if skip_to_end {
                        file.skip_to_end().map_err(|e| failed("read", &entry.path, e))?;
                    }
                    known.insert(file.position.identity, self.files.len());
                    self.files.push(file);
                    seen.push(true);
                }
                // Renamed or removed since it was listed: the next look finds it, or nobody does.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => return Err(failed("open", &entry.path, e)),
            }
        }
        for (file, seen) in self.files.iter_mut().zip(seen) {
            if !seen {
                file.gone_since.get_or_insert_with(Instant::now);
            }
        }
        Ok(())
    }

    /// The next records of any file.
    fn read(&mut self) -> Result<Option<SourceData>> {
        for _ in 0..self.files.len() {
            self.turn = (self.turn + 1) % self.files.len();
            let file = &mut self.files[self.turn];
            let last = file.gone_since.is_some_and(|since| since.elapsed() >= GONE_GRACE);
            let read = file.read(&self.setup.records, self.setup.group_timeout, last).map_err(|e| failed("read", &file.position.path, e))?;
            if let Some((cut, first_line)) = read {
                return self.data(self.turn, cut, first_line).map(Some);
            }
        }
        Ok(None)
    }

    fn data(&self, index: usize, cut: Cut, first_line: u64) -> Result<SourceData> {
        let file = &self.files[index];
        let path = &file.position.path;
        let text = |whole: &bool| if *whole { path.display().to_string() } else { path.file_name().unwrap_or_default().to_string_lossy().into_owned() };
        let metadata = self.setup.metadata.iter().map(|(whole, t)| ScalarValue::Text(text(whole)).to_array(t)).collect::<Result<_>>()?;
        let chunk = RecordChunk { data: cut.data, framing: cut.framing, origin: file.origin.clone(), first_record: first_line };
        Ok(SourceData { split: file.split.clone(), payload: Payload::Records(chunk), metadata })
    }

    /// Closes a file that is gone and read to its end.
    fn close_one(&mut self) -> Option<Arc<str>> {
        let over = |f: &Followed| f.gone_since.is_some_and(|since| since.elapsed() >= GONE_GRACE) && f.is_read();
        let index = self.files.iter().position(over)?;
        Some(self.files.remove(index).split)
    }
}

impl SourceReader for LogTailReader {
    fn poll(&mut self, max_wait: Duration) -> Result<Poll> {
        if Instant::now() >= self.next_discovery {
            self.discover(false)?;
        }
        if let Some(data) = self.read()? {
            self.pause = PAUSE_MIN;
            return Ok(Poll::Data(data));
        }
        if let Some(split) = self.close_one() {
            return Ok(Poll::SplitFinished(split));
        }
        std::thread::sleep(self.pause.min(max_wait));
        self.pause = (self.pause * 2).min(self.setup.poll_interval);
        match self.read()? {
            Some(data) => {
                self.pause = PAUSE_MIN;
                Ok(Poll::Data(data))
            }
            None => Ok(Poll::Idle),
        }
    }

    fn snapshot(&mut self) -> Result<Vec<SplitState>> {
        let mut states = Vec::with_capacity(self.files.len() + 1);
        for file in &self.files {
            let state = serde_json::to_vec(&file.position).map_err(|e| Error::internal(format!("the position of {} cannot be written: {e}", file.origin)))?;
            states.push(SplitState { split: file.split.clone(), state });
        }
        if self.subtask == 0 {
            states.push(SplitState { split: BEGUN.into(), state: Vec::new() });
        }
        Ok(states)
    }
}

fn failed(what: &str, path: &Path, e: io::Error) -> Error {
    Error::external(format!("cannot {what} {}: {e}", path.display()))
}

/// Where a file is now: under its last name, or renamed within its directory.
fn find(position: &Position) -> Option<PathBuf> {
    let is_it = |path: &Path| Identity::at(path) == Some(position.identity);
    if is_it(&position.path) {
        return Some(position.path.clone());
    }
    let directory = position.path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::read_dir(directory).ok()?.flatten().map(|e| e.path()).find(|path| is_it(path))
}

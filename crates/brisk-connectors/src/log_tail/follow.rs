//! One file that is followed: what it is, how far it is read, and whether it is still the same.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use brisk_core::key_group::hash_bytes;
use bytes::Bytes;
use memchr::memchr_iter;
use serde::{Deserialize, Serialize};

use super::lines::{Cut, Records};
use crate::filesystem::{LINE_BYTES_MAX, read_at_most};

/// How much is read at a time.
const READ_BYTES: usize = 1 << 20;
/// How much of a file's beginning tells it from another one.
const FINGERPRINT_BYTES: u64 = 256;

/// Which file, whatever it is called at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct Identity {
    pub device: u64,
    pub inode: u64,
}

impl Identity {
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    pub fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|m| Self::of(&m))
    }

    pub fn split(&self) -> Arc<str> {
        format!("{}-{}", self.device, self.inode).into()
    }
}

/// How far a file is read: what a checkpoint keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Position {
    pub identity: Identity,
    /// Its name when it was last seen.
    pub path: PathBuf,
    pub offset: u64,
    /// Lines before the offset.
    pub lines: u64,
    /// How many of the first bytes are summed, and their sum.
    summed: u64,
    sum: u64,
}

impl Position {
    pub fn start(identity: Identity, path: PathBuf) -> Self {
        Self { identity, path, offset: 0, lines: 0, summed: 0, sum: hash_bytes(b"") }
    }
}

pub(super) struct Followed {
    file: File,
    pub position: Position,
    pub split: Arc<str>,
    pub origin: Arc<str>,
    /// Since when no directory shows the file any more.
    pub gone_since: Option<Instant>,
    /// The size at the last look, and when it last changed.
    size: u64,
    grown_at: Instant,
}

impl Followed {
    /// Opens the file at `path` and goes on at `position`, unless it is another file or begins differently by now.
    pub fn open(path: &Path, mut position: Position) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let identity = Identity::of(&metadata);
        if identity != position.identity || metadata.len() < position.offset || !begins_alike(&file, &position)? {
            position = Position::start(identity, path.to_path_buf());
        }
        position.path = path.to_path_buf();
        let origin = path.display().to_string().into();
        Ok(Self { file, split: position.identity.split(), position, origin, gone_since: None, size: 0, grown_at: Instant::now() })
    }

    /// Goes to the end of what is there, to the beginning of a line.
    pub fn skip_to_end(&mut self) -> io::Result<()> {
        let size = self.file.metadata()?.len();
        let back = size.min(READ_BYTES as u64);
        let mut tail = vec![0; back as usize];
        let read = read_at_most(&self.file, &mut tail, size - back)?;
        let end = memchr::memrchr(b'\n', &tail[..read]).map_or(0, |n| n as u64 + 1);
        self.position.offset = size - back + end;
        self.sum_beginning(size)
    }

    pub fn rename(&mut self, path: &Path) {
        self.gone_since = None;
        if self.position.path != path {
            self.position.path = path.to_path_buf();
            self.origin = path.display().to_string().into();
        }
    }

    /// The next whole records, and the number of the first line. With `last` the file is taken to grow no more.
    pub fn read(&mut self, records: &Records, group_timeout: Duration, last: bool) -> io::Result<Option<(Cut, u64)>> {
        let size = self.file.metadata()?.len();
        if size != self.size {
            self.notice_change(size)?;
        }
        if size <= self.position.offset {
            return Ok(None);
        }
        let waiting = self.grown_at.elapsed();
        let mut most = READ_BYTES;
        loop {
            let piece = self.piece(most)?;
            let all = piece.len() < most;
            let closed = all && waiting >= group_timeout;
            // A record that is too long is cut where the limit is.
            let cut = records.cut(&piece, last && all || piece.len() >= LINE_BYTES_MAX, closed);
            if cut.bytes > 0 {
                let first = self.position.lines + 1;
                self.position.offset += cut.bytes as u64;
                self.position.lines += memchr_iter(b'\n', &piece[..cut.bytes]).count() as u64;
                return Ok(Some((cut, first)));
            }
            if all {
                return Ok(None);
            }
            most *= 2;
        }
    }

    /// Whether all that is there has been read.
    pub fn is_read(&self) -> bool {
        self.file.metadata().map_or(true, |m| m.len() <= self.position.offset)
    }

    fn piece(&self, most: usize) -> io::Result<Bytes> {
        let mut piece = vec![0; most];
        let read = read_at_most(&self.file, &mut piece, self.position.offset)?;
        piece.truncate(read);
        Ok(piece.into())
    }

    /// The size has changed: the file has grown, or was emptied or replaced in place.
    fn notice_change(&mut self, size: u64) -> io::Result<()> {
        if size < self.position.offset || !begins_alike(&self.file, &self.position)? {
            tracing::info!(path = %self.position.path.display(), "file was emptied or replaced; reading it from its start");
            self.position = Position::start(self.position.identity, self.position.path.clone());
        }
        self.size = size;
        self.grown_at = Instant::now();
        self.sum_beginning(size)
    }

    /// Sums more of the beginning, as far as it is there now.
    fn sum_beginning(&mut self, size: u64) -> io::Result<()> {
        let bytes = size.min(FINGERPRINT_BYTES);
        if bytes > self.position.summed {
            self.position.sum = sum(&self.file, bytes)?;
            self.position.summed = bytes;
        }
        Ok(())
    }
}

fn begins_alike(file: &File, position: &Position) -> io::Result<bool> {
    Ok(sum(file, position.summed)? == position.sum)
}

fn sum(file: &File, bytes: u64) -> io::Result<u64> {
    let mut beginning = vec![0; bytes as usize];
    let read = read_at_most(file, &mut beginning, 0)?;
    Ok(hash_bytes(&beginning[..read]))
}

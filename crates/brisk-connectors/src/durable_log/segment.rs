//! The files of a log: found, checked and mended when it is opened.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::LogError;
use super::batch::{self, Broken};

const MAGIC: &[u8; 8] = b"BRSKLOG1";
/// Magic and first record.
pub(super) const HEAD_BYTES: u64 = 16;

#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub path: PathBuf,
    /// The number of its first record.
    pub first: u64,
    pub records: u64,
    /// How much of the file is whole and on disk.
    pub bytes: u64,
}

impl Segment {
    /// The number after its last record.
    pub fn end(&self) -> u64 {
        self.first + self.records
    }
}

fn path_of(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}.log"))
}

/// Makes the segment that begins with record `first`, on disk with its name.
pub(super) fn create(directory: &Path, first: u64) -> io::Result<(Segment, File)> {
    let path = path_of(directory, first);
    let mut file = File::create(&path)?;
    file.write_all(MAGIC)?;
    file.write_all(&first.to_le_bytes())?;
    file.sync_all()?;
    File::open(directory)?.sync_all()?;
    Ok((Segment { path, first, records: 0, bytes: HEAD_BYTES }, file))
}

/// Opens a segment to write behind what it holds.
pub(super) fn open_to_append(segment: &Segment) -> io::Result<File> {
    OpenOptions::new().append(true).open(&segment.path)
}

/// Finds the segments of a log and cuts the torn end off the last one.
pub(super) fn recover(directory: &Path) -> Result<Vec<Segment>, LogError> {
    let failed = |e: io::Error| LogError::Failed(format!("{} cannot be read: {e}", directory.display()));
    let mut firsts = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        firsts.extend(name.strip_suffix(".log").and_then(|n| n.parse::<u64>().ok()));
    }
    firsts.sort();
    let mut segments: Vec<Segment> = Vec::new();
    for (i, first) in firsts.iter().enumerate() {
        let segment = match firsts.get(i + 1) {
            // A closed segment is checked when it is read; its end is where the next one begins.
            Some(next) => closed(directory, *first, *next).map_err(failed)?,
            None => match mend(directory, *first)? {
                Some(segment) => segment,
                None => continue,
            },
        };
        segments.push(segment);
    }
    Ok(segments)
}

fn closed(directory: &Path, first: u64, next: u64) -> io::Result<Segment> {
    let path = path_of(directory, first);
    let bytes = fs::metadata(&path)?.len();
    Ok(Segment { path, first, records: next - first, bytes })
}

/// Reads the last segment through and cuts it behind its last whole batch. `None` when even its head is not whole: it
/// was being made when the process died, and is removed.
fn mend(directory: &Path, first: u64) -> Result<Option<Segment>, LogError> {
    let path = path_of(directory, first);
    let failed = |e: io::Error| LogError::Failed(format!("{} cannot be mended: {e}", path.display()));
    let content = fs::read(&path).map_err(failed)?;
    if content.len() < HEAD_BYTES as usize {
        fs::remove_file(&path).map_err(failed)?;
        return Ok(None);
    }
    check_head(&content, first).map_err(|why| LogError::Corrupt(path.display().to_string(), why))?;
    let mut segment = Segment { path: path.clone(), first, records: 0, bytes: HEAD_BYTES };
    while let Ok(batch) = batch::read(&content[segment.bytes as usize..], segment.end()) {
        segment.bytes += batch.bytes as u64;
        segment.records += batch.ends.len() as u64;
    }
    let torn = content.len() as u64 - segment.bytes;
    if torn > 0 {
        tracing::warn!(path = %path.display(), bytes = torn, "cut the torn end off a log");
        let file = OpenOptions::new().write(true).open(&path).map_err(failed)?;
        file.set_len(segment.bytes).map_err(failed)?;
        file.sync_all().map_err(failed)?;
    }
    Ok(Some(segment))
}

pub(super) fn check_head(content: &[u8], first: u64) -> Result<(), String> {
    if content.get(..8) != Some(MAGIC) {
        return Err("it does not begin as a log does".to_string());
    }
    if content.get(8..16) != Some(&first.to_le_bytes()) {
        return Err("its first record is not the one of its name".to_string());
    }
    Ok(())
}

/// What to say of a batch of a closed segment that cannot be read.
pub(super) fn damage(path: &Path, broken: &Broken) -> LogError {
    let why = match broken {
        Broken::Short(_) => "it ends within a batch",
        Broken::Wrong(why) => why,
    };
    LogError::Corrupt(path.display().to_string(), why.to_string())
}

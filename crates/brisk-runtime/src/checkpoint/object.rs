//! An object of a checkpoint that grows while the checkpoint is being prepared.
//!
//! On a local directory it is a file under another name. Its bytes go past the system's page cache where the file system
//! knows how (`O_DIRECT`): copying them there, giving each page its place and taking it away again was half of what the
//! checkpoint thread did, and tasks paid for it in memory bandwidth. It also makes reading back mean something, since the
//! bytes come from the device. Elsewhere the system is asked to flush each piece, so that little is left to wait for at
//! the end, and not to keep in memory what is on the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use brisk_core::{Error, Result};

use super::store::CheckpointStore;

/// Where an object may be begun: the name is that of an unfinished one.
#[derive(Clone)]
pub(crate) struct ObjectPlace {
    pub store: CheckpointStore,
    pub path: String,
}

impl ObjectPlace {
    /// Begins an object of unknown size with what there is of it.
    pub fn create(self, begin: AlignedBuffer) -> Result<ObjectWriter> {
        let file = self.store.local_path(&self.path).map(PartFile::create).transpose()?;
        Ok(ObjectWriter { store: self.store, file, buffer: begin })
    }
}

/// An object that is being written: it appears under its name at the end, or not at all.
pub(crate) struct ObjectWriter {
    store: CheckpointStore,
    /// On a local directory.
    file: Option<PartFile>,
    /// What is not written yet; for other stores all of it.
    buffer: AlignedBuffer,
}

impl ObjectWriter {
    /// Where more of the object is added.
    pub fn buffer(&mut self) -> &mut AlignedBuffer {
        &mut self.buffer
    }

    /// Writes what has been added, once that is worth it.
    pub fn write(&mut self) -> Result<()> {
        let whole = self.buffer.len() / BLOCK * BLOCK;
        match &mut self.file {
            Some(file) if whole >= PIECE_BYTES => {
                file.write(&self.buffer.as_slice()[..whole])?;
                self.buffer.remove_front(whole);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Makes the object durable under the name `path`.
    pub fn finish(mut self, path: &str) -> Result<()> {
        let (Some(file), Some(name)) = (&mut self.file, self.store.local_path(path)) else {
            return self.store.put(path, self.buffer.as_slice().to_vec());
        };
        let length = file.written + self.buffer.len() as u64;
        self.buffer.pad();
        file.write(self.buffer.as_slice())?;
        file.finish(length, &name).map_err(|e| Error::external(format!("{}: {e}", name.display())))?;
        // It has another name now.
        self.file = None;
        Ok(())
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // What stays is deleted after the next checkpoint.
            let _ = std::fs::remove_file(&file.path);
        }
    }
}

/// So many bytes are written and read back at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Places in a file, lengths and addresses that go past the page cache are multiples of this; no device asks for more.
const BLOCK: usize = 4096;
/// Through the page cache: so many bytes are worth beginning to flush,
const FLUSH_BYTES: u64 = 4 << 20;
/// and what was written longer ago than this is on the disk most likely.
const CACHED_BYTES: u64 = 16 << 20;

struct PartFile {
    file: File,
    path: PathBuf,
    /// Whether it is written past the page cache.
    is_direct: bool,
    /// Bytes of the file, and how many of them the system was asked to flush.
    written: u64,
    flushed: u64,
    read_back: AlignedBuffer,
}

impl PartFile {
    fn create(path: PathBuf) -> Result<Self> {
        let open = || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            match open(&path, true, true) {
                Ok(file) => Ok((file, true)),
                // The file system does not know it.
                Err(_) => Ok((open(&path, true, false)?, false)),
            }
        };
        let (file, is_direct) = open().map_err(|e: io::Error| Error::external(format!("{}: {e}", path.display())))?;
        Ok(Self { file, path, is_direct, written: 0, flushed: 0, read_back: AlignedBuffer::default() })
    }

    /// Writes whole blocks and reads them back.
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let context = |path: &Path, e: io::Error| Error::external(format!("{}: {e}", path.display()));
        for piece in bytes.chunks(PIECE_BYTES) {
            let is_as_written = self.write_piece(piece).map_err(|e| context(&self.path, e))?;
            if !is_as_written {
                return Err(Error::external(format!("{} reads back differently than it was written", self.path.display())));
            }
            self.written += piece.len() as u64;
        }
        if !self.is_direct && self.written - self.flushed >= FLUSH_BYTES {
            begin_flush(&self.file);
            self.flushed = self.written;
            forget(&self.file, self.written.saturating_sub(CACHED_BYTES));
        }
        Ok(())
    }

    /// Whether the piece reads back as it is.
    fn write_piece(&mut self, piece: &[u8]) -> io::Result<bool> {
        match self.file.write_all_at(piece, self.written) {
            // Some file systems say so only now, and a write that was cut short leaves less than a block.
            Err(e) if self.is_direct && e.kind() == io::ErrorKind::InvalidInput => {
                (self.file, self.is_direct) = (open(&self.path, false, false)?, false);
                self.file.write_all_at(piece, self.written)?;
            }
            written => written?,
        }
        self.read_back.resize(piece.len());
        self.file.read_exact_at(self.read_back.as_mut_slice(), self.written)?;
        Ok(self.read_back.as_slice() == piece)
    }

    /// Makes the first `length` bytes durable under the name `name`.
    fn finish(&mut self, length: u64, name: &Path) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.sync_all()?;
        if !self.is_direct {
            forget(&self.file, length);
        }
        std::fs::rename(&self.path, name)?;
        name.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
    }
}

/// Opens a file to be written and read, `is_new` an empty one.
fn open(path: &Path, is_new: bool, is_direct: bool) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(is_new).truncate(is_new);
    if is_direct {
        past_the_page_cache(&mut options)?;
    }
    options.open(path)
}

#[cfg(target_os = "linux")]
fn past_the_page_cache(options: &mut std::fs::OpenOptions) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    options.custom_flags(libc::O_DIRECT);
    Ok(())
}

/// Asks the system to begin writing what it has of a file to the disk, without waiting.
#[cfg(target_os = "linux")]
fn begin_flush(file: &File) {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open; the call takes no memory of ours. It is a hint: its failure means nothing.
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

/// Tells the system that what is on the disk of the first `bytes` need not stay in memory: nobody reads it before a restore, and the
/// next checkpoint's files, which take the same memory then, do not push out what is read.
#[cfg(target_os = "linux")]
fn forget(file: &File, bytes: u64) {
    use std::os::fd::AsRawFd;
    if let Some(length) = libc::off_t::try_from(bytes).ok().filter(|length| *length > 0) {
        // SAFETY: as above.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, length, libc::POSIX_FADV_DONTNEED) };
    }
}

#[cfg(not(target_os = "linux"))]
fn past_the_page_cache(_options: &mut std::fs::OpenOptions) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
fn begin_flush(_file: &File) {}

#[cfg(not(target_os = "linux"))]
fn forget(_file: &File, _bytes: u64) {}

/// Bytes that begin at a multiple of a block in memory, as devices ask for that are written to directly.
#[derive(Default)]
pub(crate) struct AlignedBuffer {
    /// From `start` on.
    bytes: Vec<u8>,
    start: usize,
}

impl AlignedBuffer {
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// Makes room for `additional` bytes, at least as many again as there are if it has to grow.
    pub fn reserve(&mut self, additional: usize) {
        if self.bytes.capacity() - self.bytes.len() >= additional {
            return;
        }
        let mut bytes: Vec<u8> = Vec::with_capacity(BLOCK + self.len() + additional.max(self.len()));
        let start = bytes.as_ptr().align_offset(BLOCK);
        bytes.resize(start, 0);
        bytes.extend_from_slice(self.as_slice());
        *self = Self { bytes, start };
    }

    fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..]
    }

    fn resize(&mut self, length: usize) {
        self.reserve(length.saturating_sub(self.len()));
        self.bytes.resize(self.start + length, 0);
    }

    /// Fills the last block with zeros.
    fn pad(&mut self) {
        self.resize(self.len().next_multiple_of(BLOCK));
    }

    fn remove_front(&mut self, bytes: usize) {
        self.bytes.copy_within(self.start + bytes.., self.start);
        self.bytes.truncate(self.bytes.len() - bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that tell where they are.
    fn content(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
    }

    #[test]
    fn what_is_added_in_pieces_is_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let store = CheckpointStore::local(directory.path()).unwrap();
        for length in [1, BLOCK - 1, BLOCK, PIECE_BYTES, 3 * PIECE_BYTES + 17, 5 * PIECE_BYTES] {
            for piece in [length, 100_000, 3 * PIECE_BYTES / 2] {
                let bytes = content(length);
                let place = ObjectPlace { store: store.clone(), path: "chk-1/a.part".to_owned() };
                let mut object = place.create(AlignedBuffer::default()).unwrap();
                for piece in bytes.chunks(piece) {
                    object.buffer().extend_from_slice(piece);
                    object.write().unwrap();
                    assert!(object.buffer().len() < PIECE_BYTES + BLOCK, "what is written leaves memory");
                }
                object.finish("chk-1/a.state").unwrap();
                assert!(store.get("chk-1/a.state").unwrap() == bytes, "{length} bytes in pieces of {piece}");
                assert_eq!(store.files().unwrap(), ["chk-1/a.state"]);
            }
        }
    }

    /// A file system may refuse to be written directly when the file is open already.
    #[test]
    fn a_write_that_is_refused_goes_through_the_page_cache() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = PartFile::create(directory.path().join("a")).unwrap();
        if !file.is_direct {
            eprintln!("SKIPPED: this file system knows no direct writes");
            return;
        }
        let bytes = content(2 * BLOCK + 5);
        file.write(&bytes).unwrap();
        assert!(!file.is_direct, "less than a block cannot be written directly");
        file.write(&bytes).unwrap();
        file.finish(file.written, &directory.path().join("b")).unwrap();
        assert!(std::fs::read(directory.path().join("b")).unwrap() == [bytes.clone(), bytes].concat());
    }

    #[test]
    fn an_object_that_is_given_up_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = CheckpointStore::local(directory.path()).unwrap();
        let mut object = ObjectPlace { store: store.clone(), path: "chk-1/a.part".to_owned() }.create(AlignedBuffer::default()).unwrap();
        object.buffer().extend_from_slice(&content(2 * PIECE_BYTES));
        object.write().unwrap();
        assert_eq!(store.files().unwrap(), ["chk-1/a.part"]);
        drop(object);
        assert_eq!(store.files().unwrap(), [""; 0]);
    }

    #[test]
    fn a_buffer_begins_at_a_block_however_it_grows() {
        let (mut buffer, mut expected) = (AlignedBuffer::default(), Vec::new());
        for i in 1..200 {
            let bytes = content(i * 97);
            buffer.extend_from_slice(&bytes);
            expected.extend_from_slice(&bytes);
            if i % 7 == 0 {
                let gone = buffer.len() / BLOCK * BLOCK;
                buffer.remove_front(gone);
                expected.drain(..gone);
            }
            assert!(buffer.as_slice() == expected && buffer.as_slice().as_ptr().align_offset(BLOCK) == 0);
        }
    }
}

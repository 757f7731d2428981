//! Where checkpoints lie: an object store, used from the driver's and the checkpoint threads only.
//!
//! Every object is read back and compared after it was written. On a local directory an object appears by an atomic
//! rename and is flushed to the disk; a large one is written piece by piece under another name, and the system is asked to
//! flush each piece, so that little is left to wait for at the end, and not to keep in memory what is on the disk.

use std::fs::File;
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::path::{Path as FilePath, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use brisk_core::{Error, Result};
use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::manifest::Manifest;

pub(crate) const MANIFEST: &str = "manifest.json";
const CHECKPOINT_PREFIX: &str = "chk-";

/// A directory of checkpoints of one job, or of one savepoint.
#[derive(Clone)]
pub struct CheckpointStore {
    objects: Arc<dyn ObjectStore>,
    /// For people, and for paths that are given out.
    root: String,
    /// Where the objects are files.
    local: Option<PathBuf>,
}

impl CheckpointStore {
    /// Opens a directory, which is made when it is not there, or a `file://` URL.
    pub fn open(location: &str) -> Result<Self> {
        match location.split_once("://") {
            None => Self::local(FilePath::new(location)),
            Some(("file", path)) => Self::local(FilePath::new(path)),
            Some((scheme, _)) => Err(Error::unsupported(format!("checkpoints cannot be kept at {location}: no store for '{scheme}://'"))
                .with_remedy("use a directory of this machine")),
        }
    }

    pub fn local(directory: &FilePath) -> Result<Self> {
        let context = |e: String| Error::external(format!("checkpoint directory {}: {e}", directory.display()));
        std::fs::create_dir_all(directory).map_err(|e| context(e.to_string()))?;
        let objects = LocalFileSystem::new_with_prefix(directory).map_err(|e| context(e.to_string()))?;
        Ok(Self { objects: Arc::new(objects), root: directory.display().to_string(), local: Some(directory.to_path_buf()) })
    }

    /// Any object store; `root` is its name for people.
    pub fn new(objects: Arc<dyn ObjectStore>, root: impl Into<String>) -> Self {
        Self { objects, root: root.into(), local: None }
    }

    pub fn root(&self) -> &str {
        &self.root
    }

    /// The ids of the checkpoints that have a directory, ascending, complete or not.
    pub fn checkpoint_ids(&self) -> Result<Vec<u64>> {
        let listed = self.run(self.objects.list_with_delimiter(None), "")?;
        let mut ids: Vec<u64> = listed.common_prefixes.iter().filter_map(|p| checkpoint_id(p.as_ref())).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// The manifest of a checkpoint, verified. The files that it names are not looked at.
    pub fn manifest(&self, id: u64) -> Result<Manifest> {
        Manifest::decode(&self.get(&format!("{}{MANIFEST}", directory(Some(id))))?)
    }

    /// All complete checkpoints whose manifest can be read, ascending.
    pub fn manifests(&self) -> Result<Vec<Manifest>> {
        Ok(self.checkpoint_ids()?.into_iter().filter_map(|id| self.manifest(id).ok()).collect())
    }

    pub(crate) fn manifest_path(&self, id: Option<u64>) -> String {
        format!("{}/{}", self.root.trim_end_matches('/'), directory(id)).trim_end_matches('/').to_owned()
    }

    /// The directory above: where the files lie that a checkpoint's manifest names.
    pub(crate) fn parent(&self) -> Option<Result<Self>> {
        let parent = self.local.as_ref()?.canonicalize().ok()?.parent()?.to_path_buf();
        Some(Self::local(&parent))
    }

    /// Every object below the checkpoints' directories.
    pub(crate) fn files(&self) -> Result<Vec<String>> {
        let mut out = Vec::new();
        for id in self.checkpoint_ids()? {
            let prefix = Path::from(format!("{CHECKPOINT_PREFIX}{id}"));
            let listed = self.run(self.objects.list_with_delimiter(Some(&prefix)), prefix.as_ref())?;
            out.extend(listed.objects.into_iter().map(|o| o.location.to_string()));
        }
        Ok(out)
    }

    pub(crate) fn exists(&self, path: &str) -> Result<bool> {
        match block_on(self.objects.head(&Path::from(path))) {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(self.error(path, &e)),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Bytes> {
        let read = async { self.objects.get(&Path::from(path)).await?.bytes().await };
        match block_on(read) {
            Err(object_store::Error::NotFound { .. }) => Err(Error::corrupt(format!("{}/{path} is missing", self.root))),
            other => other.map_err(|e| self.error(path, &e)),
        }
    }

    /// A piece of an object.
    pub(crate) fn get_part(&self, path: &str, offset: u64, length: u64) -> Result<Bytes> {
        let end = offset.checked_add(length).ok_or_else(|| Error::corrupt(format!("{}/{path} is said to be longer than a file can be", self.root)))?;
        match block_on(self.objects.get_range(&Path::from(path), offset..end)) {
            Err(object_store::Error::NotFound { .. }) => Err(Error::corrupt(format!("{}/{path} is missing", self.root))),
            Ok(bytes) if bytes.len() as u64 != length => Err(Error::corrupt(format!("{}/{path} is too short", self.root))),
            other => other.map_err(|e| self.error(path, &e)),
        }
    }

    /// Where an object is a file of this machine, its path.
    pub(crate) fn local_path(&self, path: &str) -> Option<PathBuf> {
        self.local.as_ref().map(|root| root.join(path))
    }

    /// Writes an object and reads it back.
    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let bytes = Bytes::from(bytes);
        self.run(self.objects.put(&Path::from(path), PutPayload::from_bytes(bytes.clone())), path)?;
        if self.get(path)? != bytes {
            return Err(Error::external(format!("{}/{path} reads back differently than it was written", self.root)));
        }
        match &self.local {
            Some(root) => flush_to_disk(&root.join(path)).map_err(|e| Error::external(format!("{}/{path}: {e}", self.root))),
            None => Ok(()),
        }
    }

    /// Begins an object of unknown size.
    fn create(&self, path: &str) -> Result<ObjectWriter> {
        let Some(root) = &self.local else {
            return Ok(ObjectWriter { store: self.clone(), file: None, buffer: Vec::new(), written: 0, flushed: 0 });
        };
        let part = root.join(path);
        let open = || {
            part.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            File::options().read(true).write(true).create(true).truncate(true).open(&part)
        };
        let file = open().map_err(|e| Error::external(format!("{}/{path}: {e}", self.root)))?;
        Ok(ObjectWriter { store: self.clone(), file: Some((file, part)), buffer: Vec::new(), written: 0, flushed: 0 })
    }

    pub(crate) fn delete(&self, path: &str) -> Result<()> {
        match block_on(self.objects.delete(&Path::from(path))) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.error(path, &e)),
        }
    }

    /// Removes the directory of a checkpoint whose files are gone; an object store has no directories.
    pub(crate) fn remove_directory(&self, id: u64) {
        if let Some(root) = &self.local {
            // Fails while a newer checkpoint still needs a file in it.
            let _ = std::fs::remove_dir(root.join(directory(Some(id))));
        }
    }

    fn run<T>(&self, future: impl Future<Output = object_store::Result<T>>, path: &str) -> Result<T> {
        block_on(future).map_err(|e| self.error(path, &e))
    }

    fn error(&self, path: &str, e: &object_store::Error) -> Error {
        Error::external(format!("checkpoint store {}/{path}: {e}", self.root))
    }
}

/// Where an object may be begun: the name is that of an unfinished one.
#[derive(Clone)]
pub(crate) struct ObjectPlace {
    pub store: CheckpointStore,
    pub path: String,
}

impl ObjectPlace {
    pub fn create(self) -> Result<ObjectWriter> {
        self.store.create(&self.path)
    }
}

/// An object that is being written: it appears under its name at the end, or not at all.
pub(crate) struct ObjectWriter {
    store: CheckpointStore,
    /// On a local directory, with its path for now.
    file: Option<(File, PathBuf)>,
    /// The content, for other stores. For a file, what was read back last.
    buffer: Vec<u8>,
    /// Bytes of the file, and how many of them the system was asked to flush.
    written: u64,
    flushed: u64,
}

/// So many bytes are written and read back at a time.
const PIECE_BYTES: usize = 256 << 10;
/// So many bytes are worth beginning to flush.
const FLUSH_BYTES: u64 = 4 << 20;
/// What was written longer ago than this is on the disk most likely.
const CACHED_BYTES: u64 = 16 << 20;

impl ObjectWriter {
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some((file, path)) = &self.file else {
            // Read back when it is written, as a whole.
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        };
        let context = |e: std::io::Error| Error::external(format!("{}: {e}", path.display()));
        for piece in bytes.chunks(PIECE_BYTES) {
            file.write_all_at(piece, self.written).map_err(context)?;
            self.buffer.resize(piece.len(), 0);
            file.read_exact_at(&mut self.buffer, self.written).map_err(context)?;
            if self.buffer != piece {
                return Err(Error::external(format!("{} reads back differently than it was written", path.display())));
            }
            self.written += piece.len() as u64;
        }
        if self.written - self.flushed >= FLUSH_BYTES {
            begin_flush(file);
            self.flushed = self.written;
            forget(file, self.written.saturating_sub(CACHED_BYTES));
        }
        Ok(())
    }

    /// Makes the object durable under the name `path`.
    pub fn finish(mut self, path: &str) -> Result<()> {
        let Some((file, part)) = self.file.take() else { return self.store.put(path, std::mem::take(&mut self.buffer)) };
        let root = self.store.local.clone().unwrap_or_default();
        let name = root.join(path);
        let finish = || {
            file.sync_all()?;
            forget(&file, self.written);
            std::fs::rename(&part, &name)?;
            name.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
        };
        finish().map_err(|e| Error::external(format!("{}: {e}", name.display())))
    }
}

impl Drop for ObjectWriter {
    fn drop(&mut self) {
        if let Some((_, part)) = &self.file {
            // What stays is deleted after the next checkpoint.
            let _ = std::fs::remove_file(part);
        }
    }
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
fn begin_flush(_file: &File) {}

#[cfg(not(target_os = "linux"))]
fn forget(_file: &File, _bytes: u64) {}

/// The directory of a checkpoint in its store, with the slash; a savepoint's is the top.
pub(crate) fn directory(id: Option<u64>) -> String {
    id.map_or_else(String::new, |id| format!("{CHECKPOINT_PREFIX}{id}/"))
}

fn checkpoint_id(path: &str) -> Option<u64> {
    path.rsplit('/').next()?.strip_prefix(CHECKPOINT_PREFIX)?.parse().ok()
}

/// The file, and the directory that has its name.
fn flush_to_disk(path: &FilePath) -> std::io::Result<()> {
    File::open(path)?.sync_all()?;
    match path.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Runs a future on this thread. A local store does its work inside the poll; others wake us from their own runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

//! Where checkpoints lie: an object store, used from the driver's and the checkpoint threads only.
//!
//! Every object is read back and compared after it was written. On a local directory an object appears by an atomic
//! rename and is flushed to the disk; a large one is written piece by piece (see [`super::object`]).

use std::fs::File;
use std::future::Future;
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

//! The checkpoint thread of a job: encodes captures, writes files and manifests, deletes what is no longer needed, and
//! commits the sinks. Compute threads only hand over references.
//!
//! The thread lives as long as the job. It keeps each operator's chain of files, and tells the operator by a flag to
//! write everything when the deltas have outgrown the full file.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use brisk_core::graph::NodeId;
use brisk_core::sink::Committer;
use brisk_core::snapshot::SnapshotKind;
use brisk_core::{Error, ErrorKind, Result};
use crossbeam_channel::{Receiver, Sender};

use super::capture::Capture;
use super::coordinator::SubtaskId;
use super::file;
use super::manifest::{FileRef, Manifest, SubtaskManifest};
use super::store::{CheckpointStore, MANIFEST, directory};
use crate::driver::Event;

/// A chain of more deltas than this is replaced by a full file.
const MAX_DELTAS: usize = 16;

pub(crate) enum Work {
    /// A new start of the job: forget all chains. `commit` holds what the restored checkpoint left to commit.
    Begin { committers: HashMap<NodeId, Box<dyn Committer>>, commit: Vec<(NodeId, Vec<Vec<u8>>)>, reply: Sender<Result<()>> },
    /// Answers when all work before it is done.
    Drain { reply: Sender<()> },
    /// What one subtask captured at a barrier.
    Snapshot { attempt: u32, id: u64, subtask: SubtaskId, place: Option<Arc<Place>>, parts: Vec<Part> },
    /// All subtasks have answered.
    Store { attempt: u32, id: u64, place: Option<Arc<Place>>, manifest: Manifest, commit: Vec<(NodeId, Vec<Vec<u8>>)> },
}

/// Where a checkpoint is written.
pub(crate) struct Place {
    pub store: CheckpointStore,
    /// `None`: a savepoint, at the top of its store.
    pub id: Option<u64>,
    /// How many checkpoints of the store are kept; `None`: nothing is deleted.
    pub retained: Option<usize>,
}

/// What one node of a subtask contributes.
pub(crate) struct Part {
    pub node: NodeId,
    pub operator_id: Arc<str>,
    pub index: usize,
    pub capture: Option<Capture>,
    /// Set by the writer thread: the next snapshot is to be a full one.
    pub want_full: Arc<AtomicBool>,
    /// Everything but the files.
    pub manifest: SubtaskManifest,
}

#[derive(Default)]
struct Chain {
    files: Vec<FileRef>,
}

pub(crate) struct Writer {
    events: Sender<Event>,
    committers: HashMap<NodeId, Box<dyn Committer>>,
    chains: HashMap<(NodeId, usize), Chain>,
    /// Bytes written for the checkpoint under way.
    written: u64,
}

impl Writer {
    pub fn new(events: Sender<Event>) -> Self {
        Self { events, committers: HashMap::new(), chains: HashMap::new(), written: 0 }
    }

    /// Works until the other side is gone.
    pub fn run(mut self, work: &Receiver<Work>) {
        for item in work {
            let event = match item {
                Work::Begin { committers, commit, reply } => {
                    self.chains.clear();
                    self.committers = committers;
                    // The driver waits for it, unless the job is gone.
                    let _ = reply.send(self.commit(&commit));
                    continue;
                }
                Work::Drain { reply } => {
                    let _ = reply.send(());
                    continue;
                }
                Work::Snapshot { attempt, id, subtask, place, parts } => {
                    let mut error = None;
                    let parts = parts.into_iter().map(|p| self.write_part(place.as_deref(), p, &mut error)).collect();
                    Event::Written { attempt, id, subtask, parts, error }
                }
                Work::Store { attempt, id, place, manifest, commit } => {
                    let stored = place.as_deref().map_or(Ok(()), |p| self.store(p, &manifest));
                    // Once the manifest is durable a commit that fails is a failure of the job, mended by a restore.
                    let committed = if stored.is_ok() { self.commit(&commit) } else { Ok(()) };
                    Event::Stored { attempt, id, stored, committed, written_bytes: std::mem::take(&mut self.written) }
                }
            };
            if self.events.send(event).is_err() {
                return;
            }
        }
    }

    /// Gives the part of the manifest even when its file could not be written: a sink's committables must not get lost.
    fn write_part(&mut self, place: Option<&Place>, mut part: Part, error: &mut Option<Error>) -> (NodeId, usize, SubtaskManifest) {
        if let (Some(place), Some(capture)) = (place, part.capture.take())
            && let Err(e) = self.write_state(place, capture, &mut part)
        {
            error.get_or_insert(e);
        }
        (part.node, part.index, part.manifest)
    }

    fn write_state(&mut self, place: &Place, capture: Capture, part: &mut Part) -> Result<()> {
        let path = format!("{}{}-{}.state", directory(place.id), part.operator_id.replace(['/', '#'], "_"), part.index);
        let file = write_file(place, &path, &capture)?;
        self.written += file.as_ref().map_or(0, |f| f.bytes);
        let chain = self.chains.entry((part.node, part.index)).or_default();
        if capture.kind == SnapshotKind::Full {
            chain.files.clear();
        }
        chain.files.extend(file);
        part.want_full.store(chain.has_outgrown_its_base(), Ordering::Relaxed);
        part.manifest.files = chain.files.clone();
        part.manifest.states = capture.states;
        Ok(())
    }

    fn store(&mut self, place: &Place, manifest: &Manifest) -> Result<()> {
        let bytes = manifest.encode()?;
        self.written += bytes.len() as u64;
        place.store.put(&format!("{}{MANIFEST}", directory(place.id)), bytes)?;
        if let Some(retained) = place.retained {
            // The checkpoint is good; what could not be deleted will be tried again after the next one.
            if let Err(e) = delete_unneeded(&place.store, retained, manifest.id) {
                tracing::warn!(error = %e, "old checkpoints could not be deleted");
            }
        }
        Ok(())
    }

    fn commit(&mut self, commit: &[(NodeId, Vec<Vec<u8>>)]) -> Result<()> {
        for (node, committables) in commit.iter().filter(|(_, c)| !c.is_empty()) {
            let committer = self.committers.get_mut(node).ok_or_else(|| Error::internal("a sink prepared a commit and has no committer"))?;
            committer.commit(committables)?;
        }
        Ok(())
    }
}

impl Chain {
    fn has_outgrown_its_base(&self) -> bool {
        let Some((base, deltas)) = self.files.split_first() else { return false };
        deltas.len() >= MAX_DELTAS || (base.full && deltas.iter().map(|f| f.bytes).sum::<u64>() > base.bytes)
    }
}

fn write_file(place: &Place, path: &str, capture: &Capture) -> Result<Option<FileRef>> {
    let Some((bytes, checksum)) = file::encode(capture)? else { return Ok(None) };
    let length = bytes.len() as u64;
    place.store.put(path, bytes)?;
    Ok(Some(FileRef { path: path.to_owned(), bytes: length, checksum, full: capture.kind == SnapshotKind::Full }))
}

/// Deletes every object that none of the newest `retained` checkpoints up to `newest` names. Manifests go first, so that
/// a crash in between leaves files without a checkpoint, never a checkpoint without its files.
fn delete_unneeded(store: &CheckpointStore, retained: usize, newest: u64) -> Result<()> {
    let ids = store.checkpoint_ids()?;
    let mut kept: Vec<Manifest> = Vec::new();
    for id in ids.iter().rev().filter(|id| **id <= newest) {
        if kept.len() == retained.max(1) {
            break;
        }
        match store.manifest(*id) {
            Ok(manifest) => kept.push(manifest),
            Err(e) if e.kind == ErrorKind::Corrupt => {}
            Err(e) => return Err(e),
        }
    }
    let mut needed: HashSet<String> = kept.iter().flat_map(Manifest::files).map(|f| f.path.clone()).collect();
    needed.extend(kept.iter().map(|m| format!("{}{MANIFEST}", directory(Some(m.id)))));
    let mut unneeded: Vec<String> = store.files()?.into_iter().filter(|path| !needed.contains(path)).collect();
    unneeded.sort_by_key(|path| !path.ends_with(MANIFEST));
    for path in unneeded {
        store.delete(&path)?;
    }
    for id in ids.iter().filter(|id| !kept.iter().any(|m| m.id == **id)) {
        store.remove_directory(*id);
    }
    Ok(())
}

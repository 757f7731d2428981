//! The checkpoint thread of a job: encodes captures, writes files and manifests, deletes what is no longer needed, and
//! commits the sinks. Compute threads only hand over references.
//!
//! The thread lives as long as the job. It keeps each operator's chain of files, and tells the operator by a flag to
//! write everything when the deltas have outgrown the full file. Parts that were written ahead are encoded and written when
//! they come and become a file with the last one. Small files of a checkpoint are written together, before the manifest: most
//! checkpoints of most jobs are small, and what they cost is flushing.

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
use super::file::{Content, FileBuilder, Finished};
use super::manifest::{FileRef, Manifest, SubtaskManifest};
use super::object::ObjectPlace;
use super::store::{CheckpointStore, MANIFEST, directory};
use crate::driver::Event;
use crate::status::CheckpointTimes;

/// A chain of more deltas than this is replaced by a full file.
const MAX_DELTAS: usize = 16;
/// The same of deltas that only add to logs: a full file says no less than they do, it only saves opening many.
const MAX_APPENDS: usize = 256;

/// Tasks write nothing ahead while so many parts wait for the thread. The queue has room for more, so that what is captured at a
/// barrier never waits.
pub(crate) const WAITING_PARTS: usize = 64;

pub(crate) enum Work {
    /// A new start of the job: forget all chains. `commit` holds what the restored checkpoint left to commit.
    Begin { committers: HashMap<NodeId, Box<dyn Committer>>, commit: Vec<(NodeId, Vec<Vec<u8>>)>, reply: Sender<Result<()>> },
    /// Answers when all work before it is done.
    Drain { reply: Sender<()> },
    /// A checkpoint is being prepared, and this is where it will be.
    Prepare { attempt: u32, id: u64, place: Option<Arc<Place>> },
    /// What one operator's subtask wrote ahead of a barrier.
    Ahead { attempt: u32, part: AheadPart },
    /// What one subtask captured at a barrier.
    Snapshot { attempt: u32, id: u64, subtask: SubtaskId, place: Option<Arc<Place>>, times: CheckpointTimes, parts: Vec<Part> },
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

/// Some of the state of one node of a subtask.
pub(crate) struct AheadPart {
    /// Of the checkpoint.
    pub id: u64,
    pub node: NodeId,
    pub index: usize,
    pub capture: Capture,
}

/// What one node of a subtask contributes.
pub(crate) struct Part {
    pub node: NodeId,
    pub operator_id: Arc<str>,
    pub index: usize,
    /// Of the whole snapshot.
    pub kind: SnapshotKind,
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
    /// Files that have begun, of one checkpoint.
    begun: HashMap<(NodeId, usize), FileBuilder>,
    begun_for: (u32, u64),
    /// Where the checkpoint lies that was prepared last.
    prepared: Option<Arc<Place>>,
    /// Small files that are written together, one after the other, of one checkpoint.
    small: Vec<u8>,
    small_for: (u32, u64),
    /// Bytes written for the checkpoint under way.
    written: u64,
}

impl Writer {
    pub fn new(events: Sender<Event>) -> Self {
        Self {
            events,
            committers: HashMap::new(),
            chains: HashMap::new(),
            begun: HashMap::new(),
            begun_for: (0, 0),
            prepared: None,
            small: Vec::new(),
            small_for: (0, 0),
            written: 0,
        }
    }

    /// Works until the other side is gone.
    pub fn run(mut self, work: &Receiver<Work>) {
        let mut failed: Option<((u32, u64), Error)> = None;
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
                Work::Prepare { attempt, id, place } => {
                    self.begin_files((attempt, id));
                    self.prepared = place;
                    continue;
                }
                // Of a checkpoint that was given up while the part was under way.
                Work::Ahead { attempt, part } if (attempt, part.id) < self.begun_for => continue,
                Work::Ahead { attempt, part } => {
                    if let Err(e) = self.add_ahead(attempt, &part) {
                        // The file lacks a part now: the operator must not go on with its chain.
                        failed = Some(((attempt, part.id), e));
                    }
                    continue;
                }
                Work::Snapshot { attempt, id, subtask, place, times, parts } => {
                    let mut error = failed.take_if(|(of, _)| *of == (attempt, id)).map(|(_, e)| e);
                    let parts = parts.into_iter().map(|p| self.write_part((attempt, id), place.as_deref(), p, &mut error)).collect();
                    Event::Written { attempt, id, subtask, times, parts, error }
                }
                Work::Store { attempt, id, place, manifest, commit } => {
                    let stored = place.as_deref().map_or(Ok(()), |p| self.store((attempt, id), p, &manifest));
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

    fn add_ahead(&mut self, attempt: u32, part: &AheadPart) -> Result<()> {
        let place = self.prepared.clone();
        self.file_of((attempt, part.id), place.as_deref(), (part.node, part.index)).add(&part.capture)
    }

    /// Forgets the files of other checkpoints: those were given up.
    fn begin_files(&mut self, checkpoint: (u32, u64)) {
        if std::mem::replace(&mut self.begun_for, checkpoint) != checkpoint {
            self.begun.clear();
        }
    }

    /// The file of an operator's subtask for a checkpoint, begun if it is not.
    fn file_of(&mut self, checkpoint: (u32, u64), place: Option<&Place>, (node, index): (NodeId, usize)) -> &mut FileBuilder {
        self.begin_files(checkpoint);
        let object = |place: &Place| ObjectPlace { store: place.store.clone(), path: format!("{}{node}-{index}.part", directory(place.id)) };
        self.begun.entry((node, index)).or_insert_with(|| FileBuilder::new(place.map(object)))
    }

    /// Gives the part of the manifest even when its file could not be written: a sink's committables must not get lost.
    fn write_part(&mut self, checkpoint: (u32, u64), place: Option<&Place>, mut part: Part, error: &mut Option<Error>) -> (NodeId, usize, SubtaskManifest) {
        // A capture of a checkpoint that was given up comes too late: another's files have begun.
        if let (Some(place), Some(capture)) = (place, part.capture.take())
            && checkpoint >= self.begun_for
            && let Err(e) = self.write_state(checkpoint, place, capture, &mut part)
        {
            error.get_or_insert(e);
        }
        (part.node, part.index, part.manifest)
    }

    fn write_state(&mut self, checkpoint: (u32, u64), place: &Place, capture: Capture, part: &mut Part) -> Result<()> {
        let key = (part.node, part.index);
        self.file_of(checkpoint, Some(place), key).add_last(&capture)?;
        let file = match self.begun.remove(&key).map(FileBuilder::finish).transpose()?.flatten() {
            None => None,
            Some(Finished { content, length, checksum, only_appends }) => {
                self.written += length;
                let (path, offset) = self.put(checkpoint, place, part, content)?;
                Some(FileRef { path, offset, bytes: length, checksum, full: part.kind == SnapshotKind::Full, only_appends })
            }
        };
        let chain = self.chains.entry(key).or_default();
        if part.kind == SnapshotKind::Full {
            chain.files.clear();
        }
        chain.files.extend(file);
        part.want_full.store(chain.has_outgrown_its_base(), Ordering::Relaxed);
        part.manifest.files = chain.files.clone();
        part.manifest.states = capture.states;
        Ok(())
    }

    /// Where the file is now, or will be when the manifest is.
    fn put(&mut self, checkpoint: (u32, u64), place: &Place, part: &Part, content: Content) -> Result<(String, u64)> {
        let bytes = match content {
            Content::Memory(bytes) => bytes,
            Content::Object(object) => {
                let path = format!("{}{}-{}.state", directory(place.id), part.operator_id.replace(['/', '#'], "_"), part.index);
                object.finish(&path)?;
                return Ok((path, 0));
            }
        };
        if std::mem::replace(&mut self.small_for, checkpoint) != checkpoint {
            self.small.clear();
        }
        let offset = self.small.len() as u64;
        self.small.extend_from_slice(bytes.as_slice());
        Ok((small_path(place), offset))
    }

    fn store(&mut self, checkpoint: (u32, u64), place: &Place, manifest: &Manifest) -> Result<()> {
        if self.small_for == checkpoint && !self.small.is_empty() {
            place.store.put(&small_path(place), std::mem::take(&mut self.small))?;
        }
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
        let (replacing, bytes) = deltas.iter().filter(|f| !f.only_appends).fold((0, 0), |(files, bytes), f| (files + 1, bytes + f.bytes));
        replacing >= MAX_DELTAS || deltas.len() >= MAX_APPENDS || (base.full && bytes > base.bytes)
    }
}

fn small_path(place: &Place) -> String {
    format!("{}small.state", directory(place.id))
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

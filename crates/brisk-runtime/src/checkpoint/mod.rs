//! Checkpoints: a consistent cut through a running job, on an object store.
//!
//! ```text
//!   coordinator --prepare n--> tasks --parts of their state, ahead (see `ahead`)--> writer thread
//!               --inject n--> sources --barrier n--> tasks --capture--> writer thread --files--> store
//!        ^                                                                  |
//!        +---- acks of all subtasks; then the manifest, last and atomic ----+--> commit of the sinks
//! ```
//!
//! A task is stopped while it captures: for a few keys, since the others were written between batches before. Encoding,
//! compressing, writing, flushing and reading back are the writer thread's.
//!
//! # Layout of a job's directory
//!
//! ```text
//!   chk-12/manifest.json                 what checkpoint 12 consists of; without it there is no checkpoint 12
//!   chk-12/<operator id>-<subtask>.state what one operator's subtask wrote for checkpoint 12
//!   chk-12/small.state                   the same, of all that have little to write, one after the other
//!   chk-12/<node>-<subtask>.part         a state file that is being written, or was when a process died
//!   chk-11/...                           kept while checkpoint 11 is retained, or 12 still needs a file of it
//! ```
//!
//! A savepoint is the same in a directory of its own: `manifest.json` at its top, files beside it, never a reference to
//! anything outside.
//!
//! # The state file, version 7
//!
//! ```text
//!   "BRSKST07"                                             8 bytes
//!   section ...        each an Arrow IPC stream            of one table: puts, deletes, deleted prefixes or appends
//!   directory          JSON: [{table, form, offset, length, rows, generation, checksum of the section}]
//!   length of the directory                                u32, little endian
//!   checksum of the directory and its length               u64, little endian; checksums are XXH3, 64 bits
//! ```
//!
//! The first two columns of a section are the key group (UInt16) and the key (Binary); the table's own columns follow but
//! in a `delete` or `deleteprefix` section. The key is the unit of replacement: what a newer file puts or deletes under a key
//! hides all older entries under it; a deleted prefix hides all that begin with it, whatever the key group. A file has
//! generations of a table (0 where none is named): a later one is as a newer file. Within a generation puts count over
//! deletes. A table that is a log has only `append` sections, none of which hides another.
//! Older versions are still read: up to 6 checksums are `brisk_core::key_group::hash_bytes` and no offset has three bytes, 5 deletes no prefixes, 4 packs no letters, 3 packs nothing, 2 has no logs, 1 has one
//! generation; the checksum of 1 and 2 is that of all before it.
//!
//! # The manifest, version 1
//!
//! JSON `{"checksum": "<16 hex digits>", "manifest": {...}}`, the checksum over the manifest's own JSON text: id, time,
//! key groups, and per operator and subtask the files to read (oldest first: a full one, then deltas), operator states,
//! source splits with positions and watermarks, the sink writer's state and the committables that a restore commits
//! again. See [`manifest::Manifest`].
//!
//! # What must stay true
//!
//! - A manifest is written after every file that it names, and each is read back and compared before.
//! - A file is deleted only when no retained manifest names it.
//! - The first snapshot of an operator after a start, a savepoint or a failed checkpoint is a full one, so a chain of
//!   files has no gap.

pub(crate) mod ahead;
pub(crate) mod capture;
pub mod compare;
pub(crate) mod coordinator;
pub(crate) mod file;
pub mod list;
pub mod manifest;
pub(crate) mod object;
pub(crate) mod restore;
pub mod store;
pub(crate) mod writer;

pub use store::CheckpointStore;

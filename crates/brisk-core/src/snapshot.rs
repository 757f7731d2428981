//! The contract between an operator and a checkpoint.
//!
//! State is written in two forms.
//! - **Keyed state**: named tables of entries. An entry is a key group, a key (bytes of the operator's own choosing) and
//!   a row of typed columns. *The key is the unit of replacement*: whatever a later snapshot writes under a key replaces
//!   all that earlier ones wrote under it, and one key may have many rows in one snapshot (the rows of a join key). An
//!   incremental snapshot therefore writes the keys that changed, each in full, and names the keys that are gone, or what
//!   all of some that are gone begin with (the bounds of a window that has ended).
//!   It may do so in **parts**: a part that was written ahead of the barrier holds some keys as they were then, and a key
//!   that changed afterwards is written again, which supersedes what the earlier part says of it. So a task can write
//!   most of a large state between two batches, a little at a time, and finds little left to do at the barrier.
//!   A table of rows that are never taken back may be written as a **log** instead: every snapshot adds the rows that are
//!   new and says nothing of the others. Such a table is written in no other way until the next full snapshot.
//! - **Operator state**: named byte strings of a subtask that belong to no key (a source's positions, a watermark).
//!   After a restore at another parallelism every subtask is given those of all former subtasks.

use std::fmt::Debug;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray, RecordBatch, UInt16Array};

use crate::{Result, packed};

/// How much a snapshot must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotKind {
    /// Everything: nothing older will be read.
    Full,
    /// What changed since the last snapshot that this operator wrote.
    Incremental,
}

/// The keys of entries, with their key groups.
#[derive(Debug, Clone)]
pub enum Keys {
    /// Key groups and keys, in pieces.
    Given(Vec<(UInt16Array, BinaryArray)>),
    /// The thread that writes makes them of these columns.
    Columns(Vec<ArrayRef>, Arc<dyn KeyEncoder>),
    /// The same of columns of the rows.
    Of(Vec<usize>, Arc<dyn KeyEncoder>),
}

/// Makes keys of columns.
pub trait KeyEncoder: Debug + Send + Sync {
    /// The key group and the key of each of the rows.
    fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<(UInt16Array, BinaryArray)>;
}

impl Keys {
    pub fn given(key_groups: &[u16], keys: &BinaryArray) -> Self {
        Keys::Given(vec![(UInt16Array::from(key_groups.to_vec()), keys.clone())])
    }

    /// How many there are; `None` where the rows say that.
    pub fn count(&self) -> Option<usize> {
        match self {
            Keys::Given(pieces) => Some(pieces.iter().map(|(_, keys)| keys.len()).sum()),
            Keys::Columns(columns, _) => columns.first().map(|c| c.len()),
            Keys::Of(..) => None,
        }
    }

    /// The key groups and keys of `rows`, which may be packed, in pieces.
    pub fn of(&self, rows: &RecordBatch) -> Result<Vec<(UInt16Array, BinaryArray)>> {
        match self {
            Keys::Given(pieces) => Ok(pieces.clone()),
            Keys::Columns(columns, encoder) => Ok(vec![encoder.encode(columns, rows.num_rows())?]),
            Keys::Of(columns, encoder) => Ok(vec![encoder.encode(packed::unpack(&rows.project(columns)?)?.columns(), rows.num_rows())?]),
        }
    }
}

pub trait SnapshotWriter {
    fn kind(&self) -> SnapshotKind;

    /// How many more keys, of a log rows, this part takes; `usize::MAX` of what is to be whole. What does not fit stays
    /// changed, for the next part.
    fn room(&self) -> usize {
        usize::MAX
    }

    /// Says that `keys` changed keys or new rows were left out for want of room.
    fn left_out(&mut self, _keys: usize) {}

    /// Begins to speak of keys of `table` that earlier parts of this snapshot may have written, as the last part does
    /// anyway. Until then all keys that are put are new to the snapshot.
    fn supersede(&mut self, _table: &str) {}

    /// Adds entries to the keyed table `table`. `keys` and `rows` have one element an entry; `rows` has the same schema in
    /// every call for one table.
    fn put(&mut self, table: &str, keys: Keys, rows: &RecordBatch) -> Result<()>;

    /// Adds entries to those that `table`, a log, has. Keys may repeat, and rows may be packed ([`crate::packed`]); a reader gives
    /// them unpacked.
    fn append(&mut self, table: &str, keys: Keys, rows: &RecordBatch) -> Result<()>;

    /// Says that `keys` are gone from `table`. Not needed in a full snapshot.
    fn delete(&mut self, table: &str, key_groups: &[u16], keys: &BinaryArray) -> Result<()>;

    /// Says that all keys of `table` that begin with `prefix` are gone, whatever their key groups; what this part or later ones
    /// put under it counts. Not needed in a full snapshot.
    fn delete_prefix(&mut self, table: &str, prefix: &[u8]) -> Result<()>;

    /// Sets the operator state `name` of this subtask.
    fn put_operator_state(&mut self, name: &str, bytes: Vec<u8>) -> Result<()>;
}

/// Batches of keys and rows, each decoded when it is asked for.
pub type Entries<'a> = Box<dyn Iterator<Item = Result<(BinaryArray, RecordBatch)>> + 'a>;

pub trait SnapshotReader {
    /// The live entries of `table` whose key groups this subtask owns. The rows of one key keep their order but may be
    /// spread over batches.
    fn entries<'a>(&'a self, table: &'a str) -> Entries<'a>;

    /// About how many entries that are, for making room.
    fn count(&self, table: &str) -> usize;

    /// The operator state `name` of every former subtask.
    fn operator_state(&mut self, name: &str) -> Result<Vec<Vec<u8>>>;
}

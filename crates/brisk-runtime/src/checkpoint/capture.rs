//! What an operator hands over at a barrier, kept by reference until the writer thread encodes it.
//!
//! Arrow arrays are shared, so a capture costs the compute thread a few reference counts a block; only key groups are
//! copied. A capture is a whole snapshot, or a part of one with room for so many keys.

use std::collections::BTreeMap;

use arrow_array::{Array, BinaryArray, RecordBatch, UInt16Array};
use brisk_core::snapshot::{Keys, SnapshotKind, SnapshotWriter};
use brisk_core::{Error, Result};

use super::manifest::Blob;

#[derive(Debug)]
pub(crate) struct Capture {
    pub kind: SnapshotKind,
    pub tables: BTreeMap<String, TableCapture>,
    pub states: BTreeMap<String, Blob>,
    room: usize,
    /// Keys that the operator left out for want of room.
    pub left_out: usize,
}

/// Keys and rows, one element an entry; the rows may be packed.
#[derive(Debug)]
pub(crate) struct Captured {
    pub keys: Keys,
    pub rows: RecordBatch,
}

#[derive(Debug, Default)]
pub(crate) struct TableCapture {
    pub puts: Vec<Captured>,
    pub deletes: Vec<(UInt16Array, BinaryArray)>,
    /// All keys under these are gone.
    pub deleted_prefixes: Vec<Vec<u8>>,
    /// Of a log.
    pub appends: Vec<Captured>,
    /// What this part says of a key counts over what earlier parts of the snapshot say.
    pub supersedes: bool,
}

impl Capture {
    pub fn new(kind: SnapshotKind) -> Self {
        Self::part(kind, usize::MAX)
    }

    /// A part of a snapshot with room for so many keys.
    pub fn part(kind: SnapshotKind, room: usize) -> Self {
        Self { kind, tables: BTreeMap::new(), states: BTreeMap::new(), room, left_out: 0 }
    }

    /// Goes on with room for so many more keys.
    pub fn make_room(&mut self, room: usize) {
        (self.room, self.left_out) = (room, 0);
    }

    pub fn is_empty(&self) -> bool {
        self.tables.values().all(|t| t.puts.is_empty() && t.deletes.is_empty() && t.deleted_prefixes.is_empty() && t.appends.is_empty())
    }

    fn table(&mut self, name: &str) -> &mut TableCapture {
        if !self.tables.contains_key(name) {
            self.tables.insert(name.to_owned(), TableCapture::default());
        }
        self.tables.get_mut(name).expect("inserted above")
    }

    /// What is kept of some entries, which take room; `None` of no entries.
    fn entry(&mut self, table: &str, keys: Keys, rows: &RecordBatch) -> Result<Option<Captured>> {
        let count = rows.num_rows();
        if let Some(keys) = keys.count().filter(|keys| *keys != count) {
            return Err(Error::internal(format!("state table {table}: {keys} keys, {count} rows")));
        }
        // A key has a row or more; room without bounds stays so.
        if self.room < usize::MAX {
            self.room = self.room.saturating_sub(count);
        }
        Ok((count > 0).then(|| Captured { keys, rows: rows.clone() }))
    }
}

impl SnapshotWriter for Capture {
    fn kind(&self) -> SnapshotKind {
        self.kind
    }

    fn room(&self) -> usize {
        self.room
    }

    fn left_out(&mut self, keys: usize) {
        self.left_out += keys;
    }

    fn supersede(&mut self, table: &str) {
        self.table(table).supersedes = true;
    }

    fn put(&mut self, table: &str, keys: Keys, rows: &RecordBatch) -> Result<()> {
        let entry = self.entry(table, keys, rows)?;
        self.table(table).puts.extend(entry);
        Ok(())
    }

    fn append(&mut self, table: &str, keys: Keys, rows: &RecordBatch) -> Result<()> {
        let entry = self.entry(table, keys, rows)?;
        self.table(table).appends.extend(entry);
        Ok(())
    }

    fn delete(&mut self, table: &str, key_groups: &[u16], keys: &BinaryArray) -> Result<()> {
        if key_groups.len() != keys.len() {
            return Err(Error::internal(format!("state table {table}: {} key groups, {} deleted keys", key_groups.len(), keys.len())));
        }
        if !keys.is_empty() && self.kind == SnapshotKind::Incremental {
            self.table(table).deletes.push((UInt16Array::from(key_groups.to_vec()), keys.clone()));
        }
        Ok(())
    }

    fn delete_prefix(&mut self, table: &str, prefix: &[u8]) -> Result<()> {
        if self.kind == SnapshotKind::Incremental {
            self.table(table).deleted_prefixes.push(prefix.to_vec());
        }
        Ok(())
    }

    fn put_operator_state(&mut self, name: &str, bytes: Vec<u8>) -> Result<()> {
        self.states.insert(name.to_owned(), Blob(bytes));
        Ok(())
    }
}

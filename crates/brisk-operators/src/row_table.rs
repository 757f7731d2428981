//! Rows by key, in the order of their arrival: what a join remembers of one input.
//!
//! The rows lie in columnar blocks ([`RowStore`]); the rows of a key are a doubly linked list through side arrays, so a
//! key costs no allocation of its own and any row is taken out at once. What else an operator knows of a row (its time,
//! how many matches it has) it keeps in arrays of its own, indexed by [`RowId`].

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use arrow_select::take::take;
use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{Result, Schema};
use brisk_state::{ABSENT, DeletedKeys, DirtyKeys, KeyIndex, KeyedRows, NO_ROW, RowId, RowStore};

pub(crate) struct RowTable {
    /// The table's name in snapshots.
    name: &'static str,
    key_columns: Vec<usize>,
    key_groups: u16,
    keys: KeyIndex,
    rows: RowStore,
    /// By key.
    lists: Vec<List>,
    /// By row.
    links: Vec<Link>,
    dirty: DirtyKeys,
}

#[derive(Clone, Copy)]
struct List {
    first: RowId,
    last: RowId,
    length: u32,
}

#[derive(Clone, Copy)]
struct Link {
    previous: RowId,
    next: RowId,
    key: u32,
}

const EMPTY: List = List { first: NO_ROW, last: NO_ROW, length: 0 };
const UNLINKED: Link = Link { previous: NO_ROW, next: NO_ROW, key: ABSENT };

impl RowTable {
    pub fn new(name: &'static str, schema: &Schema, key_columns: &[usize], key_groups: u16) -> Result<Self> {
        let types: Vec<DataType> = key_columns.iter().map(|&c| schema.columns[c].sql_type.to_arrow()).collect();
        Ok(Self {
            name,
            key_columns: key_columns.to_vec(),
            key_groups,
            keys: KeyIndex::new(types)?,
            rows: RowStore::new(schema.to_arrow()),
            lists: Vec::new(),
            links: Vec::new(),
            dirty: DirtyKeys::default(),
        })
    }

    pub fn store(&self) -> &RowStore {
        &self.rows
    }

    pub fn keys(&self) -> &KeyIndex {
        &self.keys
    }

    pub fn key_groups(&self) -> u16 {
        self.key_groups
    }

    /// The columns of the key in rows of this table's schema.
    pub fn key_of(&self, rows: &RecordBatch) -> Vec<ArrayRef> {
        self.key_columns.iter().map(|&c| Arc::clone(rows.column(c))).collect()
    }

    /// The key of every row of another table's key columns; [`ABSENT`] where this one has no such rows.
    pub fn lookup(&self, columns: &[ArrayRef], rows: usize) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        self.keys.lookup(columns, rows, &mut ids)?;
        Ok(ids)
    }

    /// The rows of a key, oldest first.
    pub fn list(&self, key: u32) -> impl Iterator<Item = RowId> + '_ {
        let first = if key == ABSENT { NO_ROW } else { self.lists[key as usize].first };
        std::iter::successors((first != NO_ROW).then_some(first), |&row| {
            let next = self.links[row as usize].next;
            (next != NO_ROW).then_some(next)
        })
    }

    /// The number of rows of a key.
    pub fn length(&self, key: u32) -> usize {
        if key == ABSENT { 0 } else { self.lists[key as usize].length as usize }
    }

    /// The key of a row.
    pub fn key(&self, row: RowId) -> u32 {
        self.links[row as usize].key
    }

    /// Stores the rows of `batch` at `selected` (ascending) without listing them yet; gives their ids and keys.
    pub fn append(&mut self, batch: &RecordBatch, selected: &[u32]) -> Result<(Vec<RowId>, Vec<u32>)> {
        let (mut ids, mut keys) = (Vec::with_capacity(selected.len()), Vec::new());
        if selected.is_empty() {
            return Ok((ids, keys));
        }
        self.rows.append_selected(batch, selected, &mut ids)?;
        let mut columns = self.key_of(batch);
        if selected.len() < batch.num_rows() {
            let selected = UInt32Array::from(selected.to_vec());
            columns = columns.iter().map(|c| Ok(take(c, &selected, None)?)).collect::<Result<_>>()?;
        }
        self.keys.insert(&columns, ids.len(), &mut keys)?;
        self.make_room();
        Ok((ids, keys))
    }

    /// Stores and lists rows; gives their ids.
    pub fn insert(&mut self, batch: &RecordBatch, selected: &[u32]) -> Result<Vec<RowId>> {
        let (ids, keys) = self.append(batch, selected)?;
        for (&id, &key) in ids.iter().zip(&keys) {
            self.link(id, key);
        }
        Ok(ids)
    }

    /// Puts an appended row at the end of its key's list.
    pub fn link(&mut self, row: RowId, key: u32) {
        let list = &mut self.lists[key as usize];
        self.links[row as usize] = Link { previous: list.last, next: NO_ROW, key };
        match list.last {
            NO_ROW => list.first = row,
            last => self.links[last as usize].next = row,
        }
        list.last = row;
        list.length += 1;
        self.dirty.mark(key);
    }

    /// Takes a row out of its list. The row itself stays readable until [`RowTable::free`].
    pub fn unlink(&mut self, row: RowId) {
        let Link { previous, next, key } = std::mem::replace(&mut self.links[row as usize], UNLINKED);
        let list = &mut self.lists[key as usize];
        match previous {
            NO_ROW => list.first = next,
            p => self.links[p as usize].next = next,
        }
        match next {
            NO_ROW => list.last = previous,
            n => self.links[n as usize].previous = previous,
        }
        list.length -= 1;
        self.dirty.mark(key);
    }

    /// Forgets rows that were unlinked, and those of `keys` that have no rows any more.
    pub fn free(&mut self, rows: &[RowId], keys: &[u32]) -> Result<()> {
        self.rows.free(rows)?;
        let mut empty: Vec<u32> = keys.iter().copied().filter(|&k| self.keys.contains_id(k) && self.lists[k as usize].length == 0).collect();
        empty.sort_unstable();
        empty.dedup();
        self.dirty.remove(&self.keys, &empty)?;
        self.keys.remove(&empty);
        Ok(())
    }

    /// Takes rows out and forgets them.
    pub fn remove(&mut self, rows: &[RowId]) -> Result<()> {
        let keys: Vec<u32> = rows.iter().map(|&r| self.key(r)).collect();
        rows.iter().for_each(|&r| self.unlink(r));
        self.free(rows, &keys)
    }

    /// As [`RowTable::remove`], where `companion` tracks further state of the same keys.
    pub fn remove_with(&mut self, rows: &[RowId], companion: &mut DirtyKeys) -> Result<()> {
        let mut keys: Vec<u32> = rows.iter().map(|&r| self.key(r)).collect();
        rows.iter().for_each(|&r| self.unlink(r));
        keys.sort_unstable();
        keys.dedup();
        let empty: Vec<u32> = keys.iter().copied().filter(|&k| self.lists[k as usize].length == 0).collect();
        companion.remove(&self.keys, &empty)?;
        self.free(rows, &keys)
    }

    /// For state of the same keys that is read back beside this table.
    pub fn keys_mut(&mut self) -> &mut KeyIndex {
        &mut self.keys
    }

    /// Says that what the operator knows of a row has changed.
    pub fn touch(&mut self, row: RowId) {
        self.dirty.mark(self.links[row as usize].key);
    }

    /// Writes the rows; `extra` gives, for some rows, the columns that the operator adds under `fields`.
    pub fn snapshot(&mut self, writer: &mut dyn SnapshotWriter, fields: &[Field], extra: impl Fn(&[RowId]) -> Vec<ArrayRef>) -> Result<()> {
        let Self { name, keys, rows, lists, links, dirty, key_groups, .. } = self;
        dirty.write(writer, name, keys, *key_groups, |chunk| listed_rows(chunk, rows, lists, links, fields, &extra))
    }

    /// As [`RowTable::snapshot`], with `prefix` before every key: one of several tables of this name.
    pub fn snapshot_prefixed(&mut self, writer: &mut dyn SnapshotWriter, prefix: &[u8]) -> Result<()> {
        let Self { name, keys, rows, lists, links, dirty, key_groups, .. } = self;
        dirty.write_prefixed(writer, name, keys, prefix, *key_groups, |chunk| listed_rows(chunk, rows, lists, links, &[], &|_| Vec::new()))
    }

    /// Adds rows that a snapshot holds.
    pub fn insert_kept(&mut self, batch: &RecordBatch, selected: &[u32]) -> Result<()> {
        let ids = self.insert(batch, selected)?;
        let keys: Vec<u32> = ids.iter().map(|&id| self.key(id)).collect();
        self.dirty.mark_kept(&keys);
        Ok(())
    }

    /// The end of the table: the keys that a snapshot holds are to be named as gone.
    pub fn drop_into(self, prefix: &[u8], deleted: &mut DeletedKeys) -> Result<()> {
        self.dirty.drop_all(&self.keys, prefix, deleted)
    }

    /// Reads the rows back; `each` is given new rows with the columns that were added to them.
    pub fn restore(&mut self, reader: &mut dyn SnapshotReader, mut each: impl FnMut(&[RowId], &[ArrayRef]) -> Result<()>) -> Result<()> {
        let mut dirty = std::mem::take(&mut self.dirty);
        let width = self.rows.schema().fields().len();
        let Self { name, keys, rows, lists, links, .. } = self;
        let mut linked = Vec::new();
        dirty.read(reader, name, keys, |owners, batch| {
            let own: Vec<usize> = (0..width).collect();
            let mut ids = Vec::with_capacity(owners.len());
            rows.append(&batch.project(&own)?, &mut ids)?;
            each(&ids, &batch.columns()[width..])?;
            linked.extend(ids.into_iter().zip(owners.iter().copied()));
            Ok(())
        })?;
        lists.resize(keys.id_bound(), EMPTY);
        links.resize(rows.id_bound(), UNLINKED);
        for (row, key) in linked {
            self.link(row, key);
        }
        self.dirty = dirty;
        Ok(())
    }

    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.rows.bytes() + self.lists.capacity() * size_of::<List>() + self.links.capacity() * size_of::<Link>() + self.dirty.bytes()
    }

    fn make_room(&mut self) {
        if self.lists.len() < self.keys.id_bound() {
            self.lists.resize(self.keys.id_bound(), EMPTY);
        }
        if self.links.len() < self.rows.id_bound() {
            self.links.resize(self.rows.id_bound(), UNLINKED);
        }
    }
}

/// The rows of keys, list by list, with the columns that are added to them.
fn listed_rows(
    keys: &[u32],
    rows: &RowStore,
    lists: &[List],
    links: &[Link],
    fields: &[Field],
    extra: &dyn Fn(&[RowId]) -> Vec<ArrayRef>,
) -> Result<KeyedRows> {
    let (mut ids, mut owners) = (Vec::new(), Vec::new());
    for (owner, &key) in keys.iter().enumerate() {
        let mut row = lists[key as usize].first;
        while row != NO_ROW {
            ids.push(row);
            owners.push(owner as u32);
            row = links[row as usize].next;
        }
    }
    let mut columns = rows.gather(&ids)?.columns().to_vec();
    columns.extend(extra(&ids));
    let options = RecordBatchOptions::new().with_row_count(Some(ids.len()));
    let rows = RecordBatch::try_new_with_options(extended(rows.schema(), fields), columns, &options)?;
    Ok(KeyedRows { rows, owners: Some(owners) })
}

/// `schema` with further columns.
fn extended(schema: &SchemaRef, fields: &[Field]) -> SchemaRef {
    let all = schema.fields().iter().cloned().chain(fields.iter().cloned().map(Arc::new));
    Arc::new(ArrowSchema::new(all.collect::<Vec<_>>()))
}

/// Which rows have a key that can match nothing: NULL where NULL does not equal NULL.
pub(crate) fn matchless(keys: &[ArrayRef], null_safe: &[bool]) -> Option<NullBuffer> {
    let unsafe_keys = keys.iter().zip(null_safe).filter(|(_, safe)| !**safe);
    unsafe_keys.fold(None, |all, (column, _)| NullBuffer::union(all.as_ref(), column.nulls()))
}

/// Makes `side` long enough for `bound` entries.
pub(crate) fn grow<T: Clone>(side: &mut Vec<T>, bound: usize, value: T) {
    if side.len() < bound {
        side.resize(bound, value);
    }
}

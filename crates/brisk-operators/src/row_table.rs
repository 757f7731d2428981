//! Rows by key, in the order of their arrival: what a join remembers of one input.
//!
//! The rows lie in columnar blocks ([`RowStore`]); the rows of a key are a linked list through side arrays, so a key
//! costs no allocation of its own. The way back, by which any row is taken out at once, is kept from the moment that it
//! is needed: the rows of a stream that only grows are never taken out. What else an operator knows of a row (its time,
//! how many matches it has) it keeps in arrays of its own, indexed by [`RowId`].

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Schema as ArrowSchema, SchemaRef};
use arrow_select::take::take;
use brisk_core::snapshot::{Keys, SnapshotKind, SnapshotReader, SnapshotWriter};
use brisk_core::{Error, Result, Schema};
use brisk_state::row_store::SEALED_ROWS;
use brisk_state::{ABSENT, DeletedPrefixes, DirtyKeys, KeyIndex, KeyedRows, NO_ROW, RowId, RowStore, SideArray};

pub(crate) struct RowTable {
    /// The table's name in snapshots.
    name: &'static str,
    key_columns: Vec<usize>,
    /// The columns that are kept of a row, where not all are.
    kept: Option<Vec<usize>>,
    key_groups: u16,
    keys: KeyIndex,
    rows: RowStore,
    /// By key.
    lists: SideArray<List>,
    /// By row: the next one of its key.
    next: SideArray<RowId>,
    /// By row; `None` until a row is asked for its key or taken out.
    back: Option<SideArray<Back>>,
    dirty: DirtyKeys,
    /// Where rows are never taken out and nothing else is known of them: how snapshots write them.
    log: Option<Log>,
}

/// Rows that snapshots write once, in the order of their ids, which is that of their arrival.
struct Log {
    /// By row, where the rows that are kept do not tell it.
    keys: Option<Vec<u32>>,
    /// How many rows the snapshots have.
    written: usize,
}

#[derive(Clone, Copy)]
struct List {
    first: RowId,
    last: RowId,
    length: u32,
}

#[derive(Clone, Copy)]
struct Back {
    previous: RowId,
    key: u32,
}

/// Of a log's keys: memory for so many is mostly what earlier ones have given back.
const KEYS_AT_A_TIME: usize = 2048;

const EMPTY: List = List { first: NO_ROW, last: NO_ROW, length: 0 };
const UNLINKED: Back = Back { previous: NO_ROW, key: ABSENT };

impl RowTable {
    pub fn new(name: &'static str, schema: &Schema, key_columns: &[usize], key_groups: u16) -> Result<Self> {
        let types: Vec<DataType> = key_columns.iter().map(|&c| schema.columns[c].sql_type.to_arrow()).collect();
        Ok(Self {
            name,
            key_columns: key_columns.to_vec(),
            kept: None,
            key_groups,
            keys: KeyIndex::new(types)?,
            rows: RowStore::new(schema.to_arrow()),
            lists: SideArray::new(),
            next: SideArray::new(),
            back: Some(SideArray::new()),
            dirty: DirtyKeys::default(),
            log: None,
        })
    }

    /// A table of rows that are not taken out, unless [`RowTable::make_removable`] says so later. Of each row only the
    /// columns `kept` stay.
    pub fn growing(name: &'static str, schema: &Schema, key_columns: &[usize], kept: &[usize], key_groups: u16) -> Result<Self> {
        let table = Self { back: None, ..Self::new(name, schema, key_columns, key_groups)? };
        if kept.iter().copied().eq(0..schema.len()) {
            return Ok(table);
        }
        Ok(Self { rows: RowStore::new(schema.project(kept).to_arrow()), kept: Some(kept.to_vec()), ..table })
    }

    /// The same table, written as a log: nothing is ever taken out of it, nor told of its rows.
    pub fn into_log(self) -> Self {
        let keys = self.stored_key().is_none().then(Vec::new);
        Self { log: Some(Log { keys, written: 0 }), rows: self.rows.growing(), ..self }
    }

    pub fn is_log(&self) -> bool {
        self.log.is_some()
    }

    /// From now on rows may be asked for their keys and taken out.
    pub fn make_removable(&mut self) {
        debug_assert!(self.log.is_none(), "nothing is taken out of a log");
        if self.back.is_some() {
            return;
        }
        let mut back = SideArray::new();
        back.grow(self.next.len(), UNLINKED);
        for key in 0..self.lists.len() as u32 {
            let (mut previous, mut row) = (NO_ROW, self.lists[key].first);
            while row != NO_ROW {
                back[row] = Back { previous, key };
                (previous, row) = (row, self.next[row]);
            }
        }
        self.back = Some(back);
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
    #[inline]
    pub fn list(&self, key: u32) -> impl Iterator<Item = RowId> + '_ {
        let first = if key == ABSENT { NO_ROW } else { self.lists[key].first };
        std::iter::successors((first != NO_ROW).then_some(first), |&row| {
            let next = self.next[row];
            (next != NO_ROW).then_some(next)
        })
    }

    /// The number of rows of a key.
    pub fn length(&self, key: u32) -> usize {
        if key == ABSENT { 0 } else { self.lists[key].length as usize }
    }

    /// The key of a row of a table whose rows may be taken out.
    pub fn key(&self, row: RowId) -> u32 {
        self.back.as_ref().map_or(ABSENT, |back| back[row].key)
    }

    /// Stores the rows of `batch` at `selected` (ascending) without listing them yet; gives their ids and keys.
    pub fn append(&mut self, batch: &RecordBatch, selected: &[u32]) -> Result<(Vec<RowId>, Vec<u32>)> {
        let (mut ids, mut keys) = (Vec::with_capacity(selected.len()), Vec::new());
        if selected.is_empty() {
            return Ok((ids, keys));
        }
        match &self.kept {
            None => self.rows.append_selected(batch, selected, &mut ids)?,
            Some(kept) => self.rows.append_selected(&batch.project(kept)?, selected, &mut ids)?,
        }
        let mut columns = self.key_of(batch);
        if selected.len() < batch.num_rows() {
            let selected = UInt32Array::from(selected.to_vec());
            columns = columns.iter().map(|c| Ok(take(c, &selected, None)?)).collect::<Result<_>>()?;
        }
        self.keys.insert(&columns, ids.len(), &mut keys)?;
        if let Some(known) = self.log.as_mut().and_then(|log| log.keys.as_mut()) {
            known.extend_from_slice(&keys);
        }
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
    #[inline]
    pub fn link(&mut self, row: RowId, key: u32) {
        let list = &mut self.lists[key];
        if let Some(back) = &mut self.back {
            back[row] = Back { previous: list.last, key };
        }
        self.next[row] = NO_ROW;
        match list.last {
            NO_ROW => list.first = row,
            last => self.next[last] = row,
        }
        list.last = row;
        list.length += 1;
        if self.log.is_none() {
            self.dirty.mark(key);
        }
    }

    /// Takes a row out of its list. The row itself stays readable until [`RowTable::free`].
    pub fn unlink(&mut self, row: RowId) {
        self.make_removable();
        let back = self.back.as_mut().expect("it was just made");
        let Back { previous, key } = std::mem::replace(&mut back[row], UNLINKED);
        let next = std::mem::replace(&mut self.next[row], NO_ROW);
        let list = &mut self.lists[key];
        match previous {
            NO_ROW => list.first = next,
            p => self.next[p] = next,
        }
        match next {
            NO_ROW => list.last = previous,
            n => back[n].previous = previous,
        }
        list.length -= 1;
        self.dirty.mark(key);
    }

    /// Forgets rows that were unlinked, and those of `keys` that have no rows any more.
    pub fn free(&mut self, rows: &[RowId], keys: &[u32]) -> Result<()> {
        self.rows.free(rows)?;
        let mut empty: Vec<u32> = keys.iter().copied().filter(|&k| self.keys.contains_id(k) && self.lists[k].length == 0).collect();
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
        let empty: Vec<u32> = keys.iter().copied().filter(|&k| self.lists[k].length == 0).collect();
        companion.remove(&self.keys, &empty)?;
        self.free(rows, &keys)
    }

    /// For state of the same keys that is read back beside this table.
    pub fn keys_mut(&mut self) -> &mut KeyIndex {
        &mut self.keys
    }

    /// Says that what the operator knows of a row has changed, in a table whose rows may be taken out.
    pub fn touch(&mut self, row: RowId) {
        self.dirty.mark(self.key(row));
    }

    /// Writes the rows; `extra` gives, for some rows, the columns that the operator adds under `fields`.
    pub fn snapshot(&mut self, writer: &mut dyn SnapshotWriter, fields: &[Field], extra: impl Fn(&[RowId]) -> Vec<ArrayRef>) -> Result<()> {
        let Self { name, keys, rows, lists, next, dirty, key_groups, .. } = self;
        dirty.write(writer, name, keys, *key_groups, |chunk| listed_rows(chunk, rows, lists, next, fields, &extra))
    }

    /// Writes the new rows of a log, as many as there is room for.
    pub fn snapshot_log(&mut self, writer: &mut dyn SnapshotWriter) -> Result<()> {
        let stored_key = self.stored_key();
        let Self { name, keys, rows, key_groups, log, .. } = self;
        let log = log.as_mut().ok_or_else(|| Error::internal("a table that is no log was to be written as one"))?;
        if writer.kind() == SnapshotKind::Full {
            log.written = 0;
        }
        // Ahead of a barrier only rows of sealed blocks, each block as a whole: its parts would share one list of texts.
        let all = rows.id_bound();
        let sealed = all / SEALED_ROWS * SEALED_ROWS;
        let end = match writer.room() {
            usize::MAX => all,
            0 => log.written,
            room => sealed.min((log.written + room.max(SEALED_ROWS)) / SEALED_ROWS * SEALED_ROWS),
        };
        while log.written < end {
            let chunk_end = end.min((log.written / SEALED_ROWS + 1) * SEALED_ROWS);
            for piece in rows.pieces(log.written as RowId..chunk_end as RowId) {
                let log_keys = match (&stored_key, &log.keys) {
                    (Some(columns), _) => Keys::Of(columns.clone(), keys.encoder(&[], *key_groups)),
                    (None, Some(owners)) => {
                        let encoded = |own: &[u32]| Ok((keys.key_groups(own, *key_groups).into(), keys.encoded(own)?));
                        let own = &owners[log.written..log.written + piece.num_rows()];
                        Keys::Given(own.chunks(KEYS_AT_A_TIME).map(encoded).collect::<Result<_>>()?)
                    }
                    (None, None) => return Err(Error::internal("the keys of a log are not known")),
                };
                writer.append(name, log_keys, &piece)?;
                log.written += piece.num_rows();
            }
        }
        writer.left_out(sealed.saturating_sub(log.written));
        Ok(())
    }

    /// As [`RowTable::snapshot`], with `prefix` before every key: one of several tables of this name.
    pub fn snapshot_prefixed(&mut self, writer: &mut dyn SnapshotWriter, prefix: &[u8]) -> Result<()> {
        let Self { name, keys, rows, lists, next, dirty, key_groups, .. } = self;
        dirty.write_prefixed(writer, name, keys, prefix, *key_groups, |chunk| listed_rows(chunk, rows, lists, next, &[], &|_| Vec::new()))
    }

    /// Adds rows that a snapshot holds.
    pub fn insert_kept(&mut self, batch: &RecordBatch, selected: &[u32]) -> Result<()> {
        let ids = self.insert(batch, selected)?;
        let keys: Vec<u32> = ids.iter().map(|&id| self.key(id)).collect();
        self.dirty.mark_kept(&keys);
        Ok(())
    }

    /// The end of the table: the keys that a snapshot holds are to be named as gone.
    pub fn drop_into(self, prefix: &[u8], deleted: &mut DeletedPrefixes) {
        self.dirty.drop_all(prefix, deleted);
    }

    /// Reads the rows back; `each` is given new rows with the columns that were added to them.
    pub fn restore(&mut self, reader: &mut dyn SnapshotReader, mut each: impl FnMut(&[RowId], &[ArrayRef]) -> Result<()>) -> Result<()> {
        let mut dirty = std::mem::take(&mut self.dirty);
        let width = self.rows.schema().fields().len();
        let Self { name, keys, rows, .. } = self;
        let mut linked = Vec::new();
        dirty.read(reader, name, keys, |owners, batch| {
            let own: Vec<usize> = (0..width).collect();
            let mut ids = Vec::with_capacity(owners.len());
            rows.append(&batch.project(&own)?, &mut ids)?;
            each(&ids, &batch.columns()[width..])?;
            linked.extend(ids.into_iter().zip(owners.iter().copied()));
            Ok(())
        })?;
        self.make_room();
        if let Some(log) = &mut self.log {
            if let Some(known) = &mut log.keys {
                known.extend(linked.iter().map(|(_, key)| *key));
            }
            log.written = self.rows.id_bound();
        }
        for (row, key) in linked {
            self.link(row, key);
        }
        self.dirty = dirty;
        Ok(())
    }

    pub fn bytes(&self) -> usize {
        let links = self.next.bytes() + self.back.as_ref().map_or(0, SideArray::bytes);
        let log = self.log.as_ref().and_then(|log| log.keys.as_ref()).map_or(0, |keys| keys.capacity() * 4);
        self.keys.bytes() + self.rows.bytes() + self.lists.bytes() + links + log + self.dirty.bytes()
    }

    /// Where the columns of the key are in the rows that are kept, if they are.
    fn stored_key(&self) -> Option<Vec<usize>> {
        match &self.kept {
            None => Some(self.key_columns.clone()),
            Some(kept) => self.key_columns.iter().map(|c| kept.iter().position(|k| k == c)).collect(),
        }
    }

    fn make_room(&mut self) {
        self.lists.grow(self.keys.id_bound(), EMPTY);
        self.next.grow(self.rows.id_bound(), NO_ROW);
        if let Some(back) = &mut self.back {
            back.grow(self.rows.id_bound(), UNLINKED);
        }
    }
}

/// The rows of keys, list by list, with the columns that are added to them.
fn listed_rows(
    keys: &[u32],
    rows: &RowStore,
    lists: &SideArray<List>,
    next: &SideArray<RowId>,
    fields: &[Field],
    extra: &dyn Fn(&[RowId]) -> Vec<ArrayRef>,
) -> Result<KeyedRows> {
    let (mut ids, mut owners) = (Vec::new(), Vec::new());
    for (owner, &key) in keys.iter().enumerate() {
        let mut row = lists[key].first;
        while row != NO_ROW {
            ids.push(row);
            owners.push(owner as u32);
            row = next[row];
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

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::{Int64Array, StringArray};
    use brisk_core::{Column, SqlType};
    use brisk_state::memory_snapshot::MemorySnapshot;

    use super::*;

    fn schema() -> Schema {
        let column = |name: &str, data_type| Column { name: name.to_owned(), sql_type: SqlType::nullable(data_type) };
        Schema { columns: vec![column("k", brisk_core::DataType::BigInt), column("text", brisk_core::DataType::STRING)] }
    }

    fn rows(from: i64, to: i64) -> RecordBatch {
        let keys: ArrayRef = Arc::new(Int64Array::from_iter_values((from..to).map(|n| n % 1000)));
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((from..to).map(|n| n.to_string())));
        RecordBatch::try_new(schema().to_arrow(), vec![keys, texts]).unwrap()
    }

    /// Every row by key, as its number, which is in the last column that is kept.
    fn listed(table: &RowTable) -> Vec<Vec<i64>> {
        let column = table.store().schema().fields().len() - 1;
        let keys: Vec<u32> = table.lookup(&[Arc::new(Int64Array::from_iter_values(0..1000))], 1000).unwrap();
        let numbers = |key: u32| {
            let ids: Vec<RowId> = table.list(key).collect();
            let texts = table.store().gather_columns(&ids, &[column]).unwrap().remove(0);
            texts.as_string::<i32>().iter().map(|text| text.unwrap().parse().unwrap()).collect()
        };
        keys.into_iter().map(numbers).collect()
    }

    /// Parts ahead of a barrier take sealed rows only, the last one the others; what comes between goes to the next snapshot.
    #[test]
    fn a_log_is_written_in_parts_and_read_back() {
        write_in_parts(&[0, 1]);
    }

    #[test]
    fn a_log_is_written_with_keys_that_its_rows_do_not_hold() {
        write_in_parts(&[1]);
    }

    fn write_in_parts(kept: &[usize]) {
        let new = || RowTable::growing("t", &schema(), &[0], kept, 128).unwrap().into_log();
        let (mut table, mut snapshot, mut end) = (new(), MemorySnapshot::default(), 0);
        let mut grow = |table: &mut RowTable, more: i64| {
            let batch = rows(end, end + more);
            end += more;
            table.insert(&batch, &(0..more as u32).collect::<Vec<_>>()).unwrap();
        };
        for (kind, more) in [(SnapshotKind::Full, 70_000), (SnapshotKind::Incremental, 10), (SnapshotKind::Incremental, 50_000)] {
            grow(&mut table, more);
            let mut left = usize::MAX;
            let mut part_kind = kind;
            for room in [0, 1000, 1000, 1000] {
                let mut writer = snapshot.writer(part_kind, 0, 0..128).with_room(room);
                table.snapshot_log(&mut writer).unwrap();
                assert!(writer.left_out_keys() <= left);
                left = writer.left_out_keys();
                part_kind = SnapshotKind::Incremental;
                grow(&mut table, 100);
            }
            assert_eq!(left, 0);
            table.snapshot_log(&mut snapshot.writer(SnapshotKind::Incremental, 0, 0..128)).unwrap();
            let mut restored = new();
            restored.restore(&mut snapshot.reader(0..128), |_, _| Ok(())).unwrap();
            // A reader keeps the order of the rows of a key, not that of the keys.
            assert_eq!(listed(&restored), listed(&table));
            assert_eq!(table.store().len(), end_of(&table));
        }
    }

    /// One more than the largest number in a table.
    fn end_of(table: &RowTable) -> usize {
        listed(table).concat().into_iter().max().map_or(0, |n| n as usize + 1)
    }
}

//! A checkpoint in memory: what writers of one or several subtasks wrote, and readers over it. It follows the contract
//! of [`brisk_core::snapshot`] to the letter, so that an operator which restores from it restores from disk as well.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use arrow_array::{BinaryArray, RecordBatch};
use brisk_core::snapshot::{Entries, Keys, SnapshotKind, SnapshotReader, SnapshotWriter};
use brisk_core::{Error, Result, packed};

/// The state of all subtasks of one operator.
#[derive(Debug, Clone, Default)]
pub struct MemorySnapshot {
    /// By subtask, as written.
    operator_state: BTreeMap<usize, BTreeMap<String, Vec<u8>>>,
    tables: BTreeMap<String, Table>,
}

/// Keys with their group and their rows, each row as a batch of one.
type Table = BTreeMap<Vec<u8>, (u16, Vec<RecordBatch>)>;

/// Writes one snapshot of one subtask into a [`MemorySnapshot`].
pub struct MemoryWriter<'a> {
    snapshot: &'a mut MemorySnapshot,
    kind: SnapshotKind,
    subtask: usize,
    /// What this writer put: a further put of the same key adds rows.
    put: HashSet<(String, Vec<u8>)>,
    room: usize,
    /// Keys that were left out for want of room.
    left_out: usize,
}

/// Reads the key groups of one subtask.
pub struct MemoryReader<'a> {
    snapshot: &'a MemorySnapshot,
    key_groups: Range<u16>,
}

impl MemorySnapshot {
    /// The next snapshot of `subtask`, which owns `key_groups`; a full one replaces all that they hold.
    pub fn writer(&mut self, kind: SnapshotKind, subtask: usize, key_groups: Range<u16>) -> MemoryWriter<'_> {
        if kind == SnapshotKind::Full {
            self.tables.values_mut().for_each(|t| t.retain(|_, (group, _)| !key_groups.contains(group)));
            self.operator_state.remove(&subtask);
        }
        MemoryWriter { snapshot: self, kind, subtask, put: HashSet::new(), room: usize::MAX, left_out: 0 }
    }

    pub fn reader(&self, key_groups: Range<u16>) -> MemoryReader<'_> {
        MemoryReader { snapshot: self, key_groups }
    }

    /// The number of keys in a table.
    pub fn keys(&self, table: &str) -> usize {
        self.tables.get(table).map_or(0, BTreeMap::len)
    }
}

impl MemoryWriter<'_> {
    /// Makes this one part of a snapshot, for so many keys.
    pub fn with_room(self, room: usize) -> Self {
        Self { room, ..self }
    }

    pub fn left_out_keys(&self) -> usize {
        self.left_out
    }
}

/// Room without bounds stays so.
/// Key groups and keys.
fn listed(keys: &Keys, rows: &RecordBatch) -> Result<(Vec<u16>, Vec<Vec<u8>>)> {
    let pieces = keys.of(rows)?;
    let groups = pieces.iter().flat_map(|(groups, _)| groups.values()).copied().collect();
    Ok((groups, pieces.iter().flat_map(|(_, keys)| keys.iter().flatten()).map(<[u8]>::to_vec).collect()))
}

fn take_room(room: &mut usize, keys: usize) {
    if *room < usize::MAX {
        *room = room.saturating_sub(keys);
    }
}

impl SnapshotWriter for MemoryWriter<'_> {
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
        self.put.retain(|(of, _)| of != table);
    }

    fn put(&mut self, table: &str, keys: Keys, rows: &RecordBatch) -> Result<()> {
        let (key_groups, keys) = listed(&keys, rows)?;
        if keys.len() != rows.num_rows() {
            return Err(Error::internal(format!("table {table}: keys and rows differ in number")));
        }
        let entries = self.snapshot.tables.entry(table.to_owned()).or_default();
        for (i, group) in key_groups.iter().enumerate() {
            let key = keys[i].clone();
            let entry = entries.entry(key.clone()).or_insert_with(|| (*group, Vec::new()));
            if self.put.insert((table.to_owned(), key)) {
                take_room(&mut self.room, 1);
                *entry = (*group, Vec::new());
            }
            entry.1.push(rows.slice(i, 1));
        }
        Ok(())
    }

    fn append(&mut self, table: &str, keys: Keys, rows: &RecordBatch) -> Result<()> {
        let (key_groups, keys) = listed(&keys, rows)?;
        if keys.len() != rows.num_rows() {
            return Err(Error::internal(format!("table {table}: keys and rows differ in number")));
        }
        take_room(&mut self.room, keys.len());
        let rows = packed::unpack(rows)?;
        let entries = self.snapshot.tables.entry(table.to_owned()).or_default();
        for (i, group) in key_groups.iter().enumerate() {
            let key = keys[i].clone();
            if self.put.contains(&(table.to_owned(), key.clone())) {
                return Err(Error::internal(format!("table {table}: a log in which keys are replaced")));
            }
            entries.entry(key).or_insert_with(|| (*group, Vec::new())).1.push(rows.slice(i, 1));
        }
        Ok(())
    }

    fn delete(&mut self, table: &str, _key_groups: &[u16], keys: &BinaryArray) -> Result<()> {
        let entries = self.snapshot.tables.entry(table.to_owned()).or_default();
        for key in keys.iter().flatten() {
            if self.put.contains(&(table.to_owned(), key.to_vec())) {
                return Err(Error::internal(format!("table {table}: a key is written and deleted in one snapshot")));
            }
            entries.remove(key);
        }
        Ok(())
    }

    fn delete_prefix(&mut self, table: &str, prefix: &[u8]) -> Result<()> {
        if self.put.iter().any(|(of, key)| of == table && key.starts_with(prefix)) {
            return Err(Error::internal(format!("table {table}: keys are written and deleted in one snapshot")));
        }
        self.snapshot.tables.entry(table.to_owned()).or_default().retain(|key, _| !key.starts_with(prefix));
        Ok(())
    }

    fn put_operator_state(&mut self, name: &str, bytes: Vec<u8>) -> Result<()> {
        self.snapshot.operator_state.entry(self.subtask).or_default().insert(name.to_owned(), bytes);
        Ok(())
    }
}

impl MemoryReader<'_> {
    /// The keys of this subtask with each of their rows.
    fn mine<'a>(&'a self, table: &'a str) -> impl Iterator<Item = (&'a Vec<u8>, &'a RecordBatch)> {
        let entries = self.snapshot.tables.get(table).into_iter().flatten();
        entries.filter(|(_, (group, _))| self.key_groups.contains(group)).flat_map(|(key, (_, rows))| rows.iter().map(move |r| (key, r)))
    }
}

impl SnapshotReader for MemoryReader<'_> {
    fn entries<'a>(&'a self, table: &'a str) -> Entries<'a> {
        let mine = || self.mine(table);
        let batch = mine().next().map(|(_, first)| {
            let keys = BinaryArray::from_iter_values(mine().map(|(key, _)| key).collect::<Vec<_>>());
            let rows = arrow_select::concat::concat_batches(&first.schema(), mine().map(|(_, row)| row))?;
            Ok((keys, rows))
        });
        Box::new(batch.into_iter())
    }

    fn count(&self, table: &str) -> usize {
        self.mine(table).count()
    }

    fn operator_state(&mut self, name: &str) -> Result<Vec<Vec<u8>>> {
        Ok(self.snapshot.operator_state.values().filter_map(|states| states.get(name).cloned()).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::{DirtyKeys, KeyIndex, KeyedRows};

    fn rows(index: &KeyIndex, ids: &[u32], copies: u32) -> KeyedRows {
        let owners: Vec<u32> = (0..ids.len() as u32).flat_map(|i| (0..copies).map(move |_| i)).collect();
        let keys = index.keys(&owners.iter().map(|o| ids[*o as usize]).collect::<Vec<_>>()).unwrap();
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true)]));
        KeyedRows { rows: RecordBatch::try_new(schema, keys).unwrap(), owners: Some(owners) }
    }

    #[test]
    fn increments_add_up_to_the_whole() {
        let mut index = KeyIndex::new(vec![DataType::Int64]).unwrap();
        let (mut dirty, mut ids, mut snapshot) = (DirtyKeys::default(), Vec::new(), MemorySnapshot::default());
        let insert = |index: &mut KeyIndex, dirty: &mut DirtyKeys, keys: &[i64], ids: &mut Vec<u32>| {
            let column: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
            index.insert(&[column], keys.len(), ids).unwrap();
            dirty.mark_all(ids);
        };
        for (round, keys) in [(1, &[7, 1, 2, 3][..]), (2, &[3, 1]), (3, &[1])] {
            insert(&mut index, &mut dirty, keys, &mut ids);
            // The first key goes; in the last round it comes back.
            dirty.remove(&index, &ids[..1]).unwrap();
            index.remove(&ids.clone()[..1]);
            if round == 3 {
                insert(&mut index, &mut dirty, keys, &mut ids);
            }
            let kind = if round == 1 { SnapshotKind::Full } else { SnapshotKind::Incremental };
            let mut writer = snapshot.writer(kind, 0, 0..128);
            dirty.write(&mut writer, "t", &index, 128, |ids| Ok(rows(&index, ids, round))).unwrap();
        }
        let mut read = Vec::new();
        let (mut again, mut kept) = (index.empty_like(), DirtyKeys::default());
        for half in [0..64, 64..128] {
            let each = |_: &[u32], rows: &RecordBatch| {
                read.extend(rows.column(0).as_primitive::<Int64Type>().values().iter().copied());
                Ok(())
            };
            kept.read(&mut snapshot.reader(half), "t", &mut again, each).unwrap();
        }
        read.sort_unstable();
        assert_eq!(read, [1, 1, 1, 2]);
        assert_eq!(again.len(), 2);
    }

    /// Keys change, go and come back between the parts of a snapshot; what was written of them last counts.
    #[test]
    fn parts_of_a_snapshot_add_up_to_what_there_is_at_its_end() {
        let mut random = 7u64;
        let mut next = move |bound: u64| {
            random = brisk_core::key_group::mix(random, 0x1234_5678_9abc);
            random % bound
        };
        for kind in [SnapshotKind::Full, SnapshotKind::Incremental] {
            let mut index = KeyIndex::new(vec![DataType::Int64]).unwrap();
            let (mut dirty, mut ids, mut snapshot) = (DirtyKeys::default(), Vec::new(), MemorySnapshot::default());
            for part in 0..60 {
                let keys: Vec<i64> = (0..20).map(|_| next(50) as i64).collect();
                let column: ArrayRef = Arc::new(Int64Array::from(keys.clone()));
                index.insert(&[column], keys.len(), &mut ids).unwrap();
                dirty.mark_all(&ids);
                let gone: Vec<u32> = index.ids().into_iter().filter(|_| next(4) == 0).collect();
                dirty.remove(&index, &gone).unwrap();
                index.remove(&gone);
                let (kind, room) = (if part == 0 { kind } else { SnapshotKind::Incremental }, if part == 59 { usize::MAX } else { next(6) as usize });
                let mut writer = snapshot.writer(kind, 0, 0..128).with_room(room);
                dirty.write(&mut writer, "t", &index, 128, |ids| Ok(rows(&index, ids, 1))).unwrap();
                assert!(room < usize::MAX || writer.left_out_keys() == 0);
            }
            assert_eq!(snapshot.keys("t"), index.len());
        }
    }
}

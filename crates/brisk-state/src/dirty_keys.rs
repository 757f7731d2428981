//! Which keys a snapshot has to write, and keyed tables written and read by key.
//!
//! A key is *dirty* when it changed since the last snapshot, and *kept* when a former snapshot holds it. A key that is
//! removed while it is kept must be named as gone by the next incremental snapshot; one that never reached a snapshot
//! leaves no trace.
//!
//! A snapshot is written in one part or in several, with changes in between: a part takes the dirty keys in the order of
//! their ids, beginning where the last one stopped, so that keys that change all the time do not keep the others waiting.
//! Until the order begins anew no key comes twice, but for one that was removed and came back, which is known from
//! `deleted`; both are announced by [`SnapshotWriter::supersede`].

use std::collections::HashSet;

use arrow_array::{Array, BinaryArray, RecordBatch};
use brisk_core::Result;
use brisk_core::key_group::key_group_of;
use brisk_core::snapshot::{SnapshotKind, SnapshotReader, SnapshotWriter};

use crate::{ABSENT, IdBitmap, KeyIndex};

/// Entries written at a time.
const CHUNK: usize = 8192;

/// The dirty and kept keys of one [`KeyIndex`].
#[derive(Debug, Clone, Default)]
pub struct DirtyKeys {
    dirty: IdBitmap,
    kept: IdBitmap,
    deleted: DeletedKeys,
    /// The id at which the next part of a snapshot begins.
    next: u32,
}

/// Keys to be named as gone, encoded, with their stable hashes.
#[derive(Debug, Clone, Default)]
struct DeletedKeys {
    keys: Vec<(u64, Vec<u8>)>,
}

/// Prefixes of keys that are to be named as gone all together: those of windows that have ended.
#[derive(Debug, Clone, Default)]
pub struct DeletedPrefixes {
    prefixes: Vec<Vec<u8>>,
}

/// The rows of some keys, and of which key each is: its place in the ids that were asked for, ascending. Without owners
/// there is one row a key.
pub struct KeyedRows {
    pub rows: RecordBatch,
    pub owners: Option<Vec<u32>>,
}

impl KeyedRows {
    pub fn one_each(rows: RecordBatch) -> Self {
        Self { rows, owners: None }
    }
}

impl DirtyKeys {
    pub fn mark(&mut self, id: u32) {
        self.dirty.insert(id);
    }

    pub fn mark_all(&mut self, ids: &[u32]) {
        self.dirty.insert_all(ids);
    }

    /// To be called before `ids` are removed from `index`.
    pub fn remove(&mut self, index: &KeyIndex, ids: &[u32]) -> Result<()> {
        self.dirty.remove_all(ids);
        let kept: Vec<u32> = ids.iter().copied().filter(|id| self.kept.remove(*id)).collect();
        self.deleted.add(index, &kept)
    }

    /// When all keys under `prefix` are dropped: if a snapshot holds some, the prefix is to be named in `deleted`.
    pub fn drop_all(self, prefix: &[u8], deleted: &mut DeletedPrefixes) {
        if self.kept.iter().next().is_some() {
            deleted.prefixes.push(prefix.to_vec());
        }
    }

    /// Writes all keys of `index` or the dirty ones, as the writer asks. `rows` gives the rows of some ids.
    pub fn write(
        &mut self,
        writer: &mut dyn SnapshotWriter,
        table: &str,
        index: &KeyIndex,
        key_groups: u16,
        rows: impl FnMut(&[u32]) -> Result<KeyedRows>,
    ) -> Result<()> {
        let alive = |keys: &[&[u8]]| {
            let mut ids = Vec::new();
            index.lookup_encoded(keys.iter().copied(), &mut ids)?;
            Ok(ids.into_iter().map(|id| id != ABSENT).collect())
        };
        self.deleted.write(writer, table, key_groups, alive)?;
        self.write_prefixed(writer, table, index, &[], key_groups, rows)
    }

    /// As [`DirtyKeys::write`], with a prefix before every key, and nothing deleted.
    pub fn write_prefixed(
        &mut self,
        writer: &mut dyn SnapshotWriter,
        table: &str,
        index: &KeyIndex,
        prefix: &[u8],
        key_groups: u16,
        rows: impl FnMut(&[u32]) -> Result<KeyedRows>,
    ) -> Result<()> {
        self.write_some(writer, table, (index, |all| all.copy_from(index.live())), prefix, key_groups, rows)
    }

    /// As [`DirtyKeys::write_prefixed`], where several tables share an index: `add_all` adds the ids of this one to an empty set, for a
    /// full snapshot.
    pub fn write_some(
        &mut self,
        writer: &mut dyn SnapshotWriter,
        table: &str,
        (index, add_all): (&KeyIndex, impl FnOnce(&mut IdBitmap)),
        prefix: &[u8],
        key_groups: u16,
        mut rows: impl FnMut(&[u32]) -> Result<KeyedRows>,
    ) -> Result<()> {
        if writer.kind() == SnapshotKind::Full {
            self.dirty.clear();
            add_all(&mut self.dirty);
            self.next = 0;
        }
        let (ids, begins_anew) = self.next_part(index, writer.room());
        if begins_anew && !ids.is_empty() {
            writer.supersede(table);
        }
        for chunk in ids.chunks(CHUNK) {
            put(writer, table, index, prefix, key_groups, chunk, rows(chunk)?)?;
            self.kept.insert_all(chunk);
        }
        writer.left_out(self.dirty.count());
        Ok(())
    }

    /// Takes up to `room` dirty keys, and says whether an earlier part of the snapshot may have some of them.
    fn next_part(&mut self, index: &KeyIndex, room: usize) -> (Vec<u32>, bool) {
        let mut ids = Vec::with_capacity(room.min(self.dirty.count()));
        self.dirty.take(self.next..u32::MAX, room, index.live(), &mut ids);
        let begins_anew = self.next == 0 || ids.len() < room;
        self.dirty.take(0..self.next, room, index.live(), &mut ids);
        if ids.len() < room {
            // That was all.
            self.dirty.clear();
            self.next = 0;
        } else {
            self.next = ids.last().map_or(self.next, |last| last + 1);
        }
        (ids, begins_anew)
    }

    /// Says that a snapshot holds `ids`: after a restore.
    pub fn mark_kept(&mut self, ids: &[u32]) {
        self.kept.insert_all(ids);
    }

    /// Reads what [`DirtyKeys::write`] wrote: adds the keys to `index` and gives each batch of rows with their ids.
    pub fn read(
        &mut self,
        reader: &mut dyn SnapshotReader,
        table: &str,
        index: &mut KeyIndex,
        mut each: impl FnMut(&[u32], &RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let mut ids = Vec::new();
        index.reserve(reader.count(table));
        for entries in reader.entries(table) {
            let (keys, rows) = entries?;
            index.insert_encoded((0..keys.len()).map(|i| keys.value(i)), &mut ids)?;
            self.mark_kept(&ids);
            each(&ids, &rows)?;
        }
        Ok(())
    }

    pub fn bytes(&self) -> usize {
        self.dirty.bytes() + self.kept.bytes() + self.deleted.bytes()
    }
}

impl DeletedPrefixes {
    /// Names the keys under the prefixes as gone; before anything of `table` is put.
    pub fn write(&mut self, writer: &mut dyn SnapshotWriter, table: &str) -> Result<()> {
        let prefixes = std::mem::take(&mut self.prefixes);
        if writer.kind() == SnapshotKind::Full || prefixes.is_empty() {
            return Ok(());
        }
        writer.supersede(table);
        prefixes.iter().try_for_each(|prefix| writer.delete_prefix(table, prefix))
    }

    pub fn bytes(&self) -> usize {
        self.prefixes.iter().map(|prefix| 48 + prefix.len()).sum()
    }
}

impl DeletedKeys {
    /// Remembers keys that are in `index` still.
    fn add(&mut self, index: &KeyIndex, ids: &[u32]) -> Result<()> {
        if !ids.is_empty() {
            let encoded = index.encoded(ids)?;
            self.keys.extend(ids.iter().enumerate().map(|(i, id)| (index.hash(*id), encoded.value(i).to_vec())));
        }
        Ok(())
    }

    /// Names the keys as gone, but for those that came back: `alive` says which have.
    fn write(&mut self, writer: &mut dyn SnapshotWriter, table: &str, key_groups: u16, alive: impl Fn(&[&[u8]]) -> Result<Vec<bool>>) -> Result<()> {
        let keys = std::mem::take(&mut self.keys);
        if writer.kind() == SnapshotKind::Full {
            return Ok(());
        }
        if !keys.is_empty() {
            writer.supersede(table);
        }
        let mut named = HashSet::new();
        for chunk in keys.chunks(CHUNK) {
            let alive = alive(&chunk.iter().map(|k| k.1.as_slice()).collect::<Vec<_>>())?;
            let gone: Vec<&(u64, Vec<u8>)> = chunk.iter().zip(alive).filter(|(k, alive)| !alive && named.insert(k.1.as_slice())).map(|(k, _)| k).collect();
            let groups: Vec<u16> = gone.iter().map(|k| key_group_of(k.0, key_groups)).collect();
            if !gone.is_empty() {
                writer.delete(table, &groups, &BinaryArray::from_iter_values(gone.iter().map(|k| &k.1)))?;
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.keys.iter().map(|k| 48 + k.1.len()).sum()
    }
}

fn put(writer: &mut dyn SnapshotWriter, table: &str, index: &KeyIndex, prefix: &[u8], key_groups: u16, ids: &[u32], rows: KeyedRows) -> Result<()> {
    let ids: Vec<u32> = match &rows.owners {
        None => return writer.put(table, index.snapshot_keys(ids, prefix, key_groups)?, &rows.rows),
        Some(owners) => owners.iter().map(|owner| ids[*owner as usize]).collect(),
    };
    writer.put(table, index.snapshot_keys(&ids, prefix, key_groups)?, &rows.rows)
}

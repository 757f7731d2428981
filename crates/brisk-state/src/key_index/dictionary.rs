//! The values of one text column of a composite key, as numbers, each with the number of keys that use it.

use arrow_array::ArrayRef;
use arrow_schema::DataType;
use brisk_core::Result;
use brisk_core::key_group::hash_bytes;

use super::bytes::{BytesColumn, BytesKeys};
use super::{ABSENT, Ids};

/// A value is there as long as a key uses it. Its hash is that of its bytes.
#[derive(Default)]
pub struct Dictionary {
    values: BytesKeys,
    ids: Ids,
    /// By id.
    uses: Vec<u32>,
}

impl Dictionary {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Calls `each` with the number of every row's value, 0 for null; values that are new are added without a use.
    pub fn insert(&mut self, column: &ArrayRef, mut each: impl FnMut(i64)) {
        let Self { values, ids, uses } = self;
        let id = |value: Option<&[u8]>| value.map_or(0, |value| values.insert(Some(value), hash_bytes(value), ids));
        BytesColumn::new(column).for_each_id(id, |id| each(i64::from(id)));
        uses.resize(ids.hashes.len(), 0);
    }

    /// As [`Dictionary::insert`], with [`ABSENT`] for a value that is not there.
    pub fn lookup(&self, column: &ArrayRef, mut each: impl FnMut(i64)) {
        let id = |value: Option<&[u8]>| value.map_or(0, |value| self.values.find(Some(value), hash_bytes(value)));
        BytesColumn::new(column).for_each_id(id, |id| each(i64::from(id)));
    }

    /// The number of a value of another dictionary.
    pub fn insert_from(&mut self, other: &Dictionary, id: u32) -> u32 {
        let id = self.values.insert(other.values.key(id), other.hash(id), &mut self.ids);
        self.uses.resize(self.ids.hashes.len(), 0);
        id
    }

    pub fn add_use(&mut self, id: u32) {
        self.uses[id as usize] += 1;
    }

    /// Forgets the value with its last use.
    pub fn drop_use(&mut self, id: u32) {
        let uses = &mut self.uses[id as usize];
        *uses -= 1;
        if *uses == 0 {
            self.values.remove(id, self.ids.hashes[id]);
            self.ids.remove(id);
        }
    }

    pub fn clear(&mut self) {
        self.values.clear();
        self.ids.clear();
        self.uses.clear();
    }

    pub fn compact(&mut self) {
        self.values.compact(&self.ids.live);
    }

    #[inline]
    pub fn hash(&self, id: u32) -> u64 {
        self.ids.hashes[id]
    }

    pub fn column(&self, ids: impl ExactSizeIterator<Item = Option<u32>>, data_type: &DataType) -> Result<ArrayRef> {
        self.values.column(ids, data_type)
    }

    /// How many numbers there are, those of forgotten values too.
    pub fn places(&self) -> usize {
        self.uses.len()
    }

    /// The values by number; null for those that are forgotten.
    pub fn all(&self, data_type: &DataType) -> Result<ArrayRef> {
        self.column((0..self.uses.len() as u32).map(|id| self.ids.live.contains(id).then_some(id)), data_type)
    }

    pub fn bytes(&self) -> usize {
        self.values.bytes() + self.ids.bytes() + self.uses.capacity() * 4
    }
}

const _: () = assert!(ABSENT as i64 > i32::MAX as i64, "an absent value is no value's number");

//! Keys of any length: bytes in one arena. The table holds ids with a part of their hash, which a probe compares before
//! it looks at the bytes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, StringArray};
use arrow_buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow_schema::DataType;
use brisk_core::{Error, Result};
use hashbrown::HashTable;

use super::{ABSENT, Ids, spread};
use crate::IdBitmap;

/// A map from byte strings, and null, to ids.
#[derive(Default)]
pub struct BytesKeys {
    table: HashTable<Slot>,
    arena: Vec<u8>,
    /// By id.
    spans: Vec<Span>,
    null_id: Option<u32>,
    garbage: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    /// The low half of the key's hash; its place in the table follows from the high half.
    tag: u32,
    id: u32,
}

#[derive(Clone, Copy)]
struct Span {
    start: usize,
    length: u32,
}

/// The span of null.
const NULL: Span = Span { start: usize::MAX, length: 0 };

/// Removed bytes are not worth a copy below this.
const MIN_GARBAGE: usize = 64 * 1024;

impl BytesKeys {
    #[inline]
    pub fn find(&self, key: Option<&[u8]>, hash: u64) -> u32 {
        let Some(key) = key else { return self.null_id.unwrap_or(ABSENT) };
        let same = |slot: &Slot| slot.tag == hash as u32 && self.span(slot.id) == key;
        self.table.find(spread(hash), same).map_or(ABSENT, |slot| slot.id)
    }

    #[inline]
    pub fn insert(&mut self, key: Option<&[u8]>, hash: u64, ids: &mut Ids) -> u32 {
        match self.find(key, hash) {
            ABSENT => self.add(key, hash, ids),
            id => id,
        }
    }

    #[cold]
    fn add(&mut self, key: Option<&[u8]>, hash: u64, ids: &mut Ids) -> u32 {
        let id = ids.add(hash);
        self.put(id, key, hash, ids);
        id
    }

    /// Adds a key that is not there, under an id that is in `ids` already.
    pub fn put(&mut self, id: u32, key: Option<&[u8]>, hash: u64, ids: &Ids) {
        let span = match key {
            Some(key) => {
                let start = self.arena.len();
                self.arena.extend_from_slice(key);
                self.table.insert_unique(spread(hash), Slot { tag: hash as u32, id }, |slot| spread(ids.hashes[slot.id]));
                Span { start, length: key.len() as u32 }
            }
            None => {
                self.null_id = Some(id);
                NULL
            }
        };
        if id as usize >= self.spans.len() {
            self.spans.resize(id as usize + 1, NULL);
        }
        self.spans[id as usize] = span;
    }

    /// Makes room for `more` keys.
    pub fn reserve(&mut self, more: usize, ids: &Ids) {
        self.table.reserve(more, |slot| spread(ids.hashes[slot.id]));
        self.spans.reserve(more);
    }

    pub fn remove(&mut self, id: u32, hash: u64) {
        if self.null_id == Some(id) {
            self.null_id = None;
        } else if let Ok(entry) = self.table.find_entry(spread(hash), |other| other.id == id) {
            entry.remove();
            self.garbage += self.spans[id as usize].length as usize;
        }
    }

    pub fn clear(&mut self) {
        self.table.clear();
        self.arena.clear();
        self.spans.clear();
        (self.null_id, self.garbage) = (None, 0);
    }

    /// Rewrites the arena when more than half of it is of removed keys.
    pub fn compact(&mut self, live: &IdBitmap) {
        if self.garbage < MIN_GARBAGE || self.garbage * 2 < self.arena.len() {
            return;
        }
        let mut arena = Vec::with_capacity(self.arena.len() - self.garbage);
        for id in live.iter().filter(|id| self.null_id != Some(*id)) {
            let start = arena.len();
            arena.extend_from_slice(self.span(id));
            self.spans[id as usize].start = start;
        }
        self.arena = arena;
        self.garbage = 0;
    }

    #[inline]
    pub fn key(&self, id: u32) -> Option<&[u8]> {
        (self.spans[id as usize].start != NULL.start).then(|| self.span(id))
    }

    /// The keys of `ids` as a column of text or bytes; null for no id.
    pub fn column(&self, ids: impl ExactSizeIterator<Item = Option<u32>>, data_type: &DataType) -> Result<ArrayRef> {
        let mut offsets = Vec::with_capacity(ids.len() + 1);
        let mut valid = Vec::new();
        let mut bytes: Vec<u8> = Vec::new();
        offsets.push(0i32);
        for id in ids {
            match id.and_then(|id| self.key(id)) {
                Some(key) => {
                    bytes.extend_from_slice(key);
                    if !valid.is_empty() {
                        valid.push(true);
                    }
                }
                None => {
                    valid.resize(offsets.len() - 1, true);
                    valid.push(false);
                }
            }
            offsets.push(i32::try_from(bytes.len()).map_err(|_| Error::internal("the keys of a batch take more than 2 GB"))?);
        }
        let nulls = (!valid.is_empty()).then(|| NullBuffer::from(valid));
        let (offsets, bytes) = (OffsetBuffer::new(offsets.into()), Buffer::from_vec(bytes));
        if data_type == &DataType::Binary {
            return Ok(Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?));
        }
        Ok(Arc::new(StringArray::try_new(offsets, bytes, nulls).map_err(|_| Error::internal("a text key is not UTF-8"))?))
    }

    pub fn bytes(&self) -> usize {
        self.table.capacity() * (size_of::<Slot>() + 1) + self.arena.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    #[inline]
    fn span(&self, id: u32) -> &[u8] {
        let Span { start, length } = self.spans[id as usize];
        &self.arena[start..start + length as usize]
    }
}

/// A column of text or bytes.
pub struct BytesColumn<'a> {
    offsets: &'a [i32],
    data: &'a [u8],
    nulls: Option<&'a NullBuffer>,
}

/// After so many rows more that differ from the one before than rows that do not, no row is compared any more.
const PATIENCE: i32 = 16;

impl<'a> BytesColumn<'a> {
    pub fn new(column: &'a ArrayRef) -> Self {
        match column.data_type() {
            DataType::Utf8 => {
                let text = column.as_string::<i32>();
                Self { offsets: text.value_offsets(), data: text.value_data(), nulls: text.nulls() }
            }
            _ => {
                let bytes = column.as_binary::<i32>();
                Self { offsets: bytes.value_offsets(), data: bytes.value_data(), nulls: bytes.nulls() }
            }
        }
    }

    /// Calls `each` for every row with what `id` gives for its value. Rows often repeat the value of the one before (a
    /// day, a host): for these `id` is not asked again.
    #[inline]
    pub fn for_each_id(&self, mut id: impl FnMut(Option<&'a [u8]>) -> u32, mut each: impl FnMut(u32)) {
        let mut previous: (&[u8], u32) = (&[], ABSENT);
        let mut patience = PATIENCE;
        for (row, bounds) in self.offsets.windows(2).enumerate() {
            if self.nulls.is_some_and(|n| n.is_null(row)) {
                each(id(None));
                continue;
            }
            let value = &self.data[bounds[0] as usize..bounds[1] as usize];
            if patience > 0 {
                if previous.1 != ABSENT && previous.0 == value {
                    patience = PATIENCE.min(patience + 1);
                    each(previous.1);
                    continue;
                }
                patience -= 1;
            }
            previous = (value, id(Some(value)));
            each(previous.1);
        }
    }
}

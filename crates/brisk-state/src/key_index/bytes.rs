//! Keys of any length: bytes in one arena. The table holds ids; a probe compares the kept hash before the bytes.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, StringArray};
use arrow_schema::DataType;
use brisk_core::{Error, Result};
use hashbrown::HashTable;

use super::{ABSENT, Ids, spread};
use crate::IdBitmap;

/// A map from byte strings, and null, to ids.
#[derive(Default)]
pub struct BytesKeys {
    table: HashTable<u32>,
    arena: Vec<u8>,
    /// By id.
    spans: Vec<Span>,
    null_id: Option<u32>,
    garbage: usize,
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
    pub fn find(&self, key: Option<&[u8]>, hash: u64, ids: &Ids) -> u32 {
        let Some(key) = key else { return self.null_id.unwrap_or(ABSENT) };
        let same = |id: &u32| ids.hashes[*id as usize] == hash && self.span(*id) == key;
        self.table.find(spread(hash), same).copied().unwrap_or(ABSENT)
    }

    #[inline]
    pub fn insert(&mut self, key: Option<&[u8]>, hash: u64, ids: &mut Ids) -> u32 {
        match self.find(key, hash, ids) {
            ABSENT => self.add(key, hash, ids),
            id => id,
        }
    }

    #[cold]
    fn add(&mut self, key: Option<&[u8]>, hash: u64, ids: &mut Ids) -> u32 {
        let id = ids.add(hash);
        let span = match key {
            Some(key) => {
                let start = self.arena.len();
                self.arena.extend_from_slice(key);
                self.table.insert_unique(spread(hash), id, |id| spread(ids.hashes[*id as usize]));
                Span { start, length: key.len() as u32 }
            }
            None => {
                self.null_id = Some(id);
                NULL
            }
        };
        if id as usize == self.spans.len() {
            self.spans.push(span);
        } else {
            self.spans[id as usize] = span;
        }
        id
    }

    pub fn remove(&mut self, id: u32, hash: u64) {
        if self.null_id == Some(id) {
            self.null_id = None;
        } else if let Ok(entry) = self.table.find_entry(spread(hash), |other| *other == id) {
            entry.remove();
            self.garbage += self.spans[id as usize].length as usize;
        }
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

    pub fn key(&self, id: u32) -> Option<&[u8]> {
        (self.spans[id as usize].start != NULL.start).then(|| self.span(id))
    }

    /// The keys of `ids` as a column of text or bytes.
    pub fn column(&self, ids: &[u32], data_type: &DataType) -> Result<ArrayRef> {
        if data_type == &DataType::Binary {
            return Ok(Arc::new(ids.iter().map(|id| self.key(*id)).collect::<BinaryArray>()));
        }
        let text = |id: &u32| self.key(*id).map(std::str::from_utf8).transpose();
        let column = ids.iter().map(text).collect::<Result<StringArray, _>>();
        Ok(Arc::new(column.map_err(|_| Error::internal("a text key is not UTF-8"))?))
    }

    pub fn bytes(&self) -> usize {
        self.table.capacity() * 5 + self.arena.capacity() + self.spans.capacity() * size_of::<Span>()
    }

    fn span(&self, id: u32) -> &[u8] {
        let Span { start, length } = self.spans[id as usize];
        &self.arena[start..start + length as usize]
    }
}

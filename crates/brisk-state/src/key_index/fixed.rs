//! Keys of fixed width: integer-like columns, widened to i64. The table holds key and id side by side, so a probe reads
//! one place. Its hash is of its own, quick to work out; the stable hash of a key is asked for once, when the key is new.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow_buffer::{Buffer, NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use brisk_core::key_group::{NULL_HASH, SEED, mix};
use hashbrown::HashTable;

use super::{ABSENT, Ids};
use crate::SideArray;

/// A map from keys that are copied to ids.
pub struct FixedKeys<K> {
    table: HashTable<(K, u32)>,
    /// By id.
    keys: SideArray<K>,
}

/// One integer-like column: the values, and one id for null.
#[derive(Default)]
pub struct IntegerKeys {
    pub values: FixedKeys<i64>,
    null_id: Option<u32>,
}

impl<K> Default for FixedKeys<K> {
    fn default() -> Self {
        Self { table: HashTable::new(), keys: SideArray::new() }
    }
}

/// A key that is copied and hashed by the table.
pub trait FixedKey: Copy + Eq {
    fn hash(&self) -> u64;
}

impl FixedKey for i64 {
    #[inline(always)]
    fn hash(&self) -> u64 {
        mix(0, *self as u64)
    }
}

impl<K: FixedKey> FixedKeys<K> {
    #[inline]
    pub fn find(&self, key: K) -> u32 {
        self.table.find(key.hash(), |entry| entry.0 == key).map_or(ABSENT, |entry| entry.1)
    }

    /// `stable`: the stable hash of the key, if it is new.
    #[inline]
    pub fn insert(&mut self, key: K, ids: &mut Ids, stable: impl FnOnce() -> u64) -> u32 {
        match self.find(key) {
            ABSENT => self.add(key, ids, stable()),
            id => id,
        }
    }

    #[cold]
    fn add(&mut self, key: K, ids: &mut Ids, stable: u64) -> u32 {
        let id = ids.add(stable);
        self.set(id, key);
        self.table.insert_unique(key.hash(), (key, id), |entry| entry.0.hash());
        id
    }

    fn set(&mut self, id: u32, key: K) {
        match (id as usize) < self.keys.len() {
            true => self.keys[id] = key,
            false => self.keys.push(key),
        }
    }

    pub fn remove(&mut self, id: u32) {
        if let Ok(entry) = self.table.find_entry(self.key(id).hash(), |entry| entry.1 == id) {
            entry.remove();
        }
    }

    #[inline]
    pub fn key(&self, id: u32) -> K {
        self.keys[id]
    }

    pub fn clear(&mut self) {
        self.table.clear();
        self.keys.clear();
    }

    /// Makes room for `more` keys.
    pub fn reserve(&mut self, more: usize) {
        self.table.reserve(more, |entry| entry.0.hash());
    }

    pub fn bytes(&self) -> usize {
        self.table.capacity() * (size_of::<(K, u32)>() + 1) + self.keys.bytes()
    }
}

impl IntegerKeys {
    #[inline]
    pub fn find(&self, key: Option<i64>) -> u32 {
        match key {
            Some(value) => self.values.find(value),
            None => self.null_id.unwrap_or(ABSENT),
        }
    }

    #[inline]
    pub fn insert(&mut self, key: Option<i64>, ids: &mut Ids) -> u32 {
        match (key, self.null_id) {
            (Some(value), _) => self.values.insert(value, ids, || mix(SEED, value as u64)),
            (None, Some(id)) => id,
            (None, None) => {
                let id = ids.add(mix(SEED, NULL_HASH));
                self.values.set(id, 0);
                self.null_id = Some(id);
                id
            }
        }
    }

    pub fn remove(&mut self, id: u32) {
        if self.null_id == Some(id) {
            self.null_id = None;
        } else {
            self.values.remove(id);
        }
    }

    pub fn clear(&mut self) {
        self.values.clear();
        self.null_id = None;
    }

    pub fn key(&self, id: u32) -> Option<i64> {
        (self.null_id != Some(id)).then(|| self.values.key(id))
    }

    pub fn column(&self, ids: &[u32], data_type: &DataType) -> ArrayRef {
        let values = ids.iter().map(|id| self.values.key(*id)).collect();
        let nulls = self.null_id.filter(|null| ids.contains(null)).map(|null| ids.iter().map(|id| *id != null).collect());
        narrow(values, nulls, data_type)
    }

    pub fn bytes(&self) -> usize {
        self.values.bytes()
    }
}

/// Applies `$body!(ArrowType)` for the integer-like types.
macro_rules! for_integer_like {
    ($data_type:expr, $body:ident, $otherwise:expr) => {
        match $data_type {
            DataType::Int8 => $body!(Int8Type),
            DataType::Int16 => $body!(Int16Type),
            DataType::Int32 => $body!(Int32Type),
            DataType::Int64 => $body!(Int64Type),
            DataType::Date32 => $body!(Date32Type),
            DataType::Time32(TimeUnit::Millisecond) => $body!(Time32MillisecondType),
            DataType::Timestamp(TimeUnit::Millisecond, _) => $body!(TimestampMillisecondType),
            DataType::Timestamp(TimeUnit::Microsecond, _) => $body!(TimestampMicrosecondType),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => $body!(TimestampNanosecondType),
            DataType::Duration(TimeUnit::Millisecond) => $body!(DurationMillisecondType),
            DataType::Interval(IntervalUnit::YearMonth) => $body!(IntervalYearMonthType),
            _ => $otherwise,
        }
    };
}

pub fn is_integer_like(data_type: &DataType) -> bool {
    macro_rules! yes {
        ($t:ty) => {
            true
        };
    }
    data_type == &DataType::Boolean || for_integer_like!(data_type, yes, false)
}

/// The values as i64; those of null rows mean nothing.
pub fn widen(column: &ArrayRef) -> Cow<'_, [i64]> {
    macro_rules! values {
        ($t:ty) => {
            wide::<$t>(column)
        };
    }
    for_integer_like!(column.data_type(), values, Cow::Owned(column.as_boolean().values().iter().map(i64::from).collect()))
}

/// The column of `data_type` with these values; the inverse of [`widen`].
pub fn narrow(values: Vec<i64>, nulls: Option<NullBuffer>, data_type: &DataType) -> ArrayRef {
    macro_rules! array {
        ($t:ty) => {{
            type Native = <$t as ArrowPrimitiveType>::Native;
            let values: ScalarBuffer<Native> = match size_of::<Native>() {
                8 => Buffer::from_vec(values).into(),
                _ => values.iter().map(|v| *v as Native).collect(),
            };
            Arc::new(PrimitiveArray::<$t>::new(values, nulls).with_data_type(data_type.clone()))
        }};
    }
    for_integer_like!(data_type, array, Arc::new(BooleanArray::new(values.iter().map(|v| *v != 0).collect(), nulls)))
}

fn wide<T: ArrowPrimitiveType>(column: &ArrayRef) -> Cow<'_, [i64]>
where
    T::Native: Into<i64>,
{
    let values = column.as_primitive::<T>().values();
    if size_of::<T::Native>() == 8 {
        return Cow::Borrowed(values.inner().typed_data::<i64>());
    }
    Cow::Owned(values.iter().map(|v| (*v).into()).collect())
}

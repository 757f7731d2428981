//! Keys of several columns, each integer-like, text or bytes, as tuples of integers of fixed width. A text is its number
//! in a dictionary of its column, so that a row costs one probe for each text column and one for the tuple, and neither
//! is encoded nor copied.
//!
//! The dictionaries pay where values repeat: a day, a channel, a host beside a number. [`TupleKeys::is_wasteful`] says
//! when they do not.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray};
use arrow_schema::DataType;
use brisk_core::Result;
use brisk_core::key_group::{NULL_HASH, SEED, mix};

use super::Ids;
use super::dictionary::Dictionary;
use super::fixed::{FixedKey, FixedKeys, is_integer_like, narrow, widen};

/// `N` integers; `nulls` has the bits set of those that are null (and then 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple<const N: usize> {
    values: [i64; N],
    nulls: u8,
}

impl<const N: usize> FixedKey for Tuple<N> {
    #[inline(always)]
    fn hash(&self) -> u64 {
        self.values.iter().fold(SEED ^ u64::from(self.nulls), |state, value| mix(state, *value as u64))
    }
}

impl<const N: usize> Tuple<N> {
    fn get(&self, column: usize) -> Option<i64> {
        (self.nulls >> column & 1 == 0).then_some(self.values[column])
    }
}

pub struct TupleKeys<const N: usize> {
    tuples: FixedKeys<Tuple<N>>,
    /// For the columns of text or bytes.
    dictionaries: [Option<Dictionary>; N],
}

/// A dictionary with fewer values is never wasteful.
const MANY_VALUES: usize = if cfg!(test) { 64 } else { 1 << 18 };

/// Whether a column can be part of a tuple.
pub fn fits(data_type: &DataType) -> bool {
    is_bytes(data_type) || is_integer_like(data_type)
}

fn is_bytes(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Binary)
}

impl<const N: usize> TupleKeys<N> {
    /// For `N` columns that fit.
    pub fn new(types: &[DataType]) -> Self {
        let dictionaries = std::array::from_fn(|column| is_bytes(&types[column]).then(Dictionary::default));
        Self { tuples: FixedKeys::default(), dictionaries }
    }

    pub fn insert(&mut self, columns: &[ArrayRef], rows: usize, known: &mut Ids, ids: &mut Vec<u32>) {
        let mut tuples = vec![Tuple { values: [0; N], nulls: 0 }; rows];
        for (place, (column, dictionary)) in columns.iter().zip(&mut self.dictionaries).enumerate() {
            match dictionary {
                Some(dictionary) => {
                    let mut places = tuples.iter_mut();
                    dictionary.insert(column, |value| set(&mut places, place, value));
                }
                None => set_all(&mut tuples, place, widen(column)),
            }
            set_nulls(&mut tuples, place, column);
        }
        ids.extend(tuples.iter().map(|tuple| insert(&mut self.tuples, &mut self.dictionaries, *tuple, known)));
    }

    pub fn lookup(&self, columns: &[ArrayRef], rows: usize, ids: &mut Vec<u32>) {
        let mut tuples = vec![Tuple { values: [0; N], nulls: 0 }; rows];
        for (place, (column, dictionary)) in columns.iter().zip(&self.dictionaries).enumerate() {
            match dictionary {
                Some(dictionary) => {
                    let mut places = tuples.iter_mut();
                    dictionary.lookup(column, |value| set(&mut places, place, value));
                }
                None => set_all(&mut tuples, place, widen(column)),
            }
            set_nulls(&mut tuples, place, column);
        }
        ids.extend(tuples.iter().map(|tuple| self.tuples.find(*tuple)));
    }

    /// Adds keys of another index of the same types.
    pub fn insert_from(&mut self, other: &Self, other_ids: &[u32], known: &mut Ids, ids: &mut Vec<u32>) {
        let mut numbers: [HashMap<i64, i64>; N] = std::array::from_fn(|_| HashMap::new());
        for &id in other_ids {
            let mut tuple = other.tuples.key(id);
            for (place, dictionary) in self.dictionaries.iter_mut().enumerate() {
                if let (Some(own), Some(others), Some(value)) = (dictionary, &other.dictionaries[place], tuple.get(place)) {
                    tuple.values[place] = *numbers[place].entry(value).or_insert_with(|| i64::from(own.insert_from(others, value as u32)));
                }
            }
            ids.push(insert(&mut self.tuples, &mut self.dictionaries, tuple, known));
        }
    }

    /// Makes room for `more` keys.
    pub fn reserve(&mut self, more: usize) {
        self.tuples.reserve(more);
    }

    pub fn remove(&mut self, id: u32) {
        let tuple = self.tuples.key(id);
        self.tuples.remove(id);
        for (place, dictionary) in self.dictionaries.iter_mut().enumerate() {
            if let (Some(dictionary), Some(value)) = (dictionary, tuple.get(place)) {
                dictionary.drop_use(value as u32);
            }
        }
    }

    pub fn clear(&mut self) {
        self.tuples.clear();
        self.dictionaries.iter_mut().flatten().for_each(Dictionary::clear);
    }

    /// To be called after keys were removed.
    pub fn compact(&mut self) {
        self.dictionaries.iter_mut().flatten().for_each(Dictionary::compact);
    }

    /// Whether a dictionary is large and its values hardly repeat.
    pub fn is_wasteful(&self, keys: usize) -> bool {
        self.dictionaries.iter().flatten().any(|d| d.len() >= MANY_VALUES && d.len() * 2 > keys)
    }

    pub fn keys(&self, ids: &[u32], types: &[DataType]) -> Result<Vec<ArrayRef>> {
        types.iter().enumerate().map(|(place, data_type)| self.column(ids, place, data_type)).collect()
    }

    /// As [`TupleKeys::keys`], but texts are arrays with a dictionary where that is less to copy.
    pub fn packed_keys(&self, ids: &[u32], types: &[DataType]) -> Result<Vec<ArrayRef>> {
        let column = |(place, data_type): (usize, &DataType)| match &self.dictionaries[place] {
            Some(dictionary) if dictionary.places() < ids.len() / 4 => {
                let numbers = self.integers(ids, place, &DataType::Int32);
                Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(numbers.as_primitive().clone(), dictionary.all(data_type)?)?) as ArrayRef)
            }
            _ => self.column(ids, place, data_type),
        };
        types.iter().enumerate().map(column).collect()
    }

    fn column(&self, ids: &[u32], place: usize, data_type: &DataType) -> Result<ArrayRef> {
        match &self.dictionaries[place] {
            Some(dictionary) => dictionary.column(ids.iter().map(|id| self.tuples.key(*id).get(place).map(|v| v as u32)), data_type),
            None => Ok(self.integers(ids, place, data_type)),
        }
    }

    fn integers(&self, ids: &[u32], place: usize, data_type: &DataType) -> ArrayRef {
        let mut some_null = false;
        let value = |id: &u32| {
            let tuple = self.tuples.key(*id);
            some_null |= tuple.nulls >> place & 1 == 1;
            tuple.values[place]
        };
        let values = ids.iter().map(value).collect();
        let nulls = some_null.then(|| ids.iter().map(|id| self.tuples.key(*id).get(place).is_some()).collect());
        narrow(values, nulls, data_type)
    }

    pub fn bytes(&self) -> usize {
        self.tuples.bytes() + self.dictionaries.iter().flatten().map(Dictionary::bytes).sum::<usize>()
    }
}

#[inline(always)]
fn insert<const N: usize>(tuples: &mut FixedKeys<Tuple<N>>, dictionaries: &mut [Option<Dictionary>; N], tuple: Tuple<N>, known: &mut Ids) -> u32 {
    tuples.insert(tuple, known, || {
        let mut state = SEED;
        for (place, dictionary) in dictionaries.iter_mut().enumerate() {
            let hash = match (tuple.get(place), dictionary) {
                (None, _) => NULL_HASH,
                (Some(value), None) => value as u64,
                (Some(value), Some(dictionary)) => {
                    dictionary.add_use(value as u32);
                    dictionary.hash(value as u32)
                }
            };
            state = mix(state, hash);
        }
        state
    })
}

#[inline(always)]
fn set<'a, const N: usize>(tuples: &mut impl Iterator<Item = &'a mut Tuple<N>>, place: usize, value: i64) {
    if let Some(tuple) = tuples.next() {
        tuple.values[place] = value;
    }
}

fn set_all<const N: usize>(tuples: &mut [Tuple<N>], place: usize, values: Cow<'_, [i64]>) {
    tuples.iter_mut().zip(values.iter()).for_each(|(tuple, value)| tuple.values[place] = *value);
}

fn set_nulls<const N: usize>(tuples: &mut [Tuple<N>], place: usize, column: &ArrayRef) {
    let Some(nulls) = column.nulls().filter(|n| n.null_count() > 0) else { return };
    for (tuple, valid) in tuples.iter_mut().zip(nulls.iter()) {
        if !valid {
            tuple.values[place] = 0;
            tuple.nulls |= 1 << place;
        }
    }
}

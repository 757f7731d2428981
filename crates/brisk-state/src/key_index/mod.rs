//! Keys as numbers: a batch of key columns becomes dense `u32` ids, by which accumulators, timers and rows are addressed.
//!
//! The map is chosen by the key's types: one integer-like column, one of text or bytes, two to four of either, or any
//! columns as [`crate::row_codec`] bytes. Every id keeps its stable hash ([`brisk_core::key_group`]), so that merging
//! indexes and finding key groups never hash again. Ids of removed keys are handed out again, the last removed first.

mod bytes;
mod dictionary;
mod fixed;
mod tuples;

use std::sync::Arc;

use arrow_array::builder::BinaryBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, UInt16Array};
use arrow_schema::DataType;
use arrow_select::take::take;
use brisk_core::Result;
use brisk_core::key_group::{NULL_HASH, SEED, hash_bytes, hash_columns, key_group_of, mix};
use brisk_core::snapshot::{self, KeyEncoder};

use crate::row_codec::RowCodec;
use crate::{IdBitmap, SideArray};
use bytes::{BytesColumn, BytesKeys};
use fixed::{IntegerKeys, is_integer_like, widen};
use tuples::TupleKeys;

/// The id of a key that is not there, from [`KeyIndex::lookup`].
pub const ABSENT: u32 = u32::MAX;

/// A map from keys to dense ids.
pub struct KeyIndex {
    codec: RowCodec,
    keys: Keys,
    ids: Ids,
}

enum Keys {
    /// No columns: one key at most.
    Unit,
    Integer(IntegerKeys),
    Two(TupleKeys<2>),
    Three(TupleKeys<3>),
    Four(TupleKeys<4>),
    /// One column of text or bytes. The map holds the values themselves, and one id for null.
    Bytes(BytesKeys),
    Rows(BytesKeys),
}

/// What is known of every id, whatever the keys are.
#[derive(Default)]
struct Ids {
    hashes: SideArray<u64>,
    live: IdBitmap,
    free: Vec<u32>,
}

impl KeyIndex {
    /// An index of keys with columns of these Arrow types.
    pub fn new(types: Vec<DataType>) -> Result<Self> {
        let keys = match types.as_slice() {
            [] => Keys::Unit,
            [one] if is_integer_like(one) => Keys::Integer(IntegerKeys::default()),
            [DataType::Utf8 | DataType::Binary] => Keys::Bytes(BytesKeys::default()),
            [_, _] if types.iter().all(tuples::fits) => Keys::Two(TupleKeys::new(&types)),
            [_, _, _] if types.iter().all(tuples::fits) => Keys::Three(TupleKeys::new(&types)),
            [_, _, _, _] if types.iter().all(tuples::fits) => Keys::Four(TupleKeys::new(&types)),
            _ => Keys::Rows(BytesKeys::default()),
        };
        Ok(Self { codec: RowCodec::new(types)?, keys, ids: Ids::default() })
    }

    /// An empty index of the same types.
    pub fn empty_like(&self) -> Self {
        Self::new(self.codec.types().to_vec()).expect("the types were checked before")
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An upper bound of the ids handed out: sizes what is indexed by them.
    pub fn id_bound(&self) -> usize {
        self.ids.hashes.len()
    }

    pub fn contains_id(&self, id: u32) -> bool {
        self.ids.live.contains(id)
    }

    /// The ids of all keys, ascending.
    pub fn ids(&self) -> Vec<u32> {
        match self.ids.free.is_empty() {
            true => (0..self.ids.hashes.len() as u32).collect(),
            false => self.ids.live.iter().collect(),
        }
    }

    /// The ids of all keys.
    pub fn live(&self) -> &IdBitmap {
        &self.ids.live
    }

    pub fn bytes(&self) -> usize {
        let keys = match &self.keys {
            Keys::Unit => 0,
            Keys::Integer(keys) => keys.bytes(),
            Keys::Two(keys) => keys.bytes(),
            Keys::Three(keys) => keys.bytes(),
            Keys::Four(keys) => keys.bytes(),
            Keys::Bytes(keys) | Keys::Rows(keys) => keys.bytes(),
        };
        keys + self.ids.bytes()
    }

    /// Sets `ids` to the id of the key of every row, adding the keys that are new. `columns` may be empty.
    pub fn insert(&mut self, columns: &[ArrayRef], rows: usize, ids: &mut Vec<u32>) -> Result<()> {
        ids.clear();
        if rows == 0 {
            return Ok(());
        }
        self.leave_dictionaries()?;
        let known = &mut self.ids;
        ids.reserve(rows);
        match &mut self.keys {
            Keys::Unit => {
                if known.is_empty() {
                    known.add(SEED);
                }
                ids.resize(rows, 0);
            }
            Keys::Integer(keys) => {
                let values = widen(&columns[0]);
                match columns[0].nulls() {
                    None => ids.extend(values.iter().map(|value| keys.insert(Some(*value), known))),
                    Some(nulls) => ids.extend((0..rows).map(|i| keys.insert(nulls.is_valid(i).then(|| values[i]), known))),
                }
            }
            Keys::Two(keys) => keys.insert(columns, rows, known, ids),
            Keys::Three(keys) => keys.insert(columns, rows, known, ids),
            Keys::Four(keys) => keys.insert(columns, rows, known, ids),
            Keys::Bytes(keys) => BytesColumn::new(&columns[0]).for_each_id(|value| keys.insert(value, hash_value(value), known), |id| ids.push(id)),
            Keys::Rows(keys) => {
                let hashes = hash_columns(columns, rows)?;
                let encoded = self.codec.encode(columns, rows)?;
                ids.extend(encoded.iter().zip(&hashes).map(|(row, hash)| keys.insert(Some(row), *hash, known)));
            }
        }
        Ok(())
    }

    /// Sets `ids` to the id of the key of every row, [`ABSENT`] where it is unknown.
    pub fn lookup(&self, columns: &[ArrayRef], rows: usize, ids: &mut Vec<u32>) -> Result<()> {
        ids.clear();
        if rows == 0 {
            return Ok(());
        }
        ids.reserve(rows);
        match &self.keys {
            Keys::Unit => ids.resize(rows, if self.is_empty() { ABSENT } else { 0 }),
            Keys::Integer(keys) => {
                let (values, nulls) = (widen(&columns[0]), columns[0].nulls());
                ids.extend((0..rows).map(|i| keys.find(nulls.is_none_or(|n| n.is_valid(i)).then(|| values[i]))));
            }
            Keys::Two(keys) => keys.lookup(columns, rows, ids),
            Keys::Three(keys) => keys.lookup(columns, rows, ids),
            Keys::Four(keys) => keys.lookup(columns, rows, ids),
            Keys::Bytes(keys) => BytesColumn::new(&columns[0]).for_each_id(|value| keys.find(value, hash_value(value)), |id| ids.push(id)),
            Keys::Rows(keys) => {
                let hashes = hash_columns(columns, rows)?;
                let encoded = self.codec.encode(columns, rows)?;
                ids.extend(encoded.iter().zip(&hashes).map(|(row, hash)| keys.find(Some(row), *hash)));
            }
        }
        Ok(())
    }

    /// Adds keys of another index of the same types; sets `ids` to their ids here.
    pub fn insert_from(&mut self, other: &KeyIndex, other_ids: &[u32], ids: &mut Vec<u32>) -> Result<()> {
        ids.clear();
        ids.reserve(other_ids.len());
        self.leave_dictionaries()?;
        let known = &mut self.ids;
        let hash = |id: u32| other.ids.hashes[id];
        match (&mut self.keys, &other.keys) {
            (Keys::Unit, Keys::Unit) => {
                if known.is_empty() && !other_ids.is_empty() {
                    known.add(SEED);
                }
                ids.resize(other_ids.len(), 0);
            }
            (Keys::Integer(keys), Keys::Integer(others)) => {
                keys.values.reserve(other_ids.len());
                ids.extend(other_ids.iter().map(|&id| keys.insert(others.key(id), known)));
            }
            (Keys::Two(keys), Keys::Two(others)) => keys.insert_from(others, other_ids, known, ids),
            (Keys::Three(keys), Keys::Three(others)) => keys.insert_from(others, other_ids, known, ids),
            (Keys::Four(keys), Keys::Four(others)) => keys.insert_from(others, other_ids, known, ids),
            (Keys::Bytes(keys), Keys::Bytes(others)) | (Keys::Rows(keys), Keys::Rows(others)) => {
                ids.extend(other_ids.iter().map(|&id| keys.insert(others.key(id), hash(id), known)));
            }
            // One of them has given its dictionaries up.
            _ => self.insert(&other.keys(other_ids)?, other_ids.len(), ids)?,
        }
        Ok(())
    }

    /// Goes over to encoded keys where dictionaries cost more than they save. All ids stay.
    fn leave_dictionaries(&mut self) -> Result<()> {
        let wasteful = match &self.keys {
            Keys::Two(keys) => keys.is_wasteful(self.len()),
            Keys::Three(keys) => keys.is_wasteful(self.len()),
            Keys::Four(keys) => keys.is_wasteful(self.len()),
            _ => false,
        };
        if !wasteful {
            return Ok(());
        }
        let mut rows = BytesKeys::default();
        for ids in self.ids().chunks(8192) {
            let encoded = self.codec.encode(&self.keys(ids)?, ids.len())?;
            ids.iter().zip(encoded.iter()).for_each(|(&id, row)| rows.put(id, Some(row), self.ids.hashes[id], &self.ids));
        }
        self.keys = Keys::Rows(rows);
        Ok(())
    }

    /// Makes room for `more` keys, so that the index does not grow step by step.
    pub fn reserve(&mut self, more: usize) {
        match &mut self.keys {
            Keys::Unit => {}
            Keys::Integer(keys) => keys.values.reserve(more),
            Keys::Two(keys) => keys.reserve(more),
            Keys::Three(keys) => keys.reserve(more),
            Keys::Four(keys) => keys.reserve(more),
            Keys::Bytes(keys) | Keys::Rows(keys) => keys.reserve(more, &self.ids),
        }
    }

    /// Forgets keys. Their ids may be handed out again; an id that is not there is passed over.
    pub fn remove(&mut self, ids: &[u32]) {
        for &id in ids {
            if !self.ids.remove(id) {
                continue;
            }
            match &mut self.keys {
                Keys::Unit => {}
                Keys::Integer(keys) => keys.remove(id),
                Keys::Two(keys) => keys.remove(id),
                Keys::Three(keys) => keys.remove(id),
                Keys::Four(keys) => keys.remove(id),
                Keys::Bytes(keys) | Keys::Rows(keys) => keys.remove(id, self.ids.hashes[id]),
            }
        }
        match &mut self.keys {
            Keys::Bytes(keys) | Keys::Rows(keys) => keys.compact(&self.ids.live),
            Keys::Two(keys) => keys.compact(),
            Keys::Three(keys) => keys.compact(),
            Keys::Four(keys) => keys.compact(),
            Keys::Unit | Keys::Integer(_) => {}
        }
    }

    /// Forgets all keys; keeps the room that they took.
    pub fn clear(&mut self) {
        match &mut self.keys {
            Keys::Unit => {}
            Keys::Integer(keys) => keys.clear(),
            Keys::Two(keys) => keys.clear(),
            Keys::Three(keys) => keys.clear(),
            Keys::Four(keys) => keys.clear(),
            Keys::Bytes(keys) | Keys::Rows(keys) => keys.clear(),
        }
        self.ids.clear();
    }

    /// The key columns of `ids`, in this order.
    pub fn keys(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        let types = self.codec.types();
        Ok(match &self.keys {
            Keys::Unit => Vec::new(),
            Keys::Integer(keys) => vec![keys.column(ids, &types[0])],
            Keys::Two(keys) => keys.keys(ids, types)?,
            Keys::Three(keys) => keys.keys(ids, types)?,
            Keys::Four(keys) => keys.keys(ids, types)?,
            Keys::Bytes(keys) => vec![keys.column(ids.iter().map(|id| Some(*id)), &types[0])?],
            Keys::Rows(keys) => self.codec.decode(ids.iter().map(|id| keys.key(*id).expect("an encoded row is never null")))?,
        })
    }

    /// The key columns of `ids` for an [`Encoder`], as cheap to make as may be.
    fn packed_keys(&self, ids: &[u32]) -> Result<Vec<ArrayRef>> {
        let types = self.codec.types();
        match &self.keys {
            Keys::Two(keys) => keys.packed_keys(ids, types),
            Keys::Three(keys) => keys.packed_keys(ids, types),
            Keys::Four(keys) => keys.packed_keys(ids, types),
            _ => self.keys(ids),
        }
    }

    /// The keys of `ids` as [`crate::row_codec`] bytes.
    pub fn encoded(&self, ids: &[u32]) -> Result<BinaryArray> {
        match &self.keys {
            Keys::Rows(keys) => Ok(BinaryArray::from_iter_values(ids.iter().map(|id| keys.key(*id).expect("an encoded row is never null")))),
            _ => self.codec.encode(&self.keys(ids)?, ids.len())?.into_array(),
        }
    }

    /// The keys of `ids` for a snapshot, each after `prefix`, to be encoded when it is written.
    pub fn snapshot_keys(&self, ids: &[u32], prefix: &[u8], key_groups: u16) -> Result<snapshot::Keys> {
        match (&self.keys, prefix) {
            (Keys::Rows(_), []) => Ok(snapshot::Keys::given(&self.key_groups(ids, key_groups), &self.encoded(ids)?)),
            _ => Ok(snapshot::Keys::Columns(self.packed_keys(ids)?, self.encoder(prefix, key_groups))),
        }
    }

    /// Adds keys that [`KeyIndex::encoded`] gave (without a prefix); sets `ids`.
    pub fn insert_encoded<'a>(&mut self, keys: impl ExactSizeIterator<Item = &'a [u8]>, ids: &mut Vec<u32>) -> Result<()> {
        let rows = keys.len();
        let columns = self.codec.decode(keys)?;
        self.insert(&columns, rows, ids)
    }

    /// As [`KeyIndex::lookup`], for encoded keys.
    pub fn lookup_encoded<'a>(&self, keys: impl ExactSizeIterator<Item = &'a [u8]>, ids: &mut Vec<u32>) -> Result<()> {
        let rows = keys.len();
        let columns = self.codec.decode(keys)?;
        self.lookup(&columns, rows, ids)
    }

    /// The stable hash of a key.
    pub fn hash(&self, id: u32) -> u64 {
        self.ids.hashes[id]
    }

    /// Gives what [`KeyIndex::encoded`] and [`KeyIndex::key_groups`] give, of the columns of keys, each key after `prefix`. Columns may have
    /// dictionaries.
    pub fn encoder(&self, prefix: &[u8], key_groups: u16) -> Arc<dyn KeyEncoder> {
        Arc::new(Encoder { codec: self.codec.clone(), prefix: prefix.to_vec(), key_groups })
    }

    pub fn key_groups(&self, ids: &[u32], key_groups: u16) -> Vec<u16> {
        ids.iter().map(|id| key_group_of(self.ids.hashes[*id], key_groups)).collect()
    }
}

#[derive(Debug)]
struct Encoder {
    codec: RowCodec,
    prefix: Vec<u8>,
    key_groups: u16,
}

impl KeyEncoder for Encoder {
    fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<(UInt16Array, BinaryArray)> {
        let unpack = |column: &ArrayRef| match column.as_any_dictionary_opt() {
            Some(packed) => take(packed.values(), packed.keys(), None),
            None => Ok(column.clone()),
        };
        let columns = &columns.iter().map(unpack).collect::<std::result::Result<Vec<_>, _>>()?;
        let groups = hash_columns(columns, rows)?.into_iter().map(|hash| key_group_of(hash, self.key_groups)).collect::<Vec<_>>();
        let encoded = self.codec.encode(columns, rows)?;
        if self.prefix.is_empty() {
            return Ok((groups.into(), encoded.into_array()?));
        }
        let mut keys = BinaryBuilder::with_capacity(rows, encoded.bytes() + self.prefix.len() * rows);
        let mut key = self.prefix.clone();
        for row in encoded.iter() {
            key.truncate(self.prefix.len());
            key.extend_from_slice(row);
            keys.append_value(&key);
        }
        Ok((groups.into(), keys.finish()))
    }
}

impl Ids {
    fn len(&self) -> usize {
        self.hashes.len() - self.free.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a number back; false if it is not in use.
    fn remove(&mut self, id: u32) -> bool {
        let removed = self.live.remove(id);
        if removed {
            self.free.push(id);
        }
        removed
    }

    fn clear(&mut self) {
        self.hashes.clear();
        self.live.clear();
        self.free.clear();
    }

    fn bytes(&self) -> usize {
        self.hashes.bytes() + self.live.bytes() + self.free.capacity() * 4
    }

    /// A number for a key that is new.
    fn add(&mut self, hash: u64) -> u32 {
        let id = match self.free.pop() {
            Some(id) => {
                self.hashes[id] = hash;
                id
            }
            None => {
                self.hashes.push(hash);
                self.hashes.len() as u32 - 1
            }
        };
        self.live.insert(id);
        id
    }
}

/// A table's hash of a stable hash. Rows reach a subtask by the low bits of the stable hash, which therefore differ
/// little here; the high half differs fully.
#[inline]
fn spread(hash: u64) -> u64 {
    hash.rotate_left(32)
}

/// The stable hash of a key that is one column of text or bytes.
fn hash_value(value: Option<&[u8]>) -> u64 {
    mix(SEED, value.map_or(NULL_HASH, hash_bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow_array::{Date32Array, Float64Array, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray, TimestampMillisecondArray};
    use arrow_schema::Schema;

    use super::*;

    /// Keys drawn from few values, some null, as the columns of one shape of key.
    fn columns(shape: usize, values: &[u64]) -> Vec<ArrayRef> {
        let some = |v: u64, n: u64| (v % 7 != n).then_some(v as i64);
        let ints = || Arc::new(values.iter().map(|v| some(*v, 0)).collect::<Int64Array>()) as ArrayRef;
        let text = || Arc::new(values.iter().map(|v| some(*v, 1).map(|v| format!("{}{v}", "k".repeat(v as usize % 40)))).collect::<StringArray>()) as ArrayRef;
        let few_texts = Arc::new(values.iter().map(|v| some(v / 50, 5).map(|v| format!("t{v}"))).collect::<StringArray>()) as ArrayRef;
        let dates = || Arc::new(values.iter().map(|v| some(v / 3, 2).map(|v| v as i32)).collect::<Date32Array>()) as ArrayRef;
        let times = Arc::new(values.iter().map(|v| some(*v, 3)).collect::<TimestampMillisecondArray>().with_timezone("UTC")) as ArrayRef;
        let floats = Arc::new(values.iter().map(|v| some(*v, 4).map(|v| v as f64)).collect::<Float64Array>()) as ArrayRef;
        match shape {
            0 => vec![],
            1 => vec![ints()],
            2 => vec![dates()],
            3 => vec![times, dates()],
            4 => vec![text()],
            5 => vec![text(), ints()],
            6 => vec![ints(), few_texts, dates()],
            7 => vec![text(), dates(), text(), ints()],
            _ => vec![text(), ints(), floats],
        }
    }

    /// Compares the index with a map from encoded keys to ids, over random inserts, look-ups and removals.
    fn check(shape: usize) {
        let mut random = shape as u64;
        let mut next = move || {
            random = brisk_core::key_group::mix(random, 0xabcd_ef01_2345);
            random
        };
        let types: Vec<DataType> = columns(shape, &[]).iter().map(|c| c.data_type().clone()).collect();
        let codec = RowCodec::new(types.clone()).unwrap();
        let mut index = KeyIndex::new(types).unwrap();
        let mut model: HashMap<Vec<u8>, u32> = HashMap::new();
        let mut ids = Vec::new();
        for _ in 0..300 {
            let values: Vec<u64> = (0..1 + next() % 50).map(|_| next() % 500).collect();
            let columns = columns(shape, &values);
            let encoded = codec.encode(&columns, values.len()).unwrap();
            index.lookup(&columns, values.len(), &mut ids).unwrap();
            for (row, id) in encoded.iter().zip(&ids) {
                assert_eq!(model.get(row).copied().unwrap_or(ABSENT), *id);
            }
            index.insert(&columns, values.len(), &mut ids).unwrap();
            let hashes = hash_columns(&columns, values.len()).unwrap();
            for ((row, id), hash) in encoded.iter().zip(&ids).zip(hashes) {
                assert_eq!(*model.entry(row.to_vec()).or_insert(*id), *id);
                assert_eq!(index.hash(*id), hash);
            }
            let (groups, keys) = index.encoder(&[], 100).encode(&columns, values.len()).unwrap();
            assert_eq!((groups.values().to_vec(), keys.clone()), (index.key_groups(&ids, 100), index.encoded(&ids).unwrap()));
            let (_, prefixed) = index.encoder(b"ab", 100).encode(&columns, values.len()).unwrap();
            assert!(keys.iter().zip(&prefixed).all(|(key, prefixed)| [b"ab", key.unwrap()].concat() == prefixed.unwrap()));
            if next() % 3 == 0 {
                let gone: Vec<u32> = index.ids().into_iter().filter(|_| next() % 2 == 0).collect();
                model.retain(|_, id| !gone.contains(id));
                index.remove(&gone);
            }
            if next() % 40 == 0 {
                index.clear();
                model.clear();
            }
            assert_eq!(index.len(), model.len());
        }
        let all = index.ids();
        for (id, row) in all.iter().zip(index.encoded(&all).unwrap().iter()) {
            assert_eq!(model[row.unwrap()], *id);
        }
        let many = all.repeat(8);
        let rows =
            RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &RecordBatchOptions::new().with_row_count(Some(many.len()))).unwrap();
        let snapshot = index.snapshot_keys(&many, &[], 100).unwrap();
        let has_dictionary = matches!(&snapshot, snapshot::Keys::Columns(columns, _) if columns.iter().any(|c| c.as_any_dictionary_opt().is_some()));
        assert_eq!(has_dictionary, shape == 6);
        assert_eq!(snapshot.of(&rows).unwrap(), [(index.key_groups(&many, 100).into(), index.encoded(&many).unwrap())]);
        let mut merged = index.empty_like();
        merged.insert_from(&index, &all, &mut ids).unwrap();
        assert_eq!(merged.encoded(&ids).unwrap(), index.encoded(&all).unwrap());
        assert_eq!(merged.key_groups(&ids, 128), index.key_groups(&all, 128));
    }

    #[test]
    fn ids_are_those_of_a_map_for_every_shape_of_key() {
        (0..9).for_each(check);
    }

    #[test]
    fn keys_come_back_as_columns() {
        let mut index = KeyIndex::new(vec![DataType::Int32, DataType::Int32]).unwrap();
        let columns: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![Some(1), None, Some(1)])), Arc::new(Int32Array::from(vec![2, 2, 2]))];
        let mut ids = Vec::new();
        index.insert(&columns, 3, &mut ids).unwrap();
        assert_eq!(ids, [0, 1, 0]);
        assert_eq!(index.keys(&ids).unwrap(), columns);
    }
}

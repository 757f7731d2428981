//! Sort keys as values that compare fast: one or two integers where the order is by integer-like columns, bytes
//! otherwise. Two keys compare as the rows do under the order's directions and places of nulls.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, TimeUnit};
use brisk_core::{Error, Result, Schema};

use crate::sort_key::{SortKey, SortKeyEncoder};

/// A key, made from the rows of a batch at once.
pub(crate) trait RankKey: Clone + Ord + Default + Send + 'static {
    fn encode(order: &RankOrder, rows: &RecordBatch) -> Result<Vec<Self>>;
}

/// An order and how its keys are made.
pub(crate) struct RankOrder {
    keys: Vec<SortKey>,
    /// Where bytes are needed.
    encoder: Option<SortKeyEncoder>,
}

/// What kind of key fits an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RankKeyKind {
    /// No order: rows stand as they came.
    Arrival,
    Integer,
    TwoIntegers,
    Bytes,
}

/// One integer-like column. Packed, since Top-N keeps many: 16 bytes with the row's name, where it would take 24.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(4))]
pub(crate) struct IntegerKey {
    /// Parts the nulls, whose value is 0, from the others.
    class: u8,
    value: u64,
}

/// Two integer-like columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TwoIntegers(IntegerKey, IntegerKey);

/// Comparable bytes: short ones (a number and a short text, say) in place.
#[derive(Debug, Clone)]
pub(crate) enum BytesKey {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

const SHORT: usize = 22;

impl RankOrder {
    /// For keys of the kind that fits.
    pub fn new(keys: &[SortKey], schema: &Schema) -> Result<Self> {
        match RankKeyKind::of(keys, schema) {
            RankKeyKind::Bytes => Self::of_bytes(keys, schema),
            _ => Ok(Self { keys: keys.to_vec(), encoder: None }),
        }
    }

    /// For keys that are bytes whatever the columns.
    pub fn of_bytes(keys: &[SortKey], schema: &Schema) -> Result<Self> {
        Ok(Self { keys: keys.to_vec(), encoder: Some(SortKeyEncoder::new(keys, schema)?) })
    }
}

impl RankKeyKind {
    pub fn of(keys: &[SortKey], schema: &Schema) -> Self {
        let integer = |key: &SortKey| is_integer_like(&schema.columns[key.column].sql_type.to_arrow());
        match keys {
            [] => RankKeyKind::Arrival,
            [one] if integer(one) => RankKeyKind::Integer,
            [one, two] if integer(one) && integer(two) => RankKeyKind::TwoIntegers,
            _ => RankKeyKind::Bytes,
        }
    }
}

impl RankKey for () {
    fn encode(_order: &RankOrder, rows: &RecordBatch) -> Result<Vec<Self>> {
        Ok(vec![(); rows.num_rows()])
    }
}

impl RankKey for IntegerKey {
    fn encode(order: &RankOrder, rows: &RecordBatch) -> Result<Vec<Self>> {
        Ok(integer_keys(&order.keys[0], rows))
    }
}

impl RankKey for TwoIntegers {
    fn encode(order: &RankOrder, rows: &RecordBatch) -> Result<Vec<Self>> {
        let (first, second) = (integer_keys(&order.keys[0], rows), integer_keys(&order.keys[1], rows));
        Ok(first.into_iter().zip(second).map(|(first, second)| Self(first, second)).collect())
    }
}

impl RankKey for BytesKey {
    fn encode(order: &RankOrder, rows: &RecordBatch) -> Result<Vec<Self>> {
        let encoder = order.encoder.as_ref().ok_or_else(|| Error::internal("an order of bytes has an encoder"))?;
        let encoded = encoder.encode(rows)?;
        Ok(encoded.iter().map(|row| BytesKey::new(row.data())).collect())
    }
}

impl BytesKey {
    fn new(key: &[u8]) -> Self {
        if key.len() > SHORT {
            return BytesKey::Long(key.into());
        }
        let mut bytes = [0; SHORT];
        bytes[..key.len()].copy_from_slice(key);
        BytesKey::Short { length: key.len() as u8, bytes }
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        match self {
            BytesKey::Short { length, bytes } => &bytes[..usize::from(*length)],
            BytesKey::Long(bytes) => bytes,
        }
    }
}

impl Default for BytesKey {
    fn default() -> Self {
        BytesKey::new(&[])
    }
}

impl PartialEq for BytesKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for BytesKey {}

impl PartialOrd for BytesKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for BytesKey {
    #[inline]
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

/// Applies `$body!(ArrowType)` for the types whose order is that of an integer.
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
            _ => $otherwise,
        }
    };
}

fn is_integer_like(data_type: &DataType) -> bool {
    macro_rules! yes {
        ($t:ty) => {
            true
        };
    }
    for_integer_like!(data_type, yes, false)
}

fn integer_keys(key: &SortKey, rows: &RecordBatch) -> Vec<IntegerKey> {
    let column: &ArrayRef = rows.column(key.column);
    macro_rules! keys {
        ($t:ty) => {
            keys_of(key, column.as_primitive::<$t>().values().iter().map(|v| i64::from(*v)), column)
        };
    }
    for_integer_like!(column.data_type(), keys, unreachable!("the kind of key was chosen by the column's type"))
}

fn keys_of(key: &SortKey, values: impl Iterator<Item = i64>, column: &ArrayRef) -> Vec<IntegerKey> {
    const SIGN: u64 = 1 << 63;
    let flip = if key.ascending { SIGN } else { !SIGN };
    let (null_class, value_class) = if key.nulls_first { (0, 1) } else { (1, 0) };
    let values = values.map(|v| IntegerKey { class: value_class, value: v as u64 ^ flip });
    match column.nulls().filter(|n| n.null_count() > 0) {
        None => values.collect(),
        Some(nulls) => values.zip(nulls).map(|(key, valid)| if valid { key } else { IntegerKey { class: null_class, value: 0 } }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, TimestampMillisecondArray};

    use super::*;
    use crate::harness::schema;

    const VALUES: [Option<i64>; 6] = [None, Some(i64::MIN), Some(-1), Some(0), Some(7), Some(i64::MAX)];

    /// Every pair of values of two columns, the second a time.
    fn rows() -> RecordBatch {
        let pairs = || VALUES.iter().flat_map(|a| VALUES.iter().map(move |b| (*a, *b)));
        let first: Int64Array = pairs().map(|p| p.0).collect();
        let second: TimestampMillisecondArray = pairs().map(|p| p.1).collect();
        RecordBatch::try_from_iter([("n", Arc::new(first) as ArrayRef), ("t", Arc::new(second) as ArrayRef)]).unwrap()
    }

    /// The keys of every pair of rows compare as the encoded bytes do.
    fn check<K: RankKey>(keys: &[SortKey], kind: RankKeyKind) {
        let schema = schema("n BIGINT, t TIMESTAMP(3)");
        assert_eq!(RankKeyKind::of(keys, &schema), kind);
        let rows = rows();
        let ours = K::encode(&RankOrder::new(keys, &schema).unwrap(), &rows).unwrap();
        let bytes = SortKeyEncoder::new(keys, &schema).unwrap().encode(&rows).unwrap();
        for a in 0..rows.num_rows() {
            for b in 0..rows.num_rows() {
                assert_eq!(ours[a].cmp(&ours[b]), bytes.row(a).cmp(&bytes.row(b)), "{keys:?}, rows {a} and {b}");
            }
        }
    }

    #[test]
    fn integers_compare_as_the_rows_do() {
        let each =
            |column| [(true, true), (true, false), (false, true), (false, false)].map(|(ascending, nulls_first)| SortKey { column, ascending, nulls_first });
        for first in each(0) {
            check::<IntegerKey>(&[first], RankKeyKind::Integer);
            for second in each(1) {
                check::<TwoIntegers>(&[first, second], RankKeyKind::TwoIntegers);
            }
        }
    }

    #[test]
    fn other_orders_compare_bytes() {
        let keys = [SortKey::ascending(0), SortKey::descending(1), SortKey::ascending(0)];
        check::<BytesKey>(&keys, RankKeyKind::Bytes);
    }
}

//! Shared by the unit tests of the formats: small schemas, chunks, and rows as text.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{TimestampMicrosecondType, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use brisk_core::format::FormatSpec;
use brisk_core::source::{Framing, RecordChunk};
use brisk_core::{ChangelogBatch, Column, DataType, Schema, SqlType};

pub(crate) fn schema(columns: &[(&str, DataType)]) -> Schema {
    Schema::new(columns.iter().map(|(name, t)| Column::new(*name, SqlType::nullable(t.clone()))).collect())
}

pub(crate) fn ints_and_texts() -> Schema {
    schema(&[("a", DataType::Int), ("b", DataType::STRING)])
}

pub(crate) fn spec(schema: Schema, options: &[(&str, &str)]) -> FormatSpec {
    FormatSpec {
        projection: (0..schema.len()).collect(),
        schema,
        options: options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        time_zone: "UTC".to_string(),
    }
}

pub(crate) fn chunk(data: impl Into<bytes::Bytes>) -> RecordChunk {
    RecordChunk { data: data.into(), framing: Framing::Lines, origin: "test".into(), first_record: 1 }
}

/// Every row as `+I[1, x]`; a null is `NULL`.
pub(crate) fn rows_of(batch: &ChangelogBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayRef> = batch.rows.columns().iter().map(without_zone).collect();
    let formatters: Vec<_> = columns.iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
    let row = |i: usize| {
        let mut text = format!("{}[", batch.kind(i));
        for (n, f) in formatters.iter().enumerate() {
            write!(text, "{}{}", if n > 0 { ", " } else { "" }, f.value(i)).unwrap();
        }
        text + "]"
    };
    (0..batch.num_rows()).map(row).collect()
}

/// Arrow prints no zones unless it is built with their table.
fn without_zone(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        ArrowType::Timestamp(TimeUnit::Millisecond, Some(_)) => {
            Arc::new(column.as_primitive::<TimestampMillisecondType>().clone().with_timezone_opt(None::<Arc<str>>))
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            Arc::new(column.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<Arc<str>>))
        }
        _ => column.clone(),
    }
}

/// Numbers that look random and come again with their seed.
pub(crate) struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Changes, removes, adds or copies bytes somewhere.
    pub fn mutate(&mut self, data: &mut Vec<u8>) {
        let at = self.below(data.len() + 1);
        let byte = *self.pick(b"\"\\{}[]:,0129-+.eEntu \n\t\r\x00\x01\x7f\x80\xc3\xff");
        match self.below(4) {
            0 => data.insert(at, byte),
            1 if at < data.len() => data[at] = byte,
            2 => {
                let end = (at + 1 + self.below(8)).min(data.len());
                data.drain(at.min(end)..end);
            }
            _ => {
                let end = (at + self.below(16)).min(data.len());
                let piece = data[at..end].to_vec();
                let to = self.below(data.len() + 1);
                data.splice(to..to, piece);
            }
        }
    }
}

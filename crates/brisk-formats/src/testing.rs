//! Shared by the unit tests of the formats: small schemas, chunks, and rows as text.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
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
        _ => column.clone(),
    }
}

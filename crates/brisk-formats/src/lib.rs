//! Formats: pure functions between the bytes of records and columnar batches.
//!
//! Names and options are Flink's. Reading goes record by record straight into typed columns ([`mod@column`]); a record
//! that cannot be read is listed with its reason and leaves nothing behind, the others of its chunk survive.

mod cdc;
mod cells;
mod column;
mod csv;
mod json;
mod outcome;
mod parquet;
mod raw;
mod records;
mod scalar;
mod scan;
#[cfg(test)]
mod testing;
mod text;

use std::sync::Arc;

use brisk_core::format::Format;

/// Every format, by the name that `'format' = '...'` gives.
pub fn formats() -> Vec<Arc<dyn Format>> {
    vec![
        Arc::new(json::Json),
        Arc::new(csv::Csv),
        Arc::new(raw::Raw),
        Arc::new(parquet::Parquet),
        Arc::new(cdc::before_after::Debezium),
        Arc::new(cdc::before_after::Ogg),
        Arc::new(cdc::data_old::Canal),
        Arc::new(cdc::data_old::Maxwell),
    ]
}

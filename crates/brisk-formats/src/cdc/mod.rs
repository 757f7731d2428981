//! Formats that carry changes of rows as JSON: a record says what was done and holds the row before or after it.

pub(crate) mod debezium;

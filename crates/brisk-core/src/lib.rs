//! The words that every part of brisk shares: SQL types, changelog batches, messages, watermarks, key groups, the
//! stream graph, and the contracts of operators, sources, sinks, connectors and formats.
//!
//! Words, not work: this crate knows Arrow and serde only. It does no I/O, starts no thread and reads no clock.

pub mod batch;
pub mod clock;
pub mod connector;
pub mod error;
pub mod format;
pub mod graph;
pub mod key_group;
pub mod message;
pub mod metrics;
pub mod operator;
pub mod packed;
pub mod sink;
pub mod snapshot;
pub mod source;
pub mod types;

pub use batch::{ChangelogBatch, RowKind};
pub use error::{Error, ErrorKind, Position, Result};
pub use message::{Barrier, Message, Watermark};
pub use types::{Column, DataType, Schema, SqlType};

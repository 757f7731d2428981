//! Row kinds as numbers, as snapshots keep them.

use brisk_core::{Error, Result, RowKind};

pub(crate) fn kind_code(kind: RowKind) -> i8 {
    kind as i8
}

pub(crate) fn kind_of_code(code: i8) -> Result<RowKind> {
    Ok(match code {
        0 => RowKind::Insert,
        1 => RowKind::UpdateBefore,
        2 => RowKind::UpdateAfter,
        3 => RowKind::Delete,
        other => return Err(Error::new(brisk_core::ErrorKind::Corrupt, format!("a snapshot holds a row of kind {other}"))),
    })
}

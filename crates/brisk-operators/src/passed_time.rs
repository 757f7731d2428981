//! The time that an operator has reached, in snapshots: what was late before a restart is late after it.

use brisk_core::snapshot::{SnapshotReader, SnapshotWriter};
use brisk_core::{Result, Watermark};

const NAME: &str = "watermark";

pub(crate) fn write_passed_time(writer: &mut dyn SnapshotWriter, time: i64) -> Result<()> {
    writer.put_operator_state(NAME, time.to_le_bytes().to_vec())
}

/// The least time of all former subtasks: rows of each may come here now.
pub(crate) fn read_passed_time(reader: &mut dyn SnapshotReader) -> Result<i64> {
    let states = reader.operator_state(NAME)?;
    let times = states.iter().filter_map(|s| s.as_slice().try_into().ok().map(i64::from_le_bytes));
    Ok(times.min().unwrap_or(Watermark::MIN))
}

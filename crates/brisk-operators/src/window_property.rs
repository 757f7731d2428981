//! The columns `window_start`, `window_end` and `window_time` of windows given as numbers.

use std::sync::Arc;

use arrow_array::{ArrayRef, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, TimeUnit};
use brisk_core::{Error, Result};

use crate::window_assigner::{WallClock, WindowProperty};

/// A column of `property` for windows with these bounds (wall clock), of the type of `field`: `window_time` in
/// TIMESTAMP_LTZ is an instant, all else wall-clock time.
pub(crate) fn property_column(property: WindowProperty, bounds: impl Iterator<Item = (i64, i64)>, field: &Field, clock: WallClock) -> Result<ArrayRef> {
    let DataType::Timestamp(TimeUnit::Millisecond, zone) = field.data_type() else {
        return Err(Error::internal(format!("window property `{}` must be a timestamp of precision 3", field.name())));
    };
    let time = |end: i64| if zone.is_some() { clock.to_epoch(end - 1) } else { end - 1 };
    let values = bounds.map(|(start, end)| match property {
        WindowProperty::Start => start,
        WindowProperty::End => end,
        WindowProperty::Time => time(end),
    });
    Ok(Arc::new(TimestampMillisecondArray::from_iter_values(values).with_timezone_opt(zone.clone())))
}

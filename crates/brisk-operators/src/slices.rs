//! The slices of a batch: which rows belong to which piece of time.

use std::collections::BTreeMap;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::ScalarBuffer;
use brisk_core::Result;

use crate::time_attribute::{TimeAttribute, rowtimes};
use crate::window_aggregate::WindowInput;
use crate::window_assigner::{WallClock, WindowKind};

/// A slice, or a window that is a slice of its own: `(end, start)`, so that slices sort by their end.
pub(crate) type Slice = (i64, i64);

/// Some rows of a batch; `None` stands for all of them.
pub(crate) type SliceRows = (Slice, Option<Vec<u32>>);

/// The slices of the rows, ascending.
pub(crate) fn slices_of(input: WindowInput, clock: WallClock, rows: &RecordBatch, now_ms: i64) -> Result<Vec<SliceRows>> {
    match input {
        WindowInput::Attached { start, end } => attached(rows.column(start), rows.column(end)),
        WindowInput::Assigned { kind, time: TimeAttribute::Processing } => Ok(vec![(slice_at(kind, clock.to_wall(now_ms)), None)]),
        WindowInput::Assigned { kind, time: TimeAttribute::Event { column } } => Ok(assigned(kind, &wall_times(clock, rows.column(column))?)),
    }
}

/// The rowtimes as wall-clock time.
pub(crate) fn wall_times(clock: WallClock, column: &ArrayRef) -> Result<ScalarBuffer<i64>> {
    let times = rowtimes(column)?;
    if clock.is_utc() {
        return Ok(times);
    }
    let (Some(min), Some(max)) = (times.iter().min(), times.iter().max()) else { return Ok(times) };
    let (first, last) = (clock.to_wall(*min) - min, clock.to_wall(*max) - max);
    // No zone changes its clocks twice within some hours.
    let constant = first == last && max - min < 6 * 3_600_000;
    Ok(times.iter().map(|t| if constant { t + first } else { clock.to_wall(*t) }).collect())
}

fn slice_at(kind: WindowKind, wall: i64) -> Slice {
    let end = kind.slice_end(wall);
    (end, end - kind.slice_ms())
}

fn assigned(kind: WindowKind, times: &[i64]) -> Vec<SliceRows> {
    let (Some(min), Some(max)) = (times.iter().min(), times.iter().max()) else { return Vec::new() };
    let (first, last) = (slice_at(kind, *min), slice_at(kind, *max));
    if first == last {
        return vec![(first, None)];
    }
    group(times.len(), |row, previous| {
        let inside = previous.filter(|(end, start)| (*start..*end).contains(&times[row]));
        inside.unwrap_or_else(|| slice_at(kind, times[row]))
    })
}

fn attached(start: &ArrayRef, end: &ArrayRef) -> Result<Vec<SliceRows>> {
    let (starts, ends) = (rowtimes(start)?, rowtimes(end)?);
    let Some(first) = ends.first().map(|end| (*end, starts[0])) else { return Ok(Vec::new()) };
    if ends.iter().all(|e| *e == first.0) && starts.iter().all(|s| *s == first.1) {
        return Ok(vec![(first, None)]);
    }
    Ok(group(ends.len(), |row, _| (ends[row], starts[row])))
}

fn group(rows: usize, slice: impl Fn(usize, Option<Slice>) -> Slice) -> Vec<SliceRows> {
    let mut places: BTreeMap<Slice, Vec<u32>> = BTreeMap::new();
    let mut run: Option<(Slice, Vec<u32>)> = None;
    for row in 0..rows {
        let this = slice(row, run.as_ref().map(|r| r.0));
        match &mut run {
            Some((current, rows)) if *current == this => rows.push(row as u32),
            _ => {
                if let Some((done, rows)) = run.take() {
                    places.insert(done, rows);
                }
                let mut rows = places.remove(&this).unwrap_or_default();
                rows.push(row as u32);
                run = Some((this, rows));
            }
        }
    }
    places.extend(run);
    places.into_iter().map(|(slice, rows)| (slice, Some(rows))).collect()
}

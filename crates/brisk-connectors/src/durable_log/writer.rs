//! The thread that writes and syncs: takes all that is pending, puts it on disk with one sync, tells those who wait.

use std::fs::File;
use std::io::{self, Write};
use std::sync::PoisonError;

use super::segment::{self, Segment};
use super::{Callback, LogError, Shared, State};

/// Runs until the log is closed and nothing is pending, or the disk fails.
pub(super) fn run(shared: &Shared) {
    let mut file: Option<File> = None;
    while let Some((bytes, end)) = next_work(shared) {
        let written = write(shared, &mut file, &bytes, end);
        let mut state = shared.lock();
        match written {
            Ok(()) => state.durable = end,
            Err(e) => {
                tracing::error!(log = %shared.directory.display(), error = %e, "cannot write a log");
                state.failure = Some(LogError::Failed(format!("{} cannot be written: {e}", shared.name())));
            }
        }
        let (outcome, callbacks) = settled(&mut state);
        let stop = state.failure.is_some();
        drop(state);
        shared.durable.notify_all();
        callbacks.into_iter().for_each(|callback| callback(outcome.clone()));
        if stop {
            return;
        }
    }
}

/// Waits for pending batches and takes them, with the number after their last record. `None`: the log is closed.
fn next_work(shared: &Shared) -> Option<(Vec<u8>, u64)> {
    let mut state = shared.lock();
    loop {
        if !state.pending.is_empty() {
            return Some((std::mem::take(&mut state.pending), state.next));
        }
        if state.closing {
            return None;
        }
        state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
}

/// The callbacks that can be called now, and what they are told.
fn settled(state: &mut State) -> (Result<(), LogError>, Vec<Callback>) {
    let outcome = state.failure.clone().map_or(Ok(()), Err);
    let durable = if outcome.is_err() { u64::MAX } else { state.durable };
    let (now, later) = std::mem::take(&mut state.callbacks).into_iter().partition(|(end, _)| *end <= durable);
    state.callbacks = later;
    let now: Vec<(u64, Callback)> = now;
    (outcome, now.into_iter().map(|(_, callback)| callback).collect())
}

fn write(shared: &Shared, file: &mut Option<File>, bytes: &[u8], end: u64) -> io::Result<()> {
    let mut current = segment_for(shared, file, bytes.len() as u64)?;
    let open = file.as_mut().ok_or_else(|| io::Error::other("no segment is open"))?;
    open.write_all(bytes)?;
    open.sync_data()?;
    current.bytes += bytes.len() as u64;
    current.records = end - current.first;
    if let Some(last) = shared.lock().segments.last_mut() {
        *last = current;
    }
    Ok(())
}

/// The segment to write `added` bytes to: the last one, or a new one when it is full.
fn segment_for(shared: &Shared, file: &mut Option<File>, added: u64) -> io::Result<Segment> {
    let (last, durable) = {
        let state = shared.lock();
        (state.segments.last().cloned(), state.durable)
    };
    match last {
        Some(last) if last.records == 0 || last.bytes + added <= shared.options.segment_bytes => {
            if file.is_none() {
                *file = Some(segment::open_to_append(&last)?);
            }
            Ok(last)
        }
        _ => {
            let (fresh, opened) = segment::create(&shared.directory, durable)?;
            *file = Some(opened);
            shared.lock().segments.push(fresh.clone());
            Ok(fresh)
        }
    }
}

//! The task of a source: poll, decode, make watermarks, hand down the chain; take part in checkpoints.
//!
//! ```text
//!   poll --> decode --> bad records (fail, skip, dead letter) --> rows, cut to size --> chain
//!                                                             \-> watermark of the split --> least of the live splits
//! ```
//!
//! Between polls the task looks for a checkpoint to begin (it is where barriers come from), for one that became durable,
//! and for timers of the operators behind it. It never waits longer than [`MAX_WAIT`] in a poll.

pub(crate) mod alignment;
mod decode;
mod watermarks;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use brisk_core::graph::Port;
use brisk_core::source::{Poll, SourceReader};
use brisk_core::{Barrier, ChangelogBatch, Message, Result, Watermark};

use crate::chain::Chain;
use crate::checkpoint::manifest::{Blob, SourceManifest};
use crate::checkpoint::writer::Part;
use crate::clock::monotonic_ns;
use crate::control::Request;
use crate::source::alignment::{Ahead, Seat};
use crate::task::{Errand, Hold, TaskContext};

pub(crate) use decode::Decoding;
pub(crate) use watermarks::SplitWatermarks;

/// The longest wait in one poll, which bounds how late a barrier or a cancellation is noticed.
const MAX_WAIT: Duration = Duration::from_millis(20);
/// How long a source that is ahead of its group waits before it looks again.
const ALIGNMENT_WAIT: Duration = Duration::from_millis(5);
/// How long a subtask that is a little ahead of the others of its source rests before it polls again.
const PACE_WAIT: Duration = Duration::from_micros(100);

pub(crate) struct SourceTask {
    pub context: TaskContext,
    pub chain: Chain,
    pub reader: Box<dyn SourceReader>,
    pub decoding: Decoding,
    pub watermarks: SplitWatermarks,
    pub seat: Option<Seat>,
    pub bounded: bool,
    pub progress: Arc<SourceProgress>,
    pub hold: Hold,
}

/// How often the source had nothing to give, or was not asked because it is ahead of its group.
#[derive(Debug, Default)]
pub(crate) struct SourceProgress {
    pub idle_polls: AtomicU64,
}

enum Read {
    More,
    /// Nothing will ever come again.
    Finished,
    /// A barrier that the job stops at has been sent.
    Stopped,
}

impl SourceTask {
    pub fn run(mut self) -> Result<()> {
        let now_ms = self.context.now_ms();
        self.chain.resume(now_ms)?;
        if let Some(restored) = self.watermarks.restored() {
            self.hold.touch(now_ms);
            self.chain.watermark(restored, now_ms)?;
        }
        self.watermarks.register(&self.reader.live_splits(), now_ms)?;
        loop {
            match self.turn()? {
                Read::More => {}
                Read::Finished => {
                    self.emit_watermark(Some(Watermark::END), self.context.now_ms())?;
                    break;
                }
                Read::Stopped => break,
            }
        }
        self.end()
    }

    fn turn(&mut self) -> Result<Read> {
        if self.context.control.is_cancelled() {
            return Err(crate::control::cancelled());
        }
        if self.begin_checkpoint()? {
            return Ok(Read::Stopped);
        }
        if let Some(id) = self.context.newly_completed() {
            self.reader.checkpoint_complete(id)?;
        }
        let goes_on_after = self.context.prepare(&mut self.chain)?;
        let now_ms = self.context.now_ms();
        self.run_timers(now_ms)?;
        match self.seat.as_ref().and_then(Seat::ahead) {
            Some(Ahead::Stop) => {
                self.rest(now_ms)?;
                self.context.wait(ALIGNMENT_WAIT)?;
                return Ok(Read::More);
            }
            // Who sends nothing to others has nobody keep anything for it.
            Some(Ahead::Rest) if !self.chain.exits.is_empty() => self.context.wait(PACE_WAIT)?,
            _ => {}
        }
        let max_wait = self.max_wait(now_ms);
        let owes = self.chain.owes();
        let wait = if owes { Duration::ZERO } else { goes_on_after.map_or(max_wait, |wait| wait.min(max_wait)) };
        match self.reader.poll(wait)? {
            Poll::Idle if owes => self.chain.tell(),
            polled => return self.take(polled),
        }
        Ok(Read::More)
    }

    fn take(&mut self, polled: Poll) -> Result<Read> {
        let now_ms = self.context.now_ms();
        match polled {
            Poll::Data(data) => {
                let busy = self.context.begin_work();
                let split = self.watermarks.find(&data.split, now_ms)?;
                let (rows, dead_letters) = self.decoding.rows(data)?;
                if let Some(letters) = dead_letters {
                    self.chain.emit(Port::BadRecords, letters, now_ms)?;
                }
                self.rows(split, rows, now_ms)?;
                self.hold.touch(now_ms);
                self.context.end_work(busy);
                if self.hold.is_overdue(now_ms) {
                    self.release(now_ms)?;
                }
            }
            Poll::Idle => {
                self.rest(now_ms)?;
                self.watermarks.register(&self.reader.live_splits(), now_ms)?;
                let watermark = self.watermarks.quiet(now_ms, self.bounded);
                self.emit_watermark(watermark, now_ms)?;
            }
            Poll::SplitFinished(split) => {
                let watermark = self.watermarks.finish(&split);
                self.emit_watermark(watermark, now_ms)?;
            }
            Poll::Finished => return Ok(Read::Finished),
        }
        Ok(Read::More)
    }

    /// Sends rows of one split down, cut to the greatest batch and, where a watermark is wanted after every row, after
    /// each row at which it rises.
    fn rows(&mut self, split: Option<usize>, rows: ChangelogBatch, now_ms: i64) -> Result<()> {
        let total = rows.num_rows();
        let limit = self.context.max_batch_rows;
        if total == 0 {
            return Ok(());
        }
        for from in (0..total).step_by(limit) {
            let part = if total <= limit { rows.clone() } else { rows.slice(from, limit.min(total - from)) };
            match split {
                None => self.chain.emit(Port::Main, part, now_ms)?,
                Some(split) if self.watermarks.every_row() => self.row_by_row(split, part, now_ms)?,
                Some(split) => {
                    let watermark = self.watermarks.after_batch(split, &part, now_ms)?;
                    self.chain.emit(Port::Main, part, now_ms)?;
                    self.emit_watermark(watermark, now_ms)?;
                }
            }
        }
        Ok(())
    }

    fn row_by_row(&mut self, split: usize, part: ChangelogBatch, now_ms: i64) -> Result<()> {
        let mut sent = 0;
        for (end, watermark) in self.watermarks.after_rows(split, &part, now_ms)? {
            if end > sent {
                self.chain.emit(Port::Main, part.slice(sent, end - sent), now_ms)?;
                sent = end;
            }
            self.emit_watermark(Some(watermark), now_ms)?;
        }
        if sent < part.num_rows() {
            self.chain.emit(Port::Main, part.slice(sent, part.num_rows() - sent), now_ms)?;
        }
        Ok(())
    }

    fn emit_watermark(&mut self, watermark: Option<Watermark>, now_ms: i64) -> Result<()> {
        let Some(watermark) = watermark else { return Ok(()) };
        if let Some(seat) = &mut self.seat {
            seat.report(watermark);
        }
        self.hold.touch(now_ms);
        self.chain.watermark(watermark, now_ms)
    }

    /// Nothing came: what is held back goes out.
    fn rest(&mut self, now_ms: i64) -> Result<()> {
        if self.hold.is_held() {
            self.release(now_ms)?;
        }
        self.progress.idle_polls.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn release(&mut self, now_ms: i64) -> Result<()> {
        self.hold.release();
        self.chain.release(now_ms)?;
        self.chain.update_state_bytes();
        Ok(())
    }

    fn run_timers(&mut self, now_ms: i64) -> Result<()> {
        if self.chain.next_timer().is_some_and(|due| due <= now_ms) {
            self.hold.touch(now_ms);
            self.chain.fire_timers(now_ms)?;
        }
        Ok(())
    }

    fn max_wait(&self, now_ms: i64) -> Duration {
        let settling = self.context.control.settling.load(Ordering::Relaxed) > 0;
        let quiet = match self.hold.is_held() {
            true => self.hold.rest(),
            false if settling => Hold::QUIET,
            false => MAX_WAIT,
        };
        match self.chain.next_timer() {
            Some(due) => quiet.min(Duration::from_millis((due - now_ms).max(0) as u64)),
            None => quiet,
        }
    }

    /// Begins a checkpoint that was asked for; `true` if it is the last thing this source does.
    fn begin_checkpoint(&mut self) -> Result<bool> {
        let Some(id) = self.context.newly_requested() else { return Ok(false) };
        let request = self.context.control.request(id);
        let last = request.as_ref().is_some_and(|r| r.barrier.last);
        if let Some(request) = &request {
            self.capture(request)?;
        }
        // A checkpoint that was given up meanwhile may already have its barrier on other channels: it must come on ours.
        self.chain.signal(&Message::Barrier(Barrier { checkpoint_id: id, last }))?;
        Ok(last)
    }

    fn capture(&mut self, request: &Request) -> Result<()> {
        let begin_ns = monotonic_ns();
        let mut parts = self.chain.snapshot(request, self.context.now_ms())?;
        self.hold.release();
        self.add_position(&mut parts)?;
        self.context.hand_over(request, parts, begin_ns, 0)
    }

    fn add_position(&mut self, parts: &mut [Part]) -> Result<()> {
        let splits = self.reader.snapshot()?.into_iter().map(|s| (s.split.to_string(), Blob(s.state))).collect();
        let (watermarks, watermark) = self.watermarks.snapshot();
        parts[0].manifest.source = Some(SourceManifest { splits, watermarks, watermark });
        Ok(())
    }

    /// Sends the end and stays for checkpoints until the job is over.
    fn end(&mut self) -> Result<()> {
        self.chain.flush(self.context.now_ms())?;
        self.chain.signal(&Message::End)?;
        self.context.ended()?;
        if let Some(seat) = &mut self.seat {
            seat.leave();
        }
        self.watermarks.clear();
        loop {
            match self.context.next_errand()? {
                Errand::Checkpoint(request) => {
                    self.context.write_parts(&mut self.chain, &request)?;
                    self.capture(&request)?;
                }
                Errand::Completed(id) => self.reader.checkpoint_complete(id)?,
                Errand::Exit => return Ok(()),
            }
        }
    }
}

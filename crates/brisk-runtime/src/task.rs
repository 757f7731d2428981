//! A task's subtask that is fed by other tasks: takes messages from its gate and hands them down its chain.
//!
//! ```text
//!   running --End on all channels--> flush, End to all exits --> staying for checkpoints --exit--> gone
//! ```
//!
//! A subtask that has ended stays until the job is over: its state belongs to every later checkpoint, which it then takes
//! from the control and not from channels.

use std::sync::Arc;
use std::time::Duration;

use brisk_core::clock::Clock;
use brisk_core::metrics::TaskMetrics;
use brisk_core::{Barrier, Message, Result};
use crossbeam_channel::Sender;

use crate::chain::Chain;
use crate::checkpoint::coordinator::SubtaskId;
use crate::checkpoint::writer::{AheadPart, Part, WAITING_PARTS, Work};
use crate::clock::monotonic_ns;
use crate::control::{Control, Preparation, Request, cancelled};
use crate::driver::Event;
use crate::gate::{Gate, Input};
use crate::inbox::Inbox;
use crate::status::CheckpointTimes;

/// The longest wait for a timer: a clock that is moved by hand is looked at this often.
const TIMER_WAIT: Duration = Duration::from_millis(100);

/// How long a task without input waits for the checkpoint thread before it looks again.
const FULL_WAIT: Duration = Duration::from_millis(1);

/// What a subtask knows of the job around it.
pub(crate) struct TaskContext {
    pub attempt: u32,
    pub subtask: SubtaskId,
    pub control: Arc<Control>,
    pub inbox: Arc<Inbox>,
    pub channels: usize,
    pub clock: Arc<dyn Clock>,
    pub events: Sender<Event>,
    pub work: Sender<Work>,
    /// Of the task's first node.
    pub metrics: Arc<TaskMetrics>,
    pub max_batch_rows: usize,
    /// The newest checkpoint that this subtask has prepared for, the newest that it took part in, and the newest that it
    /// knows to be durable.
    pub prepared: u64,
    pub taken: u64,
    pub completed: u64,
    /// How long the checkpoint at hand has stopped this subtask for: in one piece at most, and in all.
    pub longest_stop_ns: u64,
    pub sync_ns: u64,
    pub has_ended: bool,
}

/// What a subtask that has ended is still asked for.
pub(crate) enum Errand {
    Checkpoint(Request),
    Completed(u64),
    Exit,
}

/// Since when something may be held back for larger batches.
///
/// Where events are rare nothing waits: what came is handed on as soon as there is no more. Where they are frequent this
/// happens once in [`Hold::QUIET`], so that it costs little.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    since_ms: Option<i64>,
    released_ns: u64,
}

pub(crate) struct InputTask {
    pub context: TaskContext,
    pub chain: Chain,
    pub gate: Gate,
    pub hold: Hold,
    /// The last barrier has passed: nothing may come out any more.
    pub stopping: bool,
}

impl InputTask {
    pub fn run(mut self) -> Result<()> {
        self.chain.resume(self.context.now_ms())?;
        while self.turn()? {}
        self.end()
    }

    /// Handles one message; `false` at the end of all inputs.
    fn turn(&mut self) -> Result<bool> {
        let goes_on_after = if self.stopping { None } else { self.context.prepare(&mut self.chain)? };
        let owes = self.chain.owes();
        let timeout = if owes { Some(Duration::ZERO) } else { self.timeout().into_iter().chain(goes_on_after).min() };
        let input = self.gate.receive(timeout, !self.hold.is_held())?;
        let now_ms = self.context.now_ms();
        match input {
            Input::Batch(input, batch) => {
                let busy = self.context.begin_work();
                self.chain.batch(input, batch, now_ms)?;
                self.hold.touch(now_ms);
                self.context.end_work(busy);
            }
            Input::Watermarks(steps) => {
                let busy = self.context.begin_work();
                steps.into_iter().try_for_each(|w| self.chain.watermark(w, now_ms))?;
                self.hold.touch(now_ms);
                self.context.end_work(busy);
            }
            Input::Barrier(barrier) => self.barrier(barrier)?,
            Input::End => return Ok(false),
            Input::Timeout if owes => self.chain.tell(),
            Input::Timeout if self.hold.is_held() => self.release(now_ms)?,
            Input::Timeout | Input::Woken | Input::Nothing => {}
        }
        if !self.stopping && self.chain.next_timer().is_some_and(|due| due <= now_ms) {
            self.hold.touch(now_ms);
            self.chain.fire_timers(now_ms)?;
        }
        if self.hold.is_overdue(now_ms) {
            self.release(now_ms)?;
        }
        Ok(true)
    }

    fn timeout(&self) -> Option<Duration> {
        let timer = self.chain.next_timer().filter(|_| !self.stopping).map(|due| {
            let wait = due.saturating_sub(self.context.now_ms()).max(0) as u64;
            Duration::from_millis(wait).min(TIMER_WAIT)
        });
        let quiet = self.hold.is_held().then(|| self.hold.rest());
        timer.into_iter().chain(quiet).min()
    }

    fn release(&mut self, now_ms: i64) -> Result<()> {
        self.hold.release();
        self.chain.release(now_ms)?;
        self.chain.update_state_bytes();
        Ok(())
    }

    fn barrier(&mut self, barrier: Barrier) -> Result<()> {
        self.context.taken = barrier.checkpoint_id;
        if let Some(request) = self.context.control.request(barrier.checkpoint_id) {
            self.capture(&request, self.gate.alignment_ns())?;
        }
        self.stopping |= barrier.last;
        self.chain.signal(&Message::Barrier(barrier))
    }

    fn capture(&mut self, request: &Request, alignment_ns: u64) -> Result<()> {
        let begin_ns = monotonic_ns();
        let parts = self.chain.snapshot(request, self.context.now_ms())?;
        self.hold.release();
        self.context.hand_over(request, parts, begin_ns, alignment_ns)
    }

    fn end(&mut self) -> Result<()> {
        self.chain.flush(self.context.now_ms())?;
        self.chain.signal(&Message::End)?;
        self.context.ended()?;
        loop {
            match self.context.next_errand()? {
                Errand::Checkpoint(request) => {
                    self.context.write_parts(&mut self.chain, &request)?;
                    self.capture(&request, 0)?;
                }
                Errand::Completed(_) => {}
                Errand::Exit => return Ok(()),
            }
        }
    }
}

impl TaskContext {
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The moment, and the time spent waiting for room so far.
    pub fn begin_work(&self) -> (u64, u64) {
        (monotonic_ns(), self.metrics.backpressured_ns.get())
    }

    /// Counts the time since `begin_work` as busy, without what was spent waiting for room.
    pub fn end_work(&self, (from_ns, waited_ns): (u64, u64)) {
        let waited = self.metrics.backpressured_ns.get() - waited_ns;
        self.metrics.busy_ns.add((monotonic_ns() - from_ns).saturating_sub(waited));
    }

    /// Writes ahead for a checkpoint that is being prepared. If more is to be written, how long the task may wait for input
    /// before it goes on with that.
    pub fn prepare(&mut self, chain: &mut Chain) -> Result<Option<Duration>> {
        let Some(preparation) = self.control.preparation(self.prepared) else { return Ok(None) };
        // The checkpoint thread has enough to do: the task goes on with its input, if there is any.
        if self.work.len() >= WAITING_PARTS {
            return Ok(Some(FULL_WAIT));
        }
        let begin_ns = monotonic_ns();
        let done = chain.write_ahead(preparation, self.now_ms(), |part| {
            self.hand_over_part(part)?;
            Ok(self.work.len() < WAITING_PARTS)
        })?;
        self.stopped_since(begin_ns);
        if done {
            self.prepared = preparation.id;
            let event = Event::Prepared { attempt: self.attempt, id: preparation.id, subtask: self.subtask };
            self.events.send(event).map_err(|_| cancelled())?;
        }
        Ok((!done).then_some(Duration::ZERO))
    }

    /// Writes most of the state of a subtask that has ended in parts too: in one piece it would be in memory twice.
    pub fn write_parts(&self, chain: &mut Chain, request: &Request) -> Result<()> {
        let preparation = Preparation { id: request.barrier.checkpoint_id, full: request.full };
        if request.place.is_none() {
            return Ok(());
        }
        chain.write_parts(preparation, |part| self.hand_over_part(part))
    }

    fn stopped_since(&mut self, begin_ns: u64) {
        let stop_ns = monotonic_ns() - begin_ns;
        self.longest_stop_ns = self.longest_stop_ns.max(stop_ns);
        self.sync_ns += stop_ns;
    }

    fn hand_over_part(&self, part: AheadPart) -> Result<()> {
        self.work.send(Work::Ahead { attempt: self.attempt, part }).map_err(|_| cancelled())
    }

    /// A checkpoint that was asked for since the last call.
    pub fn newly_requested(&mut self) -> Option<u64> {
        let id = self.control.requested();
        let is_new = id > self.taken;
        self.taken = self.taken.max(id);
        is_new.then_some(id)
    }

    /// A checkpoint that became durable since the last call.
    pub fn newly_completed(&mut self) -> Option<u64> {
        let id = self.control.completed();
        (id > std::mem::replace(&mut self.completed, id)).then_some(id)
    }

    /// Gives what was captured since `begin_ns` to the checkpoint thread.
    pub fn hand_over(&mut self, request: &Request, parts: Vec<Part>, begin_ns: u64, alignment_ns: u64) -> Result<()> {
        self.stopped_since(begin_ns);
        let (stop_ns, sync_ns) = (std::mem::take(&mut self.longest_stop_ns), std::mem::take(&mut self.sync_ns));
        let start_delay_ns = (begin_ns - alignment_ns).saturating_sub(request.injected_ns);
        // Nothing waits for a task that has ended.
        let (stop_ns, sync_ns) = if self.has_ended { (0, 0) } else { (stop_ns, sync_ns) };
        let times = CheckpointTimes { start_delay_ns, alignment_ns, stop_ns, sync_ns };
        times.publish(&self.metrics);
        let (attempt, subtask, place) = (self.attempt, self.subtask, request.place.clone());
        let work = Work::Snapshot { attempt, id: request.barrier.checkpoint_id, subtask, place, times, parts };
        self.work.send(work).map_err(|_| cancelled())
    }

    pub fn ended(&mut self) -> Result<()> {
        self.has_ended = true;
        self.events.send(Event::Ended { attempt: self.attempt, subtask: self.subtask }).map_err(|_| cancelled())
    }

    /// Waits, but not beyond a wake-up.
    pub fn wait(&self, limit: Duration) -> Result<()> {
        self.inbox.receive(&vec![true; self.channels], Some(limit), false).map(drop)
    }

    /// What is to be done after the end; waits for it.
    pub fn next_errand(&mut self) -> Result<Errand> {
        let blocked = vec![true; self.channels];
        loop {
            if let Some(id) = self.newly_completed() {
                return Ok(Errand::Completed(id));
            }
            if self.control.may_exit() {
                return Ok(Errand::Exit);
            }
            if let Some(id) = self.newly_requested()
                && let Some(request) = self.control.request(id)
            {
                return Ok(Errand::Checkpoint(request));
            }
            self.inbox.receive(&blocked, None, true)?;
        }
    }
}

impl Hold {
    /// Nothing is released twice within this time while input is quiet.
    pub const QUIET: Duration = Duration::from_millis(2);
    /// Nothing is held longer than this, even when input never is quiet.
    const MAX_MS: i64 = 10;

    pub fn touch(&mut self, now_ms: i64) {
        self.since_ms.get_or_insert(now_ms);
    }

    pub fn release(&mut self) {
        self.since_ms = None;
        self.released_ns = monotonic_ns();
    }

    /// How long to wait for more before what is held goes out.
    pub fn rest(&self) -> Duration {
        Self::QUIET.saturating_sub(Duration::from_nanos(monotonic_ns() - self.released_ns))
    }

    pub fn is_held(&self) -> bool {
        self.since_ms.is_some()
    }

    pub fn is_overdue(&self, now_ms: i64) -> bool {
        self.since_ms.is_some_and(|since| now_ms - since >= Self::MAX_MS)
    }
}

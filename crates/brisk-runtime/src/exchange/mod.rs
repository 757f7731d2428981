//! Leaving a task: which rows go to which subtask of the consumer.
//!
//! Watermarks, barriers and the end go to every subtask. Rows go by the edge's distribution; the rows of one key, or of
//! one producer where rows may be corrected, always take the same way, so corrections arrive in order.
//!
//! To wake a thread costs as much as hundreds of rows, and most watermarks complete nothing. So a consumer that waits is not
//! woken for a watermark if it was just told of another; at the latest the next [`Exit::release`] does that.

mod hash;

use std::sync::Arc;

use brisk_core::metrics::TaskMetrics;
use brisk_core::{ChangelogBatch, Message, Result};

pub(crate) use hash::HashRouter;

use crate::clock::monotonic_ns;
use crate::inbox::Inbox;

/// One edge that leaves a task, at one subtask.
pub(crate) struct Exit {
    targets: Vec<Sender>,
    route: Route,
    /// Of the task's first node: takes the time spent waiting for room.
    metrics: Arc<TaskMetrics>,
    /// When consumers were last told of a watermark, and whether they have yet to be told of one.
    told_ns: u64,
    owes: bool,
}

/// Consumers that wait are told of watermarks once in this time, or when the task releases what it holds.
const TELL_NS: u64 = 1_000_000;

/// One producer's place in a consumer's inbox.
pub(crate) struct Sender {
    pub inbox: Arc<Inbox>,
    pub channel: usize,
}

pub(crate) enum Route {
    /// All to one target.
    Fixed(usize),
    Hash(HashRouter),
    Broadcast,
    /// Batch by batch; the number is the next target.
    RoundRobin(usize),
}

impl Exit {
    pub fn new(targets: Vec<Sender>, route: Route, metrics: Arc<TaskMetrics>) -> Self {
        Self { targets, route, metrics, told_ns: 0, owes: false }
    }

    pub fn batch(&mut self, batch: ChangelogBatch) -> Result<()> {
        let waited = &self.metrics.backpressured_ns;
        match &mut self.route {
            Route::Fixed(target) => self.targets[*target].send(Message::Batch(batch), waited),
            Route::Hash(router) => {
                for (target, part) in router.split(batch)? {
                    self.targets[target].send(Message::Batch(part), waited)?;
                }
                Ok(())
            }
            Route::Broadcast => send_to_all(&self.targets, &Message::Batch(batch), waited),
            Route::RoundRobin(next) => {
                let target = *next;
                *next = (target + 1) % self.targets.len();
                self.targets[target].send(Message::Batch(batch), waited)
            }
        }
    }

    /// Anything but rows.
    pub fn signal(&mut self, message: &Message) -> Result<()> {
        let waited = &self.metrics.backpressured_ns;
        if let Message::Watermark(_) = message {
            let now_ns = monotonic_ns();
            if now_ns < self.told_ns + TELL_NS {
                self.owes = true;
                return self.targets.iter().try_for_each(|t| t.inbox.send_quietly(t.channel, message.clone(), waited));
            }
            self.told_ns = now_ns;
        }
        self.owes = false;
        send_to_all(&self.targets, message, waited)
    }

    /// Tells consumers of watermarks that were sent without waking them.
    pub fn release(&mut self) {
        if std::mem::take(&mut self.owes) {
            self.targets.iter().for_each(|t| t.inbox.notify());
        }
    }
}

impl Sender {
    fn send(&self, message: Message, waited_ns: &brisk_core::metrics::Counter) -> Result<()> {
        self.inbox.send(self.channel, message, waited_ns)
    }
}

fn send_to_all(targets: &[Sender], message: &Message, waited_ns: &brisk_core::metrics::Counter) -> Result<()> {
    targets.iter().try_for_each(|t| t.send(message.clone(), waited_ns))
}

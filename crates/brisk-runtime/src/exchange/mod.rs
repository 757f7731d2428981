//! Leaving a task: which rows go to which subtask of the consumer.
//!
//! Watermarks, barriers and the end go to every subtask. Rows go by the edge's distribution; the rows of one key, or of
//! one producer where rows may be corrected, always take the same way, so corrections arrive in order.

mod hash;

use std::sync::Arc;

use brisk_core::metrics::TaskMetrics;
use brisk_core::{ChangelogBatch, Message, Result};

pub(crate) use hash::HashRouter;

use crate::inbox::Inbox;

/// One edge that leaves a task, at one subtask.
pub(crate) struct Exit {
    targets: Vec<Sender>,
    route: Route,
    /// Of the task's first node: takes the time spent waiting for room.
    metrics: Arc<TaskMetrics>,
}

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
        Self { targets, route, metrics }
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
    pub fn signal(&self, message: &Message) -> Result<()> {
        send_to_all(&self.targets, message, &self.metrics.backpressured_ns)
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

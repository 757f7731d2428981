//! Leaving a task: which rows go to which subtask of the consumer.
//!
//! Watermarks, barriers and the end go to every subtask. Rows go by the edge's distribution; the rows of one key, or of
//! one producer where rows may be corrected, always take the same way, so corrections arrive in order.
//!
//! To wake a thread costs as much as hundreds of rows, and most watermarks complete nothing. So a consumer that waits is not
//! woken for a watermark or a few rows if it was just told of others; it is told as soon as this task has nothing else to do or
//! has to wait itself ([`Exit::tell`]), and at the latest with the first message after some milliseconds.

mod hash;

use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_buffer::BooleanBuffer;
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
    /// When consumers were last told of something, and whether they have yet to be told of what came later.
    told_ns: Option<u64>,
    owes: bool,
}

/// Consumers that wait are told once in this time, if the task is busy for so long.
const TELL_NS: u64 = 4_000_000;
/// So many rows are told of at once.
const MANY_ROWS: usize = 4096;

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
        Self { targets, route, metrics, told_ns: None, owes: false }
    }

    pub fn batch(&mut self, batch: ChangelogBatch) -> Result<()> {
        let rows = batch.num_rows();
        let parts = match &mut self.route {
            Route::Fixed(target) => vec![(*target, batch)],
            Route::Hash(router) => router.split(batch)?,
            Route::Broadcast => (0..self.targets.len()).map(|target| (target, batch.clone())).collect(),
            Route::RoundRobin(next) => {
                let target = *next;
                *next = (target + 1) % self.targets.len();
                vec![(target, batch)]
            }
        };
        self.parts(parts, rows)
    }

    /// The rows of a batch that are set in `kept`: those that are scattered over subtasks are copied once.
    pub fn filter(&mut self, batch: ChangelogBatch, kept: &BooleanBuffer) -> Result<()> {
        let Route::Hash(router) = &mut self.route else { return self.batch(batch.filter(&BooleanArray::new(kept.clone(), None))?) };
        let parts = router.split_kept(batch, kept)?;
        self.parts(parts, kept.count_set_bits())
    }

    fn parts(&mut self, parts: Vec<(usize, ChangelogBatch)>, rows: usize) -> Result<()> {
        let quietly = rows < MANY_ROWS && self.told_lately();
        parts.into_iter().try_for_each(|(target, part)| self.send(target, Message::Batch(part), quietly))?;
        self.sent(quietly);
        Ok(())
    }

    /// Anything but rows.
    pub fn signal(&mut self, message: &Message) -> Result<()> {
        let quietly = matches!(message, Message::Watermark(_)) && self.told_lately();
        (0..self.targets.len()).try_for_each(|target| self.send(target, message.clone(), quietly))?;
        self.sent(quietly);
        Ok(())
    }

    /// Whether consumers that wait do not know of something that was sent.
    pub fn owes(&self) -> bool {
        self.owes
    }

    /// Tells them.
    pub fn tell(&mut self) {
        if std::mem::take(&mut self.owes) {
            self.targets.iter().for_each(|t| t.inbox.notify());
        }
    }

    fn told_lately(&self) -> bool {
        self.told_ns.is_some_and(|told_ns| monotonic_ns() < told_ns + TELL_NS)
    }

    fn sent(&mut self, quietly: bool) {
        if quietly {
            self.owes = true;
        } else {
            self.tell();
            self.told_ns = Some(monotonic_ns());
        }
    }

    fn send(&mut self, target: usize, message: Message, quietly: bool) -> Result<()> {
        let Sender { inbox, channel } = &self.targets[target];
        let Some(message) = inbox.offer(*channel, message, quietly)? else { return Ok(()) };
        // Who waits for one consumer lets no other wait for what it has.
        self.tell();
        let Sender { inbox, channel } = &self.targets[target];
        inbox.send(*channel, message, &self.metrics.backpressured_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::inbox::{Limit, Received};
    use crate::job_tests::rows;

    #[test]
    fn a_busy_task_tells_of_many_rows_at_once_and_of_few_when_it_has_time() {
        let inbox = Arc::new(Inbox::new(1, Limit { rows: 1 << 20, bytes: 1 << 30 }));
        let targets = vec![Sender { inbox: inbox.clone(), channel: 0 }];
        let mut exit = Exit::new(targets, Route::Fixed(0), Arc::default());
        exit.batch(rows(1)).unwrap();
        assert!(!exit.owes(), "the first is told at once");
        exit.told_ns = Some(u64::MAX - TELL_NS);
        exit.batch(rows(2)).unwrap();
        exit.signal(&Message::Watermark(brisk_core::Watermark::Time(1))).unwrap();
        assert!(exit.owes());
        exit.tell();
        assert!(!exit.owes());
        exit.batch(rows(3)).unwrap();
        assert!(exit.owes());
        exit.batch(rows(MANY_ROWS)).unwrap();
        assert!(!exit.owes());
        exit.told_ns = Some(u64::MAX - TELL_NS);
        exit.signal(&Message::End).unwrap();
        assert!(!exit.owes(), "what is no watermark is told at once");
        let mut counts = Vec::new();
        loop {
            match inbox.receive(&[false], Some(Duration::ZERO), true).unwrap() {
                Received::Batches(_, batches) => counts.extend(batches.iter().map(ChangelogBatch::num_rows)),
                Received::Message(..) => {}
                _ => break,
            }
        }
        assert_eq!(counts, [1, 2, 3, MANY_ROWS]);
    }
}

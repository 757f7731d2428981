//! The bounded channels of one task: a queue for every producer, under one lock.
//!
//! ```text
//!   producer 0 --send--> [ m m m ] --+
//!   producer 1 --send--> [ m ]     --+--> receive (skips blocked channels, takes small batches together)
//! ```
//!
//! A queue holds at most so many rows and bytes (one message is always taken); its producer waits for room, which is all
//! the back-pressure there is. The lock is held for a push or a pop only. Nobody is woken who does not wait.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use brisk_core::metrics::Counter;
use brisk_core::{ChangelogBatch, Message, Result};

use crate::clock::monotonic_ns;
use crate::control::cancelled;
use crate::lock;

/// Batches that wait on one channel are taken together up to this many rows.
const COALESCED_ROWS: usize = 4096;
/// The most messages on one channel, however small.
const MAX_MESSAGES: usize = 1024;

pub(crate) struct Inbox {
    state: Mutex<State>,
    readable: Condvar,
    writable: Condvar,
    limit: Limit,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub rows: usize,
    pub bytes: usize,
}

/// Of a message.
#[derive(Debug, Clone, Copy)]
struct Size {
    rows: usize,
    bytes: usize,
}

struct State {
    queues: Vec<Queue>,
    /// The queue to look at first.
    cursor: usize,
    woken: bool,
    closed: bool,
    reader_waits: bool,
    /// The reader has nothing left to do but to wait.
    reader_settled: bool,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<(Message, usize)>,
    rows: usize,
    bytes: usize,
    writer_waits: bool,
}

pub(crate) enum Received {
    Message(usize, Message),
    /// Several batches of one channel, in order.
    Batches(usize, Vec<ChangelogBatch>),
    /// Nothing came within the time.
    Timeout,
    /// Somebody wants the task to look around.
    Woken,
}

impl Inbox {
    pub fn new(channels: usize, limit: Limit) -> Self {
        let state = State {
            queues: (0..channels).map(|_| Queue::default()).collect(),
            cursor: 0,
            woken: false,
            closed: false,
            reader_waits: false,
            reader_settled: false,
        };
        Self { state: Mutex::new(state), readable: Condvar::new(), writable: Condvar::new(), limit }
    }

    /// Waits for room; the time is added to `waited_ns`. Fails when the job is cancelled.
    pub fn send(&self, channel: usize, message: Message, waited_ns: &Counter) -> Result<()> {
        let size = size(&message);
        let mut state = lock(&self.state);
        if !state.queues[channel].has_room(size, self.limit) {
            state = self.wait_for_room(state, channel, size, waited_ns);
        }
        self.push(state, channel, (message, size), false)
    }

    /// Gives the message back if there is no room. `quietly`: a reader that waits goes on waiting until something else comes or
    /// [`Inbox::notify`] is called.
    pub fn offer(&self, channel: usize, message: Message, quietly: bool) -> Result<Option<Message>> {
        let size = size(&message);
        let state = lock(&self.state);
        if !state.queues[channel].has_room(size, self.limit) {
            return Ok(Some(message));
        }
        self.push(state, channel, (message, size), quietly).map(|()| None)
    }

    /// Tells a reader that waits of what was sent quietly.
    pub fn notify(&self) {
        if std::mem::take(&mut lock(&self.state).reader_waits) {
            self.readable.notify_one();
        }
    }

    fn push(&self, mut state: MutexGuard<'_, State>, channel: usize, (message, size): (Message, Size), quietly: bool) -> Result<()> {
        if state.closed {
            return Err(cancelled());
        }
        let queue = &mut state.queues[channel];
        queue.rows += size.rows;
        queue.bytes += size.bytes;
        queue.messages.push_back((message, size.bytes));
        let wake = !quietly && std::mem::take(&mut state.reader_waits);
        drop(state);
        if wake {
            self.readable.notify_one();
        }
        Ok(())
    }

    fn wait_for_room<'a>(&'a self, mut state: MutexGuard<'a, State>, channel: usize, need: Size, waited_ns: &Counter) -> MutexGuard<'a, State> {
        let from = monotonic_ns();
        while !state.closed && !state.queues[channel].has_room(need, self.limit) {
            if std::mem::take(&mut state.reader_waits) {
                // All that is there was sent quietly.
                self.readable.notify_one();
            }
            state.queues[channel].writer_waits = true;
            state = self.writable.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        waited_ns.add(monotonic_ns() - from);
        state
    }

    /// The next message of a channel that is not blocked. `settled`: the caller holds nothing back, so that once the
    /// queues are empty it has nothing left to do. `None` waits for ever.
    pub fn receive(&self, blocked: &[bool], timeout: Option<Duration>, settled: bool) -> Result<Received> {
        let mut state = lock(&self.state);
        let mut timed_out = false;
        loop {
            if state.closed {
                return Err(cancelled());
            }
            if std::mem::take(&mut state.woken) {
                state.reader_settled = false;
                return Ok(Received::Woken);
            }
            if let Some(channel) = state.next_channel(blocked) {
                state.reader_settled = false;
                return Ok(self.pop(state, channel));
            }
            if timed_out || timeout.is_some_and(|t| t.is_zero()) {
                state.reader_settled = false;
                return Ok(Received::Timeout);
            }
            (state.reader_waits, state.reader_settled) = (true, settled);
            state = match timeout {
                None => self.readable.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner),
                Some(limit) => {
                    let (state, result) = self.readable.wait_timeout(state, limit).unwrap_or_else(std::sync::PoisonError::into_inner);
                    timed_out = result.timed_out();
                    state
                }
            };
            state.reader_waits = false;
        }
    }

    fn pop(&self, mut state: MutexGuard<'_, State>, channel: usize) -> Received {
        let queue = &mut state.queues[channel];
        let received = match queue.pop() {
            Message::Batch(first) => {
                let mut rows = first.num_rows();
                let mut batches = vec![first];
                while let Some((Message::Batch(next), _)) = queue.messages.front()
                    && rows + next.num_rows() <= COALESCED_ROWS
                {
                    rows += next.num_rows();
                    if let Message::Batch(batch) = queue.pop() {
                        batches.push(batch);
                    }
                }
                Received::Batches(channel, batches)
            }
            other => Received::Message(channel, other),
        };
        let wake = std::mem::take(&mut queue.writer_waits);
        drop(state);
        if wake {
            self.writable.notify_all();
        }
        received
    }

    /// Makes the reader look around.
    pub fn wake(&self) {
        lock(&self.state).woken = true;
        self.readable.notify_one();
    }

    /// Ends all waiting: the job is cancelled.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.readable.notify_all();
        self.writable.notify_all();
    }

    /// Whether the reader waits, holds nothing back, and nothing lies in the queues.
    pub fn is_settled(&self) -> bool {
        let state = lock(&self.state);
        state.closed || (state.reader_settled && !state.woken && state.queues.iter().all(|q| q.messages.is_empty()))
    }
}

impl State {
    fn next_channel(&mut self, blocked: &[bool]) -> Option<usize> {
        let n = self.queues.len();
        let channel = (0..n).map(|i| (self.cursor + i) % n).find(|&c| !blocked[c] && !self.queues[c].messages.is_empty())?;
        self.cursor = (channel + 1) % n;
        Some(channel)
    }
}

impl Queue {
    fn has_room(&self, more: Size, limit: Limit) -> bool {
        let fits = self.rows + more.rows <= limit.rows && self.bytes + more.bytes <= limit.bytes && self.messages.len() < MAX_MESSAGES;
        fits || self.messages.is_empty()
    }

    fn pop(&mut self) -> Message {
        let (message, bytes) = self.messages.pop_front().expect("the caller saw a message");
        if let Message::Batch(batch) = &message {
            self.rows -= batch.num_rows();
            self.bytes -= bytes;
        }
        message
    }
}

fn size(message: &Message) -> Size {
    match message {
        Message::Batch(batch) => Size { rows: batch.num_rows(), bytes: batch_bytes(batch) },
        _ => Size { rows: 0, bytes: 0 },
    }
}

/// The bytes that the rows take, roughly; what a slice leaves out is not counted.
pub(crate) fn batch_bytes(batch: &ChangelogBatch) -> usize {
    batch.rows.columns().iter().map(column_bytes).sum()
}

fn column_bytes(column: &ArrayRef) -> usize {
    match column.data_type() {
        DataType::Utf8 => text_bytes(column.as_string::<i32>().value_offsets()),
        DataType::Binary => text_bytes(column.as_binary::<i32>().value_offsets()),
        DataType::Boolean => column.len() / 8,
        fixed => match fixed.primitive_width() {
            Some(width) => column.len() * width,
            None => column.get_array_memory_size(),
        },
    }
}

fn text_bytes(offsets: &[i32]) -> usize {
    let bytes = offsets.last().zip(offsets.first()).map_or(0, |(last, first)| last - first);
    bytes as usize + offsets.len() * 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::job_tests::rows;

    fn inbox(channels: usize, rows: usize) -> Inbox {
        Inbox::new(channels, Limit { rows, bytes: 1 << 20 })
    }

    /// Batches of so many rows are sent at once; what is received together.
    fn check(sent: &[usize], expected: &[usize]) {
        let inbox = inbox(1, 1 << 20);
        sent.iter().for_each(|n| inbox.send(0, Message::Batch(rows(*n)), &Counter::default()).unwrap());
        let mut got: Vec<usize> = Vec::new();
        while let Received::Batches(_, batches) = inbox.receive(&[false], Some(Duration::ZERO), true).unwrap() {
            got.push(batches.iter().map(ChangelogBatch::num_rows).sum());
        }
        assert_eq!(got, expected, "{sent:?}");
    }

    #[test]
    fn small_batches_that_wait_are_taken_together() {
        check(&[1, 2, 3], &[6]);
        check(&[4000, 96, 1], &[4096, 1]);
        check(&[5000, 1], &[5000, 1]);
    }

    #[test]
    fn a_producer_waits_for_room_and_an_empty_queue_takes_anything() {
        let inbox = Arc::new(inbox(1, 10));
        let waited = Arc::new(Counter::default());
        inbox.send(0, Message::Batch(rows(50)), &waited).unwrap();
        let producer = std::thread::spawn({
            let (inbox, waited) = (inbox.clone(), waited.clone());
            move || inbox.send(0, Message::Batch(rows(1)), &waited)
        });
        while !lock(&inbox.state).queues[0].writer_waits {
            std::thread::yield_now();
        }
        assert!(matches!(inbox.receive(&[false], None, true).unwrap(), Received::Batches(0, b) if b[0].num_rows() == 50));
        producer.join().unwrap().unwrap();
        assert!(waited.get() > 0);
        assert!(matches!(inbox.receive(&[false], None, true).unwrap(), Received::Batches(0, b) if b[0].num_rows() == 1));
        assert!(matches!(inbox.receive(&[false], Some(Duration::ZERO), true).unwrap(), Received::Timeout));
    }

    #[test]
    fn what_is_offered_quietly_wakes_nobody_until_somebody_needs_room() {
        let inbox = Arc::new(inbox(1, 10));
        let reader = std::thread::spawn({
            let inbox = inbox.clone();
            move || inbox.receive(&[false], None, true).is_ok()
        });
        while !inbox.is_settled() {
            std::thread::yield_now();
        }
        assert!(inbox.offer(0, Message::Batch(rows(10)), true).unwrap().is_none());
        assert!(lock(&inbox.state).reader_waits && !inbox.is_settled());
        let refused = inbox.offer(0, Message::Batch(rows(1)), true).unwrap().expect("no room");
        assert!(lock(&inbox.state).reader_waits);
        inbox.send(0, refused, &Counter::default()).unwrap();
        assert!(reader.join().unwrap());
    }

    #[test]
    fn closing_ends_every_wait() {
        let inbox = Arc::new(inbox(1, 10));
        let reader = std::thread::spawn({
            let inbox = inbox.clone();
            move || inbox.receive(&[false], None, true).is_err()
        });
        while !inbox.is_settled() {
            std::thread::yield_now();
        }
        inbox.close();
        assert!(reader.join().unwrap());
        assert!(inbox.send(0, Message::End, &Counter::default()).is_err());
    }
}

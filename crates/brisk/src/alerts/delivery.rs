//! One queue and one thread a channel: retries with growing pauses, and no more messages than the vendor takes.
//!
//! ```text
//!   offer(delivery) --> Queue --next(now)--> Send(all that waits, as one message) --> channel --> acknowledged: outbox.ended
//!                         ^                  Wait(until: pause after a failure, or the rate limit)     |
//!                         `------------------------------- failed: pause 1 s, 2 s, 4 s ... ------------'
//! ```
//!
//! The queue is a pure state machine over given times. Where the rate limit makes messages wait they are sent as one
//! when it lets go: nothing is dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use brisk_core::clock::Clock;

use super::channels::{Channel, SendError};
use super::message::Message;
use super::outbox::{Delivery, Outbox};

/// How often and how long a channel is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub per_minute: Option<usize>,
    pub first_pause_ms: i64,
    pub longest_pause_ms: i64,
    pub give_up_after_ms: i64,
}

#[derive(Debug, PartialEq)]
pub enum Next {
    Idle,
    Wait { until_ms: i64 },
    Send(Vec<Delivery>),
}

/// What waits for one channel.
pub struct Queue {
    limits: Limits,
    waiting: VecDeque<Delivery>,
    /// When messages went out within the last minute.
    sent_ms: VecDeque<i64>,
    failures: u32,
    not_before_ms: i64,
}

/// What becomes of a failed message.
#[derive(Debug, PartialEq, Eq)]
pub enum Failed {
    TriedAgain,
    GivenUp,
}

const MINUTE_MS: i64 = 60_000;
/// The most notifications that are put into one message.
const MAX_MERGED: usize = 50;
/// The most notifications that wait for one channel; further ones are given up.
pub const MAX_WAITING: usize = 10_000;

impl Queue {
    pub fn new(limits: Limits) -> Self {
        Self { limits, waiting: VecDeque::new(), sent_ms: VecDeque::new(), failures: 0, not_before_ms: i64::MIN }
    }

    pub fn offer(&mut self, delivery: Delivery) {
        self.waiting.push_back(delivery);
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// What to do now. What is given to be sent stays in the queue until [`Queue::done`].
    pub fn next(&mut self, now_ms: i64) -> Next {
        if self.waiting.is_empty() {
            return Next::Idle;
        }
        while self.sent_ms.front().is_some_and(|sent| sent + MINUTE_MS <= now_ms) {
            self.sent_ms.pop_front();
        }
        let room_at = match self.limits.per_minute {
            Some(limit) if self.sent_ms.len() >= limit.max(1) => self.sent_ms[self.sent_ms.len() - limit.max(1)] + MINUTE_MS,
            _ => i64::MIN,
        };
        let until_ms = room_at.max(self.not_before_ms);
        if until_ms > now_ms {
            return Next::Wait { until_ms };
        }
        // Without a rate limit everything is sent by itself.
        let take = if self.limits.per_minute.is_some() { MAX_MERGED } else { 1 };
        Next::Send(self.waiting.iter().take(take).cloned().collect())
    }

    /// The first `count` are acknowledged or given up.
    pub fn done(&mut self, count: usize, now_ms: i64) {
        self.waiting.drain(..count.min(self.waiting.len()));
        self.sent_ms.push_back(now_ms);
        self.failures = 0;
        self.not_before_ms = i64::MIN;
    }

    pub fn failed(&mut self, error: &SendError, now_ms: i64) -> Failed {
        let oldest = self.waiting.front().map_or(now_ms, |d| d.created_ms);
        self.sent_ms.push_back(now_ms);
        match error {
            SendError::Rejected(_) => Failed::GivenUp,
            SendError::Retry { .. } if oldest.saturating_add(self.limits.give_up_after_ms) <= now_ms => Failed::GivenUp,
            SendError::Retry { after_ms, .. } => {
                let pause = self.limits.first_pause_ms.saturating_mul(1 << self.failures.min(30)).min(self.limits.longest_pause_ms);
                self.failures += 1;
                self.not_before_ms = now_ms.saturating_add(after_ms.unwrap_or(0).max(pause));
                Failed::TriedAgain
            }
        }
    }

    fn attempts(&self) -> u32 {
        self.failures + 1
    }
}

/// A channel with its queue and thread.
pub struct Runner {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    stopped: std::sync::atomic::AtomicBool,
}

impl Runner {
    /// Starts the thread that sends. Dropping the runner ends it; what waits stays in the outbox.
    pub fn start(name: String, channel: Box<dyn Channel>, limits: Limits, outbox: Arc<Outbox>, clock: Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared { queue: Mutex::new(Queue::new(limits)), wake: Condvar::new(), stopped: false.into() });
        let worker = Worker { name, shared: shared.clone(), channel, outbox, clock };
        let thread = std::thread::Builder::new().name("brisk-alert".to_owned());
        if let Err(e) = thread.spawn(move || worker.run()) {
            tracing::error!(error = %e, "no thread for an alert channel");
        }
        Self { shared }
    }

    /// `false` if too many wait already.
    pub fn offer(&self, delivery: Delivery) -> bool {
        let mut queue = self.shared.lock();
        if queue.len() >= MAX_WAITING {
            return false;
        }
        queue.offer(delivery);
        self.shared.wake.notify_all();
        true
    }

    pub fn waiting(&self) -> usize {
        self.shared.lock().len()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.shared.stopped.store(true, std::sync::atomic::Ordering::SeqCst);
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Worker {
    name: String,
    shared: Arc<Shared>,
    channel: Box<dyn Channel>,
    outbox: Arc<Outbox>,
    clock: Arc<dyn Clock>,
}

impl Worker {
    fn run(mut self) {
        while let Some(deliveries) = self.wait() {
            self.send(&deliveries);
        }
    }

    /// Blocks until something can be sent; `None` when the runner is gone.
    fn wait(&self) -> Option<Vec<Delivery>> {
        let mut queue = self.shared.lock();
        loop {
            if self.shared.stopped.load(std::sync::atomic::Ordering::SeqCst) {
                return None;
            }
            let now_ms = self.clock.now_ms();
            let pause = match queue.next(now_ms) {
                Next::Send(deliveries) => return Some(deliveries),
                Next::Wait { until_ms } => until_ms.saturating_sub(now_ms).clamp(1, MINUTE_MS),
                Next::Idle => MINUTE_MS,
            };
            let pause = Duration::from_millis(u64::try_from(pause).unwrap_or(1));
            queue = self.shared.wake.wait_timeout(queue, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn send(&mut self, deliveries: &[Delivery]) {
        let messages: Vec<Message> = deliveries.iter().map(|d| d.message.clone()).collect();
        let Some(message) = Message::merged(&messages) else { return };
        let result = self.channel.send(&message, self.clock.now_ms());
        let now_ms = self.clock.now_ms();
        let attempts = self.shared.lock().attempts();
        let error = match &result {
            Ok(()) => None,
            Err(e) => {
                tracing::warn!(channel = self.name, attempts, error = %e, "an alert was not delivered");
                if self.shared.lock().failed(e, now_ms) == Failed::TriedAgain {
                    return;
                }
                Some(e.to_string())
            }
        };
        let ids: Vec<String> = deliveries.iter().map(|d| d.id.clone()).collect();
        // It is done in any case: if the disk fails, a later run sends it once more.
        if let Err(e) = self.outbox.ended(&ids, now_ms, attempts, error.as_deref()) {
            tracing::error!(channel = self.name, error = %e, "the end of an alert's delivery is not on disk");
        }
        self.shared.lock().done(deliveries.len(), now_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::super::outbox::tests::delivery;
    use super::*;

    /// Plays lines `TIME offer ID`, `TIME next = what`, `TIME sent N`, `TIME fail [retry after ms]`, `TIME reject`.
    fn check(limits: Limits, script: &str) {
        let mut queue = Queue::new(limits);
        for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let (command, expected) = line.split_once('=').map_or((line, ""), |(c, e)| (c, e.trim()));
            let words: Vec<&str> = command.split_whitespace().collect();
            let now: i64 = words[0].parse().expect("a time");
            let seen = match words[1] {
                "offer" => {
                    queue.offer(delivery(words[2], "c", now));
                    String::new()
                }
                "next" => match queue.next(now) {
                    Next::Idle => "idle".to_owned(),
                    Next::Wait { until_ms } => format!("wait {until_ms}"),
                    Next::Send(d) => d.iter().map(|d| d.id.as_str()).collect::<Vec<_>>().join(","),
                },
                "sent" => {
                    queue.done(words[2].parse().expect("a number"), now);
                    String::new()
                }
                "fail" => {
                    format!("{:?}", queue.failed(&SendError::Retry { reason: String::new(), after_ms: words.get(2).map(|w| w.parse().expect("ms")) }, now))
                }
                _ => format!("{:?}", queue.failed(&SendError::Rejected(String::new()), now)),
            };
            assert_eq!(seen, expected, "at `{line}`");
        }
    }

    const LIMITS: Limits = Limits { per_minute: None, first_pause_ms: 10, longest_pause_ms: 50, give_up_after_ms: 1000 };

    #[test]
    fn failures_are_tried_again_after_growing_pauses() {
        check(
            LIMITS,
            "0 next = idle
             0 offer a
             0 offer b
             0 next = a
             1 fail = TriedAgain
             1 next = wait 11
             11 next = a
             11 fail = TriedAgain
             11 next = wait 31
             31 fail = TriedAgain
             31 next = wait 71
             71 fail = TriedAgain
             71 next = wait 121
             121 fail 500 = TriedAgain
             121 next = wait 621
             621 next = a
             621 sent 1
             621 next = b
             700 reject = GivenUp
             700 sent 1
             701 next = idle
             702 offer c
             1702 fail = GivenUp",
        );
    }

    #[test]
    fn above_the_rate_messages_wait_and_go_as_one() {
        check(
            Limits { per_minute: Some(2), ..LIMITS },
            "0 offer a
             0 next = a
             0 sent 1
             5 offer b
             5 next = b
             5 sent 1
             6 offer c
             7 offer d
             7 next = wait 60000
             60000 next = c,d
             60000 sent 2
             60001 offer e
             60001 next = wait 60005
             60005 next = e",
        );
    }
}

//! What alerts delivered to the demo: mails and posts to the webhook, the newest last.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use brisk_core::clock::Clock;
use brisk_runtime::SystemClock;
use serde::Serialize;

/// How many of each kind are kept.
const KEPT: usize = 50;

#[derive(Default)]
pub struct Inbox {
    arrived: Mutex<Arrived>,
}

#[derive(Default)]
struct Arrived {
    next_id: u64,
    mails: VecDeque<Arrival>,
    hooks: VecDeque<Arrival>,
}

#[derive(Clone, Serialize)]
pub struct Arrival {
    id: u64,
    received_ms: i64,
    title: String,
    text: String,
    /// Whether it tells of a recovery.
    resolved: bool,
}

impl Inbox {
    pub fn add_mail(&self, subject: &str, text: &str) {
        let mut arrived = self.lock();
        let arrival = arrived.arrival(subject, text);
        push(&mut arrived.mails, arrival);
    }

    pub fn add_hook(&self, title: &str, text: &str, resolved: bool) {
        let mut arrived = self.lock();
        let named = arrived.arrival(title, text);
        let arrival = Arrival { resolved: resolved || named.resolved, ..named };
        push(&mut arrived.hooks, arrival);
    }

    /// Mails and posts.
    pub fn all(&self) -> (Vec<Arrival>, Vec<Arrival>) {
        let arrived = self.lock();
        (arrived.mails.iter().cloned().collect(), arrived.hooks.iter().cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrived {
    fn arrival(&mut self, title: &str, text: &str) -> Arrival {
        self.next_id += 1;
        let (title, resolved) = without_state(title);
        Arrival { id: self.next_id, received_ms: SystemClock.now_ms(), title, text: text.trim().to_owned(), resolved }
    }
}

fn push(list: &mut VecDeque<Arrival>, arrival: Arrival) {
    list.push_back(arrival);
    if list.len() > KEPT {
        list.pop_front();
    }
}

/// The title without the state that leads it, such as `[RESOLVED]`, and whether that tells of a recovery.
fn without_state(title: &str) -> (String, bool) {
    let Some((state, rest)) = title.strip_prefix('[').and_then(|t| t.split_once(']')) else { return (title.trim().to_owned(), false) };
    (rest.trim().to_owned(), state.to_ascii_uppercase().starts_with("RESOLVED"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(title: &str, expected: (&str, bool)) {
        assert_eq!(without_state(title), (expected.0.to_owned(), expected.1));
    }

    #[test]
    fn the_state_is_read_from_the_title() {
        check("[FIRING] Host pay-1 is silent", ("Host pay-1 is silent", false));
        check("[Resolved:2] pay-1", ("pay-1", true));
        check("plain", ("plain", false));
    }
}

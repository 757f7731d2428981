//! Idempotency keys that were taken: a bounded memory of the newest.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// The newest keys; older ones are forgotten.
pub struct Keys {
    order: VecDeque<Arc<str>>,
    known: HashSet<Arc<str>>,
    limit: usize,
}

impl Keys {
    pub fn new(limit: usize) -> Self {
        Self { order: VecDeque::new(), known: HashSet::new(), limit }
    }

    /// `false` if the key was known.
    pub fn insert(&mut self, key: &str) -> bool {
        if self.known.contains(key) {
            return false;
        }
        let key: Arc<str> = key.into();
        self.known.insert(key.clone());
        self.order.push_back(key);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Forgets a key whose events could not be written.
    pub fn remove(&mut self, key: &str) {
        self.known.remove(key);
        self.order.retain(|k| **k != *key);
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Oldest first.
    pub fn all(&self) -> Vec<&str> {
        self.order.iter().map(|k| &**k).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_keys_are_known() {
        let mut keys = Keys::new(2);
        let seen: Vec<bool> = ["a", "b", "a", "c", "a"].iter().map(|k| keys.insert(k)).collect();
        assert_eq!((seen, keys.all()), (vec![true, true, false, true, true], vec!["c", "a"]));
        keys.remove("c");
        assert!(keys.insert("c"));
    }
}

//! The open sessions of every key, by key id: the latest one in an array, the others, which few keys have, aside.

use std::collections::HashMap;

#[derive(Debug, Clone, Copy)]
pub(super) struct Session {
    pub start: i64,
    pub end: i64,
    /// Its number in the accumulators.
    pub group: u32,
}

/// The sessions of a key do not touch one another.
#[derive(Debug, Default)]
pub(super) struct OpenSessions {
    latest: Vec<Session>,
    /// Those before the latest, in order of time; never an empty list.
    earlier: HashMap<u32, Vec<Session>>,
    /// The list that `take` handed out, to be used again.
    spare: Vec<Session>,
}

/// Stands for no session: no row is in it.
const NONE: Session = Session { start: i64::MAX, end: i64::MIN, group: u32::MAX };

impl OpenSessions {
    /// Makes room for keys below `keys`.
    pub fn reserve(&mut self, keys: usize) {
        if keys > self.latest.len() {
            self.latest.resize(keys, NONE);
        }
    }

    pub fn is_empty(&self, key: u32) -> bool {
        self.latest[key as usize].group == NONE.group
    }

    /// The group of the latest session if a row at `time` is in it or lengthens it. Such a row touches no other one.
    #[inline]
    pub fn extend_latest(&mut self, key: u32, time: i64, gap: i64) -> Option<u32> {
        let latest = &mut self.latest[key as usize];
        if time < latest.start || time > latest.end {
            return None;
        }
        latest.end = latest.end.max(time + gap);
        Some(latest.group)
    }

    /// The sessions of a key in order of time.
    pub fn of(&self, key: u32) -> impl Iterator<Item = &Session> {
        let latest = Some(&self.latest[key as usize]).filter(|s| s.group != NONE.group);
        self.earlier.get(&key).into_iter().flatten().chain(latest)
    }

    /// Adds a session after all others of the key.
    pub fn push(&mut self, key: u32, session: Session) {
        let latest = std::mem::replace(&mut self.latest[key as usize], session);
        if latest.group != NONE.group {
            self.earlier.entry(key).or_default().push(latest);
        }
    }

    /// Takes the sessions of a key out, in order of time, to be changed and `put` back.
    pub fn take(&mut self, key: u32) -> Vec<Session> {
        let mut own = self.earlier.remove(&key).unwrap_or_else(|| std::mem::take(&mut self.spare));
        let latest = std::mem::replace(&mut self.latest[key as usize], NONE);
        if latest.group != NONE.group {
            own.push(latest);
        }
        own
    }

    pub fn put(&mut self, key: u32, mut own: Vec<Session>) {
        self.latest[key as usize] = own.pop().unwrap_or(NONE);
        if own.is_empty() {
            self.spare = own;
        } else {
            self.earlier.insert(key, own);
        }
    }

    pub fn bytes(&self) -> usize {
        // A key with several sessions has two or three.
        self.latest.capacity() * size_of::<Session>() + self.earlier.capacity() * (32 + 2 * size_of::<Session>())
    }
}

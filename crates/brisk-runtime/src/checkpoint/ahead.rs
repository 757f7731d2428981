//! Writing most of a large state before the barrier comes.
//!
//! ```text
//!   prepare n --> part, batch, part, batch, part ... (little left) --> prepared --> barrier n --> last part
//!                 each part: some changed keys, half a millisecond        what changed since they were written
//! ```
//!
//! A snapshot that is taken in one piece at the barrier would stop its task for as long as a million keys take. So a
//! checkpoint begins with a time of preparation: between two batches every task writes a part of the keys that have
//! changed, as they are then, and goes on. A key that changes again is simply written again, at the barrier at the
//! latest, and supersedes what was written ahead (a later generation of the state file). The cut is where the barrier
//! is, as ever; nothing but what an operator already knows, the set of its changed keys, is needed for it.
//!
//! The time ends for a task when few keys are left, or when it has written so much that waiting longer cannot help
//! (keys change faster than they are written); for the checkpoint when all tasks say so or after [`LIMIT_MS`].
//!
//! A task that has ended writes in parts as well, though it stops nobody: so its state is not in memory twice.
//!
//! What this leaves out: a key is written whole, so one key with a million rows stops its task once for all of them.

use brisk_core::snapshot::SnapshotKind;

/// The coordinator waits no longer than this for tasks to prepare: a large state that is to be written whole takes seconds, and what
/// is not written when the time is over stops its task in one piece.
pub(crate) const LIMIT_MS: i64 = 10_000;
/// How long a task writes between two batches: a part is as many bites as fit.
const TURN_NS: u64 = 500_000;
/// The same once it has written as many keys as there were at first, so that what changed meanwhile is caught up with.
const CATCHING_UP_NS: u64 = 2_000_000;
/// Keys of one bite: at first, and within these bounds as many as take about [`BITE_NS`], since a key may have one row or
/// a thousand. Of two bites the quicker one tells what a key takes: memory that is touched for the first time, or a turn that
/// another thread was given, can make a bite ten times as slow. Bites are small, since memory for a small one is mostly what an
/// earlier one has given back.
const FIRST_KEYS: usize = 256;
const LEAST_KEYS: usize = 32;
const MOST_KEYS: usize = 2048;
const BITE_NS: u64 = 100_000;
/// Keys of one bite of a task that has ended, whatever they take: it stops nobody.
const UNHURRIED_KEYS: usize = 65_536;
/// So many bites may be left to the barrier.
const LAST_BITES: usize = 5;
const LAST_UNHURRIED: usize = 2;

/// How far one operator is with the preparation of one checkpoint.
#[derive(Debug)]
pub(crate) struct Ahead {
    pub id: u64,
    /// What the whole snapshot is: its first part says so, the others add to it.
    pub kind: SnapshotKind,
    /// Keys that there were to write at first, that were written, and that are left.
    first: usize,
    written: usize,
    left: usize,
    bites: usize,
    /// Keys of the next bite.
    room: usize,
    /// What a key took in the last bite.
    key_ns: u64,
    /// Whether bites are kept short.
    hurried: bool,
}

impl Ahead {
    pub fn new(id: u64, kind: SnapshotKind) -> Self {
        Self { id, kind, first: 0, written: 0, left: 0, bites: 0, room: FIRST_KEYS, key_ns: u64::MAX, hurried: true }
    }

    /// From now on bites may take as long as they do, and each is a part.
    pub fn take_time(&mut self) {
        (self.room, self.hurried) = (UNHURRIED_KEYS, false);
    }

    /// The kind of the next bite and the keys that it has room for. The first one of what holds only changes takes
    /// none: it asks how many there are.
    pub fn next_bite(&self) -> (SnapshotKind, usize) {
        match (self.bites, self.kind) {
            (0, SnapshotKind::Full) => (SnapshotKind::Full, self.room),
            (0, SnapshotKind::Incremental) => (SnapshotKind::Incremental, 0),
            _ => (SnapshotKind::Incremental, self.room),
        }
    }

    /// How long the task may write before it goes on with its input.
    pub fn turn_ns(&self) -> u64 {
        if self.bites > 0 && self.written >= self.first { CATCHING_UP_NS } else { TURN_NS }
    }

    /// What the barrier has left to do.
    pub fn last_part(&self) -> SnapshotKind {
        if self.bites == 0 { self.kind } else { SnapshotKind::Incremental }
    }

    /// A bite was written in this time, and so many keys were left out.
    pub fn wrote(&mut self, left: usize, took_ns: u64) {
        let (_, keys) = self.next_bite();
        if self.bites == 0 {
            self.first = keys + left;
        }
        self.bites += 1;
        self.written += keys;
        self.left = left;
        if self.hurried && keys > 0 {
            let key_ns = (took_ns / keys as u64).max(1);
            let quicker = key_ns.min(std::mem::replace(&mut self.key_ns, key_ns));
            let wanted = (BITE_NS / quicker) as usize;
            self.room = wanted.clamp(self.room / 2, self.room * 2).clamp(LEAST_KEYS, MOST_KEYS);
        }
    }

    /// What is left takes the barrier no longer than a turn, or it does not become less.
    pub fn is_done(&self) -> bool {
        let last = if self.hurried { LAST_BITES } else { LAST_UNHURRIED };
        self.bites > 0 && (self.left <= last * self.room || self.written >= 2 * self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that change while a bite is written, and what one takes; how many bites are written, and what is left.
    fn check(kind: SnapshotKind, changed: usize, change_rate: usize, key_ns: u64, expected: (usize, usize)) {
        let mut ahead = Ahead::new(1, kind);
        let (mut left, mut bites) = (changed, 0);
        while !ahead.is_done() {
            let (bite, room) = ahead.next_bite();
            assert_eq!(bite == SnapshotKind::Full, bites == 0 && kind == SnapshotKind::Full);
            let keys = room.min(left);
            left -= keys;
            ahead.wrote(left, keys as u64 * key_ns);
            left += change_rate;
            bites += 1;
        }
        assert_eq!((bites, left), expected);
        assert_eq!(ahead.last_part(), SnapshotKind::Incremental);
    }

    #[test]
    fn bites_are_written_until_few_keys_are_left_or_it_does_not_help() {
        check(SnapshotKind::Incremental, 100, 0, 100, (1, 100));
        check(SnapshotKind::Full, 100, 0, 100, (1, 0));
        check(SnapshotKind::Incremental, 1_000_000, 0, 60, (599, 6_938));
        check(SnapshotKind::Full, 1_000_000, 400, 60, (786, 8_130));
        check(SnapshotKind::Incremental, 100_000, 0, 20_000, (3_110, 160));
        check(SnapshotKind::Incremental, 100_000, 9_000, 60, (123, 1_006_954));
        check(SnapshotKind::Incremental, 10_000, 900, 50_000, (615, 543_500));
    }

    #[test]
    fn one_slow_bite_does_not_make_the_next_ones_small() {
        let mut ahead = Ahead::new(1, SnapshotKind::Full);
        let mut rooms = Vec::new();
        for took_us in [20, 40, 80, 5_000, 80, 5_000, 5_000, 5_000] {
            ahead.wrote(1_000_000, took_us * 1000);
            rooms.push(ahead.next_bite().1);
        }
        assert_eq!(rooms, [512, 1024, 1282, 1282, 1612, 1612, 806, 403]);
    }

    #[test]
    fn a_task_that_has_ended_writes_large_parts_however_long_they_take() {
        let mut ahead = Ahead::new(1, SnapshotKind::Incremental);
        let (mut left, mut parts) = (1_000_000, 0);
        ahead.take_time();
        while !ahead.is_done() {
            let (_, room) = ahead.next_bite();
            left -= room.min(left);
            ahead.wrote(left, 1_000_000_000);
            parts += 1;
        }
        assert_eq!((parts, left), (15, 1_000_000 - 14 * UNHURRIED_KEYS));
    }
}

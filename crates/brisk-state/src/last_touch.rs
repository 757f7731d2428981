//! Time-to-live: when every id was last written, in processing time.
//!
//! As in Flink, the clock of an entry starts again when the entry is created or written, and an entry that has expired
//! is never seen again even before it is swept.

/// The last write of every id. Sweeping is asked for by a timer about four times in a lifetime.
#[derive(Debug, Clone)]
pub struct LastTouch {
    ttl_ms: i64,
    touched: Vec<i64>,
    next_sweep: Option<i64>,
}

const NEVER: i64 = i64::MAX;

impl LastTouch {
    pub fn new(ttl_ms: i64) -> Self {
        Self { ttl_ms: ttl_ms.max(1), touched: Vec::new(), next_sweep: None }
    }

    /// Whether `id` was written, and so long ago that it must not be seen any more.
    pub fn expired(&self, id: u32, now_ms: i64) -> bool {
        self.touched.get(id as usize).is_some_and(|t| *t != NEVER && t.saturating_add(self.ttl_ms) <= now_ms)
    }

    pub fn touch(&mut self, id: u32, now_ms: i64) {
        let place = id as usize;
        if place >= self.touched.len() {
            self.touched.resize((place + 1).next_power_of_two(), NEVER);
        }
        self.touched[place] = now_ms;
        if self.next_sweep.is_none() {
            self.next_sweep = Some(now_ms + self.interval());
        }
    }

    pub fn forget(&mut self, id: u32) {
        if let Some(t) = self.touched.get_mut(id as usize) {
            *t = NEVER;
        }
    }

    /// When `id` was last written.
    pub fn touched_ms(&self, id: u32) -> i64 {
        self.touched.get(id as usize).copied().unwrap_or(NEVER)
    }

    /// When [`LastTouch::sweep`] wants to be called.
    pub fn next_sweep(&self) -> Option<i64> {
        self.next_sweep
    }

    /// The ids that have expired; they are forgotten here.
    pub fn sweep(&mut self, now_ms: i64) -> Vec<u32> {
        if self.next_sweep.is_none_or(|at| now_ms < at) {
            return Vec::new();
        }
        let mut expired = Vec::new();
        let mut alive = false;
        for id in 0..self.touched.len() as u32 {
            if self.expired(id, now_ms) {
                self.touched[id as usize] = NEVER;
                expired.push(id);
            } else {
                alive |= self.touched[id as usize] != NEVER;
            }
        }
        self.next_sweep = alive.then(|| now_ms + self.interval());
        expired
    }

    pub fn bytes(&self) -> usize {
        self.touched.capacity() * 8
    }

    fn interval(&self) -> i64 {
        (self.ttl_ms / 4).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_expire_after_their_last_write() {
        let mut touch = LastTouch::new(100);
        touch.touch(0, 0);
        touch.touch(1, 50);
        assert!(!touch.expired(0, 99) && touch.expired(0, 100) && !touch.expired(1, 100) && !touch.expired(7, 1000));
        assert_eq!(touch.sweep(10), Vec::<u32>::new());
        assert_eq!(touch.sweep(120), [0]);
        assert_eq!(touch.next_sweep(), Some(145));
        assert_eq!(touch.sweep(150), [1]);
        assert_eq!(touch.next_sweep(), None);
    }
}

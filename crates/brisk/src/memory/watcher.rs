//! Keeps the process's memory below its limit: looks a few times a second, and takes spilled pages off it.

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use brisk_core::{Error, Result};

use super::allocator::{keep_freed, retry, spill_from, with_spill};

/// How often memory is looked at: while nothing is spilled, and while something is.
const CALM: Duration = Duration::from_millis(250);
const BUSY: Duration = Duration::from_millis(20);
/// Pages are taken off in pieces of this.
const STRIDE: usize = 16 << 20;
/// Unused parts of the file are given back to the disk once so much has been freed.
const MAX_UNUSED: usize = 256 << 20;

static LIMIT: AtomicUsize = AtomicUsize::new(0);
static UNMAPPED_BYTES: AtomicU64 = AtomicU64::new(0);

/// What memory is used, for metrics. All in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// 0: no limit.
    pub limit: usize,
    pub resident: usize,
    /// In the spill file, whether or not it is in memory as well.
    pub spilled: usize,
    /// How much was taken off the process since it started, again and again counted.
    pub unmapped_total: u64,
}

impl Usage {
    pub fn now() -> Self {
        Self {
            limit: LIMIT.load(Ordering::Relaxed),
            resident: resident_bytes().unwrap_or(0),
            spilled: with_spill(|s| s.extents.taken()),
            unmapped_total: UNMAPPED_BYTES.load(Ordering::Relaxed),
        }
    }
}

/// Sets the limit of the process and begins to keep it. Only the first call counts.
pub fn start(limit: usize, directory: &Path) -> Result<()> {
    if LIMIT.compare_exchange(0, limit, Ordering::Relaxed, Ordering::Relaxed).is_err() {
        return Ok(());
    }
    spill_from(limit / 2, directory.to_path_buf());
    let watch = move || Watcher { limit, place: 0, is_short: false }.run();
    std::thread::Builder::new().name("memory".to_string()).spawn(watch).map_err(|e| Error::internal(format!("cannot start a thread: {e}")))?;
    Ok(())
}

struct Watcher {
    limit: usize,
    /// Where in the file the next pages are taken off.
    place: usize,
    /// Whether something was ever spilled.
    is_short: bool,
}

impl Watcher {
    fn run(mut self) {
        loop {
            let spilling = with_spill(|s| s.mapping.is_some());
            std::thread::sleep(if spilling { BUSY } else { CALM });
            report_failure();
            if spilling && !std::mem::replace(&mut self.is_short, true) {
                keep_freed(true);
            }
            if spilling {
                self.make_room();
                discard_unused();
            }
        }
    }

    /// Takes pages off, going round the file, until a tenth of the limit is free or all have had their turn.
    fn make_room(&mut self) {
        let Some(mut resident) = resident_bytes().filter(|r| *r > self.limit) else { return };
        let end = with_spill(|s| s.extents.end());
        let mut done = 0;
        while done < end && resident > self.limit / 10 * 9 {
            if self.place >= end {
                self.place = 0;
            }
            let length = STRIDE.min(end - self.place);
            with_spill(|s| s.mapping.as_ref().map(|m| m.unmap_pages(self.place, length)));
            self.place += length;
            done += length;
            let after = resident_bytes().unwrap_or(resident);
            UNMAPPED_BYTES.fetch_add(resident.saturating_sub(after) as u64, Ordering::Relaxed);
            resident = after;
        }
    }
}

/// Tells why something could not be spilled, and lets it be tried again.
fn report_failure() {
    if let Some(reason) = with_spill(|s| s.failure.take()) {
        tracing::warn!(reason, "state cannot be spilled to disk and stays in memory");
        retry();
    }
}

/// Gives what is unused of the file back to the disk, once that is much.
fn discard_unused() {
    with_spill(|spill| {
        let Some(mapping) = spill.mapping.as_mut().filter(|_| spill.freed > MAX_UNUSED) else { return };
        for (offset, length) in spill.extents.holes() {
            // A file system that cannot do this keeps the blocks until the program ends.
            let _ = mapping.discard(offset, length);
        }
        let _ = mapping.discard_from(spill.extents.end());
        spill.freed = 0;
    });
}

/// The resident memory of the process.
fn resident_bytes() -> Option<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<usize>().ok()? * super::extents::PAGE)
}

/// The memory of the machine, or of the container if that has less.
pub fn machine_bytes() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = meminfo.lines().find_map(|l| l.strip_prefix("MemTotal:"))?.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10;
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|m| m.trim().parse::<u64>().ok());
    Some(container.map_or(total, |c| c.min(total)))
}

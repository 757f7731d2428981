//! State larger than memory: a limit for the process, and a file for what is beyond it.
//!
//! Every operator keeps its state in large flat pieces (columns, hash tables, arrays by id). So the limit is kept below
//! them all, in the allocator, and no operator knows of it:
//!
//! ```text
//!   small pieces (below 32 KiB) ----------------------------------> mimalloc
//!   large, while large pieces take less than half of the limit ---> mimalloc
//!   large, from then on ------------------------------------------> extents of the spill file, mapped into memory
//!                                                                     |
//!   resident memory above the limit: the watcher unmaps extents, <----'
//!   the kernel writes them out and reads them back when they are used
//! ```
//!
//! Which pages stay in memory is the kernel's choice (it knows what is used), which ones count as the process's is the
//! watcher's. Blocks of the file are reserved before an extent is handed out, so that a full disk is noticed there and not
//! by a signal; then the piece is taken from memory after all. The file has no name: it is gone with the process. Below the
//! limit nothing of this is touched.
//!
//! Small pieces are never spilled. What is meant to grow is therefore kept in large ones.

mod allocator;
mod extents;
mod mapping;
mod watcher;

use std::path::{Path, PathBuf};

use brisk_core::connector::MemorySize;
use brisk_core::{Error, Result};
use clap::Args;

use crate::settings::MemorySettings;

pub use allocator::Allocator;
pub use watcher::Usage;

/// How much of the machine's (or the container's) memory is taken where nobody says.
const DEFAULT_PERCENT: u64 = 80;
/// Where commands without a data directory spill to. Not what `TMPDIR` says: that is often memory itself.
pub const TEMPORARY_DIR: &str = "/var/tmp";
/// Less than this is no limit to work in.
const LEAST: u64 = 64 << 20;

/// The limit on the command line.
#[derive(Args, Debug, Clone, Default)]
pub struct MemoryArgs {
    /// The most memory to take, such as `2 gb`, or `none`: state beyond it goes to disk. 80 % of the machine's by default.
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<String>,
    /// Where state beyond the memory limit lies while the program runs.
    #[arg(long, value_name = "DIR")]
    spill_dir: Option<PathBuf>,
}

impl MemoryArgs {
    /// Sets the limit, by the arguments or else by the settings.
    pub fn apply(&self, settings: &MemorySettings, default_dir: &Path) -> Result<()> {
        allocator::keep_freed(false);
        let text = self.memory_limit.as_ref().or(settings.limit.as_ref());
        let dir = self.spill_dir.as_deref().or(settings.spill_dir.as_deref()).unwrap_or(default_dir);
        match limit(text.map(String::as_str))? {
            Some(bytes) => watcher::start(bytes, dir),
            None => Ok(()),
        }
    }
}

/// The limit in bytes that a text means; `None`: no limit.
fn limit(text: Option<&str>) -> Result<Option<usize>> {
    let bytes = match text {
        Some(text) if text.trim().eq_ignore_ascii_case("none") => return Ok(None),
        Some(text) => text.parse::<MemorySize>().map_err(|e| Error::invalid(format!("the memory limit '{text}': {e}")))?.0,
        None => match watcher::machine_bytes() {
            Some(bytes) => (bytes / 100 * DEFAULT_PERCENT).max(LEAST),
            None => return Ok(None),
        },
    };
    if bytes < LEAST {
        return Err(Error::invalid(format!("a memory limit of {bytes} bytes is less than the program needs")).with_remedy("allow at least 64 mb"));
    }
    Ok(Some(usize::try_from(bytes).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        assert_eq!(limit(Some("2 gb")).unwrap(), Some(2 << 30));
        assert_eq!(limit(Some("None")).unwrap(), None);
        assert!(limit(Some("1 mb")).unwrap_err().message.contains("less than the program needs"));
        assert!(limit(Some("much")).unwrap_err().message.contains("the memory limit 'much'"));
        assert!(limit(None).unwrap().is_none_or(|bytes| bytes as u64 >= LEAST));
    }
}

//! What a process costs, as the system counts it.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// User and system, of all threads.
    pub cpu_s: f64,
    pub wall_s: f64,
    pub peak_mb: f64,
}

impl Cost {
    /// The time beyond that of another; the peak stays.
    pub fn less(self, other: &Cost) -> Self {
        Self { cpu_s: self.cpu_s - other.cpu_s, wall_s: self.wall_s - other.wall_s, peak_mb: self.peak_mb }
    }
}

/// Runs a command to its end, its output unseen but for errors.
pub fn measure(command: &mut Command) -> Result<Cost> {
    let begin = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().with_context(|| format!("cannot start {command:?}"))?;
    let pid = libc::pid_t::try_from(child.id()).context("a process id")?;
    let mut status = 0;
    // SAFETY: `rusage` is plain numbers, for which zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right types; the child is ours and nobody else waits for it.
    let ended = unsafe { libc::wait4(pid, &mut status, 0, &mut usage) };
    let wall_s = begin.elapsed().as_secs_f64();
    if ended != pid {
        return Err(std::io::Error::last_os_error()).context("waiting for the process");
    }
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        bail!("{command:?} failed");
    }
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    // Linux counts the peak in KiB, macOS in bytes.
    let unit = if cfg!(target_os = "macos") { 1.0 } else { 1024.0 };
    Ok(Cost { cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime), wall_s, peak_mb: usage.ru_maxrss as f64 * unit / 1e6 })
}

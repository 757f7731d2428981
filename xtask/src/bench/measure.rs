//! What a process costs, as the system counts it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// User and system, of all threads.
    pub cpu_s: f64,
    pub wall_s: f64,
    pub peak_mb: f64,
}

impl Cost {
    /// The median of each figure.
    pub fn median(costs: &[Cost]) -> Cost {
        let of = |figure: fn(&Cost) -> f64| median(costs.iter().map(figure).collect());
        Cost { cpu_s: of(|c| c.cpu_s), wall_s: of(|c| c.wall_s), peak_mb: of(|c| c.peak_mb) }
    }

    /// The time beyond that of another; the peak stays.
    pub fn less(self, other: &Cost) -> Self {
        Self { cpu_s: self.cpu_s - other.cpu_s, wall_s: self.wall_s - other.wall_s, peak_mb: self.peak_mb }
    }
}

/// The middle value, the greater of two; 0 of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The load average of the last minute: how much else the machine had to do. `None` where it is not to be had.
pub fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// Megabytes a second of memory that is touched for the first time since it was asked for. A virtual machine that gives memory
/// nobody uses back to its host within seconds ("free page reporting") gives a twentieth of what it gives for memory that another
/// process has just used, and a query that keeps much costs accordingly.
pub fn fresh_memory_mb_s() -> Result<f64> {
    touch_elsewhere(256)
}

/// How much memory is touched right before each process that is measured, in MB, so that it finds what has just been used.
static WARM_MB: AtomicUsize = AtomicUsize::new(0);

pub fn warm_before_each(megabytes: usize) {
    WARM_MB.store(megabytes, Relaxed);
}

/// Another process does it, since what this one has had counts as the peak of those it starts.
fn touch_elsewhere(megabytes: usize) -> Result<f64> {
    let output = Command::new(std::env::current_exe()?).args(["bench", TOUCH, &megabytes.to_string()]).output().context("cannot start myself")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

/// The command of that process, followed by how many MB.
pub const TOUCH: &str = "touch";

/// Touches so much memory, in large pages where the system has them, and prints how many MB a second that were.
pub fn touch(megabytes: &str) -> Result<()> {
    const PAGE: usize = 4096;
    let bytes = megabytes.parse::<usize>().context("how many MB to touch")? << 20;
    let begin = Instant::now();
    let mut memory = vec![0u8; bytes];
    // SAFETY: the advice is about memory of ours, and changes nothing in it.
    #[cfg(target_os = "linux")]
    unsafe {
        let whole = memory.as_mut_ptr().add(memory.as_ptr().align_offset(PAGE));
        libc::madvise(whole.cast(), bytes.saturating_sub(PAGE), libc::MADV_HUGEPAGE);
    }
    memory.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory);
    println!("{}", bytes as f64 / 1e6 / begin.elapsed().as_secs_f64());
    Ok(())
}

/// The longest time for which the machine stopped one of two threads that do nothing but look at the clock, in so many seconds.
/// What it does to them it does to whatever else runs.
pub fn longest_stall_ms(seconds: u64) -> f64 {
    let watch = move || {
        let begin = Instant::now();
        let (mut last, mut longest) = (begin, Duration::ZERO);
        while last - begin < Duration::from_secs(seconds) {
            let now = Instant::now();
            longest = longest.max(now - last);
            last = now;
        }
        longest
    };
    let other = std::thread::spawn(watch);
    let mine = watch();
    other.join().map_or(mine, |other| mine.max(other)).as_secs_f64() * 1e3
}

/// Runs a command to its end, its output unseen but for errors.
pub fn measure(command: &mut Command) -> Result<Cost> {
    measure_with(command, Stdio::inherit())
}

/// Runs a command to its end, and gives what it said on standard error.
pub fn measure_log(command: &mut Command, log: &Path) -> Result<(Cost, String)> {
    let cost = measure_with(command, File::create(log)?.into())?;
    Ok((cost, fs::read_to_string(log)?))
}

fn measure_with(command: &mut Command, errors: Stdio) -> Result<Cost> {
    let warm = WARM_MB.load(Relaxed);
    if warm > 0 {
        touch_elsewhere(warm)?;
    }
    let begin = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().with_context(|| format!("cannot start {command:?}"))?;
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

/// The value of `name=value` in a line of a log.
pub fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}

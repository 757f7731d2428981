//! The program's allocator: mimalloc, and beyond the memory limit the spill file. See the module's page.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_int, c_long};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use mimalloc::MiMalloc;

use super::extents::{Extents, PAGE};
use super::mapping::Mapping;

/// From this on a piece is large.
const LARGE: usize = 32 << 10;

/// Bytes of large pieces in memory.
static LARGE_BYTES: AtomicUsize = AtomicUsize::new(0);
/// From so many bytes of large pieces on, further ones go to the file. Set once a limit is known.
static SPILL_FROM: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Where the spill file is mapped; both 0 while there is none.
static BASE: AtomicUsize = AtomicUsize::new(0);
static LENGTH: AtomicUsize = AtomicUsize::new(0);
/// Whether the file could not be made or is full.
static FAILED: AtomicBool = AtomicBool::new(false);
static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
static SPILL: Mutex<Spill> = Mutex::new(Spill { mapping: None, extents: Extents::new(), freed: 0, failure: None });

pub struct Allocator;

/// The spill file and what is taken of it.
pub struct Spill {
    pub mapping: Option<Mapping>,
    pub extents: Extents,
    /// Bytes given back since unused parts were last discarded.
    pub freed: usize,
    /// Why a piece could not be had, until it is told.
    pub failure: Option<String>,
}

/// mimalloc's number of the option `purge_delay`.
const PURGE_DELAY: c_int = 15;
/// Freed memory goes back to the system after so many milliseconds; by default it is one second. What an engine frees it needs again
/// soon, and to touch memory anew costs more than most of what is done with it.
const KEEP_MS: c_long = 10_000;
/// The same while state is spilled: memory is short.
const KEEP_SHORT_MS: c_long = 100;

unsafe extern "C" {
    fn mi_option_set(option: c_int, value: c_long);
}

/// How long freed memory is kept for further pieces. The environment's `MIMALLOC_PURGE_DELAY` has the last word.
pub fn keep_freed(is_short: bool) {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        let keep_ms = if is_short { KEEP_SHORT_MS } else { KEEP_MS };
        // SAFETY: options may be set at any time; the number is that of one whose value is a number of milliseconds.
        unsafe { mi_option_set(PURGE_DELAY, keep_ms) };
    }
}

/// From now on large pieces beyond `bytes` of them go to a file in `directory`. Only the first call counts.
pub fn spill_from(bytes: usize, directory: PathBuf) {
    if DIRECTORY.set(directory).is_ok() {
        SPILL_FROM.store(bytes, Ordering::Release);
    }
}

pub fn with_spill<T>(f: impl FnOnce(&mut Spill) -> T) -> T {
    // No code that runs under the lock can panic half-way through a change.
    f(&mut SPILL.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Lets a piece be tried again after a failure.
pub fn retry() {
    FAILED.store(false, Ordering::Relaxed);
}

// SAFETY: pieces come from mimalloc or from extents of a private file that are handed out once; which of the two one is of
// is told by its address. The lock is never held while a large piece is asked for, and small ones do not take it.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            return large(layout, false);
        }
        unsafe { MiMalloc.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.size() >= LARGE {
            return large(layout, true);
        }
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        if layout.size() >= LARGE {
            if is_spilled(piece) {
                return give_back(piece as usize, pages(layout.size()));
            }
            LARGE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        unsafe { MiMalloc.dealloc(piece, layout) }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (old_large, new_large) = (layout.size() >= LARGE, new_size >= LARGE);
        if !old_large && !new_large {
            return unsafe { MiMalloc.realloc(piece, layout, new_size) };
        }
        let spilled = old_large && is_spilled(piece);
        if spilled && new_large && resize(piece as usize, pages(layout.size()), pages(new_size)) {
            return piece;
        }
        let spills = spilled || (new_large && wants_spill(new_size.saturating_sub(layout.size())));
        if !spills {
            let moved = unsafe { MiMalloc.realloc(piece, layout, new_size) };
            if !moved.is_null() {
                LARGE_BYTES.fetch_add(if new_large { new_size } else { 0 }, Ordering::Relaxed);
                LARGE_BYTES.fetch_sub(if old_large { layout.size() } else { 0 }, Ordering::Relaxed);
            }
            return moved;
        }
        // SAFETY: the new piece is another one, and both are as long as what is copied.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(piece, moved, layout.size().min(new_size));
                self.dealloc(piece, layout);
            }
            moved
        }
    }
}

/// A large piece, of the file if it is the turn of that.
fn large(layout: Layout, zeroed: bool) -> *mut u8 {
    if wants_spill(layout.size())
        && layout.align() <= PAGE
        && let Some(piece) = take(pages(layout.size()))
    {
        if zeroed {
            // An extent that was used before holds what it held.
            unsafe { std::ptr::write_bytes(piece, 0, layout.size()) };
        }
        return piece;
    }
    // SAFETY: the layout is the caller's.
    let piece = unsafe { if zeroed { MiMalloc.alloc_zeroed(layout) } else { MiMalloc.alloc(layout) } };
    if !piece.is_null() {
        LARGE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
    }
    piece
}

#[inline]
fn wants_spill(more: usize) -> bool {
    LARGE_BYTES.load(Ordering::Relaxed).saturating_add(more) >= SPILL_FROM.load(Ordering::Acquire) && !FAILED.load(Ordering::Relaxed)
}

#[inline]
fn is_spilled(piece: *mut u8) -> bool {
    (piece as usize).wrapping_sub(BASE.load(Ordering::Acquire)) < LENGTH.load(Ordering::Acquire)
}

fn pages(size: usize) -> usize {
    size.next_multiple_of(PAGE)
}

fn take(length: usize) -> Option<*mut u8> {
    with_spill(|spill| {
        if spill.mapping.is_none() {
            spill.open()?;
        }
        let mapping = spill.mapping.as_mut()?;
        let offset = spill.extents.take(length, mapping.length)?;
        if let Err(e) = mapping.reserve(offset, length) {
            spill.extents.give_back(offset, length);
            spill.fail(&e);
            return None;
        }
        Some((mapping.base + offset) as *mut u8)
    })
}

fn give_back(address: usize, length: usize) {
    with_spill(|spill| {
        if let Some(mapping) = &spill.mapping {
            spill.extents.give_back(address - mapping.base, length);
            spill.freed += length;
        }
    });
}

/// Makes a piece of the file shorter or, where what follows is free, longer in its place.
fn resize(address: usize, old: usize, new: usize) -> bool {
    with_spill(|spill| {
        let Some(mapping) = spill.mapping.as_mut() else { return false };
        let offset = address - mapping.base;
        if new < old {
            spill.extents.give_back(offset + new, old - new);
            spill.freed += old - new;
        }
        if new <= old {
            return true;
        }
        if !spill.extents.extend(offset, old, new, mapping.length) {
            return false;
        }
        if let Err(e) = mapping.reserve(offset + old, new - old) {
            spill.extents.give_back(offset + old, new - old);
            spill.fail(&e);
            return false;
        }
        true
    })
}

impl Spill {
    fn open(&mut self) -> Option<()> {
        match Mapping::create(DIRECTORY.get()?) {
            Ok(mapping) => {
                BASE.store(mapping.base, Ordering::Release);
                LENGTH.store(mapping.length, Ordering::Release);
                self.mapping = Some(mapping);
                Some(())
            }
            Err(e) => {
                self.fail(&e);
                None
            }
        }
    }

    fn fail(&mut self, error: &std::io::Error) {
        FAILED.store(true, Ordering::Relaxed);
        self.failure = Some(error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" {
        fn mi_option_get(option: c_int) -> c_long;
    }

    /// Options are known by numbers, which another version of mimalloc may have changed: that of the delay is the one whose value
    /// is a second.
    #[test]
    fn the_delay_is_the_option_that_is_meant() {
        let value = |option| {
            // SAFETY: reading an option has no effect.
            unsafe { mi_option_get(option) }
        };
        let seconds: Vec<c_int> = (0..40).filter(|option| value(*option) == 1000).collect();
        assert!(seconds.contains(&PURGE_DELAY), "{seconds:?}");
        keep_freed(false);
        assert_eq!(value(PURGE_DELAY), KEEP_MS);
    }
}

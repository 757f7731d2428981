//! The spill file and its place in the address space. All of it is reserved at once, the file grows behind it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// How much address space is asked for, most first: a machine may allow less.
const RESERVATIONS: [usize; 4] = [1 << 42, 1 << 40, 1 << 38, 1 << 36];
/// The file grows by this.
const GROWTH: usize = 256 << 20;

/// `FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE`.
const PUNCH_HOLE: libc::c_int = 3;

/// A nameless file, all of which is mapped from `base` on.
pub struct Mapping {
    file: File,
    pub base: usize,
    pub length: usize,
    file_length: usize,
}

impl Mapping {
    /// Makes the file in `dir`, which is created where it is missing.
    pub fn create(dir: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join(format!("brisk-spill-{}", std::process::id()));
        // One of a process with this number that was killed between the next two steps.
        let _ = std::fs::remove_file(&path);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(&path)?;
        let mut refused = None;
        for length in RESERVATIONS {
            match map(&file, length) {
                Ok(base) => return Ok(Self { file, base, length, file_length: 0 }),
                Err(e) => refused = Some(e),
            }
        }
        Err(refused.unwrap_or_else(|| io::ErrorKind::OutOfMemory.into()))
    }

    /// Makes sure that the blocks of a range are there. A file system that cannot reserve them makes them when they are
    /// written.
    pub fn reserve(&mut self, offset: usize, length: usize) -> io::Result<()> {
        if offset + length > self.file_length {
            let file_length = (offset + length).next_multiple_of(GROWTH);
            self.file.set_len(file_length as u64)?;
            self.file_length = file_length;
        }
        match self.fallocate(0, offset, length) {
            Err(e) if e.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
            done => done,
        }
    }

    /// Gives the blocks of a range back to the file system, and its pages to the machine. What it held is gone.
    pub fn discard(&self, offset: usize, length: usize) -> io::Result<()> {
        self.fallocate(PUNCH_HOLE, offset, length)
    }

    /// As [`Mapping::discard`], for all behind an offset.
    pub fn discard_from(&mut self, offset: usize) -> io::Result<()> {
        match self.file_length.checked_sub(offset) {
            None | Some(0) => Ok(()),
            Some(length) => self.discard(offset, length),
        }
    }

    /// Takes the pages of a range off the process. What they hold stays: the kernel keeps it, in memory or in the file.
    pub fn unmap_pages(&self, offset: usize, length: usize) {
        // SAFETY: the range lies in the mapping; of a shared mapping of a file this drops no data.
        unsafe { libc::madvise((self.base + offset) as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }

    #[cfg(not(target_os = "linux"))]
    fn fallocate(&self, _mode: libc::c_int, _offset: usize, _length: usize) -> io::Result<()> {
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn fallocate(&self, mode: libc::c_int, offset: usize, length: usize) -> io::Result<()> {
        // SAFETY: a system call on a file that is open.
        match unsafe { libc::fallocate(self.file.as_raw_fd(), mode, offset as libc::off_t, length as libc::off_t) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Maps `length` bytes of the file, most of them beyond its end: they may be touched once the file reaches there.
fn map(file: &File, length: usize) -> io::Result<usize> {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_NORESERVE);
    // SAFETY: a new mapping at an address of the kernel's choice.
    let address = unsafe { libc::mmap(std::ptr::null_mut(), length, access, kind, file.as_raw_fd(), 0) };
    if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(address as usize) }
}

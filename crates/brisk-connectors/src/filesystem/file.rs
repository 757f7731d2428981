//! A file as a bulk format sees it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use brisk_core::format::RandomRead;

pub(super) struct OpenedFile(pub File);

impl RandomRead for OpenedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }
}

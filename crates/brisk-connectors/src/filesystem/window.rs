//! The lines of a file in windows: a line belongs to the window in which it begins.
//!
//! Windows are aligned and of one size. So a file can be read by several subtasks at once, each taking every
//! n-th window, and no line is read twice or lost:
//!
//! ```text
//!   window   |      0      |      1      |      2      |
//!   lines    |aaaa bbbbbb cc|cc dddd eeee|e ffff        |
//!                          `--+-- read with window 0, skipped at the beginning of window 1
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memrchr};

/// The size of a window: as much as stays in a core's cache together with the columns made of it.
pub(crate) const WINDOW_BYTES: u64 = 256 << 10;
/// A position that was saved with windows larger than this is not believed.
pub(crate) const WINDOW_BYTES_MAX: u64 = 64 << 20;
/// How much is read beyond a window at once, to find the end of its last line.
const TAIL_BYTES: usize = 4 << 10;
/// How much is read before a window, of which the last byte tells whether a line begins exactly there. A single byte would
/// do, but then the pages of the file go to odd addresses, and processors copy such at a quarter of the speed.
const LEAD_BYTES: u64 = 64;
/// A longer line is taken for a file that has none.
pub(crate) const LINE_BYTES_MAX: usize = 128 << 20;

/// The lines that begin in a window.
pub(crate) struct Lines {
    /// Whole lines; the last of a file may lack its `\n`.
    pub data: Bytes,
    /// Where they begin in the file.
    pub offset: u64,
}

/// Reads windows into one buffer, which is used again once nobody holds the lines of the window before: fresh memory
/// costs more than reading into it.
#[derive(Default)]
pub(crate) struct WindowReader {
    /// What was lent out last.
    lent: Bytes,
}

impl WindowReader {
    /// The lines that begin in window `window` of those of `window_bytes`; `None` when the file ends before it.
    pub fn read(&mut self, file: &File, window_bytes: u64, window: u64) -> io::Result<Option<Lines>> {
        let begin = window * window_bytes;
        let from = begin.saturating_sub(LEAD_BYTES);
        let (lead, end) = ((begin - from) as usize, (begin + window_bytes - from) as usize);
        let mut data = self.buffer(end + TAIL_BYTES);
        let filled = read_at_most(file, &mut data, from)?;
        if filled <= lead {
            self.lent = data.freeze();
            return Ok(None);
        }
        let start = if window == 0 { Some(0) } else { memchr(b'\n', &data[lead - 1..filled.min(end)]).map(|n| lead + n) };
        let lines = match start.filter(|s| *s < filled.min(end)) {
            None => 0..0,
            Some(start) => start..last_line_end(file, &mut data, filled, end, from)?,
        };
        self.lent = data.freeze();
        Ok(Some(Lines { offset: from + lines.start as u64, data: self.lent.slice(lines) }))
    }

    /// `length` bytes of whatever content.
    fn buffer(&mut self, length: usize) -> BytesMut {
        let mut buffer = std::mem::take(&mut self.lent).try_into_mut().unwrap_or_default();
        buffer.resize(length, 0);
        buffer
    }
}

/// Where the line ends that holds the last byte before `end`; `filled` bytes of `data` are read, from position `from` of
/// the file, and more are read as needed.
fn last_line_end(file: &File, data: &mut BytesMut, mut filled: usize, end: usize, from: u64) -> io::Result<usize> {
    if filled < end {
        return Ok(filled);
    }
    let mut searched = end - 1;
    loop {
        if let Some(n) = memchr(b'\n', &data[searched..filled]) {
            return Ok(searched + n + 1);
        }
        if filled < data.len() {
            return Ok(filled);
        }
        let line = memrchr(b'\n', &data[..end]).map_or(0, |n| n + 1);
        if filled - line > LINE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a line is longer than {LINE_BYTES_MAX} bytes")));
        }
        searched = filled;
        data.resize(2 * filled, 0);
        filled += read_at_most(file, &mut data[filled..], from + filled as u64)?;
    }
}

/// Fills the buffer, or what there is up to the end of the file.
pub(crate) fn read_at_most(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All windows together are the file, and every piece begins a line.
    fn check(content: &[u8]) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, content).unwrap();
        let file = File::open(&path).unwrap();
        // As they are used, and each held on to while the next are read.
        for (window_bytes, hold) in [(WINDOW_BYTES, false), (WINDOW_BYTES, true), (1 << 20, false)] {
            let (mut all, mut held) = (Vec::new(), Vec::new());
            let mut reader = WindowReader::default();
            for window in 0.. {
                let Some(lines) = reader.read(&file, window_bytes, window).unwrap() else { break };
                if !lines.data.is_empty() {
                    assert_eq!(lines.offset as usize, all.len());
                    assert!(lines.offset == 0 || content[lines.offset as usize - 1] == b'\n');
                    assert_eq!(lines.offset / window_bytes, window);
                }
                all.extend_from_slice(&lines.data);
                held.extend(hold.then_some(lines.data));
            }
            assert!(all == content, "{} bytes of {}", all.len(), content.len());
            assert!(!hold || held.concat() == content);
        }
    }

    #[test]
    fn windows_cover_the_file() {
        let window = WINDOW_BYTES as usize;
        check(b"");
        check(b"one");
        check(b"one\ntwo\n");
        for length in [window - 1, window, window + 1] {
            let mut line = vec![b'x'; length - 1];
            line.push(b'\n');
            check(&line);
            check(&[&line[..], b"y"].concat());
            check(&[&line[..], &line[..], b"\n\nz\n"].concat());
        }
        let lines: Vec<u8> = (0..200_000).flat_map(|i| format!("{}\n", "ab".repeat(i % 17)).into_bytes()).collect();
        check(&lines);
        check(&vec![b'q'; 3 * window + 5]);
        check(&[vec![b'q'; 3 * window + 5], b"\nlast".to_vec()].concat());
    }
}

//! The lines of a file in windows: a line belongs to the window in which it begins.
//!
//! Windows are aligned, of [`WINDOW_BYTES`] each. So a file can be read by several subtasks at once, each taking every
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

use bytes::Bytes;
use memchr::{memchr, memrchr};

pub(crate) const WINDOW_BYTES: u64 = 1 << 20;
/// How much is read at a time to find the end of a window's last line.
const TAIL_BYTES: usize = 64 << 10;
/// A longer line is taken for a file that has none.
pub(crate) const LINE_BYTES_MAX: usize = 128 << 20;

/// The lines that begin in a window.
pub(crate) struct Lines {
    /// Whole lines; the last of a file may lack its `\n`.
    pub data: Bytes,
    /// Where they begin in the file.
    pub offset: u64,
}

/// The lines that begin in window `window`; `None` when the file ends before it.
pub(crate) fn read_window(file: &File, window: u64) -> io::Result<Option<Lines>> {
    let begin = window * WINDOW_BYTES;
    let end = begin + WINDOW_BYTES;
    // The byte before tells whether a line begins exactly here.
    let from = begin.saturating_sub(1);
    let mut data = vec![0; (end - from) as usize];
    let read = read_at_most(file, &mut data, from)?;
    data.truncate(read);
    if from + (read as u64) <= begin && (window > 0 || read == 0) {
        return Ok(None);
    }
    let start = if window == 0 { Some(0) } else { memchr(b'\n', &data).map(|n| n + 1) };
    let Some(start) = start.filter(|s| from + (*s as u64) < end && *s < data.len()) else {
        return Ok(Some(Lines { data: Bytes::new(), offset: begin }));
    };
    if data.last() != Some(&b'\n') && from + data.len() as u64 == end {
        finish_line(file, &mut data, end)?;
    }
    Ok(Some(Lines { data: Bytes::from(data).slice(start..), offset: from + start as u64 }))
}

/// Appends the rest of the line that `data` breaks off in; `at` is the position behind `data`.
fn finish_line(file: &File, data: &mut Vec<u8>, mut at: u64) -> io::Result<()> {
    let line = memrchr(b'\n', data).map_or(0, |n| n + 1);
    loop {
        let before = data.len();
        data.resize(before + TAIL_BYTES, 0);
        let read = read_at_most(file, &mut data[before..], at)?;
        data.truncate(before + read);
        if let Some(n) = memchr(b'\n', &data[before..]) {
            data.truncate(before + n + 1);
            return Ok(());
        }
        if read < TAIL_BYTES {
            return Ok(());
        }
        if data.len() - line > LINE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a line is longer than {LINE_BYTES_MAX} bytes")));
        }
        at += read as u64;
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
        let mut all = Vec::new();
        for window in 0.. {
            let Some(lines) = read_window(&file, window).unwrap() else { break };
            if !lines.data.is_empty() {
                assert_eq!(lines.offset as usize, all.len());
                assert!(lines.offset == 0 || content[lines.offset as usize - 1] == b'\n');
                assert_eq!(lines.offset / WINDOW_BYTES, window);
            }
            all.extend_from_slice(&lines.data);
        }
        assert!(all == content, "{} bytes of {}", all.len(), content.len());
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

//! Which part of what was read are whole records: lines, or groups of lines.

use brisk_core::source::Framing;
use bytes::Bytes;
use memchr::{memchr, memrchr};
use regex::bytes::Regex;

/// How lines make records.
#[derive(Clone)]
pub(super) enum Records {
    Lines,
    /// A record begins at a line that matches.
    Groups(Regex),
}

/// The whole records at the front of a piece of a file.
pub(super) struct Cut {
    /// How much of the piece they take.
    pub bytes: usize,
    pub data: Bytes,
    pub framing: Framing,
}

impl Records {
    /// Cuts the whole records off `piece`. `last`: nothing will follow, so that the rest is a record too; `closed`: the
    /// last group of lines is over though no other has begun.
    pub fn cut(&self, piece: &Bytes, last: bool, closed: bool) -> Cut {
        let lines = if last { piece.len() } else { memrchr(b'\n', piece).map_or(0, |n| n + 1) };
        match self {
            Records::Lines => Cut { bytes: lines, data: piece.slice(..lines), framing: Framing::Lines },
            Records::Groups(start) => groups(&piece[..lines], start, last || closed),
        }
    }
}

/// The groups of lines in `lines`, each without its last newline; the last one only if it is over.
fn groups(lines: &[u8], start: &Regex, over: bool) -> Cut {
    let mut data = Vec::with_capacity(lines.len());
    let mut ends = Vec::new();
    let mut group = 0;
    let mut at = 0;
    while at < lines.len() {
        let end = memchr(b'\n', &lines[at..]).map_or(lines.len(), |n| at + n);
        if at > group && start.is_match(&lines[at..end]) {
            add_group(&lines[group..at], &mut data, &mut ends);
            group = at;
        }
        at = end + 1;
    }
    if over && group < lines.len() {
        add_group(&lines[group..], &mut data, &mut ends);
        group = lines.len();
    }
    Cut { bytes: group, data: data.into(), framing: Framing::Offsets(ends.into()) }
}

fn add_group(lines: &[u8], data: &mut Vec<u8>, ends: &mut Vec<u32>) {
    data.extend_from_slice(lines.strip_suffix(b"\n").unwrap_or(lines));
    ends.push(data.len() as u32);
}

#[cfg(test)]
mod tests {
    use brisk_core::source::RecordChunk;

    use super::*;
    use crate::testing::records_of;

    fn check(records: &Records, piece: &str, last: bool, closed: bool, bytes: usize, expected: &[&str]) {
        let cut = records.cut(&Bytes::from(piece.to_string()), last, closed);
        assert_eq!(cut.bytes, bytes);
        let chunk = RecordChunk { data: cut.data, framing: cut.framing, origin: "t".into(), first_record: 1 };
        assert_eq!(records_of(&chunk), expected);
    }

    #[test]
    fn partial_lines_wait() {
        check(&Records::Lines, "a\nb\nc", false, false, 4, &["a", "b"]);
        check(&Records::Lines, "a\nb\nc", true, false, 5, &["a", "b", "c"]);
        check(&Records::Lines, "abc", false, false, 0, &[]);
    }

    #[test]
    fn lines_are_grouped() {
        let groups = Records::Groups(Regex::new(r"^\d").unwrap());
        check(&groups, "1 x\n  at\n2 y\n  at\n", false, false, 9, &["1 x\n  at"]);
        check(&groups, "1 x\n  at\n2 y\n  at\n", false, true, 18, &["1 x\n  at", "2 y\n  at"]);
        check(&groups, "  lost\n1 x\nrest", true, false, 15, &["  lost", "1 x\nrest"]);
        check(&groups, "1 x\n2", false, false, 0, &[]);
    }
}

//! The records of a chunk, one after the other, with their numbers.

use brisk_core::source::{Framing, RecordChunk};
use memchr::memchr;

/// Iterates over `(number, start, end)` of the records. Under [`Framing::Lines`] a trailing `\r` is not part of a record.
/// Empty records are counted, and left out unless asked for.
pub(crate) struct Records<'a> {
    with_empty: bool,
    data: &'a [u8],
    ends: Option<&'a [u32]>,
    number: u32,
    pos: usize,
}

/// All records that are not empty.
pub(crate) fn records(chunk: &RecordChunk) -> Records<'_> {
    Records { with_empty: false, ..all_records(chunk) }
}

/// All records, empty ones too.
pub(crate) fn all_records(chunk: &RecordChunk) -> Records<'_> {
    let ends = match &chunk.framing {
        Framing::Lines => None,
        Framing::Offsets(ends) => Some(&ends[..]),
    };
    Records { with_empty: true, data: &chunk.data, ends, number: 0, pos: 0 }
}

impl Iterator for Records<'_> {
    type Item = (u32, usize, usize);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.ends {
            None => self.next_line(),
            Some(ends) => self.next_framed(ends),
        }
    }
}

impl Records<'_> {
    #[inline]
    fn next_line(&mut self) -> Option<(u32, usize, usize)> {
        while self.pos < self.data.len() {
            let start = self.pos;
            let line_end = memchr(b'\n', &self.data[start..]).map_or(self.data.len(), |n| start + n);
            self.pos = line_end + 1;
            let number = self.number;
            self.number += 1;
            let end = if line_end > start && self.data[line_end - 1] == b'\r' { line_end - 1 } else { line_end };
            if end > start || self.with_empty {
                return Some((number, start, end));
            }
        }
        None
    }

    fn next_framed(&mut self, ends: &[u32]) -> Option<(u32, usize, usize)> {
        while let Some(&end) = ends.get(self.number as usize) {
            let (number, start, end) = (self.number, self.pos, (end as usize).min(self.data.len()));
            self.number += 1;
            self.pos = end.max(start);
            if end > start || self.with_empty {
                return Some((number, start, end));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &str, framing: Framing, expected: &[(u32, &str)]) {
        let chunk = RecordChunk { data: data.to_string().into(), framing, origin: "t".into(), first_record: 1 };
        let got: Vec<_> = records(&chunk).map(|(n, s, e)| (n, &data[s..e])).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn lines_are_numbered_with_the_empty_ones() {
        check("a\n\nb\r\n\r\nc", Framing::Lines, &[(0, "a"), (2, "b"), (4, "c")]);
        check("", Framing::Lines, &[]);
        check("abcd", Framing::Offsets([1, 1, 4].into()), &[(0, "a"), (2, "bcd")]);
    }
}

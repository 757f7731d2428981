//! Where the bytes are that structure JSON text, found in one pass over a chunk, 64 bytes at a time.
//!
//! The end of a string is then looked up and not searched for, lines are cut without another pass, and text of ASCII alone
//! needs no check of its encoding. After the first stage of simdjson (Langdale and Lemire, "Parsing Gigabytes of JSON per
//! Second", 2019), without its second: which quotes are escaped is told from the marks.

/// A block's worth of bytes.
const BLOCK: usize = 64;
/// As many positions as are written before it is known whether there are as many.
const SPECULATED: usize = 8;

/// The marks of a chunk; the memory is used again for the next.
#[derive(Default)]
pub(crate) struct Marks {
    /// Positions of quotes and backslashes, ascending, and a last one that no text reaches.
    strings: Vec<u32>,
    /// Positions of line feeds, ascending.
    lines: Vec<u32>,
    ascii: bool,
}

/// What one block has, a bit for each byte, the first byte's lowest.
#[derive(Clone, Copy)]
struct Block {
    strings: u64,
    lines: u64,
    /// Whether a byte is above 127.
    wide: bool,
}

impl Marks {
    /// Looks through a text of less than 2^32 bytes.
    pub fn find(&mut self, text: &[u8]) {
        debug_assert!(u32::try_from(text.len()).is_ok());
        self.strings.clear();
        self.lines.clear();
        self.ascii = true;
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") {
            // SAFETY: the processor has what the function is compiled for.
            unsafe { self.find_avx2(text) };
            self.strings.push(u32::MAX);
            return;
        }
        self.find_with(text, block);
        self.strings.push(u32::MAX);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1")]
    fn find_avx2(&mut self, text: &[u8]) {
        self.find_with(text, |bytes| avx2_block(bytes));
    }

    #[inline(always)]
    fn find_with(&mut self, text: &[u8], of: impl Fn(&[u8; BLOCK]) -> Block) {
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let mut start = 0;
        for block in blocks {
            self.add(of(block), start);
            start += BLOCK as u32;
        }
        let mut last = [0; BLOCK];
        last[..rest.len()].copy_from_slice(rest);
        self.add(of(&last), start);
    }

    #[inline(always)]
    fn add(&mut self, block: Block, start: u32) {
        positions(block.strings, start, &mut self.strings);
        let mut lines = block.lines;
        while lines != 0 {
            self.lines.push(start + lines.trailing_zeros());
            lines &= lines - 1;
        }
        self.ascii &= !block.wide;
    }

    /// Quotes and backslashes, and `u32::MAX` as the last.
    pub fn strings(&self) -> &[u32] {
        &self.strings
    }

    /// Line feeds.
    pub fn lines(&self) -> &[u32] {
        &self.lines
    }

    /// Whether all bytes are ASCII.
    pub fn is_ascii(&self) -> bool {
        self.ascii
    }
}

/// Adds the positions of the bits, eight at a time, so that there is seldom a branch on how many there are.
#[inline(always)]
fn positions(mut bits: u64, start: u32, out: &mut Vec<u32>) {
    let mut left = bits.count_ones() as usize;
    out.reserve(BLOCK);
    while left > 0 {
        let mut some = [0u32; SPECULATED];
        for position in &mut some {
            *position = start.wrapping_add(bits.trailing_zeros());
            bits &= bits.wrapping_sub(1);
        }
        let length = out.len();
        out.extend_from_slice(&some);
        out.truncate(length + left.min(SPECULATED));
        left = left.saturating_sub(SPECULATED);
    }
}

/// A block of any processor.
#[inline(always)]
fn block(bytes: &[u8; BLOCK]) -> Block {
    let mut block = Block { strings: 0, lines: 0, wide: false };
    for (i, byte) in bytes.iter().enumerate() {
        block.strings |= u64::from(*byte == b'"' || *byte == b'\\') << i;
        block.lines |= u64::from(*byte == b'\n') << i;
        block.wide |= *byte > 127;
    }
    block
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
fn avx2_block(bytes: &[u8; BLOCK]) -> Block {
    use std::arch::x86_64::{_mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8};
    let half = |at: usize| {
        // SAFETY: 32 bytes from `at`, which is 0 or 32, are in the block; the load needs no alignment.
        let bytes = unsafe { _mm256_loadu_si256(bytes.as_ptr().add(at).cast()) };
        let is = |byte: u8| _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte as i8));
        let mask = |lanes| u64::from(_mm256_movemask_epi8(lanes) as u32);
        (mask(_mm256_or_si256(is(b'"'), is(b'\\'))), mask(is(b'\n')), mask(bytes))
    };
    let (low, high) = (half(0), half(BLOCK / 2));
    Block { strings: low.0 | high.0 << 32, lines: low.1 | high.1 << 32, wide: low.2 | high.2 != 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    #[test]
    fn marks_are_where_a_plain_search_finds_them() {
        let mut random = Random::new(5);
        let mut marks = Marks::default();
        for length in (0..300).chain([1000, 4096]) {
            let often = random.below(3) == 0;
            let text: Vec<u8> =
                (0..length).map(|_| if often { *random.pick(b"\"\\\na") } else { *random.pick("\"\\\nabcdefghijklmnopqrstuvwxyz".as_bytes()) }).collect();
            let wide = random.below(2) == 0 && length > 0;
            let text = if wide { [&text[..length / 2], &[0x80], &text[length / 2..]].concat() } else { text };
            let all = |wanted: &[u8]| (0..text.len()).filter(|i| wanted.contains(&text[*i])).map(|i| i as u32).collect::<Vec<_>>();
            let strings: Vec<u32> = all(b"\"\\").into_iter().chain([u32::MAX]).collect();
            marks.find(&text);
            assert_eq!((marks.strings(), marks.lines(), marks.is_ascii()), (&strings[..], &all(b"\n")[..], !wide));
            let mut plain = Marks { ascii: true, ..Marks::default() };
            plain.find_with(&text, block);
            plain.strings.push(u32::MAX);
            assert_eq!((plain.strings, plain.lines, plain.ascii), (strings, all(b"\n"), !wide));
        }
    }
}

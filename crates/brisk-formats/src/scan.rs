//! Looking for bytes, sixteen at a time and then 64. Texts are short here, so that a call into a general search costs more
//! than the search itself; a loop whose number of turns can be foreseen costs less than one that reads less.

const BLOCK: usize = 16;
/// Blocks that are looked at together.
const BLOCKS: usize = 4;

/// The first byte of `data` from `pos` on that is one of two. `beyond` is `data` and what lies behind it in memory, so that
/// the last bytes can be looked at as a block too.
#[inline(always)]
pub(crate) fn find_either(data: &[u8], beyond: &[u8], mut pos: usize, either: [u8; 2]) -> Option<usize> {
    debug_assert!(beyond.len() >= data.len());
    if let Some(block) = beyond.get(pos..).and_then(|rest| rest.first_chunk()) {
        let hits = hits(block, either);
        if hits != 0 {
            let at = pos + hits.trailing_zeros() as usize;
            return (at < data.len()).then_some(at);
        }
        pos += BLOCK;
    }
    while let Some(wide) = beyond.get(pos..).and_then(|rest| rest.first_chunk::<{ BLOCK * BLOCKS }>()) {
        let (blocks, _) = wide.as_chunks();
        let hits = blocks.iter().enumerate().fold(0u64, |all, (i, block)| all | u64::from(hits(block, either)) << (i * BLOCK));
        if hits != 0 {
            let at = pos + hits.trailing_zeros() as usize;
            return (at < data.len()).then_some(at);
        }
        pos += BLOCK * BLOCKS;
    }
    data.get(pos..)?.iter().position(|b| either.contains(b)).map(|n| pos + n)
}

/// The first `byte` of `data` from `pos` on.
#[inline(always)]
pub(crate) fn find(data: &[u8], pos: usize, byte: u8) -> Option<usize> {
    find_either(data, data, pos, [byte, byte])
}

/// A bit for every byte of the block that is one of two, the first byte's lowest.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn hits(block: &[u8; BLOCK], either: [u8; 2]) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};
    // SAFETY: SSE2 is part of x86-64. The load takes 16 bytes, which the block has, at any alignment.
    unsafe {
        let bytes = _mm_loadu_si128(block.as_ptr().cast());
        let one = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(either[0] as i8));
        let other = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(either[1] as i8));
        _mm_movemask_epi8(_mm_or_si128(one, other)) as u32
    }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn hits(block: &[u8; BLOCK], either: [u8; 2]) -> u32 {
    block.iter().enumerate().fold(0, |hits, (i, b)| hits | u32::from(either.contains(b)) << i)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_found_and_none_beyond() {
        for length in (0..40).chain(60..90).chain(140..160) {
            for behind in 0..20 {
                for end in *b"\"\\" {
                    let text = [vec![b'x'; length], vec![end], vec![b'"'; behind]].concat();
                    assert_eq!(find_either(&text[..=length], &text, 0, *b"\"\\"), Some(length));
                    assert_eq!(find_either(&text[..length], &text, 0, *b"\"\\"), None);
                    assert_eq!(find(&text, length.saturating_sub(3), end), Some(length));
                    assert_eq!(find_either(&text[..length], &text, length, *b"\"\\"), None);
                }
            }
        }
        assert_eq!(find(b"abc", 7, b'a'), None);
    }
}

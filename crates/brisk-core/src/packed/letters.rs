//! Text of few different letters (words, UUIDs, numbers): four, five or six bits for each byte.
//!
//! Eight bytes become as many bytes as a letter has bits. Behind the last letter of a value the bits are ones, which are no
//! letter, so that its length is known: no more than one whole letter can be missing in its last byte.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BinaryArray, StringArray};
use arrow_buffer::OffsetBuffer;

use super::{Form, Packed, joined_nulls, too_long};
use crate::{Error, Result};

/// The letters are those of so many rows, if others do not turn up later.
const SAMPLE_ROWS: usize = 1024;
/// One code of six bits is none of the letters.
const LETTERS_MAX: usize = 63;
/// In a table of codes: not one of the letters.
const UNKNOWN: u8 = 0x80;

/// The letters of a packed column, by code.
#[derive(Debug, Clone, PartialEq)]
pub struct Letters {
    table: [u8; LETTERS_MAX + 1],
    count: usize,
}

impl Letters {
    /// `None` where there are too many, or one of them twice.
    pub(super) fn new(letters: &[u8]) -> Option<Self> {
        let different = letters.iter().enumerate().all(|(i, letter)| !letters[..i].contains(letter));
        if letters.len() > LETTERS_MAX || !different {
            return None;
        }
        let mut table = [0; LETTERS_MAX + 1];
        table[..letters.len()].copy_from_slice(letters);
        Some(Self { table, count: letters.len() })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.table[..self.count]
    }

    /// Those of the values; `None` as soon as there are too many.
    fn of<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let (mut seen, mut letters) = ([false; 256], Vec::new());
        for byte in values.flatten() {
            if !std::mem::replace(&mut seen[usize::from(*byte)], true) {
                if letters.len() == LETTERS_MAX {
                    return None;
                }
                letters.push(*byte);
            }
        }
        Self::new(&letters)
    }

    fn bits(&self) -> usize {
        match self.count {
            0..16 => 4,
            16..32 => 5,
            _ => 6,
        }
    }

    fn codes(&self) -> [u8; 256] {
        let mut codes = [UNKNOWN; 256];
        (0u8..).zip(self.bytes()).for_each(|(code, letter)| codes[usize::from(*letter)] = code);
        codes
    }

    /// Appends what a packed value stands for. Codes without a letter, which only damaged values have, are left out.
    #[inline]
    pub(super) fn decode(&self, packed: &[u8], out: &mut Vec<u8>) {
        match self.bits() {
            4 => decode::<4>(packed, self, out),
            5 => decode::<5>(packed, self, out),
            _ => decode::<6>(packed, self, out),
        }
    }
}

pub(super) fn pack(chunks: &[&dyn Array], rows: usize) -> Result<Option<Packed>> {
    let texts: Vec<&StringArray> = chunks.iter().map(|c| c.as_string()).collect();
    let values = || texts.iter().flat_map(|c| (0..c.len()).map(|row| c.value(row).as_bytes()));
    let bytes: usize = texts.iter().map(|c| c.value_offsets()[c.len()] as usize - c.value_offsets()[0] as usize).sum();
    let Some(sample) = Letters::of(values().take(SAMPLE_ROWS)) else { return Ok(None) };
    // Not worth it where texts are short, for offsets stay as they are.
    if (bytes * sample.bits() / 8 + 4 * rows) * 5 > (bytes + 4 * rows) * 4 {
        return Ok(None);
    }
    let packed = match encode_all(values(), &sample, (rows, bytes)) {
        Some(packed) => Some((sample, packed)),
        None => Letters::of(values()).and_then(|letters| encode_all(values(), &letters, (rows, bytes)).map(|packed| (letters, packed))),
    };
    let Some((letters, (offsets, data))) = packed else { return Ok(None) };
    let column = BinaryArray::try_new(OffsetBuffer::new(offsets.into()), data.into(), joined_nulls(chunks))?;
    Ok(Some((Form::Letters(letters), Arc::new(column))))
}

/// Offsets and bytes of packed values; `None` where one has another letter.
fn encode_all<'a>(values: impl Iterator<Item = &'a [u8]>, letters: &Letters, (rows, bytes): (usize, usize)) -> Option<(Vec<i32>, Vec<u8>)> {
    let (codes, bits) = (letters.codes(), letters.bits());
    let mut offsets = Vec::with_capacity(rows + 1);
    offsets.push(0);
    let mut data = Vec::with_capacity(bytes * bits / 8 + rows);
    for value in values {
        let known = match bits {
            4 => encode::<4>(value, &codes, &mut data),
            5 => encode::<5>(value, &codes, &mut data),
            _ => encode::<6>(value, &codes, &mut data),
        };
        if !known {
            return None;
        }
        offsets.push(i32::try_from(data.len()).ok()?);
    }
    data.shrink_to_fit();
    Some((offsets, data))
}

/// Appends a value. `false` if it has an unknown letter, then what was appended means nothing.
#[inline]
fn encode<const BITS: usize>(value: &[u8], codes: &[u8; 256], out: &mut Vec<u8>) -> bool {
    let mut all = 0;
    let mut code_at = |place: usize, byte: u8| {
        let code = codes[usize::from(byte)];
        all |= code;
        u64::from(code) << (BITS * place)
    };
    let (eights, rest) = value.as_chunks::<8>();
    let begin = out.len();
    out.resize(begin + eights.len() * BITS, 0);
    for (eight, packed) in eights.iter().zip(out[begin..].as_chunks_mut::<BITS>().0) {
        let word = (0..8).fold(0, |word, place| word | code_at(place, eight[place]));
        packed.copy_from_slice(&word.to_le_bytes()[..BITS]);
    }
    if !rest.is_empty() {
        let ones = u64::MAX << (BITS * rest.len());
        let word = rest.iter().enumerate().fold(ones, |word, (place, byte)| word | code_at(place, *byte));
        out.extend_from_slice(&word.to_le_bytes()[..(BITS * rest.len()).div_ceil(8)]);
    }
    all & UNKNOWN == 0
}

#[inline]
fn decode<const BITS: usize>(packed: &[u8], letters: &Letters, out: &mut Vec<u8>) {
    let code = |word: u64, place: usize| (word >> (BITS * place)) as usize & ((1 << BITS) - 1);
    let word_of = |group: &[u8]| {
        let mut word = [0; 8];
        word[..group.len()].copy_from_slice(group);
        u64::from_le_bytes(word)
    };
    // The last group, whole or not, may have a code without a letter.
    let groups = packed.len().saturating_sub(1) / BITS;
    let (groups, last) = packed.split_at(groups * BITS);
    let groups = groups.as_chunks::<BITS>().0;
    let begin = out.len();
    out.resize(begin + groups.len() * 8, 0);
    for (group, eight) in groups.iter().zip(out[begin..].as_chunks_mut::<8>().0) {
        let word = word_of(group);
        *eight = std::array::from_fn(|place| letters.table[code(word, place)]);
    }
    let word = word_of(last);
    let codes = (0..last.len() * 8 / BITS).map(|place| code(word, place));
    out.extend(codes.filter(|code| *code < letters.count).map(|code| letters.table[code]));
}

pub(super) fn binary(column: &ArrayRef) -> Result<&BinaryArray> {
    column.as_binary_opt::<i32>().ok_or_else(|| Error::corrupt(format!("a column of {} cannot be unpacked as letters", column.data_type())))
}

pub(super) fn unpack(column: &ArrayRef, letters: &Letters) -> Result<ArrayRef> {
    let packed = binary(column)?;
    let mut offsets = Vec::with_capacity(packed.len() + 1);
    offsets.push(0);
    let mut data = Vec::with_capacity((packed.value_offsets()[packed.len()] - packed.value_offsets()[0]) as usize * 2);
    for row in 0..packed.len() {
        letters.decode(packed.value(row), &mut data);
        offsets.push(i32::try_from(data.len()).map_err(|_| too_long())?);
    }
    Ok(Arc::new(StringArray::try_new(OffsetBuffer::new(offsets.into()), data.into(), packed.nulls().cloned())?))
}

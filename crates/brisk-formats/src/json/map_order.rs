//! The order of a map's entries.
//!
//! Flink gathers the entries of a JSON object in Java's `HashMap`, and the order in which that gives them back shows:
//! in `UNNEST .. WITH ORDINALITY`, in `MAP_KEYS`, in a map cast to text. It follows from the hash of the keys, a
//! Murmur hash of their bytes with a fixed seed, and from the number of entries.

/// Puts entries, given in the order they were added, into the order of the map.
pub(super) fn sort<T>(entries: &mut [T], key: impl Fn(&T) -> &[u8]) {
    let buckets = bucket_count(entries.len());
    // Entries of one bucket stay in the order they were added.
    entries.sort_by_cached_key(|entry| bucket(key(entry), buckets));
}

/// A table of 16 that doubles whenever it is more than three quarters full.
fn bucket_count(entries: usize) -> u32 {
    let mut buckets = 16u32;
    while entries * 4 > buckets as usize * 3 && buckets < 1 << 30 {
        buckets *= 2;
    }
    buckets
}

fn bucket(key: &[u8], buckets: u32) -> u32 {
    let hash = murmur(key);
    (hash ^ (hash >> 16)) & (buckets - 1)
}

/// Murmur3 over words of four bytes, and then over single bytes as signed words.
fn murmur(key: &[u8]) -> u32 {
    let mut hash = 42u32;
    let mut words = key.chunks_exact(4);
    for word in &mut words {
        hash = mix(hash, u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
    }
    for byte in words.remainder() {
        hash = mix(hash, i32::from(*byte as i8) as u32);
    }
    hash ^= key.len() as u32;
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

fn mix(hash: u32, word: u32) -> u32 {
    let word = word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    (hash ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &str, expected: &str) {
        let mut keys: Vec<&str> = keys.split(' ').collect();
        sort(&mut keys, |k| k.as_bytes());
        assert_eq!(keys.join(" "), expected);
    }

    #[test]
    fn entries_have_the_order_of_flink() {
        check("a b", "a b");
        check("c d", "d c");
        check("e d c b a", "a e d c b");
    }
}

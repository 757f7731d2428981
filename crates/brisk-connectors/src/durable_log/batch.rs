//! A batch of records as bytes: see the format in the parent module.

/// Length, sum and first record: what stands before the body.
pub(super) const HEADER_BYTES: usize = 16;
/// Time and number of records.
const BODY_HEAD_BYTES: usize = 12;
/// A body larger than this is refused, and taken for damage when read.
const BODY_BYTES_MAX: usize = 256 << 20;

/// The body of a batch and how many records it has; the size when that is too much.
pub(super) fn body<'a>(now_ms: i64, records: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<u8>, u32), usize> {
    let mut data = Vec::new();
    let mut ends: Vec<u32> = Vec::new();
    for record in records {
        data.extend_from_slice(record);
        if data.len() > BODY_BYTES_MAX {
            return Err(data.len());
        }
        ends.push(data.len() as u32);
    }
    let bytes = BODY_HEAD_BYTES + ends.len() * 4 + data.len();
    if bytes > BODY_BYTES_MAX {
        return Err(bytes);
    }
    let mut body = Vec::with_capacity(bytes);
    body.extend_from_slice(&now_ms.to_le_bytes());
    body.extend_from_slice(&(ends.len() as u32).to_le_bytes());
    ends.iter().for_each(|e| body.extend_from_slice(&e.to_le_bytes()));
    body.extend_from_slice(&data);
    Ok((body, ends.len() as u32))
}

/// Appends the batch with its header.
pub(super) fn write(first: u64, body: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32c(body).to_le_bytes());
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(body);
}

/// A batch as it lies in `bytes`.
pub(super) struct Batch<'a> {
    pub time_ms: i64,
    /// Where each record ends in `data`.
    pub ends: Vec<u32>,
    pub data: &'a [u8],
    /// The size of all of it.
    pub bytes: usize,
}

/// Why no batch can be read.
#[derive(Debug, PartialEq)]
pub(super) enum Broken {
    /// So many bytes are needed to say more.
    Short(usize),
    /// What stands there is not what was written.
    Wrong(&'static str),
}

/// Reads the batch at the front of `bytes`, which must begin with record `first`.
pub(super) fn read(bytes: &[u8], first: u64) -> Result<Batch<'_>, Broken> {
    if bytes.len() < HEADER_BYTES {
        return Err(Broken::Short(HEADER_BYTES));
    }
    let length = u32_at(bytes, 0) as usize;
    if !(BODY_HEAD_BYTES..=BODY_BYTES_MAX).contains(&length) {
        return Err(Broken::Wrong("a batch has an impossible length"));
    }
    if u64::from_le_bytes(bytes[8..16].try_into().expect("eight bytes")) != first {
        return Err(Broken::Wrong("a batch has a wrong number"));
    }
    let Some(body) = bytes.get(HEADER_BYTES..HEADER_BYTES + length) else { return Err(Broken::Short(HEADER_BYTES + length)) };
    if crc32c(body) != u32_at(bytes, 4) {
        return Err(Broken::Wrong("a batch has a wrong sum"));
    }
    let count = u32_at(body, 8) as usize;
    let data_at = BODY_HEAD_BYTES.saturating_add(count.saturating_mul(4));
    let Some(data) = body.get(data_at..) else { return Err(Broken::Wrong("a batch has an impossible number of records")) };
    let ends: Vec<u32> = (0..count).map(|i| u32_at(body, BODY_HEAD_BYTES + 4 * i)).collect();
    if !ends.is_sorted() || ends.last().map_or(0, |e| *e as usize) != data.len() {
        return Err(Broken::Wrong("the records of a batch do not fill it"));
    }
    let time_ms = i64::from_le_bytes(body[..8].try_into().expect("eight bytes"));
    Ok(Batch { time_ms, ends, data, bytes: HEADER_BYTES + length })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// CRC-32C, eight bytes at a time.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let low = crc ^ u32_at(chunk, 0);
        crc = TABLES[7][(low & 255) as usize]
            ^ TABLES[6][(low >> 8 & 255) as usize]
            ^ TABLES[5][(low >> 16 & 255) as usize]
            ^ TABLES[4][(low >> 24) as usize]
            ^ TABLES[3][usize::from(chunk[4])]
            ^ TABLES[2][usize::from(chunk[5])]
            ^ TABLES[1][usize::from(chunk[6])]
            ^ TABLES[0][usize::from(chunk[7])];
    }
    for b in chunks.remainder() {
        crc = TABLES[0][((crc ^ u32::from(*b)) & 255) as usize] ^ (crc >> 8);
    }
    !crc
}

static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0u32; 256]; 8];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
            bit += 1;
        }
        tables[0][i] = crc;
        i += 1;
    }
    let mut t = 1;
    while t < 8 {
        let mut i = 0;
        while i < 256 {
            let before = tables[t - 1][i];
            tables[t][i] = tables[0][(before & 255) as usize] ^ (before >> 8);
            i += 1;
        }
        t += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(records: &[&[u8]]) {
        let (body, count) = body(7, records.iter().copied()).unwrap();
        assert_eq!(count as usize, records.len());
        let mut bytes = Vec::new();
        write(3, &body, &mut bytes);
        let batch = read(&bytes, 3).ok().unwrap();
        assert_eq!((batch.time_ms, batch.bytes, batch.data), (7, bytes.len(), &records.concat()[..]));
        for i in 0..bytes.len() {
            assert!(read(&bytes[..i], 3).is_err());
            let mut flipped = bytes.clone();
            flipped[i] ^= 1;
            assert!(read(&flipped, 3).is_err(), "{i}");
        }
    }

    #[test]
    fn batches_are_read_back_and_damage_is_seen() {
        check(&[b"one"]);
        check(&[b"", b"a longer record with more than eight bytes", b"x"]);
    }

    #[test]
    fn the_sum_is_crc32c() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }
}

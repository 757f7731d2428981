//! Base64 with the standard alphabet and required padding: how bytes travel in text.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            out.push(if i <= group.len() { ALPHABET[(word >> (18 - 6 * i)) as usize & 63] } else { b'=' });
        }
    }
}

/// Appends the bytes of `text`; `None` when it is not base64, with `out` as it was.
pub(crate) fn decode(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let before = out.len();
    let done = decode_groups(text, out);
    if done.is_none() {
        out.truncate(before);
    }
    done
}

fn decode_groups(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let groups = text.len() / 4;
    for (i, group) in text.chunks_exact(4).enumerate() {
        let padding = if i + 1 == groups { group.iter().rev().take_while(|b| **b == b'=').count() } else { 0 };
        if padding > 2 {
            return None;
        }
        let mut word = 0u32;
        for b in &group[..4 - padding] {
            word = word << 6 | u32::from(sextet(*b)?);
        }
        word <<= 6 * padding;
        out.extend_from_slice(&word.to_be_bytes()[1..4 - padding]);
    }
    Some(())
}

fn sextet(b: u8) -> Option<u8> {
    Some(match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], text: &str) {
        let (mut encoded, mut decoded) = (Vec::new(), Vec::new());
        encode(bytes, &mut encoded);
        assert_eq!(encoded, text.as_bytes());
        decode(text.as_bytes(), &mut decoded).unwrap();
        assert_eq!(decoded, bytes);
    }

    #[test]
    fn bytes_are_kept() {
        check(b"", "");
        check(b"f", "Zg==");
        check(b"fo", "Zm8=");
        check(b"foo", "Zm9v");
        check(&[0xff, 0xfe, 0xfd, 0x00], "//79AA==");
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Z!==", "Zm9v\n"] {
            assert!(decode(text.as_bytes(), &mut Vec::new()).is_none(), "{text}");
        }
    }
}

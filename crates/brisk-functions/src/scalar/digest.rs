//! MD5 and the SHA family, over text (its UTF-8 bytes) or bytes, in small hexadecimal digits.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::Int32Type;
use brisk_core::{DataType as T, Error, Result};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::binding::{Want, bind};
use super::builtin::Builtin;
use super::reader::build_texts;
use super::{Call, ScalarFunction};

/// A function of one algorithm, with the number of its digits.
macro_rules! digest {
    ($name:literal, $algorithm:ty, $digits:literal) => {
        Builtin::new($name, |args| bind(args, &[Want::TextOrBinary], 1, T::Char($digits)), hash::<$algorithm>).safe()
    };
}

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    [
        digest!("MD5", Md5, 32),
        digest!("SHA1", Sha1, 40),
        digest!("SHA224", Sha224, 56),
        digest!("SHA256", Sha256, 64),
        digest!("SHA384", Sha384, 96),
        digest!("SHA512", Sha512, 128),
        Builtin::new("SHA2", |args| bind(args, &[Want::TextOrBinary, Want::Int], 2, T::Varchar(128)), sha2),
    ]
    .map(Builtin::shared)
    .to_vec()
}

fn hash<D: Digest>(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.raw(0);
    Ok(build_texts(call.rows, |row, out| {
        write_hash::<D>(values.get(row)?, out);
        Some(())
    }))
}

fn write_hash<D: Digest>(value: &[u8], out: &mut String) {
    for byte in D::digest(value).iter() {
        let _ = write!(out, "{byte:02x}");
    }
}

/// SHA2(value, bits).
fn sha2(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, lengths) = (call.raw(0), call.number::<Int32Type>(1));
    let mut unknown = None;
    let result = build_texts(call.rows, |row, out| {
        let (value, bits) = (values.get(row)?, lengths.get(row)?);
        match bits {
            224 => write_hash::<Sha224>(value, out),
            256 => write_hash::<Sha256>(value, out),
            384 => write_hash::<Sha384>(value, out),
            512 => write_hash::<Sha512>(value, out),
            other => unknown = Some(other),
        }
        Some(())
    });
    match unknown {
        Some(bits) => Err(Error::compute(format!("SHA2 has 224, 256, 384 or 512 bits, not {bits}"))),
        None => Ok(result),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use brisk_core::DataType as T;

    #[test]
    fn digests_are_in_small_hexadecimal_digits() {
        check_typed("MD5", &[text("abc")], "CHAR(32)", "900150983cd24fb0d6963f7d28e17f72");
        check_typed("SHA1", &[text("")], "CHAR(40)", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        check("SHA224", &[text("")], "d14a028c2a3a2bc9476102bb288234c415a2b01f828ea62ac5b3e42f");
        check_typed("SHA2", &[text("test"), int(256)], "VARCHAR(128)", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08");
        check("SHA256", &[null(T::BYTES)], "NULL");
        check("SHA2", &[text("test"), int(1)], "ERROR");
    }
}

//! The manifest: what a checkpoint consists of. Written last, read first.

use std::collections::BTreeMap;
use std::ops::Range;

use brisk_core::key_group::{hash_bytes, key_group_range};
use brisk_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// The version that is written; the only one that is read so far.
pub const VERSION: u32 = 1;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    pub id: u64,
    pub savepoint: bool,
    /// Processing time at which it was triggered.
    pub time_ms: i64,
    pub key_groups: u16,
    pub operators: Vec<OperatorManifest>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperatorManifest {
    pub operator_id: String,
    /// For people.
    pub name: String,
    /// By subtask; their number is the parallelism.
    pub subtasks: Vec<SubtaskManifest>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SubtaskManifest {
    /// Keyed state, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileRef>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub states: BTreeMap<String, Blob>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceManifest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer_state: Option<Blob>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub committables: Vec<Blob>,
    /// The watermark that an operator had been given, so that time does not go back for it after a restore. Not state:
    /// it may be left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<i64>,
    /// The watermark that the operator had given out, for those behind it that have other inputs too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark_out: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SourceManifest {
    pub splits: BTreeMap<String, Blob>,
    /// Of splits that have one.
    pub watermarks: BTreeMap<String, i64>,
    /// The subtask's combined watermark, so that a restored job neither waits for it again nor takes late rows.
    pub watermark: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// Relative to the store's root.
    pub path: String,
    /// Where it begins in the object, which small files share.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: u64,
    pub bytes: u64,
    #[serde(with = "hex_u64")]
    pub checksum: u64,
    /// Whether it holds everything up to its barrier, or what changed since the file before it.
    pub full: bool,
    /// Whether it only adds to logs, so that nothing in older files is hidden by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_appends: bool,
}

fn is_zero(offset: &u64) -> bool {
    *offset == 0
}

/// Bytes that are shown as text where they are text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "BlobForm", into = "BlobForm")]
pub struct Blob(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BlobForm {
    Text(String),
    Hex(HexBytes),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct HexBytes(Vec<u8>);

#[derive(Serialize, Deserialize)]
struct Sealed<M> {
    #[serde(with = "hex_u64")]
    checksum: u64,
    manifest: M,
}

impl Manifest {
    /// The JSON with its checksum.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let checksum = hash_bytes(&to_json(self)?);
        to_json(&Sealed { checksum, manifest: self })
    }

    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let damaged = |what: String| Error::corrupt(format!("damaged manifest: {what}"));
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        match value.pointer("/manifest/version").and_then(serde_json::Value::as_u64) {
            Some(v) if v == u64::from(VERSION) => {}
            Some(v) => return Err(Error::corrupt(format!("the checkpoint has format version {v}; this program reads version {VERSION}"))),
            None => return Err(damaged("no version".to_owned())),
        }
        let sealed: Sealed<Manifest> = serde_json::from_value(value).map_err(|e| damaged(e.to_string()))?;
        if hash_bytes(&to_json(&sealed.manifest)?) != sealed.checksum {
            return Err(damaged("its checksum does not match".to_owned()));
        }
        Ok(sealed.manifest)
    }

    pub fn operator(&self, operator_id: &str) -> Option<&OperatorManifest> {
        self.operators.iter().find(|o| o.operator_id == operator_id)
    }

    pub fn files(&self) -> impl Iterator<Item = &FileRef> {
        self.operators.iter().flat_map(|o| &o.subtasks).flat_map(|s| &s.files)
    }
}

impl OperatorManifest {
    /// Whether a restore without this operator loses something.
    pub fn has_state(&self) -> bool {
        self.subtasks.iter().any(|s| *s != SubtaskManifest { watermark: s.watermark, watermark_out: s.watermark_out, ..SubtaskManifest::default() })
    }

    /// The key groups of each former subtask.
    pub fn key_groups_of(&self, subtask: usize, key_groups: u16) -> Range<u16> {
        key_group_range(subtask, key_groups, self.subtasks.len())
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| Error::internal(format!("cannot write a manifest: {e}")))
}

impl From<Blob> for BlobForm {
    fn from(blob: Blob) -> Self {
        match String::from_utf8(blob.0) {
            Ok(text) => BlobForm::Text(text),
            Err(e) => BlobForm::Hex(HexBytes(e.into_bytes())),
        }
    }
}

impl From<BlobForm> for Blob {
    fn from(form: BlobForm) -> Self {
        match form {
            BlobForm::Text(text) => Blob(text.into_bytes()),
            BlobForm::Hex(HexBytes(bytes)) => Blob(bytes),
        }
    }
}

impl From<HexBytes> for String {
    fn from(bytes: HexBytes) -> Self {
        bytes.0.iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl TryFrom<String> for HexBytes {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.as_bytes();
        if !digits.len().is_multiple_of(2) {
            return Err("hex digits come in pairs".to_owned());
        }
        let pair = |p: &[u8]| std::str::from_utf8(p).ok().and_then(|t| u8::from_str_radix(t, 16).ok());
        digits.chunks(2).map(|p| pair(p).ok_or_else(|| "not a hex digit".to_owned())).collect::<Result<_, _>>().map(HexBytes)
    }
}

/// A u64 as 16 hex digits: JSON numbers lose its low bits in many readers.
mod hex_u64 {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{value:016x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Manifest {
        let subtask = SubtaskManifest {
            files: vec![FileRef { path: "chk-1/ab-0.state".into(), offset: 7, bytes: 9, checksum: u64::MAX - 1, full: true, only_appends: false }],
            states: BTreeMap::from([("text".into(), Blob(b"{\"a\":1}".to_vec())), ("bytes".into(), Blob(vec![0xff, 0x00, 0x80]))]),
            ..SubtaskManifest::default()
        };
        let operators = vec![OperatorManifest { operator_id: "ab".into(), name: "Sum".into(), subtasks: vec![subtask] }];
        Manifest { version: VERSION, id: 1, savepoint: false, time_ms: 5, key_groups: 128, operators }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Manifest::decode(&sample().encode().unwrap()).unwrap(), sample());
    }

    #[test]
    fn damage_is_noticed() {
        let text = String::from_utf8(sample().encode().unwrap()).unwrap();
        for (from, to, expected) in
            [("\"time_ms\":5", "\"time_ms\":6", "checksum"), ("\"version\":1", "\"version\":2", "format version 2"), ("\"manifest\"", "\"\"", "no version")]
        {
            let error = Manifest::decode(text.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.message.contains(expected), "{error}");
        }
        assert!(Manifest::decode(&text.as_bytes()[..text.len() / 2]).is_err());
    }
}

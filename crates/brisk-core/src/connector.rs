//! The contract of a connector: a name, an options struct, and a source and/or a sink.
//!
//! The options struct is the only description of the options: [`parse_options`] reads `WITH (...)` into it by serde
//! (unknown keys are refused), and its JSON schema gives the reference and the page's forms.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::batch::ChangelogMode;
use crate::format::{BulkReaderFactory, DecoderFactory, EncoderFactory, Format};
use crate::sink::Sink;
use crate::source::Source;
use crate::{Error, Result, Schema, SqlType};

/// A kind of table, by the name that `'connector' = '...'` gives.
pub trait Connector: Send + Sync {
    fn name(&self) -> &'static str;

    /// The JSON schema of the options, without `connector` and the format's own.
    fn options_schema(&self) -> serde_json::Value;

    /// The metadata keys that `METADATA FROM` may name, with their types.
    fn metadata(&self) -> Vec<(&'static str, SqlType)> {
        Vec::new()
    }

    fn source(&self, table: &TableDescriptor) -> Result<Arc<dyn Source>> {
        Err(Error::unsupported(format!("table `{}`: connector '{}' cannot be read from", table.name, self.name())))
    }

    fn sink(&self, table: &TableDescriptor) -> Result<Arc<dyn Sink>> {
        Err(Error::unsupported(format!("table `{}`: connector '{}' cannot be written to", table.name, self.name())))
    }

    /// Whether it carries whole files, and so bulk formats too.
    fn takes_bulk_formats(&self) -> bool {
        false
    }

    /// Which changes a sink takes when no format decides it.
    fn sink_mode(&self, _table: &TableDescriptor) -> ChangelogMode {
        ChangelogMode::Append
    }

    /// Which changes a source gives when no format decides it.
    fn source_mode(&self, _table: &TableDescriptor) -> ChangelogMode {
        ChangelogMode::Append
    }
}

/// A table as its connector sees it.
#[derive(Clone)]
pub struct TableDescriptor {
    pub name: String,
    /// The physical columns (neither computed nor metadata), in the table's order.
    pub schema: Schema,
    /// For a source: the positions of the physical columns that are wanted, in order.
    pub projection: Vec<usize>,
    /// For a source: what else of the projected columns is not needed. A hint: it may be ignored.
    pub push_down: PushDown,
    /// The keys of the metadata columns that are wanted, in order, with the declared types.
    pub metadata: Vec<(String, SqlType)>,
    /// Positions of the primary key's columns in `schema`; empty without one.
    pub primary_key: Vec<usize>,
    /// Positions of the partition columns in `schema`.
    pub partition_keys: Vec<usize>,
    /// The options without `connector`, `format` and the format's own.
    pub options: BTreeMap<String, String>,
    pub format: Option<BoundFormat>,
    pub time_zone: String,
}

/// What a source may leave out. Everything here is applied again above the source.
#[derive(Debug, Clone, Default)]
pub struct PushDown {
    /// By position in the projection: the fields of a ROW column that are used; the others may be given as NULL. `None`
    /// or a missing entry: all of it is used.
    pub fields: Vec<Option<Vec<usize>>>,
    /// Rows for which one of these does not hold may be left out.
    pub filters: Vec<ColumnFilter>,
}

/// Holds where at least one of its terms, `column op literal`, is true.
#[derive(Debug, Clone)]
pub struct ColumnFilter {
    /// Position in the table's physical columns.
    pub column: usize,
    /// A literal has one element, of the column's type, not NULL.
    pub any_of: Vec<(FilterOp, arrow_array::ArrayRef)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterOp {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// The format of a table with its options read.
#[derive(Clone)]
pub struct BoundFormat {
    pub name: String,
    pub decoder: Option<Arc<dyn DecoderFactory>>,
    /// Reads a bulk format, in place of a decoder.
    pub bulk_reader: Option<Arc<dyn BulkReaderFactory>>,
    pub encoder: Option<Arc<dyn EncoderFactory>>,
    /// For a source whose bad records fail the job.
    pub judge: Option<RecordJudge>,
}

/// Reads records by all columns of their table, whatever the query uses: for a source that takes records from outside and
/// may refuse them, so that what it took does not fail the job.
#[derive(Clone)]
pub struct RecordJudge {
    /// Judges of one name judge alike.
    pub name: String,
    pub decoder: Arc<dyn DecoderFactory>,
}

/// Where the planner finds connectors and formats by name.
pub trait Registry: Send + Sync {
    fn connectors(&self) -> Vec<Arc<dyn Connector>>;

    fn formats(&self) -> Vec<Arc<dyn Format>>;

    fn connector(&self, name: &str) -> Option<Arc<dyn Connector>> {
        self.connectors().into_iter().find(|c| c.name() == name)
    }

    fn format(&self, name: &str) -> Option<Arc<dyn Format>> {
        self.formats().into_iter().find(|f| f.name() == name)
    }
}

/// Reads options into their struct. Use `#[serde(deny_unknown_fields, rename_all = "kebab-case")]`, and `rename` for
/// keys with dots. Numbers, booleans, unit enums, [`TimeSpan`], [`MemorySize`] and `Option` of these are understood.
pub fn parse_options<T: DeserializeOwned>(options: &BTreeMap<String, String>) -> Result<T> {
    let entries = options.iter().map(|(k, v)| (k.as_str(), OptionText { key: k, text: v }));
    T::deserialize(MapDeserializer::<_, OptionError>::new(entries)).map_err(|e| Error::invalid(format!("table options: {}", e.0)))
}

/// A duration as Flink writes it: `5 s`, `200 ms`, `1 min`, `1 h`, `2 d`; a bare number is milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub Duration);

/// A size as Flink writes it: `64 mb`, `1 gb`, `512 kb`; a bare number is bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemorySize(pub u64);

impl std::str::FromStr for TimeSpan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text)?;
        let nanos: u64 = match unit.as_str() {
            "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
            "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
            "us" | "µs" | "micro" | "micros" | "microsecond" | "microseconds" => 1_000,
            "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000_000,
            "m" | "min" | "minute" | "minutes" => 60_000_000_000,
            "h" | "hour" | "hours" => 3_600_000_000_000,
            "d" | "day" | "days" => 86_400_000_000_000,
            other => return Err(format!("'{other}' is no unit of time; use ms, s, min, h or d")),
        };
        let total = number.checked_mul(nanos).ok_or_else(|| format!("'{text}' is too long"))?;
        Ok(TimeSpan(Duration::from_nanos(total)))
    }
}

impl std::str::FromStr for MemorySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text)?;
        let bytes: u64 = match unit.as_str() {
            "" | "b" | "bytes" => 1,
            "k" | "kb" | "kibibytes" => 1 << 10,
            "m" | "mb" | "mebibytes" => 1 << 20,
            "g" | "gb" | "gibibytes" => 1 << 30,
            "t" | "tb" | "tebibytes" => 1 << 40,
            other => return Err(format!("'{other}' is no unit of size; use b, kb, mb, gb or tb")),
        };
        number.checked_mul(bytes).map(MemorySize).ok_or_else(|| format!("'{text}' is too large"))
    }
}

fn split_unit(text: &str) -> Result<(u64, String), String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].parse().map_err(|_| format!("'{text}' does not begin with a whole number"))?;
    Ok((number, text[end..].trim().to_lowercase()))
}

macro_rules! text_serde {
    ($t:ty, $shown:expr) => {
        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
        impl Serialize for $t {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl schemars::JsonSchema for $t {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($t).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "examples": [$shown] })
            }
        }
    };
}

text_serde!(TimeSpan, "5 s");
text_serde!(MemorySize, "64 mb");

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0.as_millis())
    }
}

impl fmt::Display for MemorySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} b", self.0)
    }
}

/// The text of one option, on its way into a typed field.
struct OptionText<'a> {
    key: &'a str,
    text: &'a str,
}

#[derive(Debug)]
struct OptionError(String);

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OptionError {}

impl de::Error for OptionError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        OptionError(message.to_string())
    }
}

impl<'de> IntoDeserializer<'de, OptionError> for OptionText<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl OptionText<'_> {
    fn parse<T: std::str::FromStr>(&self, what: &str) -> Result<T, OptionError> {
        self.text.trim().parse().map_err(|_| OptionError(format!("'{}' = '{}' is not {what}", self.key, self.text)))
    }

    fn name<T>(&self, result: Result<T, OptionError>) -> Result<T, OptionError> {
        result.map_err(|e| OptionError(format!("'{}' = '{}': {}", self.key, self.text, e.0)))
    }
}

macro_rules! parsed {
    ($($method:ident, $visit:ident, $t:ty, $what:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionError> {
            let value: $t = self.parse($what)?;
            self.name(visitor.$visit(value))
        }
    )*};
}

impl<'de> Deserializer<'de> for OptionText<'de> {
    type Error = OptionError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionError> {
        let result = visitor.visit_str(self.text);
        self.name(result)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionError> {
        match self.text.trim().to_ascii_lowercase().as_str() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(OptionError(format!("'{}' = '{}' is neither true nor false", self.key, self.text))),
        }
    }

    parsed! {
        deserialize_i8, visit_i64, i64, "a whole number";
        deserialize_i16, visit_i64, i64, "a whole number";
        deserialize_i32, visit_i64, i64, "a whole number";
        deserialize_i64, visit_i64, i64, "a whole number";
        deserialize_u8, visit_u64, u64, "a whole number";
        deserialize_u16, visit_u64, u64, "a whole number";
        deserialize_u32, visit_u64, u64, "a whole number";
        deserialize_u64, visit_u64, u64, "a whole number";
        deserialize_f32, visit_f64, f64, "a number";
        deserialize_f64, visit_f64, f64, "a number";
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, OptionError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, OptionError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, name: &'static str, variants: &'static [&'static str], visitor: V) -> Result<V::Value, OptionError> {
        let text: StrDeserializer<'_, OptionError> = self.text.into_deserializer();
        let result = text.deserialize_enum(name, variants, visitor);
        self.name(result)
    }

    serde::forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Options {
        path: String,
        #[serde(rename = "source.monitor-interval")]
        monitor_interval: Option<TimeSpan>,
        #[serde(default)]
        parallelism: u32,
        #[serde(default)]
        mode: Mode,
    }

    #[derive(Debug, Deserialize, PartialEq, Default)]
    #[serde(rename_all = "kebab-case")]
    enum Mode {
        #[default]
        Earliest,
        LatestOffset,
    }

    fn check(pairs: &[(&str, &str)]) -> Result<Options, String> {
        let map = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        parse_options(&map).map_err(|e| e.to_string())
    }

    #[test]
    fn options_are_read_by_their_field_types() {
        let read = check(&[("path", "/a"), ("source.monitor-interval", "5 s"), ("parallelism", "3"), ("mode", "latest-offset")]).unwrap();
        let want = Options { path: "/a".into(), monitor_interval: Some(TimeSpan(Duration::from_secs(5))), parallelism: 3, mode: Mode::LatestOffset };
        assert_eq!(read, want);
    }

    #[test]
    fn wrong_options_are_named() {
        assert!(check(&[("path", "/a"), ("pathh", "b")]).unwrap_err().contains("pathh"));
        assert!(check(&[]).unwrap_err().contains("path"));
        assert!(check(&[("path", "/a"), ("parallelism", "x")]).unwrap_err().contains("'parallelism' = 'x' is not a whole number"));
        assert!(check(&[("path", "/a"), ("source.monitor-interval", "5 parsecs")]).unwrap_err().contains("parsecs"));
        assert!(check(&[("path", "/a"), ("mode", "late")]).unwrap_err().contains("late"));
    }
}

//! The `json` format: an object a record.
//!
//! Reading is schema-driven: see [`object`] for how the order of keys is guessed and [`value`] for the conversions.
//! Where a value does not fit its column the record is bad, or under `ignore-parse-errors` the field is NULL. What
//! follows a record's object on its line is an error here, while Flink does not look at it.

pub(crate) mod cursor;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod escape;
pub(crate) mod fault;
#[cfg(test)]
mod fuzz;
mod map_order;
pub(crate) mod object;
#[cfg(test)]
mod tests;
pub(crate) mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use brisk_core::connector::parse_options;
use brisk_core::format::{DecoderFactory, EncoderFactory, Format, FormatSpec};
use brisk_core::{DataType, Error, Result, Schema, SqlType};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::text::Standard;
use encode::WriteOptions;
use value::ReadOptions;

pub(crate) struct Json;

#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct JsonOptions {
    /// Whether a record without one of the table's fields is bad. A missing field is NULL otherwise.
    #[serde(default)]
    fail_on_missing_field: bool,
    /// Whether a field that cannot be converted is NULL and a record that is no JSON is skipped.
    #[serde(default)]
    ignore_parse_errors: bool,
    /// How timestamps are written: `SQL` (`2020-01-01 10:00:00.5`) or `ISO-8601` (`2020-01-01T10:00:00.5`).
    #[serde(default, rename = "timestamp-format.standard")]
    timestamp_format: TimestampFormat,
    /// What becomes of a map's null key when writing: `FAIL`, `DROP` or `LITERAL`.
    #[serde(default, rename = "map-null-key.mode")]
    map_null_key_mode: MapNullKeyMode,
    /// The key written for a null key under `LITERAL`.
    #[serde(default, rename = "map-null-key.literal")]
    map_null_key_literal: Option<String>,
    /// Whether decimals are always written as plain numbers, never as `2.7E-8`.
    #[serde(default, rename = "encode.decimal-as-plain-number")]
    decimal_as_plain_number: bool,
    /// Whether fields that are NULL are left out when writing.
    #[serde(default, rename = "encode.ignore-null-fields")]
    ignore_null_fields: bool,
    /// Flink's choice between two readers; both give the same here.
    #[serde(default, rename = "decode.json-parser.enabled")]
    json_parser_enabled: Option<bool>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
pub(crate) enum TimestampFormat {
    #[default]
    #[serde(rename = "SQL")]
    Sql,
    #[serde(rename = "ISO-8601")]
    Iso8601,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum MapNullKeyMode {
    #[default]
    Fail,
    Drop,
    Literal,
}

impl From<TimestampFormat> for Standard {
    fn from(format: TimestampFormat) -> Self {
        match format {
            TimestampFormat::Sql => Standard::Sql,
            TimestampFormat::Iso8601 => Standard::Iso8601,
        }
    }
}

impl JsonOptions {
    /// Reads the options of the format `name`.
    pub fn parse(name: &str, options: &BTreeMap<String, String>) -> Result<Self> {
        let parsed: JsonOptions = parse_options(options).map_err(|e| e.context(format!("format '{name}'")))?;
        // Flink's rule: the two contradict each other.
        if parsed.fail_on_missing_field && parsed.ignore_parse_errors {
            return Err(Error::invalid(format!("format '{name}': fail-on-missing-field and ignore-parse-errors cannot both be true")));
        }
        Ok(parsed)
    }

    pub fn read(&self) -> ReadOptions {
        ReadOptions { standard: self.timestamp_format.into(), ignore_parse_errors: self.ignore_parse_errors, fail_on_missing_field: self.fail_on_missing_field }
    }

    pub fn write(&self) -> WriteOptions {
        // Arrow's maps have no null keys, so that there is nothing to choose; the options are known and without effect.
        let _ = (self.map_null_key_mode, &self.map_null_key_literal, self.json_parser_enabled);
        WriteOptions { standard: self.timestamp_format.into(), plain_decimals: self.decimal_as_plain_number, ignore_null_fields: self.ignore_null_fields }
    }
}

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(JsonOptions).to_value()
    }

    fn decoder(&self, spec: &FormatSpec) -> Result<Arc<dyn DecoderFactory>> {
        let options = JsonOptions::parse(self.name(), &spec.options)?;
        check_types(self.name(), &spec.schema)?;
        Ok(decode::factory(spec.schema.project(&spec.projection), options.read()))
    }

    fn encoder(&self, spec: &FormatSpec) -> Result<Arc<dyn EncoderFactory>> {
        let options = JsonOptions::parse(self.name(), &spec.options)?;
        check_types(self.name(), &spec.schema)?;
        Ok(Arc::new(encode::JsonEncoderFactory { schema: spec.schema.clone(), options: options.write() }))
    }
}

/// Refuses what JSON cannot carry: maps whose keys are no text.
pub(crate) fn check_types(format: &str, schema: &Schema) -> Result<()> {
    schema.columns.iter().try_for_each(|c| check_type(format, &c.name, &c.sql_type))
}

fn check_type(format: &str, column: &str, sql_type: &SqlType) -> Result<()> {
    match &sql_type.data_type {
        DataType::Map(key, _) | DataType::Multiset(key) if !key.data_type.is_character() => {
            Err(Error::unsupported(format!("column `{column}`: format '{format}' cannot carry {sql_type}, since its keys are no text"))
                .with_remedy("make the key a STRING"))
        }
        DataType::Map(_, inner) | DataType::Array(inner) => check_type(format, column, inner),
        DataType::Row(columns) => columns.iter().try_for_each(|c| check_type(format, column, &c.sql_type)),
        _ => Ok(()),
    }
}

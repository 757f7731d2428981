//! The options that the formats of changes share, and those that each has besides.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::json::encode::WriteOptions;
use crate::json::value::ReadOptions;
use crate::json::{MapNullKeyMode, TimestampFormat};

macro_rules! change_options {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $t:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        pub(super) struct $name {
            $($(#[$field_doc])* pub $field: $t,)*
            /// Whether a field that cannot be converted is NULL and a record that is no change is skipped.
            #[serde(default)]
            pub ignore_parse_errors: bool,
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
        }

        impl $name {
            pub fn read(&self) -> ReadOptions {
                ReadOptions { standard: self.timestamp_format.into(), ignore_parse_errors: self.ignore_parse_errors, fail_on_missing_field: false }
            }

            pub fn write(&self) -> WriteOptions {
                // Arrow's maps have no null keys: known and without effect.
                let _ = (self.map_null_key_mode, &self.map_null_key_literal);
                WriteOptions {
                    standard: self.timestamp_format.into(),
                    plain_decimals: self.decimal_as_plain_number,
                    ignore_null_fields: self.ignore_null_fields,
                }
            }
        }
    };
}

change_options! {
    /// Options of `debezium-json`.
    DebeziumOptions {
        /// Whether records hold Kafka Connect's schema: the change is then in the field `payload`.
        #[serde(default)]
        schema_include: bool,
    }
}

change_options! {
    /// Options of `ogg-json` and `maxwell-json`.
    PlainOptions {}
}

change_options! {
    /// Options of `canal-json`.
    CanalOptions {
        /// A regular expression of the databases whose changes are read.
        #[serde(default, rename = "database.include")]
        database_include: Option<String>,
        /// A regular expression of the tables whose changes are read.
        #[serde(default, rename = "table.include")]
        table_include: Option<String>,
    }
}

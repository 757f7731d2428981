//! The `datagen` connector: made-up rows at a given rate, for trying and testing.
//!
//! Every value is a function of the job's seed, the column and the row's number, so that a restored reader makes the
//! same rows again (timestamps excepted: they are counted back from now).

mod generator;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use brisk_core::connector::{Connector, TableDescriptor, TimeSpan, parse_options};
use brisk_core::source::Source;
use brisk_core::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) struct DataGen;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DataGenOptions {
    /// Rows a second, over all subtasks.
    #[serde(default = "default_rate")]
    rows_per_second: u64,
    /// How many rows to make; without it the source never ends, unless a sequence does.
    #[serde(default)]
    number_of_rows: Option<u64>,
}

fn default_rate() -> u64 {
    10_000
}

/// The options `fields.<column>.*` of one column; of a nested one `fields.<column>.element.*`, `.key.*`, `.value.*` and
/// `fields.<column>.<field>.*`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FieldOptions {
    /// `random` or `sequence`.
    #[serde(default)]
    kind: Kind,
    /// The least random value.
    #[serde(default)]
    min: Option<String>,
    /// The greatest random value.
    #[serde(default)]
    max: Option<String>,
    /// How far random timestamps lie before now at most.
    #[serde(default)]
    max_past: Option<TimeSpan>,
    /// The length of random text, bytes and collections.
    #[serde(default)]
    length: Option<u32>,
    /// Whether random text and bytes are of any length up to it.
    #[serde(default)]
    var_len: bool,
    /// The share of NULLs, 0 to 1.
    #[serde(default)]
    null_rate: f32,
    /// The first value of a sequence.
    #[serde(default)]
    start: Option<i64>,
    /// The last value of a sequence.
    #[serde(default)]
    end: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    #[default]
    Random,
    Sequence,
}

impl Connector for DataGen {
    fn name(&self) -> &'static str {
        "datagen"
    }

    fn options_schema(&self) -> serde_json::Value {
        let mut schema = schemars::schema_for!(DataGenOptions).to_value();
        let field = schemars::schema_for!(FieldOptions).to_value();
        for (name, option) in field["properties"].as_object().into_iter().flatten() {
            schema["properties"][format!("fields.#.{name}")] = option.clone();
        }
        schema
    }

    fn source(&self, table: &TableDescriptor) -> Result<Arc<dyn Source>> {
        let (fields, own) = split_options(&table.options);
        let options: DataGenOptions = parse_options(&own).map_err(|e| e.context(format!("table `{}`", table.name)))?;
        Ok(Arc::new(source::DataGenSource::new(table, &options, &fields)?))
    }
}

/// The options of fields without their `fields.`, and the others.
fn split_options(options: &BTreeMap<String, String>) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let mut fields = BTreeMap::new();
    let mut own = BTreeMap::new();
    for (key, value) in options {
        match key.strip_prefix("fields.") {
            Some(rest) => fields.insert(rest.to_string(), value.clone()),
            None => own.insert(key.clone(), value.clone()),
        };
    }
    (fields, own)
}

/// Takes the options that begin with `path.` and have no further dot.
fn field_options(fields: &mut BTreeMap<String, String>, path: &str) -> Result<FieldOptions> {
    let prefix = format!("{path}.");
    let keys: Vec<String> = fields.keys().filter(|k| k.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('.'))).cloned().collect();
    let own = keys.iter().map(|k| (k[prefix.len()..].to_string(), fields.remove(k).unwrap_or_default())).collect();
    let options: FieldOptions = parse_options(&own).map_err(|e| e.context(format!("fields.{path}")))?;
    if !(0.0..=1.0).contains(&options.null_rate) {
        return Err(Error::invalid(format!("'fields.{path}.null-rate' = '{}' is not between 0 and 1", options.null_rate)));
    }
    Ok(options)
}

//! The `csv` format: a record a line, fields in the order of the table's columns.
//!
//! A quoted field may hold the delimiter and, doubled, the quote. A record cannot span lines: where a quote is not
//! closed at the end of the line, the record is bad. ARRAY and ROW columns are one field whose elements are separated
//! by the array element delimiter; MAP and MULTISET are refused.

mod decode;
mod encode;

use std::collections::BTreeMap;
use std::sync::Arc;

use brisk_core::connector::parse_options;
use brisk_core::format::{DecoderFactory, EncoderFactory, Format, FormatSpec};
use brisk_core::{DataType, Error, Result, Schema, SqlType};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) struct Csv;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CsvOptions {
    /// The character between fields; `\t` is a tab.
    #[serde(default = "comma")]
    field_delimiter: String,
    /// The character around fields that hold the delimiter.
    #[serde(default)]
    quote_character: Option<String>,
    /// Whether no character quotes.
    #[serde(default)]
    disable_quote_character: bool,
    /// Whether lines that begin with `#` are left out.
    #[serde(default)]
    allow_comments: bool,
    /// Whether a field that cannot be converted is NULL, and missing fields too.
    #[serde(default)]
    ignore_parse_errors: bool,
    /// What separates the elements of an ARRAY or ROW column.
    #[serde(default = "semicolon")]
    array_element_delimiter: String,
    /// The character that takes the next one's meaning away; none by default.
    #[serde(default)]
    escape_character: Option<String>,
    /// The text that stands for NULL; none by default.
    #[serde(default)]
    null_literal: Option<String>,
    /// Whether decimals below 1e-6 are written as `2.7E-8`.
    #[serde(default = "yes")]
    write_bigdecimal_in_scientific_notation: bool,
}

fn comma() -> String {
    ",".to_string()
}

fn semicolon() -> String {
    ";".to_string()
}

fn yes() -> bool {
    true
}

/// The options as the reader and the writer use them.
#[derive(Debug, Clone)]
struct Dialect {
    delimiter: u8,
    quote: Option<u8>,
    escape: Option<u8>,
    comments: bool,
    ignore_parse_errors: bool,
    element_delimiter: Vec<u8>,
    null_literal: Option<Vec<u8>>,
    plain_decimals: bool,
}

impl Dialect {
    fn parse(options: &BTreeMap<String, String>) -> Result<Self> {
        let parsed: CsvOptions = parse_options(options).map_err(|e| e.context("format 'csv'"))?;
        if parsed.disable_quote_character && parsed.quote_character.is_some() {
            return Err(Error::invalid("format 'csv': quote-character cannot be set where disable-quote-character is true"));
        }
        let quote = parsed.quote_character.as_deref().unwrap_or("\"");
        Ok(Self {
            delimiter: one_character("field-delimiter", &parsed.field_delimiter)?,
            quote: if parsed.disable_quote_character { None } else { Some(one_character("quote-character", quote)?) },
            escape: parsed.escape_character.as_deref().map(|e| one_character("escape-character", e)).transpose()?,
            comments: parsed.allow_comments,
            ignore_parse_errors: parsed.ignore_parse_errors,
            element_delimiter: parsed.array_element_delimiter.into_bytes(),
            null_literal: parsed.null_literal.map(String::into_bytes),
            plain_decimals: !parsed.write_bigdecimal_in_scientific_notation,
        })
    }
}

/// The byte that an option names, with Java's escapes.
fn one_character(option: &str, text: &str) -> Result<u8> {
    match text {
        "\\t" => Ok(b'\t'),
        "\\\\" => Ok(b'\\'),
        "\\n" | "\n" | "\\r" | "\r" => Err(Error::invalid(format!("format 'csv': '{option}' cannot be the end of a line"))),
        _ if text.len() == 1 => Ok(text.as_bytes()[0]),
        "\\u0001" => Ok(1),
        "\\u0002" => Ok(2),
        _ => Err(Error::invalid(format!("format 'csv': '{option}' = '{text}' is not one ASCII character"))),
    }
}

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(CsvOptions).to_value()
    }

    fn decoder(&self, spec: &FormatSpec) -> Result<Arc<dyn DecoderFactory>> {
        let dialect = Dialect::parse(&spec.options)?;
        check_types(&spec.schema)?;
        Ok(Arc::new(decode::CsvDecoderFactory::new(&spec.schema, &spec.projection, dialect)))
    }

    fn encoder(&self, spec: &FormatSpec) -> Result<Arc<dyn EncoderFactory>> {
        let dialect = Dialect::parse(&spec.options)?;
        check_types(&spec.schema)?;
        Ok(Arc::new(encode::CsvEncoderFactory { dialect }))
    }
}

/// Refuses what a field cannot hold.
fn check_types(schema: &Schema) -> Result<()> {
    for column in &schema.columns {
        let elements: Vec<&SqlType> = match &column.sql_type.data_type {
            DataType::Array(item) => vec![item],
            DataType::Row(fields) => fields.iter().map(|f| &f.sql_type).collect(),
            _ => vec![],
        };
        let nested = |t: &DataType| matches!(t, DataType::Array(_) | DataType::Row(_) | DataType::Map(..) | DataType::Multiset(_));
        let map = matches!(column.sql_type.data_type, DataType::Map(..) | DataType::Multiset(_));
        if map || elements.iter().any(|t| nested(&t.data_type)) {
            return Err(Error::unsupported(format!("column `{}`: format 'csv' cannot carry {}", column.name, column.sql_type)).with_remedy("use format 'json'"));
        }
        if let DataType::Time(p @ 4..) = column.sql_type.data_type {
            return Err(Error::unsupported(format!("column `{}`: format 'csv' carries TIME(0) to TIME(3), not TIME({p})", column.name)));
        }
    }
    Ok(())
}

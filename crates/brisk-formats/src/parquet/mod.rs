//! The `parquet` format: whole files of columns, read and written by the official crate.
//!
//! Reading: only the wanted columns, a row group at a time, see [`mod@read`]; types are compared when a file is opened,
//! see the module `columns`. Writing: see the module `write`.
//!
//! Options are Flink's and parquet-mr's. Two things differ from Flink: timestamps are written as INT64 and never as the
//! deprecated INT96 (both are read), and an option that is not known here is refused.

mod columns;
mod read;
#[cfg(test)]
mod tests;
mod write;
mod zone;

use std::sync::Arc;

use brisk_core::connector::{MemorySize, parse_options};
use brisk_core::format::{BulkReaderFactory, DecoderFactory, EncoderFactory, Format, FormatSpec};
use brisk_core::{Error, Result};
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::text::time::Unit;
use zone::Shift;

pub(crate) struct Parquet;

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct ParquetOptions {
    /// Whether timestamps lie in the file as they are, in UTC. Otherwise they are taken for times of the session's time
    /// zone and lie in the file as instants, as Hive before 3 does it.
    #[serde(default)]
    utc_timezone: bool,
    /// Whether timestamps are written as INT64. They are in any case; `false` is refused.
    #[serde(default = "yes", rename = "write.int64.timestamp")]
    write_int64_timestamp: bool,
    /// The unit of written timestamps: `millis`, `micros` or `nanos`.
    #[serde(default, rename = "timestamp.time.unit")]
    timestamp_time_unit: TimestampUnit,
    /// How pages are compressed: `UNCOMPRESSED`, `SNAPPY`, `GZIP`, `LZ4`, `LZ4_RAW` or `ZSTD`.
    #[serde(default)]
    compression: Codec,
    /// The level of ZSTD, 1 to 22.
    #[serde(default = "zstd_level", rename = "compression.codec.zstd.level")]
    zstd_level: i32,
    /// The size at which a row group is closed, compressed.
    #[serde(default = "block_size", rename = "block.size")]
    block_size: MemorySize,
    /// The size at which a page is closed, before compression.
    #[serde(default = "page_size", rename = "page.size")]
    page_size: MemorySize,
    /// The size of its dictionary from which on a column is written without one.
    #[serde(default = "page_size", rename = "dictionary.page.size")]
    dictionary_page_size: MemorySize,
    /// Whether columns of few values are written with a dictionary.
    #[serde(default = "yes", rename = "enable.dictionary")]
    enable_dictionary: bool,
    /// The version of data pages: `PARQUET_1_0` or `PARQUET_2_0`.
    #[serde(default, rename = "writer.version")]
    writer_version: PageVersion,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum TimestampUnit {
    Millis,
    #[default]
    Micros,
    Nanos,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Codec {
    Uncompressed,
    #[default]
    Snappy,
    Gzip,
    Lz4,
    Lz4Raw,
    Zstd,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
enum PageVersion {
    #[default]
    #[serde(rename = "PARQUET_1_0")]
    One,
    #[serde(rename = "PARQUET_2_0")]
    Two,
}

fn yes() -> bool {
    true
}

fn zstd_level() -> i32 {
    3
}

fn block_size() -> MemorySize {
    MemorySize(128 << 20)
}

fn page_size() -> MemorySize {
    MemorySize(1 << 20)
}

impl ParquetOptions {
    fn parse(spec: &FormatSpec) -> Result<Self> {
        let options: Self = parse_options(&spec.options).map_err(|e| e.context("format 'parquet'"))?;
        if !options.write_int64_timestamp {
            return Err(Error::unsupported("format 'parquet': 'parquet.write.int64.timestamp' = 'false': INT96 timestamps are read and not written")
                .with_remedy("leave the option out: every current reader takes INT64"));
        }
        Ok(options)
    }

    fn shift(&self, spec: &FormatSpec) -> Result<Shift> {
        if self.utc_timezone { Ok(Shift::none()) } else { Shift::of(&spec.time_zone) }
    }

    fn unit(&self) -> Unit {
        match self.timestamp_time_unit {
            TimestampUnit::Millis => Unit::Milli,
            TimestampUnit::Micros => Unit::Micro,
            TimestampUnit::Nanos => Unit::Nano,
        }
    }

    fn properties(&self) -> Result<WriterProperties> {
        let compression = match self.compression {
            Codec::Uncompressed => Compression::UNCOMPRESSED,
            Codec::Snappy => Compression::SNAPPY,
            Codec::Gzip => Compression::GZIP(GzipLevel::default()),
            Codec::Lz4 => Compression::LZ4,
            Codec::Lz4Raw => Compression::LZ4_RAW,
            Codec::Zstd => Compression::ZSTD(
                ZstdLevel::try_new(self.zstd_level)
                    .map_err(|e| Error::invalid(format!("format 'parquet': 'parquet.compression.codec.zstd.level' = '{}': {e}", self.zstd_level)))?,
            ),
        };
        let bytes = |size: MemorySize| usize::try_from(size.0).unwrap_or(usize::MAX);
        let version = match self.writer_version {
            PageVersion::One => WriterVersion::PARQUET_1_0,
            PageVersion::Two => WriterVersion::PARQUET_2_0,
        };
        Ok(WriterProperties::builder()
            .set_compression(compression)
            .set_data_page_size_limit(bytes(self.page_size))
            .set_dictionary_page_size_limit(bytes(self.dictionary_page_size))
            .set_dictionary_enabled(self.enable_dictionary)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_writer_version(version)
            // The names within lists and maps that the specification gives them, as Flink does.
            .set_coerce_types(true)
            .set_created_by(concat!("brisk version ", env!("CARGO_PKG_VERSION")).to_string())
            .build())
    }
}

impl Format for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn options_schema(&self) -> serde_json::Value {
        schemars::schema_for!(ParquetOptions).to_value()
    }

    fn decoder(&self, _spec: &FormatSpec) -> Result<Arc<dyn DecoderFactory>> {
        Err(Error::unsupported("format 'parquet' is of whole files and has no records"))
    }

    fn encoder(&self, spec: &FormatSpec) -> Result<Arc<dyn EncoderFactory>> {
        let options = ParquetOptions::parse(spec)?;
        Ok(Arc::new(write::ParquetEncoderFactory::new(spec, &options)?))
    }

    fn is_bulk(&self) -> bool {
        true
    }

    fn bulk_reader(&self, spec: &FormatSpec) -> Result<Arc<dyn BulkReaderFactory>> {
        let options = ParquetOptions::parse(spec)?;
        Ok(Arc::new(read::ParquetReaderFactory { schema: spec.schema.project(&spec.projection), shift: options.shift(spec)? }))
    }
}

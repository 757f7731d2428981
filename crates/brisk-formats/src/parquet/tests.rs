//! Tests of the whole parquet format: what is written is read, in parts and in another order of columns; files of other
//! programs; files that are none.

use std::io;
use std::sync::Arc;

use brisk_core::format::{BulkReader, Format, FormatSpec, RandomRead};
use brisk_core::{ChangelogBatch, Column, DataType, Result, Schema, SqlType};

use super::Parquet;
use crate::json::Json;
use crate::testing::{Random, chunk, rows_of, schema, spec};

struct Memory(Vec<u8>);

impl RandomRead for Memory {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let piece = self.0[from..].get(..buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(piece);
        Ok(())
    }
}

/// Rows of the schema from JSON.
fn rows(spec: &FormatSpec, json: &str) -> ChangelogBatch {
    let spec = FormatSpec { options: Default::default(), ..spec.clone() };
    let decoded = Json.decoder(&spec).unwrap().create().decode(&chunk(json.to_string())).unwrap();
    assert_eq!(decoded.bad, vec![]);
    decoded.batch
}

fn write(spec: &FormatSpec, batches: &[ChangelogBatch]) -> Vec<u8> {
    let mut encoder = Parquet.encoder(spec).unwrap().create();
    let mut out = Vec::new();
    batches.iter().for_each(|b| encoder.encode(b, &mut out).unwrap());
    encoder.finish(&mut out).unwrap();
    out
}

fn open(spec: &FormatSpec, file: Vec<u8>) -> Result<Box<dyn BulkReader>> {
    Parquet.bulk_reader(spec).unwrap().open(Arc::new(Memory(file)), &"f.parquet".into())
}

fn read(spec: &FormatSpec, file: Vec<u8>) -> Result<Vec<String>> {
    let mut reader = open(spec, file)?;
    let mut all = Vec::new();
    for group in 0..reader.groups() {
        reader.seek(group, 0)?;
        while let Some(batch) = reader.read()? {
            assert_eq!(batch.schema(), spec.schema.project(&spec.projection).to_arrow());
            all.extend(rows_of(&batch));
        }
    }
    Ok(all)
}

fn nullable(data_type: DataType) -> SqlType {
    SqlType::nullable(data_type)
}

fn every_type() -> Schema {
    let row = DataType::Row(vec![
        Column::new("x", nullable(DataType::Int)),
        Column::new("at", nullable(DataType::Timestamp(3))),
        Column::new("tags", nullable(DataType::Array(Box::new(nullable(DataType::STRING))))),
    ]);
    let text = || Box::new(nullable(DataType::STRING));
    schema(&[
        ("bo", DataType::Boolean),
        ("ti", DataType::TinyInt),
        ("si", DataType::SmallInt),
        ("i", DataType::Int),
        ("bi", DataType::BigInt),
        ("f", DataType::Float),
        ("d", DataType::Double),
        ("de", DataType::decimal(7, 2)),
        ("dl", DataType::decimal(38, 10)),
        ("ch", DataType::Char(3)),
        ("st", DataType::STRING),
        ("by", DataType::BYTES),
        ("da", DataType::Date),
        ("tm", DataType::Time(3)),
        ("t0", DataType::Timestamp(0)),
        ("t3", DataType::Timestamp(3)),
        ("t6", DataType::Timestamp(6)),
        ("z3", DataType::TimestampLtz(3)),
        ("l", DataType::Array(Box::new(nullable(DataType::BigInt)))),
        ("lt", DataType::Array(Box::new(nullable(DataType::Timestamp(3))))),
        ("m", DataType::Map(text(), Box::new(nullable(DataType::Timestamp(3))))),
        ("s", DataType::Multiset(text())),
        ("r", row.clone()),
        ("lr", DataType::Array(Box::new(nullable(row)))),
    ])
}

const EVERY_TYPE: &str = r#"{"bo":true,"ti":-128,"si":32767,"i":-2147483648,"bi":9223372036854775807,"f":1.5,"d":-0.1,"de":12345.67,"dl":-1234567890123456789012345678.0123456789,"ch":"abc","st":"中 😀","by":"aGk=","da":"1969-12-31","tm":"23:59:59.999","t0":"0001-01-01 00:00:00","t3":"9999-12-31 23:59:59.999","t6":"1969-12-31 23:59:59.999999","z3":"2024-02-29 12:00:00.5Z","l":[1,null,3],"lt":["2024-01-01 00:00:00.001",null],"m":{"a":"2024-01-01 00:00:00","b":null},"s":{"q":2},"r":{"x":7,"at":"2024-01-01 00:00:00.25","tags":["p",null]},"lr":[{"x":1,"at":null,"tags":[]},null]}
{}
{"st":"","l":[],"lt":null,"m":{},"r":{"x":null,"at":null,"tags":null},"lr":[]}"#;

#[test]
fn every_type_is_written_and_read() {
    for options in [
        &[][..],
        &[("timestamp.time.unit", "micros"), ("compression", "ZSTD"), ("compression.codec.zstd.level", "5")],
        &[("compression", "GZIP"), ("writer.version", "PARQUET_2_0")],
        &[("compression", "LZ4"), ("enable.dictionary", "false"), ("write.int64.timestamp", "true")],
        &[("compression", "LZ4_RAW"), ("page.size", "64 b"), ("dictionary.page.size", "16 b"), ("utc-timezone", "true")],
        &[("compression", "UNCOMPRESSED"), ("block.size", "1 b")],
    ] {
        let spec = spec(every_type(), options);
        let batch = rows(&spec, EVERY_TYPE);
        let file = write(&spec, &[batch.clone(), batch.clone()]);
        assert_eq!(read(&spec, file).unwrap(), [rows_of(&batch), rows_of(&batch)].concat(), "{options:?}");
    }
}

#[test]
fn timestamps_are_instants_of_the_session_unless_utc() {
    let columns = schema(&[("t", DataType::Timestamp(3)), ("n", DataType::Timestamp(9))]);
    let json = r#"{"t":"2024-07-01 12:00:00","n":"2024-07-01 12:00:00.123456789"}"#;
    let zoned = |options: &[(&str, &str)]| FormatSpec { time_zone: "Asia/Shanghai".into(), ..spec(columns.clone(), options) };
    let in_utc = spec(columns.clone(), &[]);
    let nanos = [("timestamp.time.unit", "nanos")];
    let file = write(&zoned(&nanos), &[rows(&in_utc, json)]);
    assert_eq!(read(&in_utc, file.clone()).unwrap(), ["+I[2024-07-01T04:00:00, 2024-07-01T04:00:00.123456789]"]);
    assert_eq!(read(&zoned(&[]), file.clone()).unwrap(), ["+I[2024-07-01T12:00:00, 2024-07-01T12:00:00.123456789]"]);
    assert_eq!(read(&zoned(&[("utc-timezone", "true")]), file).unwrap(), ["+I[2024-07-01T04:00:00, 2024-07-01T04:00:00.123456789]"]);
    let millis = write(&spec(columns.clone(), &[("timestamp.time.unit", "millis")]), &[rows(&in_utc, json)]);
    assert_eq!(read(&in_utc, millis).unwrap(), ["+I[2024-07-01T12:00:00, 2024-07-01T12:00:00.123]"]);
    let far = r#"{"t":"9999-07-01 12:00:00"}"#;
    let error = Parquet.encoder(&spec(columns, &nanos)).unwrap().create().encode(&rows(&in_utc, far), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("beyond the range"), "{error}");
}

#[test]
fn only_the_wanted_columns_are_read_in_the_tables_order() {
    let written = spec(schema(&[("a", DataType::Int), ("b", DataType::STRING), ("c", DataType::Double)]), &[]);
    let file = write(&written, &[rows(&written, "{\"a\":1,\"b\":\"x\",\"c\":0.5}\n{\"a\":2}")]);
    let table = schema(&[("c", DataType::Double), ("new", DataType::STRING), ("a", DataType::BigInt), ("b", DataType::STRING)]);
    let mut wanted = spec(table, &[]);
    assert_eq!(read(&wanted, file.clone()).unwrap(), ["+I[0.5, NULL, 1, x]", "+I[NULL, NULL, 2, NULL]"]);
    wanted.projection = vec![2];
    assert_eq!(read(&wanted, file.clone()).unwrap(), ["+I[1]", "+I[2]"]);
    wanted.projection = vec![];
    assert_eq!(read(&wanted, file).unwrap(), ["+I[]", "+I[]"]);
}

#[test]
fn reading_goes_on_at_any_row() {
    let spec =
        spec(schema(&[("a", DataType::Int), ("l", DataType::Array(Box::new(nullable(DataType::Int))))]), &[("block.size", "20 kb"), ("page.size", "1 kb")]);
    let batches: Vec<_> = (0..40)
        .map(|b| {
            let line = |i: usize| format!("{{\"a\":{},\"l\":[{}]}}\n", b * 500 + i, ["1,2", "", "3"][i % 3]);
            rows(&spec, &(0..500).map(line).collect::<String>())
        })
        .collect();
    let file = write(&spec, &batches);
    let all = read(&spec, file.clone()).unwrap();
    assert_eq!(all.len(), 20_000);
    let mut reader = open(&spec, file).unwrap();
    assert!(reader.groups() > 2, "{}", reader.groups());
    let mut before = 0;
    for group in 0..reader.groups() {
        let mut rows_of_group = |from: u64| {
            reader.seek(group, from).unwrap();
            let mut rows = Vec::new();
            while let Some(batch) = reader.read().unwrap() {
                rows.extend(rows_of(&batch));
            }
            rows
        };
        let whole = rows_of_group(0);
        assert_eq!(whole, all[before..before + whole.len()]);
        for from in [1, 499, whole.len() - 1, whole.len()] {
            assert_eq!(rows_of_group(from as u64), whole[from..], "{from}");
        }
        before += whole.len();
        assert!(reader.seek(group, whole.len() as u64 + 1).unwrap_err().to_string().contains("another one than before"));
    }
    assert_eq!(before, all.len());
}

#[test]
fn columns_that_do_not_fit_are_named() {
    let written = spec(schema(&[("a", DataType::Int), ("t", DataType::STRING), ("r", DataType::Row(vec![Column::new("x", nullable(DataType::Int))]))]), &[]);
    let file = write(&written, &[rows(&written, "{\"a\":300,\"t\":\"x\",\"r\":{\"x\":1}}")]);
    let error = |name: &str, sql_type: SqlType| {
        let spec = spec(Schema::new(vec![Column::new(name, sql_type)]), &[]);
        read(&spec, file.clone()).expect_err("refused").to_string()
    };
    assert_eq!(error("a", nullable(DataType::STRING)), "f.parquet: column `a` is INT in the file, which is no STRING");
    assert_eq!(error("t", nullable(DataType::BigInt)), "f.parquet: column `t` is STRING in the file, which is no BIGINT");
    assert_eq!(
        error("r", nullable(DataType::Row(vec![Column::new("x", nullable(DataType::Date))]))),
        "f.parquet: column `r.x` is INT in the file, which is no DATE"
    );
    assert_eq!(error("z", SqlType::not_null(DataType::Int)), "f.parquet: column `z` is not in the file, and it is declared NOT NULL");
    assert!(error("a", nullable(DataType::TinyInt)).contains("column `a`"));
}

#[test]
fn what_cannot_be_carried_and_wrong_options_are_refused() {
    let refused = |t: DataType, options: &[(&str, &str)]| Parquet.encoder(&spec(schema(&[("c", t)]), options)).err().expect("refused").to_string();
    assert!(refused(DataType::Null, &[]).contains("column `c`"));
    assert!(refused(DataType::Array(Box::new(nullable(DataType::Row(vec![])))), &[]).contains("ROW without fields"));
    assert!(refused(DataType::Int, &[("compression", "LZO")]).contains("LZO"));
    assert!(refused(DataType::Int, &[("compression", "ZSTD"), ("compression.codec.zstd.level", "99")]).contains("99"));
    assert!(refused(DataType::Int, &[("write.int64.timestamp", "false")]).contains("INT96"));
    assert!(refused(DataType::Int, &[("block-size", "1")]).contains("block-size"));
}

/// Whatever is done to a file, reading it ends with rows or an error that names it.
#[test]
fn damaged_files_are_errors() {
    let spec = spec(every_type(), &[]);
    let batch = rows(&spec, EVERY_TYPE);
    let sound = write(&spec, &[batch.clone(), batch]);
    for text in ["", "PAR1", "PAR1PAR1", "not a Parquet file, but some text that is long enough"] {
        let error = read(&spec, text.as_bytes().to_vec()).unwrap_err();
        assert!(error.to_string().starts_with("f.parquet: it cannot be read as Parquet"), "{error}");
    }
    let mut random = Random::new(3);
    std::panic::set_hook(Box::new(|_| {}));
    let mut errors = 0;
    for _ in 0..3000 {
        let mut file = sound.clone();
        match random.below(3) {
            0 => file.truncate(random.below(sound.len())),
            1 => {
                let at = random.below(file.len());
                file[at] ^= 1 << random.below(8);
            }
            _ => (0..1 + random.below(3)).for_each(|_| random.mutate(&mut file)),
        }
        match read(&spec, file) {
            Ok(_) => {}
            Err(e) => {
                errors += 1;
                assert!(e.to_string().starts_with("f.parquet: "), "{e}");
            }
        }
    }
    let _ = std::panic::take_hook();
    assert!(errors > 1000, "{errors}");
}

/// A file that pyarrow wrote, see `testdata/make_parquet.py`: INT96 timestamps, dictionaries, other names within lists.
#[test]
fn files_of_other_programs_are_read() {
    let pair = DataType::Row(vec![Column::new("x", nullable(DataType::BigInt)), Column::new("y", nullable(DataType::STRING))]);
    let columns = schema(&[
        ("i8", DataType::TinyInt),
        ("u32", DataType::BigInt),
        ("dict", DataType::STRING),
        ("large", DataType::STRING),
        ("fixed", DataType::BYTES),
        ("dec", DataType::decimal(20, 3)),
        ("ts", DataType::Timestamp(3)),
        ("tz", DataType::TimestampLtz(6)),
        ("time", DataType::Time(3)),
        ("list", DataType::Array(Box::new(nullable(DataType::Timestamp(9))))),
        ("map", DataType::Map(Box::new(nullable(DataType::STRING)), Box::new(nullable(DataType::Int)))),
        ("pair", pair),
    ]);
    for file in [&include_bytes!("../../testdata/pyarrow_int96.parquet")[..], include_bytes!("../../testdata/pyarrow_v2.parquet")] {
        assert_eq!(
            read(&spec(columns.clone(), &[]), file.to_vec()).unwrap(),
            [
                "+I[1, 4000000000, a, one, 000102, 1.500, 2024-01-01T12:34:56.789, 2024-01-01T12:34:56.789123, 01:02:03.004, [2024-01-01T00:00:00, NULL], {k: 1}, {x: 1, y: u}]",
                "+I[NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL]",
                "+I[-1, 0, a, two, ffffff, -12345678901234567.890, 1969-12-31T23:59:59.999, 1969-12-31T23:59:59.999999, 23:59:59.999, [], {}, {x: NULL, y: NULL}]",
            ]
        );
    }
}

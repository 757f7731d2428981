//! Tests of the whole json format: examples, equality with a slow decoder over a tree, and mutated input.

use brisk_core::format::Format;
use brisk_core::{Column, DataType, SqlType};

use super::Json;
use crate::testing::{chunk, ints_and_texts, rows_of, schema, spec};

fn check(columns: &[(&str, DataType)], options: &[(&str, &str)], data: &str, expected: &[&str], bad: &[&str]) {
    let decoder = Json.decoder(&spec(schema(columns), options)).unwrap();
    let decoded = decoder.create().decode(&chunk(data.to_string())).unwrap();
    assert_eq!(rows_of(&decoded.batch), expected);
    let reasons: Vec<_> = decoded.bad.iter().map(|b| format!("{}: {}", b.record, b.reason)).collect();
    assert_eq!(reasons.len(), bad.len(), "{reasons:?}");
    for (reason, part) in reasons.iter().zip(bad) {
        assert!(reason.contains(part), "{reason}");
    }
}

fn ab() -> Vec<(&'static str, DataType)> {
    vec![("a", DataType::Int), ("b", DataType::STRING)]
}

fn nullable(data_type: DataType) -> Box<SqlType> {
    Box::new(SqlType::nullable(data_type))
}

#[test]
fn a_record_without_a_row_is_bad_unless_errors_are_ignored() {
    check(&ab(), &[], "{\"a\": 1}\n\nnull\n  \n", &["+I[1, NULL]"], &["an object should be", "an object", "an object should be"]);
    check(&ab(), &[("ignore-parse-errors", "true")], "{\"a\": 1}\n\nnull\n  \n", &["+I[1, NULL]"], &[]);
}

#[test]
fn keys_come_in_any_order() {
    check(
        &ab(),
        &[],
        r#"{"a": 1, "b": "x"}
{"b":"y","a":2}
 { "zz" : [ { "a" : 5 } , "}" ] , "b" : null , "a" : 3 }
{}
{"a": 4, "a": 5, "b": "u", "b": "v\u0041\n"}
{"b": {"x": [1, 2.0]}}
{"b": 1.50}
{"b": true}
[{"a": 6}, {"a": 7}]"#,
        &[
            "+I[1, x]",
            "+I[2, y]",
            "+I[3, NULL]",
            "+I[NULL, NULL]",
            "+I[5, vA\n]",
            "+I[NULL, {\"x\":[1,2.0]}]",
            "+I[NULL, 1.50]",
            "+I[NULL, true]",
            "+I[6, NULL]",
            "+I[7, NULL]",
        ],
        &[],
    );
}

#[test]
fn bad_records_are_reported_and_leave_nothing() {
    let data = r#"{"a": 1, "b": "x"}
{"b": "lost", "a": "12x"}
{"b": "lost", "a": 1
not json
{"b": "lost", "a": 1} x
{"b": "lost", "a": 99999999999}
{"b": "lost", "a": }
{"a": 2, "b": "y"}"#;
    check(
        &ab(),
        &[],
        data,
        &["+I[1, x]", "+I[2, y]"],
        &[
            "1: column `a`: \"12x\" is not a INT",
            "2: not valid JSON: it ends where ',' or '}' should be",
            "3: not valid JSON: an object expected at byte 0, found not json",
            "4: not valid JSON: the end of the record expected at byte 22, found x",
            "5: column `a`: 99999999999 is not a INT",
            "6: not valid JSON: a value expected at byte 19",
        ],
    );
    check(&ab(), &[("ignore-parse-errors", "true")], data, &["+I[1, x]", "+I[NULL, lost]", "+I[NULL, lost]", "+I[2, y]"], &["2:", "3:", "4:", "6:"]);
    check(&ab(), &[("fail-on-missing-field", "true")], "{\"a\": 1}\n{\"a\": null, \"b\": null}", &["+I[NULL, NULL]"], &["0: column `b` is missing"]);
    let decoder = Json.decoder(&spec(ints_and_texts(), &[])).unwrap();
    let decoded = decoder.create().decode(&chunk(&b"{\"b\": \"\xff\"}\n{\"b\": \"\xc3\xa9\"}"[..])).unwrap();
    assert_eq!(rows_of(&decoded.batch), ["+I[NULL, é]"]);
    assert_eq!(decoded.records, Some(vec![1]));
    assert_eq!(decoded.bad[0].reason, "not valid UTF-8");
}

#[test]
fn numbers_are_converted_as_flink_does() {
    let one = |data_type: DataType, value: &str, expected: Option<&str>| {
        let data = format!("{{\"v\": {value}}}");
        let row = expected.map(|e| format!("+I[{e}]"));
        let rows: Vec<&str> = row.iter().map(String::as_str).collect();
        check(&[("v", data_type)], &[], &data, &rows, if expected.is_some() { &[] } else { &["column `v`"] });
    };
    one(DataType::Int, "\" 12 \"", Some("12"));
    one(DataType::Int, "12.7", Some("12"));
    one(DataType::Int, "2147483647", Some("2147483647"));
    one(DataType::Int, "2147483648", None);
    one(DataType::Int, "true", None);
    one(DataType::SmallInt, "1.0", None);
    one(DataType::TinyInt, "-128", Some("-128"));
    one(DataType::TinyInt, "128", None);
    one(DataType::BigInt, "-9223372036854775808", Some("-9223372036854775808"));
    one(DataType::BigInt, "9223372036854775808", None);
    one(DataType::Double, "1e400", Some("inf"));
    one(DataType::Double, "\"NaN\"", Some("NaN"));
    one(DataType::Double, "0.1", Some("0.1"));
    one(DataType::Double, "-0", Some("-0.0"));
    one(DataType::Double, "123456789012345678901234567890", Some("1.2345678901234568e29"));
    one(DataType::Float, "3.4", Some("3.4"));
    one(DataType::decimal(5, 2), "1.005", Some("1.01"));
    one(DataType::decimal(5, 2), "\"99.994\"", Some("99.99"));
    one(DataType::decimal(5, 2), "1000", None);
    one(DataType::decimal(38, 0), "99999999999999999999999999999999999999", Some("99999999999999999999999999999999999999"));
    one(DataType::decimal(5, 2), "\"x\"", None);
    one(DataType::Boolean, "\"TRUE\"", Some("true"));
    one(DataType::Boolean, "1", Some("false"));
    one(DataType::BYTES, "\"aGk=\"", Some("6869"));
    one(DataType::BYTES, "12", None);
    one(DataType::Date, "\"2020-02-29\"", Some("2020-02-29"));
    one(DataType::Date, "\"2021-02-29\"", None);
    one(DataType::Time(3), "\"10:15:30.25\"", Some("10:15:30.250"));
    one(DataType::Timestamp(3), "\"2019-11-11 00:00:00.59\"", Some("2019-11-11T00:00:00.590"));
    one(DataType::Timestamp(3), "\"2019-11-11T00:00:00\"", None);
    one(DataType::Timestamp(9), "\"2019-11-11 00:00:00.123456789\"", Some("2019-11-11T00:00:00.123456789"));
    one(DataType::TimestampLtz(3), "\"2019-11-11 00:00:00Z\"", Some("2019-11-11T00:00:00"));
    one(DataType::TimestampLtz(3), "\"2019-11-11 00:00:00\"", None);
    check(
        &[("v", DataType::Timestamp(3))],
        &[("timestamp-format.standard", "ISO-8601")],
        r#"{"v": "2019-11-11T00:00:00.5"}"#,
        &["+I[2019-11-11T00:00:00.500]"],
        &[],
    );
}

fn nested_columns() -> Vec<(&'static str, DataType)> {
    let row = DataType::Row(vec![
        Column::new("x", SqlType::nullable(DataType::Int)),
        Column::new("y", SqlType::nullable(DataType::Array(nullable(DataType::STRING)))),
    ]);
    vec![
        ("l", DataType::Array(nullable(DataType::Int))),
        ("m", DataType::Map(nullable(DataType::STRING), nullable(DataType::Double))),
        ("s", DataType::Multiset(nullable(DataType::STRING))),
        ("r", row.clone()),
        ("lr", DataType::Array(nullable(row))),
    ]
}

#[test]
fn nested_values_are_read_and_taken_back() {
    check(
        &nested_columns(),
        &[],
        r#"{"l": [1, null, 3], "m": {"a": 1.5, "b": null}, "s": {"q": 2}, "r": {"y": ["p"], "x": 7}, "lr": [{"x": 1}, null]}
{"l": [1, 2, "bad"], "m": {"a": 1}}
{"lr": [{"x": 1}, {"x": 1, "y": [1, 2, 3}]}
{"r": {"x": {}}}
{"l": [], "m": {}, "r": {}, "m": {"k": 1, "k": 2}}
{"l": 5}"#,
        &["+I[[1, NULL, 3], {a: 1.5, b: NULL}, {q: 2}, {x: 7, y: [p]}, [{x: 1, y: NULL}, NULL]]", "+I[[], {k: 2.0}, NULL, {x: NULL, y: NULL}, NULL]"],
        &["1: column `l`: \"bad\" is not a INT", "2: not valid JSON", "3: column `r.x`: {} is not a INT", "5: column `l`: 5 is not a ARRAY<INT>"],
    );
    check(&nested_columns()[..2], &[("ignore-parse-errors", "true")], r#"{"l": [1, "x", 3], "m": 4}"#, &["+I[[1, NULL, 3], NULL]"], &[]);
}

#[test]
fn only_the_wanted_columns_are_made() {
    let mut spec = spec(ints_and_texts(), &[]);
    spec.projection = vec![1];
    let decoded = Json.decoder(&spec).unwrap().create().decode(&chunk("{\"a\": \"junk\", \"b\": \"x\"}")).unwrap();
    assert_eq!(rows_of(&decoded.batch), ["+I[x]"]);
    spec.projection = vec![];
    let decoded = Json.decoder(&spec).unwrap().create().decode(&chunk("{\"a\": 1}\n{}\n")).unwrap();
    assert_eq!(decoded.batch.num_rows(), 2);
}

#[test]
fn options_are_checked() {
    let error = |options: &[(&str, &str)]| Json.decoder(&spec(ints_and_texts(), options)).err().expect("refused").to_string();
    assert!(error(&[("ignore-parse-error", "true")]).contains("ignore-parse-error"));
    assert!(error(&[("timestamp-format.standard", "RFC")]).contains("RFC"));
    assert!(error(&[("fail-on-missing-field", "true"), ("ignore-parse-errors", "true")]).contains("both"));
    let map = schema(&[("m", DataType::Map(nullable(DataType::Int), nullable(DataType::Int)))]);
    assert!(Json.decoder(&spec(map, &[])).err().expect("refused").to_string().contains("MAP<INT, INT>"));
}

#[test]
fn what_is_written_is_read_back() {
    let mut columns = nested_columns();
    columns.extend([("i", DataType::BigInt), ("d", DataType::decimal(20, 9)), ("f", DataType::Double), ("t", DataType::STRING), ("b", DataType::BYTES)]);
    columns.extend([
        ("ts", DataType::Timestamp(6)),
        ("tz", DataType::TimestampLtz(3)),
        ("da", DataType::Date),
        ("ti", DataType::Time(3)),
        ("bo", DataType::Boolean),
    ]);
    let lines = concat!(
        r#"{"l":[1,null],"m":{"a":1.0E10,"b":null},"s":{"q":2},"r":{"x":7,"y":["p"]},"lr":[{"x":1,"y":null},null],"#,
        r#""i":-5,"d":2.7E-8,"f":"NaN","t":"\"中\n","b":"aGk=","#,
        r#""ts":"2019-11-11 00:00:00.59","tz":"2019-11-11 00:00:00Z","da":"2020-02-29","ti":"10:15:30.25","bo":true}"#,
        "\n"
    );
    let spec = spec(schema(&columns), &[]);
    let batch = Json.decoder(&spec).unwrap().create().decode(&chunk(lines)).unwrap().batch;
    let mut out = Vec::new();
    Json.encoder(&spec).unwrap().create().encode(&batch, &mut out).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), lines);
}

#[test]
fn writing_follows_the_options() {
    let write = |options: &[(&str, &str)]| {
        let spec = spec(schema(&[("a", DataType::Int), ("d", DataType::decimal(10, 9)), ("t", DataType::Timestamp(3))]), &[]);
        let batch = Json.decoder(&spec).unwrap().create().decode(&chunk(r#"{"d": "0.000000027", "t": "2020-01-01 10:00:00.5"}"#)).unwrap().batch;
        let spec = crate::testing::spec(spec.schema, options);
        let mut out = Vec::new();
        Json.encoder(&spec).unwrap().create().encode(&batch, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    assert_eq!(write(&[]), "{\"a\":null,\"d\":2.7E-8,\"t\":\"2020-01-01 10:00:00.5\"}\n");
    let options = [("encode.ignore-null-fields", "true"), ("encode.decimal-as-plain-number", "true"), ("timestamp-format.standard", "ISO-8601")];
    assert_eq!(write(&options), "{\"d\":0.000000027,\"t\":\"2020-01-01T10:00:00.5\"}\n");
}

//! Random documents: what was put in comes out, whatever the layout; what serde_json refuses is refused; nothing panics.
//!
//! All from fixed seeds, so that a failure comes again.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use brisk_core::format::{Decoder, Format};
use brisk_core::{Column, DataType, SqlType};
use serde_json::Value;

use super::Json;
use crate::testing::{Random, chunk, rows_of, schema, spec};

/// Writes a document with its keys in any order, blanks anywhere, some characters escaped, and keys that nobody wants.
fn document(random: &mut Random, fields: &[(&str, String)]) -> String {
    let mut fields: Vec<(String, String)> = fields.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
    for _ in 0..random.below(3) {
        fields.push((format!("extra{}", random.below(4)), any_value(random, 3)));
    }
    if random.below(3) == 0 {
        for i in (1..fields.len()).rev() {
            fields.swap(i, random.below(i + 1));
        }
    }
    let spaced = random.below(3) == 0;
    let mut out = String::new();
    out.push('{');
    for (i, (key, value)) in fields.iter().enumerate() {
        let blank = |random: &mut Random| if spaced { ["", " ", "\t", "  "][random.below(4)] } else { "" };
        out.push_str(if i > 0 { "," } else { "" });
        out.push_str(blank(random));
        out.push_str(&text(random, key));
        out.push_str(blank(random));
        out.push(':');
        out.push_str(blank(random));
        out.push_str(value);
        out.push_str(blank(random));
    }
    out.push('}');
    out
}

/// A JSON string, perhaps with escapes where none are needed.
fn text(random: &mut Random, content: &str) -> String {
    let mut out = String::from("\"");
    let escapes = random.below(5) == 0;
    for c in content.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if escapes && random.below(3) == 0 => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
            c => out.push(c),
        }
    }
    out + "\""
}

fn content(random: &mut Random) -> String {
    let length = random.below(40);
    (0..length).map(|_| *random.pick(&['a', 'b', ' ', ',', '}', '"', '\\', '\n', 'é', '中', '😀', '{', ':', '0'])).collect()
}

fn any_value(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 5 } else { 7 }) {
        0 => "null".to_string(),
        1 => ["true", "false"][random.below(2)].to_string(),
        2 => random.pick(&["0", "-1", "12.50", "1e3", "-0.5E-2", "12345678901234567890"]).to_string(),
        3 | 4 => {
            let content = content(random);
            text(random, &content)
        }
        5 => format!("[{}]", (0..random.below(3)).map(|_| any_value(random, depth - 1)).collect::<Vec<_>>().join(", ")),
        _ => format!("{{{}}}", (0..random.below(3)).map(|i| format!("\"k{i}\": {}", any_value(random, depth - 1))).collect::<Vec<_>>().join(",")),
    }
}

#[test]
fn what_is_put_in_comes_out() {
    let nested = DataType::Row(vec![
        Column::new("x", SqlType::nullable(DataType::Int)),
        Column::new("l", SqlType::nullable(DataType::Array(Box::new(SqlType::nullable(DataType::STRING))))),
    ]);
    let columns =
        schema(&[("int", DataType::Int), ("big", DataType::BigInt), ("price", DataType::decimal(12, 3)), ("name", DataType::STRING), ("row", nested)]);
    let mut random = Random::new(1);
    let mut decoder = Json.decoder(&spec(columns, &[])).unwrap().create();
    for _ in 0..200 {
        let (mut data, mut expected) = (String::new(), Vec::new());
        for _ in 0..random.below(30) {
            let (int, big, thousandths, name) = (random.next() as i32, random.next() as i64, random.next() as i64 % 1_000_000_000, content(&mut random));
            let (sign, digits) = (if thousandths < 0 { "-" } else { "" }, thousandths.unsigned_abs());
            let price = format!("{sign}{}.{:03}", digits / 1000, digits % 1000);
            let items: Vec<String> = (0..random.below(4)).map(|_| content(&mut random)).collect();
            let list: Vec<String> = items.iter().map(|i| text(&mut random, i)).collect();
            let row = document(&mut random, &[("x", int.to_string()), ("l", format!("[{}]", list.join(",")))]);
            let number = |random: &mut Random, n: String| if random.below(8) == 0 { format!("\"{n}\"") } else { n };
            let fields = [
                ("int", number(&mut random, int.to_string())),
                ("big", number(&mut random, big.to_string())),
                ("price", number(&mut random, price.clone())),
                ("name", text(&mut random, &name)),
                ("row", row),
            ];
            // Some columns are null, some missing.
            let mut shown = [int.to_string(), big.to_string(), price, name, format!("{{x: {int}, l: [{}]}}", items.join(", "))];
            let mut kept = Vec::new();
            for (i, (key, value)) in fields.into_iter().enumerate() {
                match random.below(12) {
                    0 => shown[i] = "NULL".to_string(),
                    1 => {
                        shown[i] = "NULL".to_string();
                        kept.push((key, "null".to_string()));
                    }
                    _ => kept.push((key, value)),
                }
            }
            data.push_str(&document(&mut random, &kept));
            data.push_str(["\n", "\r\n", " \n"][random.below(3)]);
            expected.push(format!("+I[{}]", shown.join(", ")));
        }
        let decoded = decoder.decode(&chunk(data)).unwrap();
        assert_eq!(decoded.bad, vec![]);
        assert_eq!(rows_of(&decoded.batch), expected);
    }
}

/// Decodes one record into columns `a` and `b`: their texts, or `None` for a bad record.
fn decode(decoder: &mut dyn Decoder, record: &[u8]) -> Option<Vec<[Option<String>; 2]>> {
    let decoded = decoder.decode(&chunk(record.to_vec())).unwrap();
    let cell = |column: usize, row: usize| {
        let texts = decoded.batch.column(column).as_string::<i32>();
        texts.is_valid(row).then(|| texts.value(row).to_string())
    };
    decoded.bad.is_empty().then(|| (0..decoded.batch.num_rows()).map(|row| [cell(0, row), cell(1, row)]).collect())
}

/// Whether a text of ours is what a tree's value stands for; numbers and nested values are compared by their presence.
fn agrees(ours: &Option<String>, value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => ours.is_none(),
        Some(Value::String(text)) => ours.as_ref() == Some(text),
        Some(Value::Bool(value)) => ours.as_deref() == Some(&value.to_string()),
        Some(nested) if nested.is_object() || nested.is_array() => {
            ours.as_ref().is_some_and(|t| serde_json::from_str::<Value>(t).is_ok_and(|v| v.is_object() == nested.is_object()))
        }
        Some(_) => ours.is_some(),
    }
}

fn check(decoder: &mut dyn Decoder, record: &[u8]) {
    let ours = decode(decoder, record);
    let shown = || format!("{:?} of {}", ours, String::from_utf8_lossy(record));
    let objects = match serde_json::from_slice::<Value>(record) {
        Ok(Value::Null) => vec![],
        Ok(Value::Array(items)) if items.iter().all(Value::is_object) => items,
        Ok(object @ Value::Object(_)) => vec![object],
        Ok(_) => return assert!(ours.is_none(), "{}", shown()),
        Err(e) => {
            // Taken by us: raw control characters, halves of surrogate pairs, numbers beyond a double, and what stands
            // behind a backslash in a value that nobody wants.
            let lenient = ["control character", "surrogate", "escape", "out of range", "recursion"];
            let escape = e.to_string().contains("EOF while parsing a string") && record.windows(2).any(|w| w == b"\\u");
            let blank = record.iter().all(u8::is_ascii_whitespace);
            return assert!(blank || escape || ours.is_none() || lenient.iter().any(|l| e.to_string().contains(l)), "{} though {e}", shown());
        }
    };
    let rows = ours.as_ref().unwrap_or_else(|| panic!("{}", shown()));
    assert_eq!(rows.len(), objects.len(), "{}", shown());
    for (row, object) in rows.iter().zip(objects) {
        assert!(agrees(&row[0], object.get("a")) && agrees(&row[1], object.get("b")), "{}", shown());
    }
}

#[test]
fn mutated_documents_agree_with_a_tree_decoder() {
    let mut random = Random::new(7);
    let mut decoder = Json.decoder(&spec(schema(&[("a", DataType::STRING), ("b", DataType::STRING)]), &[])).unwrap().create();
    for _ in 0..30_000 {
        let fields = [("a", any_value(&mut random, 2)), ("b", any_value(&mut random, 2))];
        let mut record = document(&mut random, &fields).into_bytes();
        if random.below(10) == 0 {
            record = [b"[", &record[..], b"]"].concat();
        }
        check(&mut *decoder, &record);
        for _ in 0..1 + random.below(3) {
            random.mutate(&mut record);
        }
        // A newline would make two records of it.
        record.iter_mut().filter(|b| **b == b'\n').for_each(|b| *b = b' ');
        if record.last() == Some(&b'\r') {
            record.pop();
        }
        check(&mut *decoder, &record);
    }
}

/// Records of one layout, of another now and then, some broken: what a decoder has learned of those before, and what lies
/// behind a record in memory, changes nothing.
#[test]
fn a_record_is_read_as_if_it_were_alone() {
    let columns = [("a", DataType::BigInt), ("b", DataType::STRING), ("t", DataType::Timestamp(3)), ("z", DataType::TimestampLtz(6))];
    let spec = spec(schema(&columns), &[]);
    let json = Json.decoder(&spec).unwrap();
    let mut random = Random::new(23);
    for _ in 0..400 {
        let mut decoder = json.create();
        let layout = random.below(4);
        let mut data = Vec::new();
        for _ in 0..random.below(40) {
            let mut record = laid_out(&mut random, layout).into_bytes();
            for _ in 0..random.below(8).saturating_sub(5) {
                random.mutate(&mut record);
            }
            record.retain(|b| *b != b'\n');
            data.extend_from_slice(&record);
            data.extend_from_slice(["\n", "\r\n"][random.below(2)].as_bytes());
        }
        let together = decoder.decode(&chunk(data.clone())).unwrap();
        let (mut rows, mut bad) = (Vec::new(), Vec::new());
        for (number, line) in data.split_inclusive(|b| *b == b'\n').enumerate() {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            // A line without anything is only seen with what ends it.
            let alone = json.create().decode(&chunk([line, b"\n"].concat())).unwrap();
            rows.extend(rows_of(&alone.batch));
            bad.extend(alone.bad.into_iter().map(|b| (number as u32, b.reason)));
        }
        assert_eq!(rows_of(&together.batch), rows);
        assert_eq!(together.bad.into_iter().map(|b| (b.record, b.reason)).collect::<Vec<_>>(), bad);
    }
}

fn laid_out(random: &mut Random, layout: usize) -> String {
    let number = random.next() as i64 >> random.below(64);
    let written = content(random);
    let written = text(random, &written);
    let (minute, second, zeros) = (random.below(3), random.below(62), random.below(4));
    let mut time = format!("2023-1{}-{:02} 2{}:0{minute}:{second:02}", random.below(3), 1 + random.below(31), random.below(5));
    if zeros > 0 {
        time.push_str(&format!(".{}", &format!("{:03}", random.below(1000))[..zeros]));
    }
    if random.below(30) == 0 {
        return any_value(random, 3);
    }
    match layout {
        0 => format!(r#"{{"a":{number},"b":{written},"t":"{time}","z":"{time}Z"}}"#),
        1 => format!(r#"{{"a": {number}, "x": {written}, "b": null, "t": "{time}", "z": "{time}Z"}}"#),
        2 => format!(r#" {{ "z" : "{time}Z" , "b" : {written} , "a" : {number} , "t":"{time}", "t":"{time}" }} "#),
        _ if number % 3 == 0 => format!(r#"{{"b":{written},"a":{number}}}"#),
        _ => format!(r#"{{"a":{number},"b":{written}}}"#),
    }
}

#[test]
fn typed_columns_survive_any_bytes() {
    let int = Box::new(SqlType::nullable(DataType::Int));
    let columns = schema(&[
        ("a", DataType::decimal(20, 4)),
        ("b", DataType::Timestamp(9)),
        ("c", DataType::Array(int.clone())),
        ("d", DataType::Map(Box::new(SqlType::not_null(DataType::STRING)), int)),
        ("e", DataType::BYTES),
        ("f", DataType::Double),
        ("g", DataType::Date),
        ("h", DataType::Row(vec![Column::new("a", SqlType::nullable(DataType::Time(3)))])),
    ]);
    let seed = br#"{"a": 12.5, "b": "2019-11-11 00:00:00.123456789", "c": [1, 2], "d": {"k": 1}, "e": "aGk=", "f": -1.5e3, "g": "2020-02-29", "h": {"a": "10:00:00"}}"#;
    let mut random = Random::new(11);
    for options in [&[][..], &[("ignore-parse-errors", "true")]] {
        let mut decoder = Json.decoder(&spec(columns.clone(), options)).unwrap().create();
        for _ in 0..5_000 {
            let mut data = [&seed[..], b"\n", seed].concat();
            for _ in 0..random.below(5) {
                random.mutate(&mut data);
            }
            data.extend_from_slice(b"\n{\"f\": 1}");
            let decoded = decoder.decode(&chunk(data)).unwrap();
            assert_eq!(rows_of(&decoded.batch).last().map(String::as_str), Some("+I[NULL, NULL, NULL, NULL, NULL, 1.0, NULL, NULL]"));
        }
    }
}

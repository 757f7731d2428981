use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, UInt16Type, UInt64Type};
use arrow_array::*;
use arrow_schema::TimeUnit;

use super::*;

/// Columns of every kind, with values that a seed decides.
fn sample(rows: usize, seed: u64, span: i64) -> RecordBatch {
    let next = |row: usize, column: u64| crate::key_group::mix(seed ^ column, row as u64 + 1);
    let number = |row: usize, column: u64| (next(row, column) % span.unsigned_abs()) as i64 - span / 2;
    let valid = |row: usize, column: u64| !next(row, column + 100).is_multiple_of(5);
    let ints: Int64Array = (0..rows).map(|r| valid(r, 1).then(|| number(r, 1))).collect();
    let times = TimestampMillisecondArray::from_iter_values((0..rows).map(|r| 1_700_000_000_000 + number(r, 2)));
    let decimals = Decimal128Array::from_iter_values((0..rows).map(|r| i128::from(number(r, 3)))).with_precision_and_scale(20, 2).unwrap();
    let huge = Decimal128Array::from_iter_values((0..rows).map(|r| i128::from(number(r, 4)) << 70)).with_precision_and_scale(38, 0).unwrap();
    let few: StringArray = (0..rows).map(|r| valid(r, 5).then(|| format!("https://www.example.com/{}", next(r, 5) % 9))).collect();
    let many: StringArray = (0..rows).map(|r| Some(format!("{:x}", next(r, 6)))).collect();
    let digits: StringArray = (0..rows).map(|r| valid(r, 15).then(|| format!("{:030}", next(r, 15))[..(next(r, 16) % 31) as usize].to_owned())).collect();
    let any: StringArray = (0..rows).map(|r| Some(next(r, 17).to_be_bytes().map(|b| b as char).iter().collect::<String>())).collect();
    let keys = BinaryArray::from_iter_values((0..rows).map(|r| [&[1, 0x80][..], &number(r, 7).to_be_bytes()].concat()));
    let swapped = BinaryArray::from_iter_values((0..rows).map(|r| [&[1][..], &((1 << 40) + (number(r, 18) >> 8)).to_le_bytes()].concat()));
    let pair = |r: usize| [&[1][..], &(number(r, 13) as i32).to_be_bytes(), &[1], &(next(r, 14) % 9).to_be_bytes(), b"."].concat();
    let pairs = BinaryArray::from_iter_values((0..rows).map(pair));
    let bytes: BinaryArray = (0..rows).map(|r| valid(r, 8).then(|| vec![next(r, 8) as u8; (next(r, 9) % 4) as usize])).collect();
    let flags: BooleanArray = (0..rows).map(|r| valid(r, 9).then(|| next(r, 9).is_multiple_of(2))).collect();
    let unsigned = UInt64Array::from_iter_values((0..rows).map(|r| u64::MAX - next(r, 10) % span.unsigned_abs()));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ints", Arc::new(ints)),
        ("times", Arc::new(times)),
        ("decimals", Arc::new(decimals)),
        ("huge", Arc::new(huge)),
        ("few", Arc::new(few)),
        ("many", Arc::new(many)),
        ("digits", Arc::new(digits)),
        ("any", Arc::new(any)),
        ("keys", Arc::new(keys)),
        ("swapped", Arc::new(swapped)),
        ("pairs", Arc::new(pairs)),
        ("bytes", Arc::new(bytes)),
        ("flags", Arc::new(flags)),
        ("unsigned", Arc::new(unsigned)),
        ("floats", Arc::new(Float64Array::from_iter_values((0..rows).map(|r| number(r, 11) as f64)))),
        ("groups", Arc::new(UInt16Array::from_iter_values((0..rows).map(|r| (next(r, 12) % 128) as u16)))),
        ("nothing", Arc::new(Int64Array::new_null(rows))),
        ("null", Arc::new(NullArray::new(rows))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn concatenated(batches: &[RecordBatch]) -> RecordBatch {
    arrow_select::concat::concat_batches(&batches[0].schema(), batches).unwrap()
}

#[test]
fn what_is_packed_is_unpacked() {
    for span in [1, 2, 200, 60_000, 9_000_000, 4_000_000_000, i64::MAX] {
        for rows in [0, 1, 2, 700, 5000] {
            let whole = [sample(rows, 1, span), sample(3, 2, span)];
            let batches = [whole[0].slice(0, rows), whole[1].slice(1, 2)];
            let packed = pack(&batches).unwrap();
            assert!(is_packed(&packed));
            let expected = concatenated(&batches);
            assert_eq!(unpack(&packed).unwrap(), expected, "{rows} rows, span {span}");
            let part = packed.slice(rows / 2, rows / 3 + 1);
            assert_eq!(unpack(&trim(&part).unwrap()).unwrap(), expected.slice(rows / 2, rows / 3 + 1));
        }
    }
}

#[test]
fn the_extremes_of_a_type_are_packed() {
    let extremes: ArrayRef = Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX]));
    let near: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, i64::MAX - 3, i64::MAX - 255]));
    let low: ArrayRef = Arc::new(Int8Array::from(vec![i8::MIN, i8::MAX, 0]));
    let middle: ArrayRef = Arc::new(Int64Array::from(vec![-0x80_0000, 0x7f_ffff, 0]));
    let batch = RecordBatch::try_from_iter([("extremes", extremes), ("near", near), ("low", low), ("middle", middle)]).unwrap();
    let packed = pack(std::slice::from_ref(&batch)).unwrap();
    let types: Vec<&DataType> = packed.columns().iter().map(|c| c.data_type()).collect();
    assert_eq!(types, [&DataType::Int64, &DataType::UInt8, &DataType::Int8, &DataType::FixedSizeBinary(3)]);
    assert_eq!(unpack(&packed).unwrap(), batch);
}

/// Forms that one would choose by hand.
#[test]
fn columns_get_the_form_that_makes_them_smaller() {
    let packed = pack(&[sample(5000, 3, 200)]).unwrap();
    let form = |name: &str| Form::of(packed.schema().field_with_name(name).unwrap()).unwrap();
    assert_eq!(form("times"), Form::Offsets { base: 1_699_999_999_900, of: DataType::Timestamp(TimeUnit::Millisecond, None) });
    assert_eq!(packed.column_by_name("decimals").unwrap().data_type(), &DataType::UInt8);
    assert_eq!((form("few"), form("any"), form("huge")), (Form::Distinct, Form::Plain, Form::Plain));
    assert!(matches!(form("many"), Form::Letters(letters) if letters.bytes().len() == 16));
    assert!(matches!(form("digits"), Form::Letters(letters) if letters.bytes().len() == 10));
    assert!(matches!(form("keys"), Form::Numbers { places, .. } if places == [2, 3, 4, 5, 6, 7, 8, 9]));
    assert!(matches!(form("swapped"), Form::Numbers { places, .. } if places == [8, 7, 6, 5, 4, 3, 2, 1]));
    assert_eq!(packed.column_by_name("swapped").unwrap().data_type(), &DataType::UInt8);
    assert!(matches!(form("pairs"), Form::Numbers { places, .. } if places == [1, 2, 3, 4, 13]));
    assert!(packed.get_array_memory_size() < 5000 * 120);
}

#[test]
fn values_are_gathered_from_packed_and_plain_columns() {
    let batches = [sample(900, 4, 100), sample(2000, 5, 70_000), sample(50, 6, 1 << 40)];
    let stored = [pack(&batches[..1]).unwrap(), pack(&batches[1..2]).unwrap(), batches[2].clone()];
    let places: Vec<(usize, usize)> = (0..4000).map(|i| (i * 7 % 3, i * 11 % [900, 2000, 50][i * 7 % 3])).collect();
    for (place, field) in batches[0].schema().fields().iter().enumerate() {
        let forms: Vec<Form> = stored.iter().map(|b| Form::of(b.schema().field(place)).unwrap()).collect();
        let columns: Vec<(&ArrayRef, &Form)> = stored.iter().map(|b| b.column(place)).zip(&forms).collect();
        let plain: Vec<&dyn Array> = batches.iter().map(|b| b.column(place).as_ref()).collect();
        assert_eq!(&gather(&columns, &places, field.data_type()).unwrap(), &interleave(&plain, &places).unwrap(), "{}", field.name());
        assert_eq!(gather(&columns, &[], field.data_type()).unwrap().len(), 0);
    }
}

#[test]
fn rows_of_differing_types_are_not_packed_together() {
    let of = |column: ArrayRef| RecordBatch::try_from_iter([("a", column)]).unwrap();
    let (long, short) = (of(Arc::new(Int64Array::from(vec![1, 2]))), of(Arc::new(Int32Array::from(vec![1]))));
    assert!(pack(&[long.clone(), short]).is_err() && pack(&[]).is_err());
    assert_eq!(value_bytes(&long.slice(1, 1)), 8);
}

/// A list of values is shared with the rows before, made longer, or left.
#[test]
fn lists_of_values_go_on() {
    let texts = |from: usize, to: usize| {
        let column: ArrayRef = Arc::new(StringArray::from_iter_values((0..4000).map(|r| format!("a value of {}", from + r * 7 % (to - from)))));
        RecordBatch::try_from_iter([("text", column)]).unwrap()
    };
    let list = |batch: &RecordBatch| Arc::clone(batch.column(0).as_dictionary::<UInt16Type>().values());
    let mut former = pack(&[texts(0, 100)]).unwrap();
    for (from, to, values, shares) in
        [(0, 100, 100, true), (5, 95, 100, true), (10, 110, 110, false), (0, 101, 110, true), (0, 10, 10, false), (500, 900, 410, false)]
    {
        let batch = texts(from, to);
        let packed = pack_after(std::slice::from_ref(&batch), Some(&former)).unwrap();
        assert_eq!(unpack(&packed).unwrap(), batch);
        assert_eq!((list(&packed).len(), Arc::ptr_eq(&list(&packed), &list(&former))), (values, shares), "{from}..{to}");
        let bytes = packed.get_array_memory_size() - if shares { list(&former).get_array_memory_size() } else { 0 };
        assert_eq!(own_bytes(&packed, Some(&former)), bytes);
        former = packed;
    }
}

/// Letters that come late, one too many, and every length at which a code more or less fits into the last byte.
#[test]
fn texts_of_few_letters_take_some_bits_a_letter() {
    let packed = |texts: Vec<String>| {
        let column: ArrayRef = Arc::new(StringArray::from(texts));
        let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let packed = pack(std::slice::from_ref(&batch)).unwrap();
        assert_eq!(unpack(&packed).unwrap(), batch);
        packed
    };
    let letter = |r: u64, i: u64, letters: u64| char::from_u32(0x30 + (crate::key_group::mix(r, i + 1) % letters) as u32).unwrap();
    let texts = |letters: u64| (0..3000u64).map(move |r| (0..r % 50 + 20).map(|i| letter(r, i, letters)).collect::<String>());
    for (letters, bits) in [(15, 4), (16, 5), (31, 5), (32, 6), (63, 6), (64, 8)] {
        let column = packed(texts(letters).collect());
        let bytes = column.column(0).to_data().get_slice_memory_size().unwrap() - 4 * 3001;
        let plain: usize = texts(letters).map(|text| text.len()).sum();
        assert!((bytes * 8).abs_diff(plain * bits) < 3000 * 8, "{letters} letters: {bytes} of {plain}");
    }
    let late = packed(texts(10).chain(["klmnopqrst-".to_owned()]).collect());
    assert!(matches!(Form::of(late.schema().field(0)).unwrap(), Form::Letters(letters) if letters.bytes().len() == 21));
    assert!(Letters::new(&(0u8..64).collect::<Vec<_>>()).is_none() && Letters::new(b"aba").is_none());
}

/// Whatever a field says, a column is unpacked or refused.
#[test]
fn a_form_that_does_not_fit_is_refused() {
    let metadata = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<HashMap<_, _>>();
    let cases = [
        metadata(&[(FORM, "zip")]),
        metadata(&[(FORM, "offsets")]),
        metadata(&[(FORM, "offsets"), (BASE, "x"), (TYPE, "Int64")]),
        metadata(&[(FORM, "offsets"), (BASE, "1"), (TYPE, "Utf8")]),
        metadata(&[(FORM, "distinct")]),
        metadata(&[(FORM, "letters"), (LETTERS, "6162")]),
        metadata(&[(FORM, "numbers"), (BASE, "0"), (LIKE, "0g"), (PLACES, "0")]),
        metadata(&[(FORM, "numbers"), (BASE, "0"), (LIKE, "00"), (PLACES, "1")]),
        metadata(&[(FORM, "numbers"), (BASE, "0"), (LIKE, "000102030405060708"), (PLACES, "0 1 2 3 4 5 6 7 8")]),
        metadata(&[(FORM, "numbers"), (BASE, "0"), (LIKE, "00"), (PLACES, "0")]),
    ];
    for metadata in cases {
        let field = Field::new("a", DataType::Int64, true).with_metadata(metadata.clone());
        let column: ArrayRef = Arc::new(PrimitiveArray::<Int64Type>::from(vec![1]));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).unwrap();
        assert!(unpack(&batch).is_err(), "{metadata:?}");
    }
    let field = Field::new("a", DataType::UInt64, false).with_metadata(metadata(&[(FORM, "offsets"), (BASE, "1"), (TYPE, "Decimal128(3, 0)")]));
    let column: ArrayRef = Arc::new(PrimitiveArray::<UInt64Type>::from(vec![u64::MAX]));
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column]).unwrap();
    assert_eq!(unpack(&batch).unwrap().column(0).len(), 1);
}

//! The functions of time against what Flink answers.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    ArrayRef, Decimal128Array, DurationMillisecondArray, Float32Array, Float64Array, IntervalYearMonthArray, RecordBatch, TimestampMillisecondArray,
};
use brisk_core::types::{DayTimeUnit, YearMonthUnit};
use brisk_core::{DataType, SqlType};

use crate::scalar::testing::{bigint, call, check, check_typed, int, null, of, text, value};
use crate::{EvalContext, Expr};

fn date(text: &str) -> Expr {
    of(text, DataType::Date)
}

fn time(text: &str) -> Expr {
    of(text, DataType::Time(0))
}

fn timestamp(text: &str, precision: u8) -> Expr {
    of(text, DataType::Timestamp(precision))
}

fn hours(count: i64) -> Expr {
    value(DurationMillisecondArray::from(vec![count * 3_600_000]), DataType::IntervalDayTime(DayTimeUnit::DayToHour))
}

fn months(count: i32) -> Expr {
    value(IntervalYearMonthArray::from(vec![count]), DataType::IntervalYearMonth(YearMonthUnit::YearToMonth))
}

/// Evaluates in a session of another zone.
#[track_caller]
fn check_in(zone: chrono_tz::Tz, name: &str, args: &[Expr], expected: &str) {
    let context = EvalContext { processing_time_ms: 1_600_000_000_123, time_zone: zone, watermark_ms: None };
    let bound = call(name, args).unwrap();
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(1));
    let rows = arrow_array::RecordBatch::try_new_with_options(std::sync::Arc::new(arrow_schema::Schema::empty()), vec![], &options).unwrap();
    let array = bound.evaluate_array(&rows, &context).unwrap();
    let text = bound.sql_type();
    let target = SqlType::nullable(DataType::STRING);
    let shown = crate::cast::cast_array(&array, &text, &target, false, &context).unwrap();
    assert_eq!(crate::cast::value_text(shown.as_ref(), &target, 0), expected, "{bound}");
}

#[test]
fn fields_are_extracted() {
    let f0 = || timestamp("2000-01-31 11:22:33.123456789", 6);
    let f1 = || timestamp("2020-02-29 01:56:59.987654321", 6);
    for (unit, point, expected) in [
        ("NANOSECOND", f0(), "123456000"),
        ("MICROSECOND", f0(), "123456"),
        ("MILLISECOND", f0(), "123"),
        ("SECOND", f1(), "59"),
        ("MINUTE", f0(), "22"),
        ("HOUR", f0(), "11"),
        ("HOUR", time("06:55:44"), "6"),
        ("MILLISECOND", time("06:55:44"), "0"),
        ("DAY", f1(), "29"),
        ("WEEK", f0(), "5"),
        ("WEEK", timestamp("1996-11-10 06:55:44.333", 3), "45"),
        ("QUARTER", f0(), "1"),
        ("CENTURY", f1(), "21"),
        ("MILLENNIUM", f0(), "2"),
        ("DECADE", date("1996-11-10"), "199"),
        ("ISODOW", f1(), "6"),
        ("DOW", date("1996-11-10"), "1"),
        ("DOY", date("1996-11-10"), "315"),
        ("ISOYEAR", f0(), "2000"),
        ("EPOCH", f1(), "1582941419"),
        ("EPOCH", date("1970-01-02"), "86400"),
        ("YEAR", null(DataType::Timestamp(3)), "NULL"),
        ("DAY", hours(84), "3"),
        ("HOUR", hours(84), "12"),
        ("MONTH", months(29), "5"),
        ("NANOSECOND", date("1990-10-14"), "ERROR"),
        ("YEAR", time("06:55:44"), "ERROR"),
    ] {
        check("EXTRACT", &[text(unit), point], expected);
    }
    check_typed("DAYOFWEEK", &[timestamp("1996-11-10 06:55:44.333", 3)], "BIGINT", "1");
    check_in(chrono_tz::Tz::Asia__Shanghai, "HOUR", &[of("2020-01-01 20:00:00", DataType::TimestampLtz(3))], "4");
}

#[test]
fn points_are_rounded() {
    let f2 = || timestamp("2020-02-29 01:56:59.987654321", 6);
    for (name, point, unit, expected) in [
        ("CEIL TO", f2(), "MILLISECOND", "2020-02-29 01:56:59.988000"),
        ("CEIL TO", f2(), "MINUTE", "2020-02-29 01:57:00.000000"),
        ("CEIL TO", f2(), "HOUR", "2020-02-29 02:00:00.000000"),
        ("CEIL TO", f2(), "QUARTER", "2020-04-01 00:00:00.000000"),
        ("CEIL TO", f2(), "DECADE", "2030-01-01 00:00:00.000000"),
        ("CEIL TO", f2(), "MILLENNIUM", "3001-01-01 00:00:00.000000"),
        ("CEIL TO", time("11:22:33"), "SECOND", "11:22:33"),
        ("CEIL TO", time("11:22:33"), "MINUTE", "11:23:00"),
        ("CEIL TO", date("1990-10-14"), "MONTH", "1990-11-01"),
        ("CEIL TO", date("1990-10-14"), "CENTURY", "2001-01-01"),
        ("FLOOR TO", date("2021-02-27"), "DAY", "2021-02-27"),
        ("FLOOR TO", date("2021-03-01"), "WEEK", "2021-02-28"),
        ("FLOOR TO", timestamp("2021-02-27 00:00:00", 0), "WEEK", "2021-02-21 00:00:00"),
        ("FLOOR TO", timestamp("2018-01-02 21:00:01", 0), "MILLENNIUM", "2001-01-01 00:00:00"),
        ("FLOOR TO", time("11:22:33"), "YEAR", "ERROR"),
    ] {
        check(name, &[point, text(unit)], expected);
    }
    let zone = chrono_tz::Tz::Asia__Shanghai;
    check_in(zone, "FLOOR TO", &[of("2020-01-01 20:00:00", DataType::TimestampLtz(3)), text("DAY")], "2020-01-02 00:00:00.000");
}

#[test]
fn units_are_added() {
    let stamp = || timestamp("2017-11-29 22:58:58.998", 3);
    for (unit, count, point, expected) in [
        ("SQL_TSI_YEAR", int(-61), stamp(), "1956-11-29 22:58:58.998"),
        ("QUARTER", int(-1000), stamp(), "1767-11-29 22:58:58.998"),
        ("MONTH", int(3), stamp(), "2018-02-28 22:58:58.998"),
        ("SQL_TSI_WEEK", int(1), stamp(), "2017-12-06 22:58:58.998"),
        ("HOUR", int(3), stamp(), "2017-11-30 01:58:58.998"),
        ("MONTH", int(1), date("2016-06-15"), "2016-07-15"),
        ("MONTH", int(5), date("2016-01-31"), "2016-06-30"),
        ("WEEK", int(-1), date("2016-03-31"), "2016-03-24"),
        ("HOUR", int(-1), date("2016-06-15"), "2016-06-14 23:00:00.000000"),
        ("SECOND", int(1), null(DataType::Date), "NULL"),
        ("MINUTE", int(1), time("23:59:59"), "00:00:59"),
        ("DAY", int(15), time("23:59:59"), "23:59:59"),
        ("MONTH", int(-1), time("23:59:59"), "23:59:59"),
        ("HOUR", int(-1), time("00:00:00"), "23:00:00"),
    ] {
        check("TIMESTAMPADD", &[text(unit), count, point], expected);
    }
    check_typed("TIMESTAMPADD", &[text("HOUR"), int(1), date("2016-06-15")], "TIMESTAMP(6)", "2016-06-15 01:00:00.000000");
}

#[test]
fn units_are_counted() {
    for (unit, from, to, expected) in [
        ("MONTH", date("2019-09-01"), date("2016-08-01"), "-37"),
        ("MONTH", timestamp("2021-01-04 00:00:00", 0), time("00:00:00"), "-612"),
        ("MONTH", time("00:00:00"), date("2021-02-04"), "613"),
        ("DAY", timestamp("2018-07-03 11:11:11", 0), timestamp("2018-07-05 11:11:10", 0), "1"),
        ("YEAR", date("2019-09-02"), date("2020-09-01"), "0"),
        ("WEEK", date("2019-09-01"), date("2019-09-30"), "4"),
        ("SECOND", timestamp("2016-06-15 07:00:00", 0), timestamp("2016-06-15 07:00:05", 0), "5"),
        ("MILLISECOND", date("2019-09-01"), date("2019-09-30"), "ERROR"),
    ] {
        check("TIMESTAMPDIFF", &[text(unit), from, to], expected);
    }
    check_typed("TIMESTAMPDIFF", &[text("DAY"), date("2019-09-01"), null(DataType::Date)], "INT", "NULL");
}

#[test]
fn text_becomes_time() {
    check_typed("TO_TIMESTAMP", &[text("2017-09-15 00:00:00")], "TIMESTAMP(3)", "2017-09-15 00:00:00.000");
    for (given, pattern, expected) in [
        ("20000202 59:59.1234567", "yyyyMMdd mm:ss.SSSSSSS", "2000-02-02 00:59:59.123"),
        ("2017-09-15 00:00:00.12345", "yyyy-MM-dd HH:mm:ss.SSS", "2017-09-15 00:00:00.123"),
        ("2000020210", "yyyyMMddHH", "2000-02-02 10:00:00.000"),
        ("1999-9-10", "yyyy-MM-dd", "1999-09-10 00:00:00.000"),
        ("abc", "yyyy-MM-dd", "NULL"),
        ("2017-09-15", "bad pattern", "ERROR"),
    ] {
        check("TO_TIMESTAMP", &[text(given), text(pattern)], expected);
    }
    check("TO_TIMESTAMP", &[text("abc")], "NULL");
    check("TO_TIMESTAMP", &[null(DataType::STRING), text("yyyy-MM-dd")], "NULL");
    check("TO_DATE", &[text("2018-03-18")], "2018-03-18");
    check("TO_DATE", &[text("invalid value")], "NULL");
    check("TO_DATE", &[text("18/03/2018"), text("dd/MM/yyyy")], "2018-03-18");
}

#[test]
fn numbers_become_instants() {
    let float = || value(Float32Array::from(vec![100.01]), DataType::Float);
    let decimal = value(Decimal128Array::from(vec![10_099]).with_precision_and_scale(5, 2).unwrap(), DataType::decimal(5, 2));
    for (number, precision, expected) in [
        (int(100), 0, "1970-01-01 00:01:40.000"),
        (int(1234), 3, "1970-01-01 00:00:01.234"),
        (int(-100), 0, "1969-12-31 23:58:20.000"),
        (bigint(-62_167_219_200_001), 3, "NULL"),
        (float(), 0, "1970-01-01 00:01:40.010"),
        (float(), 3, "1970-01-01 00:00:00.100"),
        (decimal, 0, "1970-01-01 00:01:40.000"),
        (int(12), 1, "ERROR"),
    ] {
        check("TO_TIMESTAMP_LTZ", &[number, int(precision)], expected);
    }
    check("TO_TIMESTAMP_LTZ", &[value(Float64Array::from(vec![100.0]), DataType::Double)], "1970-01-01 00:00:00.100");
    for (args, expected) in [
        (vec!["2023-01-01 00:00:00", "yyyy-MM-dd HH:mm:ss", "Asia/Shanghai"], "2022-12-31 16:00:00.000"),
        (vec!["01/01/2023 08:00:00", "dd/MM/yyyy HH:mm:ss", "America/Los_Angeles"], "2023-01-01 16:00:00.000"),
        (vec!["01/01/2023 08:00:00", "un-parsable format", "UTC"], "NULL"),
        (vec!["1970-01-01 00:00:00.12345"], "1970-01-01 00:00:00.123"),
    ] {
        let args: Vec<Expr> = args.into_iter().map(text).collect();
        check("TO_TIMESTAMP_LTZ", &args, expected);
    }
    check("TO_TIMESTAMP_LTZ", &[text("1970-01-01 00:00:00.12345"), null(DataType::STRING)], "NULL");
}

#[test]
fn time_becomes_text() {
    check("DATE_FORMAT", &[timestamp("2018-03-14 01:02:03.123456", 6), text("yyyy/MM/dd HH:mm:ss.SSSSSS")], "2018/03/14 01:02:03.123456");
    check("DATE_FORMAT", &[text("2018-03-14 01:02:03"), text("yyyy/MM/dd HH:mm:ss")], "2018/03/14 01:02:03");
    check("DATE_FORMAT", &[text("invalid value"), text("yyyy/MM/dd HH:mm:ss")], "NULL");
    check("UNIX_TIMESTAMP", &[text("2015/07/24 10:00:00.5"), text("yyyy/MM/dd HH:mm:ss.S")], "1437732000");
    check("UNIX_TIMESTAMP", &[text("bad")], "-9223372036854775808");
    check("CONVERT_TZ", &[text("2018-03-14 11:00:00"), text("UTC"), text("Asia/Shanghai")], "2018-03-14 19:00:00");
    check("FROM_UNIXTIME", &[null(DataType::BigInt)], "NULL");
    let tokyo = chrono_tz::Tz::Asia__Tokyo;
    check_in(tokyo, "FROM_UNIXTIME", &[bigint(44)], "1970-01-01 09:00:44");
    check_in(tokyo, "FROM_UNIXTIME", &[int(3), text("yy-MM-dd HH-mm-ss")], "70-01-01 09-00-03");
    check_in(tokyo, "UNIX_TIMESTAMP", &[text("2015-07-24 10:00:00")], "1437699600");
    check_in(chrono_tz::Tz::MET, "FROM_UNIXTIME", &[bigint(1_111_885_200)], "2005-03-27 03:00:00");
    check_in(tokyo, "DATE_FORMAT", &[of("2018-03-14 01:02:03", DataType::TimestampLtz(3)), text("HH")], "10");
}

/// A row shows what the row before showed only as long as the pattern's smallest field does not change.
#[test]
fn each_time_of_a_column_becomes_its_own_text() {
    let times: Vec<i64> = [0, 1, 999, 1000, 59_999, 60_000, 3_599_999, 3_600_000, 43_200_000, 86_399_999, 86_400_000, -1, -86_400_001, 5, 5].to_vec();
    let column = |times: Vec<i64>| TimestampMillisecondArray::from(times);
    for pattern in ["yyyy-MM-dd", "HH:mm", "h a", "mm:ss", "ss.SSS", "SS", "yyyy-MM-dd HH:mm:ss.SSSSSS", "D e", "G y", "A"] {
        let shown = |times: Vec<i64>| {
            let rows = RecordBatch::try_from_iter([("c0", Arc::new(column(times)) as ArrayRef)]).unwrap();
            let bound = call("DATE_FORMAT", &[Expr::column(0, SqlType::nullable(DataType::Timestamp(3))), text(pattern)]).unwrap();
            bound
                .evaluate_array(&rows, &crate::scalar::testing::context())
                .unwrap()
                .as_string::<i32>()
                .iter()
                .map(|t| t.unwrap().to_string())
                .collect::<Vec<_>>()
        };
        let one_by_one: Vec<String> = times.iter().flat_map(|t| shown(vec![*t])).collect();
        assert_eq!(shown(times.clone()), one_by_one, "{pattern}");
    }
}

#[test]
fn it_is_now() {
    let shanghai = chrono_tz::Tz::Asia__Shanghai;
    for (name, expected) in [
        ("CURRENT_DATE", "2020-09-13"),
        ("CURRENT_TIME", "20:26:40"),
        ("LOCALTIMESTAMP", "2020-09-13 20:26:40.123"),
        ("NOW", "2020-09-13 20:26:40.123"),
        ("UNIX_TIMESTAMP", "1600000000"),
    ] {
        check_in(shanghai, name, &[], expected);
    }
}

#[test]
fn periods_overlap() {
    check("OVERLAPS", &[date("2011-03-10"), hours(240), date("2011-03-19"), hours(240)], "TRUE");
    check("OVERLAPS", &[date("2011-03-10"), hours(120), date("2011-03-19"), hours(240)], "FALSE");
    check("OVERLAPS", &[time("02:55:00"), hours(1), time("03:30:00"), hours(2)], "TRUE");
    check("OVERLAPS", &[date("2011-03-20"), date("2011-03-10"), date("2011-03-19"), null(DataType::Date)], "NULL");
}

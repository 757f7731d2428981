//! Types.

use brisk_parser::parse_type;

use crate::check::data_type;

#[test]
fn every_type() {
    for source in [
        "CHAR",
        "CHAR(3)",
        "VARCHAR(5)",
        "STRING",
        "BINARY(2)",
        "VARBINARY(3)",
        "BYTES",
        "BOOLEAN",
        "DECIMAL",
        "DECIMAL(5)",
        "DECIMAL(5, 2)",
        "TINYINT",
        "SMALLINT",
        "INT",
        "BIGINT",
        "FLOAT",
        "DOUBLE",
        "REAL",
        "DATE",
        "TIME(3)",
        "TIMESTAMP",
        "TIMESTAMP(9)",
        "TIMESTAMP_LTZ(3)",
        "TIMESTAMP(3) WITH TIME ZONE",
        "INTERVAL YEAR TO MONTH",
        "INTERVAL DAY(3) TO SECOND(6)",
        "ARRAY<INT NOT NULL>",
        "MULTISET<STRING>",
        "MAP<STRING, ARRAY<ARRAY<INT>>>",
        "ROW<a INT, `b c` STRING 'x'>",
        "ROW<>",
        "RAW('a.B', 'c')",
        "STRUCTURED<'a.B', f INT, g ROW<h INT>>",
        "VARIANT",
        "NULL",
        "INT NULL",
        "my.type",
    ] {
        data_type(source, source);
    }
}

#[test]
fn synonyms() {
    data_type("CHARACTER VARYING(5)", "VARCHAR(5)");
    data_type("BINARY VARYING", "VARBINARY");
    data_type("dec(3, 1)", "DECIMAL(3, 1)");
    data_type("NUMERIC", "DECIMAL");
    data_type("INTEGER", "INT");
    data_type("DOUBLE PRECISION", "DOUBLE");
    data_type("TIME WITHOUT TIME ZONE", "TIME");
    data_type("TIMESTAMP(3) WITHOUT TIME ZONE NOT NULL", "TIMESTAMP(3) NOT NULL");
    data_type("TIMESTAMP(3) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(3)");
    data_type("INT NOT NULL ARRAY NULL MULTISET NOT NULL", "MULTISET<ARRAY<INT NOT NULL> NULL> NOT NULL");
    data_type("ROW(a INT, b ROW(c STRING))", "ROW<a INT, b ROW<c STRING>>");
}

#[test]
fn refused() {
    for source in ["ARRAY", "ROW", "MAP<INT>", "SELECT", "ARRAY<INT", "DECIMAL(a)", "CHAR(99999999999)", "INT INT"] {
        assert!(parse_type(source).is_err(), "{source}");
    }
}

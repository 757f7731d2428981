//! Expressions: precedence, literals, and every form with a grammar of its own.

use brisk_parser::ast::{ExprKind, Literal};
use brisk_parser::parse_expression;

use crate::check::expr;

/// What is written back as it was written.
#[track_caller]
fn same(source: &str) {
    expr(source, source);
}

#[test]
fn operators_bind_as_in_calcite() {
    expr("a + b * c - d", "a + b * c - d");
    expr("(a + b) * c", "(a + b) * c");
    expr("a - (b - c)", "a - (b - c)");
    expr("a OR b AND NOT c = d", "a OR b AND NOT c = d");
    expr("(a OR b) AND c", "(a OR b) AND c");
    expr("NOT (a AND b)", "NOT (a AND b)");
    expr("a = b IS NULL", "a = b IS NULL");
    expr("a = (b IS NULL)", "a = (b IS NULL)");
    expr("a || b * c", "a || b * c");
    expr("a BETWEEN b + 1 AND c * 2 AND d", "a BETWEEN b + 1 AND c * 2 AND d");
    expr("a = b IN (1, 2)", "a = b IN (1, 2)");
    expr("- a * b", "-a * b");
    expr("-(a * b)", "-(a * b)");
    expr("- -1", "-(-1)");
    expr("a IS DISTINCT FROM b", "a IS DISTINCT FROM b");
    expr("a LIKE b || '%' ESCAPE '!' AND c", "a LIKE b || '%' ESCAPE '!' AND c");
}

#[test]
fn is_null_tests_the_whole_comparison() {
    let parsed = parse_expression("a = b IS NULL").expect("valid");
    assert!(matches!(parsed.kind, ExprKind::Is { .. }));
}

#[test]
fn predicates() {
    for source in [
        "a IS NOT NULL",
        "a IS TRUE",
        "a IS NOT UNKNOWN",
        "a IS JSON SCALAR",
        "a IS NOT DISTINCT FROM b",
        "a NOT BETWEEN SYMMETRIC 1 AND 2",
        "a NOT IN (SELECT b FROM t)",
        "ROW(a, b) IN (SELECT c, d FROM t)",
        "a > ALL (SELECT b FROM t)",
        "a = SOME (1, 2)",
        "EXISTS (SELECT 1)",
        "a NOT LIKE 'x'",
        "a SIMILAR TO 'x'",
        "a NOT RLIKE 'x'",
        "a MEMBER OF b",
        "a MULTISET UNION ALL b",
        "ROW(a, b) OVERLAPS ROW(c, d)",
        "PERIOD (a, b) CONTAINS c",
        "a IMMEDIATELY PRECEDES b",
        "a AT TIME ZONE 'UTC'",
        "a AT LOCAL",
    ] {
        same(source);
    }
    expr("a IS JSON", "a IS JSON VALUE");
    expr("a = ANY (1)", "a = SOME (1)");
    expr("(a, b) IN ((1, 2), (3, 4))", "ROW(a, b) IN (ROW(1, 2), ROW(3, 4))");
    expr("a IN ((SELECT 1) UNION (SELECT 2))", "a IN (SELECT 1 UNION SELECT 2)");
    expr("a BETWEEN ASYMMETRIC 1 AND 2", "a BETWEEN 1 AND 2");
}

#[test]
fn literals() {
    for source in [
        "1",
        "1.50",
        ".5",
        "1e3",
        "1.5E-2",
        "'it''s'",
        "X'00FF'",
        "_UTF8'a'",
        "TRUE",
        "NULL",
        "UNKNOWN",
        "DATE '2020-01-01'",
        "TIME '12:00:00'",
        "TIMESTAMP '2020-01-01 00:00:00.123'",
        "TIMESTAMP WITH LOCAL TIME ZONE '2020-01-01 00:00:00'",
        "INTERVAL '1' DAY",
        "INTERVAL -'1' DAY",
        "INTERVAL '1 2:03:04.5' DAY(3) TO SECOND(6)",
        "INTERVAL '1-2' YEAR(4) TO MONTH",
        "INTERVAL '10' SECOND(5, 3)",
        "INTERVAL '2' WEEK",
        "INTERVAL '2' QUARTER",
        "INTERVAL (a + 1) DAY",
    ] {
        same(source);
    }
    expr("interval '1' hours", "INTERVAL '1' HOUR");
    expr("INTERVAL 5 MINUTES", "INTERVAL (5) MINUTE");
    expr("INTERVAL - n DAY", "INTERVAL (-n) DAY");
    expr("u&'\\0041\\\\b\\+01F600'", "'A\\b😀'");
    expr("U&'!0041' UESCAPE '!'", "'A'");
    expr("'a'\n'b'", "'ab'");
    expr("E'a\\tb'", "'a\tb'");
    expr("x'00ff'", "X'00FF'");
}

#[test]
fn numbers_keep_their_text() {
    let kind = |source| parse_expression(source).expect("valid").kind;
    assert_eq!(kind("1.50"), ExprKind::Literal(Literal::Exact("1.50".to_string())));
    assert_eq!(kind("1E3"), ExprKind::Literal(Literal::Approximate("1E3".to_string())));
}

#[test]
fn calls() {
    for source in [
        "f()",
        "db.f(a, b => 1)",
        "COUNT(*)",
        "COUNT(DISTINCT a, b)",
        "SUM(a) FILTER (WHERE b > 1)",
        "LISTAGG(a, ',') WITHIN GROUP (ORDER BY b DESC)",
        "ARRAY_AGG(a ORDER BY b)",
        "LAG(a, 1) IGNORE NULLS OVER w",
        "ROW_NUMBER() OVER (PARTITION BY a ORDER BY b DESC)",
        "SUM(a) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)",
        "SUM(a) OVER (w RANGE UNBOUNDED PRECEDING)",
        "IF(a, b, c)",
        "LEFT(a, 1)",
        "YEAR(d)",
        "TRUNCATE(a, 1)",
        "JSON_STRING(a)",
        "CURRENT_DATE",
        "CURRENT_TIMESTAMP(3)",
        "LOCALTIME",
        "`MY fn`(1)",
    ] {
        same(source);
    }
    expr("SUBSTRING(a FROM 2 FOR 3)", "SUBSTRING(a, 2, 3)");
    expr("CEILING(a)", "CEIL(a)");
}

#[test]
fn forms_of_their_own() {
    for source in [
        "CAST(a AS ROW<x INT, y ARRAY<STRING>>)",
        "TRY_CAST('1' AS INT NOT NULL)",
        "CAST(a AS INTERVAL DAY TO SECOND)",
        "CASE a WHEN 1, 2 THEN 'x' ELSE 'y' END",
        "CASE WHEN a THEN b WHEN c THEN d END",
        "EXTRACT(EPOCH FROM a)",
        "FLOOR(a TO MONTH)",
        "CEIL(a TO WEEK)",
        "TIMESTAMPADD(QUARTER, -1, a)",
        "TIMESTAMPDIFF(SECOND, a, b)",
        "TRIM(LEADING 'x' FROM a)",
        "TRIM(BOTH FROM a)",
        "POSITION('a' IN b)",
        "POSITION('a' IN b FROM 2)",
        "OVERLAY(a PLACING b FROM 1 FOR 2)",
        "ROW(a)",
        "ARRAY[]",
        "ARRAY[1, 2][1]",
        "ARRAY(SELECT a FROM t)",
        "MAP['a', 1, 'b', 2]['a']",
        "MAP(SELECT a, b FROM t)",
        "MULTISET[1, 1]",
        "(a).b",
        "f(x).y.z[1].w",
        "(f(x)).*",
        "(a - b) DAY TO SECOND",
        "(SELECT MAX(a) FROM t)",
        "a.b.c[1].d",
    ] {
        same(source);
    }
    expr("trim(a)", "TRIM(BOTH FROM a)");
    expr("TRIM('x' FROM a)", "TRIM(BOTH 'x' FROM a)");
    expr("TIMESTAMPADD(SQL_TSI_DAY, 1, a)", "TIMESTAMPADD(DAY, 1, a)");
    expr("((a, b))", "ROW(a, b)");
    expr("((SELECT 1) + 2)", "(SELECT 1) + 2");
}

#[test]
fn json() {
    for source in [
        "JSON_EXISTS(a, '$.b' UNKNOWN ON ERROR)",
        "JSON_VALUE(a, 'lax $.b' RETURNING INT DEFAULT 1 ON EMPTY ERROR ON ERROR)",
        "JSON_VALUE(a, '$.b' RETURNING STRING NULL ON EMPTY)",
        "JSON_QUERY(a, '$' RETURNING ARRAY<STRING> WITH CONDITIONAL WRAPPER EMPTY ARRAY ON EMPTY EMPTY OBJECT ON ERROR)",
        "JSON_OBJECT()",
        "JSON_OBJECT(KEY 'a' VALUE 1, KEY 'b' VALUE JSON_OBJECT() ABSENT ON NULL)",
        "JSON_ARRAY()",
        "JSON_ARRAY(1, 'a', NULL NULL ON NULL)",
        "JSON_OBJECTAGG(KEY a VALUE b NULL ON NULL)",
        "JSON_ARRAYAGG(a ORDER BY b DESC ABSENT ON NULL)",
    ] {
        same(source);
    }
    expr("JSON_OBJECT('a' : 1, 'b' VALUE 2)", "JSON_OBJECT(KEY 'a' VALUE 1, KEY 'b' VALUE 2)");
    expr("JSON_QUERY(a, '$' WITH ARRAY WRAPPER)", "JSON_QUERY(a, '$' WITH UNCONDITIONAL WRAPPER)");
}

#[test]
fn names() {
    expr("`a b`.`select`.key.type", "`a b`.`select`.key.type");
    expr("`a``b`", "`a``b`");
    expr("EXPR$0", "`EXPR$0`");
    expr("größe", "größe");
}

#[test]
fn spans_hold_the_source() {
    let source = "  (a + f(b)) * `c d`";
    let parsed = parse_expression(source).expect("valid");
    assert_eq!(parsed.span.text(source), "(a + f(b)) * `c d`");
    let ExprKind::Binary { left, right, .. } = parsed.kind else { panic!("not a product") };
    assert_eq!(left.span.text(source), "a + f(b)");
    assert_eq!(right.span.text(source), "`c d`");
}

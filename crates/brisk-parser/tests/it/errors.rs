//! What is refused, and in which words.

use brisk_parser::parse_script;

use crate::check::error;

#[test]
fn the_place_and_what_was_expected() {
    error("SELECT a\nFROM t WHERE", "line 2, column 13: found the end of the text, expected an expression");
    error("CREATE TABLE t (a INT) WITH ('k' 'v')", "line 1, column 34: found \"'v'\", expected \"=\"");
    error("FOO", "line 1, column 1: found \"FOO\", expected a statement such as SELECT, INSERT, CREATE TABLE or SET");
    error(
        "SHOW NOTHING",
        "line 1, column 6: found \"NOTHING\", expected TABLES, VIEWS, DATABASES, CATALOGS, \
        FUNCTIONS, COLUMNS, PARTITIONS, CREATE TABLE, CREATE VIEW, CURRENT CATALOG, CURRENT DATABASE, JOBS or MODULES",
    );
    error("DROP x", "line 1, column 6: found \"x\", expected TABLE, VIEW, DATABASE, CATALOG or FUNCTION");
}

#[test]
fn reserved_words_want_backticks() {
    let remedy = "VALUE is a reserved word: if it is meant as a name, write it in backticks, `value`";
    error("SELECT value FROM t", &format!("line 1, column 8: found \"value\", expected an expression; {remedy}"));
    error("SELECT a AS value", &format!("line 1, column 13: found \"value\", expected an alias; {remedy}"));
    error("CREATE TABLE t (value INT)", &format!("line 1, column 17: found \"value\", expected the name of a column; {remedy}"));
    error("SELECT t.value", &format!("line 1, column 10: found \"value\", expected a name after the dot; {remedy}"));
}

#[test]
fn common_mistakes_have_a_remedy() {
    error("SET state.dir = file:///tmp;", "line 1, column 17: // begins a comment here; write the value in single quotes");
    error("SELECT \"a\" FROM t", "line 1, column 8: double quotes mean nothing in Flink SQL; write 'a' for a text or `a` for a name");
    error("SELECT a, FROM t", "line 1, column 11: found \"FROM\", expected an expression; remove the comma before it");
    error("CREATE TABLE t (a INT,)", "line 1, column 23: found \")\", expected the name of a column; remove the comma before it");
    error("SELECT a == b", "line 1, column 10: found \"==\", expected \";\" or the end of the statement; write = to compare");
    error("SELECT a != b", "line 1, column 10: found \"!=\", expected \";\" or the end of the statement; write <> for \"not equal\"");
    error(
        "SELECT a::INT",
        "line 1, column 9: found \"::\", expected \";\" or the end of the statement; \
         write CAST(value AS type) instead of value::type",
    );
    error(
        "SELECT f(a",
        "line 1, column 11: found the end of the text, expected \",\" or \")\"; \
         close the parenthesis opened at line 1, column 9",
    );
    error("SELECT f(a FROM t", "line 1, column 12: found \"FROM\", expected \",\" or \")\"; close the parenthesis opened at line 1, column 9");
    error(
        "SELECT a)",
        "line 1, column 9: found \")\", expected \";\" or the end of the statement; \
         remove it: no parenthesis is open here",
    );
    error(
        "SELECT a b c FROM t",
        "line 1, column 12: found \"c\", expected \";\" or the end of the statement; \
         perhaps a comma or an operator is missing before it",
    );
    error("CREATE TABLE t (a STRUCT<b INT>)", "line 1, column 19: there is no type STRUCT with arguments; write ROW<a INT, b STRING>");
    error("CREATE TABLE t (a DATETIME)", "line 1, column 19: found \"DATETIME\", expected a type; write TIMESTAMP(3)");
    error(
        "SELECT 1\nSELECT 2",
        "line 2, column 1: found \"SELECT\", expected \";\" or the end of the statement; \
         if a new statement begins here, end the one before it with a semicolon",
    );
    error("SELECT 1 FROM t LIMIT 1, 2", "line 1, column 24: found \",\", expected OFFSET or the end of the query; write LIMIT count OFFSET start");
    error("SELECT 'it's'", "line 1, column 13: this string is not closed; close it with '; a ' inside it is written twice");
    error("SELECT a FROM t WHERE a = ‘x’", "line 1, column 27: the character '‘' means nothing here; write ' instead");
    error("SELECT MAP['a']", "line 1, column 8: the last key of this MAP has no value; write MAP[key, value, key, value]");
    error("BEGIN STATEMENT SET; INSERT INTO a SELECT 1;", "line 1, column 1: this statement set is not closed; close it with END;");
    error("SELECT CASE WHEN a THEN b", "line 1, column 26: found the end of the text, expected WHEN, ELSE or END; close the CASE with END");
}

#[test]
fn what_flink_refuses_is_refused() {
    for source in [
        "SELECT",
        "SELECT a FROM",
        "SELECT a FROM t WHERE",
        "SELECT a b c FROM t",
        "SELECT (1",
        "SELECT 1)",
        "SELECT a FROM t GROUP BY",
        "SELECT a FROM t ORDER a",
        "SELECT 1 WHERE TRUE",
        "SELECT a FROM t LIMIT a",
        "SELECT * FROM (SELECT 1",
        "SELECT INTERVAL '1'",
        "SELECT INTERVAL '1' FORTNIGHT",
        "SELECT CAST(a INT)",
        "SELECT CAST(a AS)",
        "SELECT CAST(a AS FOO BAR)",
        "SELECT CASE END",
        "SELECT a IN ()",
        "SELECT a BETWEEN 1",
        "SELECT ARRAY[1, ]",
        "SELECT EXTRACT(a, b)",
        "SELECT 'a' 'b'",
        "SELECT X'0'",
        "SELECT * FROM t TABLESAMPLE BERNOULLI (10)",
        "SELECT * FROM a LEFT SEMI JOIN b ON TRUE",
        "SELECT * FROM a CROSS APPLY f(a)",
        "SELECT comment FROM t",
        "SELECT year FROM t",
        "CREATE TABLE (a INT)",
        "CREATE TABLE t a INT",
        "CREATE TABLE t (a)) WITH ('a' = 'b')",
        "CREATE TABLE t (a INT, WATERMARK FOR a AS a, WATERMARK FOR b AS b)",
        "CREATE TABLE t (a INT) WITH (a = b)",
        "CREATE TABLE t (PRIMARY KEY a)",
        "CREATE VIEW v SELECT 1",
        "CREATE TEMPORARY DATABASE d",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "DROP TEMPORARY CATALOG c",
        "INSERT t SELECT 1",
        "INSERT INTO t",
        "INSERT INTO t (a, b)",
        "EXPLAIN",
        "EXECUTE STATEMENT SET BEGIN SELECT 1; END;",
        "BEGIN STATEMENT SET; SELECT 1; END;",
        "SET 'a' 'b'",
        "SELECT /*+ OPTIONS('a' = 'b' */ 1",
        "SELECT a /*+ X */ FROM t",
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A) )",
        "SELECT * FROM t MATCH_RECOGNIZE (PATTERN () DEFINE A AS TRUE)",
        "/* open",
    ] {
        assert!(parse_script(source).is_err(), "{source}");
    }
}

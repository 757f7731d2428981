//! Statements that change the catalog, and what is shown of it.

use super::{Outcome, Session, parse_statements};

/// Runs a script and shows the last outcome, or the first error.
fn run(text: &str) -> String {
    let statements = match parse_statements(text) {
        Ok(statements) => statements,
        Err(e) => return e.to_string(),
    };
    let mut session = Session::default();
    let mut shown = String::new();
    for (statement, at) in statements {
        shown = match session.execute(&statement, at) {
            Err(e) => return e.to_string(),
            Ok(Outcome::Rows(rows)) => {
                let cell = |c: &Option<String>| c.clone().unwrap_or_else(|| "-".into());
                let rows: Vec<String> = rows.rows.iter().map(|r| r.iter().map(cell).collect::<Vec<_>>().join(" | ")).collect();
                rows.join("\n")
            }
            Ok(Outcome::Query(plan)) => plan.to_string(),
            Ok(Outcome::Inserts(inserts)) => inserts.iter().map(|i| format!("{} {:?}\n{}", i.table.name, i.not_null, i.source)).collect(),
            Ok(Outcome::Explain { plans, .. }) => format!("explain {}", plans.len()),
            Ok(Outcome::Ok(message)) => message,
            Ok(other) => format!("{other:?}"),
        };
    }
    shown
}

#[track_caller]
fn check(script: &str, expected: &str) {
    let shown = run(script);
    assert_eq!(shown.trim(), expected.trim(), "\n{shown}");
}

const ORDERS: &str = "CREATE TABLE orders (id BIGINT, price DECIMAL(10, 2) COMMENT 'with tax', ts TIMESTAMP(3), p AS price * 2, \
     k STRING METADATA FROM 'key' VIRTUAL, PRIMARY KEY (id) NOT ENFORCED, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) \
     WITH ('connector' = 'x', 'path' = 'a''b'); ";

#[test]
fn tables_are_described() {
    check(
        &format!("{ORDERS} DESCRIBE orders;"),
        "id | BIGINT | FALSE | PRI(id) | - | - | -\n\
         price | DECIMAL(10, 2) | TRUE | - | - | - | with tax\n\
         ts | TIMESTAMP(3) *ROWTIME* | TRUE | - | - | ts - INTERVAL '5' SECOND | -\n\
         p | DECIMAL(21, 2) | TRUE | - | AS price * 2 | - | -\n\
         k | STRING | TRUE | - | METADATA FROM 'key' VIRTUAL | - | -",
    );
    let again = run(&format!("{ORDERS} SHOW CREATE TABLE orders;"));
    check(&format!("{again}; SHOW CREATE TABLE orders;"), &again);
}

#[test]
fn like_takes_over_and_overwrites() {
    check(
        &format!(
            "{ORDERS} CREATE TABLE o2 (extra INT) WITH ('path' = 'c') LIKE orders (EXCLUDING WATERMARKS EXCLUDING CONSTRAINTS EXCLUDING GENERATED); SHOW CREATE TABLE o2;"
        ),
        "CREATE TABLE `default_catalog`.`default_database`.`o2` (\n  `id` BIGINT NOT NULL,\n  `price` DECIMAL(10, 2) COMMENT 'with tax',\n  `ts` TIMESTAMP(3),\n  \
         `k` STRING METADATA FROM 'key' VIRTUAL,\n  `extra` INT\n)\nWITH (\n  'connector' = 'x',\n  'path' = 'c'\n)",
    );
    check(
        &format!("{ORDERS}\nCREATE TABLE o2 WITH ('path' = 'c') LIKE orders (INCLUDING OPTIONS);"),
        "statement 2, line 2, column 37: the base table has an option 'path' already (write EXCLUDING OPTIONS or OVERWRITING OPTIONS)",
    );
}

#[test]
fn a_table_as_a_query_is_created_and_filled() {
    check(
        &format!("{ORDERS} CREATE TABLE big WITH ('connector' = 'y') AS SELECT id, price FROM orders WHERE id > 10;"),
        "default_catalog.default_database.big []\nProject [id=$0, price=$1]\n  Filter ($0 > 10:BIGINT)\n    Scan default_catalog.default_database.orders",
    );
}

#[test]
fn tables_are_altered() {
    check(
        &format!(
            "{ORDERS} ALTER TABLE orders ADD (note STRING AFTER id); ALTER TABLE orders DROP p; ALTER TABLE orders RENAME price TO cost; ALTER TABLE orders RENAME TO o2; DESCRIBE o2;"
        ),
        "id | BIGINT | FALSE | PRI(id) | - | - | -\nnote | STRING | TRUE | - | - | - | -\ncost | DECIMAL(10, 2) | TRUE | - | - | - | with tax\n\
         ts | TIMESTAMP(3) *ROWTIME* | TRUE | - | - | ts - INTERVAL '5' SECOND | -\nk | STRING | TRUE | - | METADATA FROM 'key' VIRTUAL | - | -",
    );
    check(
        &format!("{ORDERS}ALTER TABLE orders DROP price;"),
        &format!("statement 2, line 1, column {}: column `price` cannot be dropped: computed column `p` uses it", ORDERS.len() + 25),
    );
}

#[test]
fn names_are_found_in_their_databases() {
    check(
        "CREATE DATABASE d; CREATE TABLE d.t (a INT); USE d; CREATE VIEW v AS SELECT a FROM t; USE default_database; SELECT * FROM d.v;",
        "Scan default_catalog.d.t",
    );
    check(
        "CREATE TABLE t (a INT); CREATE TABLE t (a INT);",
        "statement 2, line 1, column 38: table `default_catalog.default_database.t` exists already (drop it first, or write IF NOT EXISTS)",
    );
    check(
        "CREATE TABLE t (a INT); CREATE TEMPORARY VIEW t AS SELECT 1 AS b; DROP TEMPORARY VIEW t; SELECT * FROM t;",
        "Scan default_catalog.default_database.t",
    );
    check("CREATE TABLE t (a INT); CREATE TABLE u (a INT); SHOW TABLES LIKE 't%';", "t");
    check("DROP TABLE IF EXISTS t; DROP TABLE t;", "statement 2, line 1, column 36: there is no table `t`");
}

#[test]
fn not_null_columns_are_told() {
    check(
        "CREATE TABLE t (a INT, b INT NOT NULL); CREATE TABLE s (x INT NOT NULL, y INT NOT NULL); INSERT INTO s SELECT a, b FROM t;",
        "default_catalog.default_database.s [0]\nProject [x=$0, y=$1]\n  Scan default_catalog.default_database.t",
    );
}

#[test]
fn options_are_set_and_statements_explained() {
    check("SET 'table.local-time-zone' = 'Asia/Shanghai'; SET 'a' = 'b'; RESET 'a'; SET;", "table.local-time-zone | Asia/Shanghai");
    check(
        "SET 'table.local-time-zone' = 'Nowhere';",
        "statement 1, line 1, column 1: 'Nowhere' is no time zone (write a name such as 'Asia/Shanghai', or 'UTC' or 'GMT+08:00')",
    );
    check("CREATE TABLE t (a INT); EXPLAIN STATEMENT SET BEGIN INSERT INTO t SELECT 1; INSERT INTO t SELECT 2; END;", "explain 2");
    check(
        "CREATE FUNCTION f AS 'x.y.Z';",
        "statement 1, line 1, column 1: functions of Java classes cannot be created (use the built-in functions (SHOW FUNCTIONS), or run the script on Flink)",
    );
}

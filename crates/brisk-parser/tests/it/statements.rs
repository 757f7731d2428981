//! Statements and scripts.

use brisk_parser::ast::{AlterTableAction, ColumnKind, ConstraintKind, DescribeWhat, ExplainDetail, ShowWhat, StatementKind};
use brisk_parser::{Completeness, completeness, parse_script, parse_statement};

use crate::SCRIPTS;
use crate::check::statement;

#[test]
fn every_script_is_taken() {
    for script in SCRIPTS {
        if let Err(error) = parse_script(script) {
            panic!("{error}");
        }
    }
}

#[test]
fn a_statement_knows_its_text() {
    let source = "-- first\nSELECT 1 ; ;\n  SET 'a' = 'b'\n";
    let statements = parse_script(source).expect("valid");
    let texts: Vec<&str> = statements.iter().map(|statement| statement.text.as_str()).collect();
    assert_eq!(texts, ["SELECT 1", "SET 'a' = 'b'"]);
    assert_eq!(statements[1].span.text(source), "SET 'a' = 'b'");
    assert_eq!(statements[1].span.position(source).to_string(), "line 3, column 3");
}

#[test]
fn create_table_keeps_the_kinds_of_its_columns() {
    let StatementKind::CreateTable(table) = statement(
        "CREATE TABLE t (a INT PRIMARY KEY NOT ENFORCED, b AS a + 1, c TIMESTAMP(3) METADATA FROM 'x' VIRTUAL, \
         WATERMARK FOR c AS c, UNIQUE (a)) WITH ('k' = 'v')",
    ) else {
        panic!("no table")
    };
    assert!(matches!(table.columns[0].kind, ColumnKind::Physical(_)));
    assert!(matches!(table.columns[1].kind, ColumnKind::Computed(_)));
    assert!(matches!(&table.columns[2].kind, ColumnKind::Metadata { key: Some(key), is_virtual: true, .. } if key == "x"));
    assert!(table.watermark.is_some());
    assert_eq!(table.constraints[0].kind, ConstraintKind::PrimaryKey);
    assert_eq!(table.constraints[0].enforced, Some(false));
    assert_eq!(table.constraints[1].kind, ConstraintKind::Unique);
    assert_eq!(table.constraints[1].enforced, None);
    assert_eq!((table.options[0].key.as_str(), table.options[0].value.as_str()), ("k", "v"));
}

#[test]
fn alter_table_adds_in_place() {
    let StatementKind::AlterTable(alter) = statement("ALTER TABLE t ADD (a INT FIRST, b AS a AFTER c, WATERMARK FOR x AS x)") else { panic!("no ALTER TABLE") };
    let AlterTableAction::Add(change) = alter.action else { panic!("no ADD") };
    assert!(change.columns.iter().all(|column| column.place.is_some()));
    assert!(change.watermark.is_some());
}

#[test]
fn statement_sets_are_one_statement() {
    for script in [
        "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;",
        "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;",
    ] {
        let kind = statement(script);
        assert!(matches!(kind, StatementKind::StatementSet(inserts) if inserts.len() == 2), "{script}");
    }
    let begin = parse_statement("BEGIN STATEMENT SET;").expect("valid");
    assert_eq!(begin.kind, StatementKind::BeginStatementSet);
    let end = parse_statement("END").expect("valid");
    assert_eq!(end.kind, StatementKind::EndStatementSet);
}

#[test]
fn settings() {
    let set = |key: &str, value: &str| StatementKind::Set(Some((key.to_string(), value.to_string())));
    assert_eq!(statement("SET 'a.b' = 'c'"), set("a.b", "c"));
    assert_eq!(statement("SET a.b = 10 min;"), set("a.b", "10 min"));
    assert_eq!(statement("SET"), StatementKind::Set(None));
    assert_eq!(statement("RESET 'a'"), StatementKind::Reset(Some("a".to_string())));
}

#[test]
fn show_describe_and_explain() {
    let StatementKind::Show(show) = statement("SHOW TABLES IN db NOT LIKE 'a%'") else { panic!("no SHOW") };
    assert!(matches!(show.what, ShowWhat::Tables { from: Some(_) }));
    assert!(show.like.is_some_and(|like| like.negated && !like.ignore_case));
    let StatementKind::Describe(describe) = statement("DESC EXTENDED t") else { panic!("no DESC") };
    assert!(describe.extended && matches!(describe.what, DescribeWhat::Table(_)));
    let StatementKind::Explain(explain) = statement("EXPLAIN CHANGELOG_MODE INSERT INTO t SELECT 1") else { panic!("no EXPLAIN") };
    assert_eq!(explain.details, [ExplainDetail::ChangelogMode]);
    assert!(matches!(explain.statement.kind, StatementKind::Insert(_)));
}

#[test]
fn what_is_not_supported_is_named() {
    for (source, name) in [
        ("ANALYZE TABLE t COMPUTE STATISTICS", "ANALYZE TABLE"),
        ("ADD JAR 'x'", "ADD JAR"),
        ("UPDATE t SET a = 1", "UPDATE"),
        ("CREATE MATERIALIZED TABLE t AS SELECT 1", "CREATE MATERIALIZED TABLE"),
        ("ALTER TABLE t ADD PARTITION (a = 1)", "ALTER TABLE ADD PARTITION"),
        ("ALTER DATABASE d SET ('a' = 'b')", "ALTER DATABASE"),
    ] {
        assert_eq!(statement(source), StatementKind::Unsupported { what: name.to_string() });
    }
}

#[test]
fn a_shell_knows_when_to_read_on() {
    use Completeness::*;
    for (text, expected) in [
        ("", Empty),
        (" -- x\n;", Empty),
        ("SELECT 1", Incomplete),
        ("SELECT 1;", Complete),
        ("SELECT 1; -- done", Complete),
        ("SELECT 1; SELECT", Incomplete),
        ("SELECT ';", Incomplete),
        ("SELECT 1; /* open", Incomplete),
        ("nonsense;", Complete),
        ("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;", Incomplete),
        ("EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END;", Complete),
        ("BEGIN STATEMENT SET;", Incomplete),
        ("BEGIN STATEMENT SET; INSERT INTO a SELECT CASE WHEN b THEN 1 END;", Incomplete),
        ("BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END;", Complete),
    ] {
        assert_eq!(completeness(text), expected, "{text}");
    }
}

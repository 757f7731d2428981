//! Queries.

use brisk_parser::ast::{FunctionArgValue, HintArgs, QueryBodyKind, TableRefKind};
use brisk_parser::parse_query;

use crate::check::query;

#[test]
fn set_operations_bind_as_in_the_standard() {
    query("SELECT 1 UNION SELECT 2 INTERSECT SELECT 3", "SELECT 1 UNION SELECT 2 INTERSECT SELECT 3");
    query("(SELECT 1 UNION SELECT 2) INTERSECT SELECT 3", "(SELECT 1 UNION SELECT 2) INTERSECT SELECT 3");
    query("SELECT 1 EXCEPT (SELECT 2 EXCEPT SELECT 3)", "SELECT 1 EXCEPT (SELECT 2 EXCEPT SELECT 3)");
    query("SELECT 1 MINUS SELECT 2", "SELECT 1 EXCEPT SELECT 2");
    query("((SELECT 1)) UNION DISTINCT (SELECT 2)", "SELECT 1 UNION SELECT 2");
    query("(SELECT 1 LIMIT 1) UNION ALL SELECT 2", "(SELECT 1 LIMIT 1) UNION ALL SELECT 2");
}

#[test]
fn limits() {
    query("SELECT 1 LIMIT ALL", "SELECT 1");
    query("SELECT 1 OFFSET 2 ROWS FETCH FIRST 3 ROWS ONLY", "SELECT 1 LIMIT 3 OFFSET 2 ROWS");
    query("SELECT 1 OFFSET 2 LIMIT 3", "SELECT 1 LIMIT 3 OFFSET 2 ROWS");
}

#[test]
fn joins_nest_to_the_left_unless_parenthesised() {
    query("SELECT * FROM a JOIN b ON x = y LEFT JOIN c USING (k)", "SELECT * FROM a INNER JOIN b ON x = y LEFT JOIN c USING (k)");
    query("SELECT * FROM a, (b CROSS JOIN c) x NATURAL JOIN d".replace(" x ", " ").as_str(), "SELECT * FROM a, b CROSS JOIN c NATURAL INNER JOIN d");
    query("SELECT * FROM a JOIN (b JOIN c ON p) ON q", "SELECT * FROM a INNER JOIN (b INNER JOIN c ON p) ON q");
}

#[test]
fn a_table_function_stands_alone_or_in_table() {
    for source in ["SELECT * FROM TABLE(f(TABLE t)) x", "SELECT * FROM f(TABLE t) AS x"] {
        query(source, "SELECT * FROM TABLE(f(TABLE t)) AS x");
    }
}

#[test]
fn a_query_among_the_arguments_of_a_table_function_is_a_table() {
    let parsed = parse_query("SELECT * FROM TABLE(TUMBLE((SELECT 1), DESCRIPTOR(ts), INTERVAL '1' DAY))");
    let QueryBodyKind::Select(select) = parsed.expect("valid").body.kind else { panic!("no select") };
    let TableRefKind::Function { call, .. } = &select.from[0].kind else { panic!("no function") };
    assert!(matches!(call.args[0].value, FunctionArgValue::Table(_)));
    assert!(matches!(&call.args[1].value, FunctionArgValue::Descriptor(columns) if columns.len() == 1));
}

#[test]
fn hints_hold_pairs_or_lists() {
    let parsed = parse_query("SELECT /*+ A, B(x, 'y z'), C('k' = 'v', a.b = '1') */ 1");
    let QueryBodyKind::Select(select) = parsed.expect("valid").body.kind else { panic!("no select") };
    let text = |items: &[&str]| items.iter().map(|item| item.to_string()).collect::<Vec<_>>();
    assert_eq!(select.hints[0].args, HintArgs::None);
    assert_eq!(select.hints[1].args, HintArgs::List(text(&["x", "y z"])));
    let pairs = vec![("k".to_string(), "v".to_string()), ("a.b".to_string(), "1".to_string())];
    assert_eq!(select.hints[2].args, HintArgs::KeyValues(pairs));
}

#[test]
fn patterns() {
    let pattern = |source: &str, expected: &str| {
        let with = |pattern| format!("SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts PATTERN ({pattern}) DEFINE A AS TRUE)");
        let expected = with(expected).replace("(ORDER BY ts", "( ORDER BY ts");
        query(&with(source), &expected);
    };
    pattern("A B | C", "(A B) | C");
    pattern("A+? B*? C??", "(A+?) (B*?) (C??)");
    pattern("A{2} B{2,} C{2,3} D{,3}", "(A{2}) (B{2,}) (C{2,3}) (D{0,3})");
    pattern("A{2}?", "A{2}");
    pattern("^ (A B)+ $", "^ (A B)+ $");
    pattern("{- A B -} PERMUTE(C, D E)", "{- A B -} PERMUTE(C, D E)");
}

#[test]
fn aliases_may_go_without_as() {
    query("SELECT a b, c AS d FROM t u (x, y)", "SELECT a AS b, c AS d FROM t AS u (x, y)");
}

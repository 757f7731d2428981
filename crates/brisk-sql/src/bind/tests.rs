//! Plans of typical queries, and what is refused.

use brisk_core::Position;

use crate::session::{Outcome, Session, parse_statements};

const TABLES: &str = "
CREATE TABLE bids (item STRING, price INT NOT NULL, qty BIGINT, ts TIMESTAMP(3), tags ARRAY<STRING>,
  place ROW<city STRING, zip INT>, p AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'x');
CREATE TABLE items (id STRING, name STRING, price INT, updated TIMESTAMP(3), PRIMARY KEY (id) NOT ENFORCED,
  WATERMARK FOR updated AS updated) WITH ('connector' = 'x');
CREATE TABLE sink (a STRING, b BIGINT, c INT NOT NULL, m TIMESTAMP_LTZ(3) METADATA VIRTUAL, d AS b + 1) WITH ('connector' = 'x');
";

fn run(sql: &str) -> Result<Outcome, String> {
    let text = format!("{TABLES}{sql}");
    let statements = parse_statements(&text).map_err(|e| e.to_string())?;
    let mut session = Session::default();
    let mut last = Err("no statement".to_string());
    for (statement, at) in statements {
        // Positions are told within the tested text.
        let at = Position { statement: at.statement.saturating_sub(3), line: at.line.saturating_sub(TABLES.matches('\n').count()), ..at };
        last = Ok(session.execute(&statement, at).map_err(|e| e.to_string())?);
    }
    last
}

#[track_caller]
fn check(sql: &str, expected: &str) {
    let shown = match run(sql) {
        Ok(Outcome::Query(plan)) => plan.to_string(),
        Ok(Outcome::Inserts(inserts)) => inserts.iter().map(|i| i.source.to_string()).collect(),
        Ok(other) => format!("{other:?}"),
        Err(message) => message,
    };
    let lines = |text: &str| text.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let indent = expected.lines().find(|l| !l.trim().is_empty()).map_or(0, |l| l.len() - l.trim_start().len());
    let expected = expected.lines().map(|l| l.get(indent..).unwrap_or(l.trim())).collect::<Vec<_>>().join("\n");
    assert_eq!(lines(&shown), lines(&expected), "\n{shown}");
}

#[track_caller]
fn columns(sql: &str, expected: &[&str]) {
    let Outcome::Query(plan) = run(sql).unwrap() else { panic!("no query") };
    let shown: Vec<String> = plan.columns.iter().map(|c| format!("{} {}", c.name, c.sql_type)).collect();
    assert_eq!(shown, expected);
}

#[test]
fn select_where() {
    check(
        "SELECT item, price + 1 AS plus FROM bids b WHERE b.price > 3 AND qty IS NOT NULL;",
        "
        Project [item=$0, plus=($1 + 1)]
          Filter (($1 > 3) AND ($2 IS NOT NULL))
            Scan default_catalog.default_database.bids",
    );
}

#[test]
fn columns_have_their_names_and_types() {
    columns(
        "SELECT 1, 1.5, 'abc', price, b.place.city, qty FROM bids b;",
        &["EXPR$0 INT NOT NULL", "EXPR$1 DECIMAL(2, 1) NOT NULL", "EXPR$2 CHAR(3) NOT NULL", "price INT NOT NULL", "city STRING", "qty BIGINT"],
    );
    columns(
        "SELECT * FROM items a JOIN items b ON a.id = b.id;",
        &[
            "id STRING NOT NULL",
            "name STRING",
            "price INT",
            "updated TIMESTAMP(3)",
            "id0 STRING NOT NULL",
            "name0 STRING",
            "price0 INT",
            "updated0 TIMESTAMP(3)",
        ],
    );
    columns(
        "SELECT COALESCE(qty, 0), NULLIF(price, 1), CASE WHEN price > 1 THEN 'a' ELSE 'bcd' END FROM bids;",
        &["EXPR$0 BIGINT NOT NULL", "EXPR$1 INT", "EXPR$2 VARCHAR(3) NOT NULL"],
    );
    columns("SELECT COUNT(*), SUM(price), MAX(item) FROM bids;", &["EXPR$0 BIGINT NOT NULL", "EXPR$1 INT", "EXPR$2 STRING"]);
}

#[test]
fn group_by_computes_keys_and_arguments_first() {
    check(
        "SELECT item, SUM(price * qty) AS s, COUNT(DISTINCT qty) FILTER (WHERE price > 1) FROM bids GROUP BY item HAVING COUNT(*) > 1 ORDER BY s DESC LIMIT 3;",
        "
        Sort [$1 DESC] limit 3
          Project [item=$0, s=$1, EXPR$2=$2]
            Filter ($3 > 1:BIGINT)
              Aggregate by [0] [SUM($1), COUNT(DISTINCT $2) FILTER $3, COUNT()]
                Project [item=$0, $f=(CAST($1 AS BIGINT NOT NULL) * $2), $f=$2, $f=($1 > 1)]
                  Scan default_catalog.default_database.bids",
    );
    check(
        "SELECT item, price FROM bids GROUP BY item;",
        "statement 1, line 1, column 14: `price` is not being grouped (add it to GROUP BY, or put it into an aggregate function)",
    );
}

#[test]
fn grouping_sets() {
    check(
        "SELECT item, price, GROUPING(item), COUNT(*) FROM bids GROUP BY ROLLUP (item, price);",
        "
        Project [item=$0, price=$1, EXPR$2=$2, EXPR$3=$3]
          Aggregate by [0, 1] sets [[0, 1], [0], []] [GROUPING[0], COUNT()]
            Scan default_catalog.default_database.bids",
    );
}

#[test]
fn grouping_without_sets_is_zero() {
    check(
        "SELECT item, GROUPING(item), COUNT(*) FROM bids GROUP BY item;",
        "
        Project [item=$0, EXPR$1=0:BIGINT, EXPR$2=$1]
          Aggregate by [0] [COUNT()]
            Scan default_catalog.default_database.bids",
    );
}

#[test]
fn windows() {
    check(
        "SELECT item, window_end, COUNT(*) FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE)) GROUP BY item, window_start, window_end;",
        "
        Project [item=$0, window_end=$2, EXPR$2=$3]
          Aggregate by [0, 7, 8] [COUNT()]
            Window HOP 300000 ms every 60000 ms on $3
              Scan default_catalog.default_database.bids",
    );
    check(
        "SELECT TUMBLE_START(ts, INTERVAL '1' HOUR), item, SUM(price) FROM bids GROUP BY TUMBLE(ts, INTERVAL '1' HOUR), item;",
        "
        Project [EXPR$0=$1, item=$0, EXPR$2=$3]
          Aggregate by [0, 7, 8] [SUM($1)]
            Window TUMBLE 3600000 ms on $3
              Scan default_catalog.default_database.bids",
    );
    check(
        "SELECT * FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(price), INTERVAL '1' HOUR));",
        "statement 1, line 1, column 51: the window function TUMBLE requires the time column to be a time attribute, but `price` is INT \
         (declare WATERMARK FOR it in the table, or use a column AS PROCTIME())",
    );
    check(
        "SELECT INTERVAL '100' SECOND;",
        "statement 1, line 1, column 8: interval field value 100 exceeds precision of SECOND(2) field (write INTERVAL '100' SECOND(3), or use a larger unit)",
    );
}

#[test]
fn over_and_rank() {
    check(
        "SELECT * FROM (SELECT item, ROW_NUMBER() OVER (PARTITION BY item ORDER BY price DESC) AS rn FROM bids) WHERE rn <= 2;",
        "
        Filter ($1 <= 2:BIGINT)
          Project [item=$0, rn=$7]
            Over partition [0] order [$1 DESC] [ROW_NUMBER()]
              Scan default_catalog.default_database.bids",
    );
    check(
        "SELECT SUM(price) OVER w, COUNT(*) OVER w FROM bids WINDOW w AS (ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW);",
        "
        Project [EXPR$0=$7, EXPR$1=$8]
          Over partition [] order [$3] [SUM($1) ROWS 2 PRECEDING, COUNT() ROWS 2 PRECEDING]
            Scan default_catalog.default_database.bids",
    );
}

#[test]
fn joins() {
    check(
        "SELECT item, i.name FROM bids LEFT JOIN items FOR SYSTEM_TIME AS OF bids.ts AS i ON bids.item = i.id;",
        "
        Project [item=$0, name=$8]
          LeftJoin ($0 = $7) as of $3
            Scan default_catalog.default_database.bids
            Scan default_catalog.default_database.items",
    );
    check(
        "SELECT price, tag FROM bids CROSS JOIN UNNEST(tags) AS t (tag);",
        "
        Project [price=$1, tag=$7]
          Correlate UNNEST($4)
            Scan default_catalog.default_database.bids",
    );
    check("SELECT price FROM bids, items;", "statement 1, line 1, column 8: column `price` is ambiguous (write the table's name or alias before it)");
    columns("SELECT * FROM (SELECT item AS id FROM bids) FULL JOIN (SELECT id, name FROM items) USING (id);", &["id STRING", "name STRING"]);
}

#[test]
fn subqueries_become_joins() {
    check(
        "SELECT item FROM bids WHERE EXISTS (SELECT 1 FROM items WHERE id = item AND items.price < bids.price) AND item NOT IN (SELECT name FROM items);",
        "
        Project [item=$0]
          NullAwareAntiJoin ($0 = $7)
            SemiJoin (($8 = $0) AND ($9 < $1))
              Scan default_catalog.default_database.bids
              Project [EXPR$0=1, id=$0, price=$2]
                Scan default_catalog.default_database.items
            Project [name=$1]
              Scan default_catalog.default_database.items",
    );
    check(
        "SELECT item, (SELECT COUNT(*) FROM items WHERE id = item) FROM bids;",
        "
        Project [item=$0, EXPR$1=CASE WHEN ($9 IS NULL) THEN 0:BIGINT ELSE $7 END]
          LeftJoin ($8 = $0)
            Scan default_catalog.default_database.bids
            Project [EXPR$0=$0, id=$1, $mark=TRUE]
              Project [EXPR$0=$1, id=$0]
                Aggregate by [0] [COUNT()]
                  Scan default_catalog.default_database.items",
    );
    check(
        "SELECT item FROM bids WHERE price > (SELECT price FROM items);",
        "
        Project [item=$0]
          Filter ($1 > $7)
            LeftJoin TRUE
              Scan default_catalog.default_database.bids
              Aggregate by [] [SINGLE_VALUE($0)]
                Project [price=$2]
                  Scan default_catalog.default_database.items",
    );
}

#[test]
fn set_operations_find_common_types() {
    check(
        "SELECT price FROM bids UNION SELECT qty FROM bids;",
        "
        Aggregate by [0] []
          Union
            Project [price=CAST($0 AS BIGINT NOT NULL)]
              Project [price=$1]
                Scan default_catalog.default_database.bids
            Project [qty=$2]
              Scan default_catalog.default_database.bids",
    );
}

#[test]
fn inserts_are_checked_and_cast() {
    check(
        "INSERT INTO sink (c, a) SELECT price, item FROM bids;",
        "
        Project [a=$1, b=NULL:BIGINT, c=$0]
          Project [price=$1, item=$0]
            Scan default_catalog.default_database.bids",
    );
    check(
        "INSERT INTO sink SELECT item, qty FROM bids;",
        "statement 1, line 1, column 18: column types of query result and sink for 'default_catalog.default_database.sink' do not match: different number of columns. Query schema: [item: STRING, qty: BIGINT]. Sink schema: [a: STRING, b: BIGINT, c: INT NOT NULL]",
    );
}

#[test]
fn patterns() {
    check(
        "SELECT * FROM bids MATCH_RECOGNIZE (PARTITION BY item ORDER BY ts MEASURES FIRST(A.price) AS f, COUNT(A.qty) AS n, B.price AS l \
         AFTER MATCH SKIP PAST LAST ROW PATTERN (A+ B) WITHIN INTERVAL '5' MINUTE DEFINE A AS A.price < 10, B AS price > 100);",
        "
        MatchRecognize partition [0] order [$3] Sequence([Repeat { pattern: Variable(0), min: 1, max: None, greedy: true }, Variable(1)]) skip PastLastRow within 300000 ms
          Scan default_catalog.default_database.bids",
    );
    check(
        "SELECT * FROM bids MATCH_RECOGNIZE (ORDER BY ts MEASURES A.price AS p PATTERN (A B*) DEFINE B AS price > 1);",
        "statement 1, line 1, column 82: greedy quantifiers are not allowed as the last element of a PATTERN (end it with a plain variable, or with a reluctant quantifier such as A+?)",
    );
}

#[test]
fn mistakes_have_places_and_remedies() {
    check("SELECT itm FROM bids;", "statement 1, line 1, column 8: there is no column `itm` (did you mean `item`?)");
    check("SELECT 1;\nSELECT *\nFROM bid;", "statement 2, line 3, column 6: there is no table or view `bid` (did you mean `bids`?)");
    check(
        "SELECT SUM(price) FROM bids WHERE SUM(price) > 1;",
        "statement 1, line 1, column 35: an aggregate function cannot stand in WHERE (use HAVING, or a subquery)",
    );
    check(
        "CREATE TABLE t (a INT, PRIMARY KEY (a));",
        "statement 1, line 1, column 24: a PRIMARY KEY is not enforced: the data belong to another system (write PRIMARY KEY (..) NOT ENFORCED)",
    );
    check(
        "CREATE TABLE t (a TIMESTAMP(6), WATERMARK FOR a AS a);",
        "statement 1, line 1, column 47: the time column of a watermark must be TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3, but `a` is TIMESTAMP(6)",
    );
}

#[test]
fn long_and_deep_expressions_are_bound() {
    let long = vec!["price"; 250].join(" + ");
    columns(&format!("SELECT {long} AS total FROM bids;"), &["total INT NOT NULL"]);
    let deep = format!("{}price{}", "ABS(".repeat(60), ")".repeat(60));
    columns(&format!("SELECT {deep} AS d FROM bids;"), &["d INT NOT NULL"]);
    let not = "NOT ".repeat(50);
    columns(&format!("SELECT {not} (price = 1) AS d FROM bids;"), &["d BOOLEAN NOT NULL"]);
    let tests = " IS NOT TRUE".repeat(200);
    columns(&format!("SELECT price = 1 {tests} AS d FROM bids;"), &["d BOOLEAN NOT NULL"]);
    let conditions = vec!["price = 1"; 200].join(" OR ");
    columns(&format!("SELECT item FROM bids WHERE {conditions};"), &["item STRING"]);
}

#[test]
fn a_view_is_bound_where_it_is_used() {
    check(
        "CREATE VIEW v (x) AS SELECT price FROM bids; SELECT x + 1 AS y FROM v;",
        "
        Project [y=($0 + 1)]
          Project [x=$1]
            Scan default_catalog.default_database.bids",
    );
}

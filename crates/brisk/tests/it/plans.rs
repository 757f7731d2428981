//! Plans that depend on what a script writes to.

use super::program::{brisk, run};

/// A sink that knows rows by another key than the query's must be told which rows leave, in order. So a first row is remembered
/// by its order alone only where the sink has the query's own key, or none.
#[test]
fn a_sink_with_a_key_of_its_own_is_told_what_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("first.sql");
    for (key, alone) in [("", true), (", PRIMARY KEY (k) NOT ENFORCED", true), (", PRIMARY KEY (v) NOT ENFORCED", false)] {
        let text = format!(
            "CREATE TABLE numbers (k BIGINT NOT NULL, v BIGINT NOT NULL) WITH ('connector' = 'datagen');
             CREATE TABLE answer (k BIGINT, v BIGINT{key}) WITH ('connector' = 'blackhole');
             INSERT INTO answer SELECT k, v FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS n FROM numbers) WHERE n = 1;"
        );
        std::fs::write(&script, text).unwrap();
        let mut command = brisk();
        command.arg("explain").arg(&script);
        let explained = run(command);
        assert!(explained.stdout.contains("TopN"), "{}{}", explained.stdout, explained.stderr);
        assert_eq!(explained.stdout.contains("by its order alone"), alone, "{key}: {}", explained.stdout);
        assert_eq!(explained.stdout.contains("SinkUpsertMaterializer"), !alone, "{key}: {}", explained.stdout);
    }
}

/// With several subtasks rows that cannot be among the first are dropped before an exchange, if there is one.
#[test]
fn a_top_n_has_a_first_half_before_an_exchange() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("first.sql");
    let (top, last) = (
        "SELECT k, v, t FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS n FROM numbers) WHERE n <= 3",
        "SELECT k, v, t FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY t DESC) AS n FROM numbers) WHERE n = 1",
    );
    let of_all = "SELECT k, v, t FROM numbers ORDER BY v LIMIT 3";
    let of_windows = "SELECT c, c, e FROM (SELECT COUNT(*) AS c, window_end AS e FROM TABLE(TUMBLE(TABLE numbers, DESCRIPTOR(t), INTERVAL '1' SECOND))
        GROUP BY window_start, window_end) ORDER BY c LIMIT 3";
    let cases: [(&str, &str, &[&str]); 6] = [
        (top, "2", &["LocalTopN", " TopN"]),
        (top, "1", &[" TopN"]),
        (last, "2", &["LocalDeduplicate", " Deduplicate"]),
        (of_all, "2", &["LocalSortLimit", " SortLimit"]),
        (of_all, "1", &[" SortLimit"]),
        (of_windows, "2", &[" SortLimit"]),
    ];
    let names = ["LocalTopN", " TopN", "LocalDeduplicate", " Deduplicate", "LocalSortLimit", " SortLimit"];
    for (query, parallelism, halves) in cases {
        let text = format!(
            "CREATE TABLE numbers (k BIGINT, v BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = 'datagen');
             CREATE TABLE answer (k BIGINT, v BIGINT, t TIMESTAMP(3)) WITH ('connector' = 'blackhole');
             INSERT INTO answer {query};"
        );
        std::fs::write(&script, text).unwrap();
        let mut command = brisk();
        command.arg("explain").arg(&script).args(["--parallelism", parallelism]);
        let explained = run(command);
        let found: Vec<&str> = names.into_iter().filter(|name| explained.stdout.contains(name)).collect();
        assert_eq!(found, halves, "{query}: {}{}", explained.stdout, explained.stderr);
    }
}

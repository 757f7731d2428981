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

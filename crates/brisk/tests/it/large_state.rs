//! State that is written to the disk while its checkpoint is still being prepared, and a process that dies meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::process::{LIMIT, script};

/// A join that keeps every row of both sides: bids of some 230 bytes.
const SCRIPT: &str = concat!(
    include_str!("../../../../tests/nexmark/ddl.sql"),
    "
CREATE TABLE answer (id BIGINT, category BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, extra VARCHAR)
WITH ('connector' = 'filesystem', 'path' = '${DIR}/answer', 'format' = 'json');
INSERT INTO answer SELECT A.id, A.category, B.bidder, B.price, B.channel, B.url, B.extra
FROM auction AS A JOIN bid AS B ON A.id = B.auction WHERE A.category = 10;
"
);
const SOURCE: &str = "'connector' = 'nexmark', 'events.num' = '200000', 'base-time' = '1700006350000'";

fn start(directory: &Path) -> Child {
    std::fs::create_dir_all(directory).expect("a directory");
    let script = script(directory, &SCRIPT.replace("${SOURCE}", SOURCE).replace("${DIR}", &directory.display().to_string()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_brisk"));
    command.arg("run").arg(script).args(["--checkpoint-interval", "400 ms", "--checkpoint-dir"]);
    command.arg(directory.join("checkpoints")).spawn().expect("starts")
}

/// How many files of this ending there are in the checkpoints.
fn files(directory: &Path, ending: &str) -> usize {
    let checkpoints = std::fs::read_dir(directory.join("checkpoints")).into_iter().flatten().flatten();
    let files = checkpoints.flat_map(|checkpoint| std::fs::read_dir(checkpoint.path()).into_iter().flatten().flatten());
    files.filter(|f| f.path().extension().is_some_and(|e| e == ending)).count()
}

/// The committed lines, each with how often it is there.
fn answer(directory: &Path) -> BTreeMap<String, usize> {
    let mut lines = BTreeMap::new();
    for file in std::fs::read_dir(directory.join("answer")).expect("the answer").flatten() {
        if !file.file_name().to_string_lossy().starts_with('.') && file.path().is_file() {
            let text = std::fs::read_to_string(file.path()).expect("a file of text");
            text.lines().for_each(|line| *lines.entry(line.to_owned()).or_insert(0) += 1);
        }
    }
    lines
}

#[test]
fn a_process_that_dies_while_it_writes_state_loses_and_repeats_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let (plain, killed) = (directory.path().join("plain"), directory.path().join("killed"));
    assert!(start(&plain).wait().expect("ends").success());
    let mut kills = 0;
    // Once before any checkpoint is complete, once after; `.part` is a state file that is being written.
    for complete in [0, 1] {
        let mut child = start(&killed);
        let until = Instant::now() + LIMIT;
        while child.try_wait().expect("a child").is_none() {
            if files(&killed, "part") > 0 && files(&killed, "json") >= complete {
                child.kill().expect("killed");
                kills += 1;
            }
            assert!(Instant::now() < until, "no state is being written");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    assert!(kills > 0, "it was never killed while it wrote");
    assert!(start(&killed).wait().expect("ends").success());
    assert_eq!(files(&killed, "part"), 0, "what was left over is deleted");
    let (expected, found) = (answer(&plain), answer(&killed));
    assert!(expected.len() > 1000);
    assert!(expected == found, "{} and {} different lines", expected.len(), found.len());
}

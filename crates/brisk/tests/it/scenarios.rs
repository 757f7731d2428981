//! The fourteen scripts of the promotion day give Flink's answers: as they are, in parallel, in one-row batches, and when
//! the process is killed and resumed in between.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::program::{self, Run};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/flink/scenarios")
}

fn scripts() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder().join("sql"))
        .expect("the scenarios are part of the repository")
        .map(|e| e.expect("a readable folder").path().file_stem().expect("a file").to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names.len(), 14);
    names
}

fn command(name: &str, extra: &[&str]) -> Command {
    let folder = folder();
    let mut command = program::brisk();
    command.arg("run").arg(folder.join("sql").join(format!("{name}.sql")));
    command.arg("--var").arg(format!("DATA={}", folder.join("data").display())).args(["-o", "tsv"]).args(extra);
    command
}

/// The rows of a table as a multiset, numbers brought to one form.
fn rows(text: &str) -> BTreeMap<Vec<String>, usize> {
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|l| !l.is_empty()) {
        *rows.entry(line.split('\t').map(cell).collect()).or_default() += 1;
    }
    rows
}

/// A float is compared in nine digits, `12.50` equals `12.5`.
fn cell(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if text.contains(['.', 'e', 'E']) => format!("{number:.9e}"),
        _ => text.to_string(),
    }
}

fn expect_answer(name: &str, got: &str, mode: &str) {
    let want = std::fs::read_to_string(folder().join("expected").join(format!("{name}.tsv"))).expect("the answer is part of the repository");
    let (got, want) = (rows(got), rows(&want));
    let missing: Vec<_> = want.iter().filter(|(r, n)| got.get(*r) != Some(n)).take(3).collect();
    let unasked: Vec<_> = got.iter().filter(|(r, n)| want.get(*r) != Some(n)).take(3).collect();
    assert!(missing.is_empty() && unasked.is_empty(), "{name} {mode}: missing {missing:?}, unasked {unasked:?}");
}

fn check(mode: &str, extra: &[&str]) {
    for name in scripts() {
        let Run { status, stdout, stderr } = program::run(command(&name, extra));
        assert!(status.success(), "{name} {mode}: {stderr}");
        expect_answer(&name, &stdout, mode);
    }
}

#[test]
fn the_answers_are_those_of_flink() {
    check("as it is", &[]);
}

#[test]
fn the_answers_do_not_depend_on_parallelism() {
    check("by 2", &["--parallelism", "2"]);
    check("by 4", &["--parallelism", "4"]);
}

#[test]
fn the_answers_do_not_depend_on_the_size_of_batches() {
    check("row by row", &["--batch-rows", "1"]);
}

/// The number of the newest complete checkpoint; 0 without any.
fn newest_checkpoint(dir: &Path) -> u64 {
    let complete = |path: PathBuf| path.join("manifest.json").is_file().then_some(path);
    let number = |path: PathBuf| path.file_name()?.to_str()?.strip_prefix("chk-")?.parse().ok();
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|e| complete(e.path()).and_then(number)).max().unwrap_or(0)
}

/// Kills each script three times as soon as it has another checkpoint, and resumes it, at changing parallelism.
#[test]
fn the_answers_survive_kills() {
    let mut restored = 0;
    for name in scripts() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let checkpoints = dir.path().display().to_string();
        let mut kills = 0;
        for attempt in 0.. {
            let parallelism = ["1", "2", "3"][attempt % 3];
            let checkpoints = ["--checkpoint-dir", &checkpoints, "--checkpoint-interval", "5 ms"];
            let options = [&checkpoints[..], &["--batch-rows", "64", "--parallelism", parallelism]].concat();
            let mut command = command(&name, &options);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("brisk starts");
            let before = newest_checkpoint(dir.path());
            let ended =
                if kills < 3 { program::wait_until(&mut child, || newest_checkpoint(dir.path()) > before) } else { program::wait_until(&mut child, || false) };
            if ended.is_none() {
                child.kill().expect("a child can be killed");
                kills += 1;
            }
            let output = child.wait_with_output().expect("the output is read");
            let stderr = String::from_utf8_lossy(&output.stderr);
            restored += usize::from(stderr.contains("restored from checkpoint"));
            if let Some(status) = ended {
                assert!(status.success(), "{name}, attempt {attempt}: {stderr}");
                expect_answer(&name, &String::from_utf8_lossy(&output.stdout), "killed and resumed");
                break;
            }
        }
    }
    assert!(restored > 0, "no script was resumed from a checkpoint: the kills came too early or too late");
}

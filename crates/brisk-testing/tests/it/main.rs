//! All golden scripts of the repository, in every mode. `UPDATE=1` writes their expectations anew.

use std::path::PathBuf;

use brisk_testing::{LibraryRegistry, Mode, Report, find_scripts, run_file, summary};

#[test]
fn golden_scripts_hold_in_every_mode() {
    let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/sql"));
    let update = std::env::var("UPDATE").is_ok_and(|v| v == "1");
    let scripts = find_scripts(&[directory]).expect("the directory of scripts can be listed");
    let reports: Vec<Report> = scripts.iter().map(|path| run_file(path, &Mode::ALL, &LibraryRegistry, update)).collect();
    let failed: Vec<String> = reports.iter().filter(|r| !r.failures.is_empty()).map(Report::to_string).collect();
    assert!(!reports.is_empty() && failed.is_empty(), "{}\n{}", failed.join("\n"), summary(&reports));
}

//! Scripts as files: found, run in every mode, reported.

use std::fmt;
use std::path::{Path, PathBuf};

use brisk_core::connector::Registry;

use crate::compare::{expectations, mismatches};
use crate::mode::Mode;
use crate::run::run;
use crate::script::Script;

/// What became of one script.
#[derive(Debug)]
pub struct Report {
    pub path: PathBuf,
    pub failures: Vec<Failure>,
    /// Its expectations were written anew.
    pub updated: bool,
}

#[derive(Debug)]
pub struct Failure {
    /// `None`: the script cannot be read.
    pub mode: Option<Mode>,
    /// Where the block begins; 0 if it is not known.
    pub line: usize,
    /// What is wrong, or expected lines (`-`) and those that came (`+`).
    pub text: String,
}

/// The scripts (`*.slt`) among these files and below these directories, in order of their names.
pub fn find_scripts(paths: &[PathBuf]) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            // A file that is not there is reported when it is read.
            found.push(path.clone());
            continue;
        }
        let mut entries = std::fs::read_dir(path)?.map(|e| e.map(|e| e.path())).collect::<std::io::Result<Vec<_>>>()?;
        entries.retain(|e| e.is_dir() || e.extension().is_some_and(|x| x == "slt"));
        entries.sort();
        found.extend(find_scripts(&entries)?);
    }
    Ok(found)
}

/// Runs a script in these modes. With `update` its expectations become what it gives as written.
pub fn run_file(path: &Path, modes: &[Mode], base: &dyn Registry, update: bool) -> Report {
    let mut report = Report { path: path.to_path_buf(), failures: Vec::new(), updated: false };
    let unreadable = |text: String| Failure { mode: None, line: 0, text };
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| e.to_string()).and_then(|text| Script::parse(&text).map(|script| (text, script)));
    let (mut text, mut script) = match read(path) {
        Ok(read) => read,
        Err(why) => {
            report.failures.push(unreadable(why));
            return report;
        }
    };
    if update && let Ok(observed) = run(&script, Mode::Written, base) {
        let rewritten = script.rewritten(&expectations(&script, &observed));
        if rewritten != text {
            let written = std::fs::write(path, &rewritten).map_err(|e| e.to_string()).and_then(|()| read(path));
            match written {
                Ok(read) => (text, script) = read,
                Err(why) => report.failures.push(unreadable(why)),
            }
            report.updated = text == rewritten;
        }
    }
    for &mode in modes {
        match run(&script, mode, base) {
            Err(stuck) => report.failures.push(Failure { mode: Some(mode), line: stuck.line, text: format!("  {}\n", stuck.why) }),
            Ok(observed) => {
                let wrong = mismatches(&script, &observed, mode).into_iter();
                report.failures.extend(wrong.map(|m| Failure { mode: Some(mode), line: m.line, text: m.diff }));
            }
        }
    }
    report
}

/// The last line of a run: `N passed, N failed`.
pub fn summary(reports: &[Report]) -> String {
    let failed = reports.iter().filter(|r| !r.failures.is_empty()).count();
    format!("{} passed, {failed} failed", reports.len() - failed)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        if self.failures.is_empty() {
            return write!(f, "ok {path}{}", if self.updated { " (updated)" } else { "" });
        }
        write!(f, "FAILED {path}")?;
        for failure in &self.failures {
            let mode = failure.mode.map_or_else(String::new, |m| format!(", {m}"));
            write!(f, "\n{path}:{}{mode}\n{}", failure.line, failure.text.trim_end())?;
        }
        Ok(())
    }
}

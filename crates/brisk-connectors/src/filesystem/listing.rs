//! Which files a path means, in the order of their names.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use brisk_core::{Error, Result};

use super::glob;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileEntry {
    pub path: PathBuf,
    pub size: u64,
    pub modified_ms: i64,
}

/// The files of `path`: itself, all in and below it, or all that match the pattern. A path that does not exist has none.
pub(crate) fn list_files(path: &Path) -> Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    for root in expand(path).map_err(|e| failed(path, e))? {
        collect(&root, &mut files).map_err(|e| failed(&root, e))?;
    }
    files.sort();
    files.dedup();
    Ok(files)
}

/// Whether the path has a pattern in it, and no file of exactly this name exists.
pub(crate) fn is_pattern(path: &Path) -> bool {
    glob::is_pattern(&path.to_string_lossy()) && !path.exists()
}

fn failed(path: &Path, e: io::Error) -> Error {
    Error::external(format!("cannot list {}: {e}", path.display()))
}

/// The files and directories that a path with patterns means.
fn expand(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !is_pattern(path) {
        return Ok(if path.exists() { vec![path.to_path_buf()] } else { vec![] });
    }
    let mut found = vec![PathBuf::new()];
    for component in path.components() {
        let mut next = Vec::new();
        for base in found {
            expand_component(&base, component, &mut next)?;
        }
        found = next;
    }
    Ok(found)
}

fn expand_component(base: &Path, component: Component, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let text = component.as_os_str().to_string_lossy();
    if text == "**" {
        return descend(base, found);
    }
    let literal = base.join(component);
    if !glob::is_pattern(&text) || literal.exists() {
        // What does not exist is left out when the next component or the listing looks for it.
        if literal.exists() {
            found.push(literal);
        }
        return Ok(());
    }
    for name in visible_names(base)? {
        if glob::matches(&text, &name) {
            found.push(base.join(name));
        }
    }
    Ok(())
}

/// `base` and every directory below.
fn descend(base: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    found.push(base.to_path_buf());
    for name in visible_names(base)? {
        let path = base.join(name);
        if path.is_dir() {
            descend(&path, found)?;
        }
    }
    Ok(())
}

/// The names in a directory that do not begin with `.` or `_`; none when it is no directory.
fn visible_names(directory: &Path) -> io::Result<Vec<String>> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with(['.', '_']) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn collect(path: &Path, files: &mut Vec<FileEntry>) -> io::Result<()> {
    let metadata = match fs::metadata(path) {
        // Gone since the directory was read.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if !metadata.is_dir() {
        files.push(FileEntry { path: path.to_path_buf(), size: metadata.len(), modified_ms: modified_ms(&metadata) });
        return Ok(());
    }
    for name in visible_names(path)? {
        collect(&path.join(name), files)?;
    }
    Ok(())
}

pub(crate) fn modified_ms(metadata: &Metadata) -> i64 {
    let since = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(root: &Path, path: &str, expected: &[&str]) {
        let files = list_files(&root.join(path)).unwrap();
        let names: Vec<_> = files.iter().map(|f| f.path.strip_prefix(root).unwrap().to_string_lossy().into_owned()).collect();
        assert_eq!(names, expected, "{path}");
    }

    #[test]
    fn paths_mean_files() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for file in ["b.log", "a.log", ".hidden", "_SUCCESS", "day=1/x.json", "day=2/y.json", "day=2/_tmp/z.json", "a.txt"] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        check(root, "", &["a.log", "a.txt", "b.log", "day=1/x.json", "day=2/y.json"]);
        check(root, "a.log", &["a.log"]);
        check(root, "*.log", &["a.log", "b.log"]);
        check(root, "day=*/?.json", &["day=1/x.json", "day=2/y.json"]);
        check(root, "day=*", &["day=1/x.json", "day=2/y.json"]);
        check(root, "**/*.json", &["day=1/x.json", "day=2/y.json"]);
        check(root, "missing", &[]);
        check(root, "missing/*.x", &[]);
    }
}

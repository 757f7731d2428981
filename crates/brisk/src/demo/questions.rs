//! The eight questions: scripts that run as jobs, embedded or in a directory where they can be edited.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use brisk_core::{Error, Result};

use crate::server::{Jobs, ScriptRequest};

macro_rules! embedded {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("../../../../examples/promotion-day/", $name, ".sql")))),*] };
}

const EMBEDDED: &[(&str, &str)] =
    embedded!("01_gmv", "02_traffic", "03_best_sellers", "04_host_down", "05_host_load", "06_error_log", "07_risk", "08_recommend",);

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Where the scripts come from.
pub enum Source {
    Embedded,
    Directory(PathBuf),
}

impl Source {
    /// A directory without scripts is given the embedded ones.
    pub fn open(directory: Option<&Path>) -> Result<Self> {
        let Some(directory) = directory else { return Ok(Self::Embedded) };
        let failed = |e: std::io::Error| Error::external(format!("{}: {e}", directory.display()));
        std::fs::create_dir_all(directory).map_err(failed)?;
        let source = Self::Directory(directory.to_owned());
        if source.scripts()?.is_empty() {
            for (name, text) in EMBEDDED {
                std::fs::write(directory.join(format!("{name}.sql")), text).map_err(failed)?;
            }
        }
        Ok(source)
    }

    /// Names and texts, by name.
    fn scripts(&self) -> Result<BTreeMap<String, String>> {
        let Self::Directory(directory) = self else {
            return Ok(EMBEDDED.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect());
        };
        let mut scripts = BTreeMap::new();
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "sql")
                && let Some(name) = path.file_stem()
            {
                scripts.insert(name.to_string_lossy().into_owned(), std::fs::read_to_string(&path)?);
            }
        }
        Ok(scripts)
    }
}

/// Runs the scripts, and again those whose file has changed.
pub struct Questions {
    stop: Sender<()>,
    watcher: Option<std::thread::JoinHandle<()>>,
}

impl Questions {
    /// What is wrong with a script is said on standard error; the others run.
    pub fn start(source: Source, jobs: Arc<Jobs>, logs: &Path) -> Result<Self> {
        let mut asked = Asked { source, jobs, logs: logs.display().to_string(), running: BTreeMap::new() };
        asked.run_changed()?;
        let (stop, stopped) = channel();
        let watch = move || {
            while matches!(stopped.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout)) {
                if let Err(e) = asked.run_changed() {
                    eprintln!("error: {e}");
                }
            }
        };
        let watcher = std::thread::Builder::new().name("questions".to_owned()).spawn(watch)?;
        Ok(Self { stop, watcher: Some(watcher) })
    }

    pub fn stop(mut self) {
        // An error means that it has stopped.
        let _ = self.stop.send(());
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
    }
}

struct Asked {
    source: Source,
    jobs: Arc<Jobs>,
    logs: String,
    /// The texts that were submitted, whether they run or not.
    running: BTreeMap<String, String>,
}

impl Asked {
    fn run_changed(&mut self) -> Result<()> {
        let changed: Vec<(String, String)> = self.source.scripts()?.into_iter().filter(|(name, text)| self.running.get(name) != Some(text)).collect();
        for (name, text) in changed {
            let variables = BTreeMap::from([("LOGS".to_owned(), self.logs.clone())]);
            let request = ScriptRequest { name: Some(name.clone()), script: text.clone(), variables, replace: true };
            if let Err(e) = self.jobs.submit(request) {
                eprintln!("error: {name}.sql: {e}");
            }
            self.running.insert(name, text);
        }
        Ok(())
    }
}

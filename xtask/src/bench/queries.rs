//! The scripts of `tests/nexmark`, filled in for a run: where the events come from, and a sink that forgets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::arguments::Arguments;
use super::measure::measure;

pub struct Workspace {
    dir: PathBuf,
    generator: String,
    /// Of the events as files.
    events: PathBuf,
    from_files: bool,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl Workspace {
    pub fn new(arguments: &Arguments) -> Result<Self> {
        Self::with_events(arguments, arguments.events)
    }

    pub fn with_events(arguments: &Arguments, events: u64) -> Result<Self> {
        let dir = root().join("target").join("nexmark");
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let dir = dir.canonicalize()?;
        let rate = arguments.rate;
        let side: String = (0..10_000).map(|n| format!("{n},text {n}\n")).collect();
        fs::write(dir.join("side.csv"), side)?;
        Ok(Self {
            generator: format!("'connector' = 'nexmark', 'events.num' = '{events}', 'first-event.rate' = '{rate}', 'next-event.rate' = '{rate}'"),
            events: dir.join(format!("events-{events}-{rate}")),
            from_files: arguments.files,
            dir,
        })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Once for each number and rate of events.
    pub fn write_events(&self, brisk: &Path) -> Result<()> {
        if self.events.exists() {
            return Ok(());
        }
        println!("writing {}", self.events.display());
        let text = self.fill("events", "events", &self.made(), &self.files())?;
        measure(Command::new(brisk).arg("run").arg(text)).context("writing the events")?;
        Ok(())
    }

    /// An empty folder for what a run leaves.
    pub fn empty(&self, name: &str) -> Result<PathBuf> {
        let dir = self.dir.join(name);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// The path of a script that is not one of the queries.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.dir.join(format!("{name}.sql"));
        fs::write(&path, text)?;
        Ok(path)
    }

    /// The path of a script that runs a query on brisk.
    pub fn script(&self, query: u32) -> Result<PathBuf> {
        // The same events in each run; Flink's generator has no such option, its events begin now.
        self.query(query, &format!("q{query}"), &self.made())
    }

    /// The path of a script that runs a query on Flink.
    pub fn flink_script(&self, query: u32) -> Result<PathBuf> {
        self.query(query, &format!("q{query}-flink"), &self.generator)
    }

    fn made(&self) -> String {
        format!("{}, 'base-time' = '1700006350000'", self.generator)
    }

    fn query(&self, query: u32, name: &str, generator: &str) -> Result<PathBuf> {
        let out = self.dir.join("out");
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        let source = if self.from_files { self.files() } else { generator.to_string() };
        self.fill(&format!("q{query}"), name, &source, "'connector' = 'blackhole'")
    }

    fn files(&self) -> String {
        format!("'connector' = 'filesystem', 'path' = '{}', 'format' = 'json'", self.events.display())
    }

    /// Writes the script `name` after the template of `tests/nexmark`.
    fn fill(&self, template: &str, name: &str, source: &str, sink: &str) -> Result<PathBuf> {
        let folder = root().join("tests").join("nexmark");
        let read = |file: &str| fs::read_to_string(folder.join(file)).with_context(|| file.to_string());
        let text = (read("ddl.sql")? + &read(&format!("{template}.sql"))?)
            .replace("${SOURCE}", source)
            .replace("${SINK}", sink)
            .replace("${OUT}", &self.dir.join("out").display().to_string())
            .replace("${SIDE}", &self.dir.join("side.csv").display().to_string());
        let path = self.dir.join(format!("{name}.sql"));
        fs::write(&path, text)?;
        Ok(path)
    }
}

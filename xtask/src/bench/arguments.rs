//! What `cargo xtask bench` can be told.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

pub const USAGE: &str = "usage: cargo xtask bench [start] [options] [q0 q5 ...]
  start              time to the first row of a ten-row file, memory of an idle server
  --events N         how many events (1000000)
  --rate N           how many of them are a second of event time (10000)
  --parallelism N    (1)
  --files            read the events from newline-delimited JSON, written first, instead of making them
  --flink LIB        run Flink as well, over the same files: LIB is the folder of its jars, pyflink/lib of the PyPI
                     package apache-flink-libraries. Needs Java 17
  --binary PATH      measure this program instead of building one";

/// All that Flink runs: it refuses q6.
const QUERIES: [u32; 23] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];

pub struct Arguments {
    pub start: bool,
    pub events: u64,
    pub rate: u64,
    pub parallelism: u32,
    pub files: bool,
    pub flink: Option<PathBuf>,
    pub binary: Option<PathBuf>,
    pub queries: Vec<u32>,
}

impl Arguments {
    pub fn parse(args: &[String]) -> Result<Self> {
        let mut parsed = Self { start: false, events: 1_000_000, rate: 10_000, parallelism: 1, files: false, flink: None, binary: None, queries: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "start" => parsed.start = true,
                "--events" => parsed.events = value()?.parse().context("--events")?,
                "--rate" => parsed.rate = value()?.parse().context("--rate")?,
                "--parallelism" => parsed.parallelism = value()?.parse().context("--parallelism")?,
                "--files" => parsed.files = true,
                "--flink" => parsed.flink = Some(value()?.into()),
                "--binary" => parsed.binary = Some(value()?.into()),
                query => match query.strip_prefix('q').and_then(|n| n.parse().ok()) {
                    Some(n) if QUERIES.contains(&n) => parsed.queries.push(n),
                    _ => bail!("{query} is no query and no option\n{USAGE}"),
                },
            }
        }
        // Flink has no generator of these events without another package.
        parsed.files |= parsed.flink.is_some();
        if parsed.queries.is_empty() {
            parsed.queries = QUERIES.to_vec();
        }
        Ok(parsed)
    }

    /// With the reason, when all were asked for.
    pub fn queries_left_out(&self) -> Vec<&'static str> {
        if self.queries.len() == QUERIES.len() { vec!["q6, which Flink refuses: its OVER takes no changes"] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_understood() {
        let parse = |text: &str| Arguments::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let all = parse("--events 5 --flink lib").expect("valid");
        assert_eq!((all.events, all.files, all.queries.len()), (5, true, 23));
        assert_eq!(parse("q5 q0").expect("valid").queries, [5, 0]);
        for wrong in ["q6", "q24", "--events", "--events x", "--rows 3"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

//! What `cargo xtask bench` can be told.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

pub const USAGE: &str = "usage: cargo xtask bench [what] [options] [q0 q5 ...]
  what is measured:
  (nothing)          Nexmark: CPU, wall time and peak memory of each query, beside Flink's
  start              time to the first row of a ten-row file, memory of an idle server
  latency            from an event's own time to its result, at 1, 10 and 100 thousand events a second
  checkpoint         what a checkpoint every second costs, how long it stops a task, when it is durable
  restore            how long a gigabyte of state takes to come back
  scaling            parallelism 2 against 1
  flat               cost an event of ten times as many events
  options:
  --events N         how many events (1000000; 5000000 for checkpoint and scaling, 10000000 for flat)
  --seconds N        how long each rate of latency runs (10)
  --rounds N         runs of everything, one after the other; the median counts (1)
  --rate N           how many of them are a second of event time (10000)
  --parallelism N    (1)
  --files            read the events from newline-delimited JSON, written first, instead of making them
  --flink LIB        run Flink as well, over the same files: LIB is the folder of its jars, pyflink/lib of the PyPI
                     package apache-flink-libraries. Needs Java 17
  --nexmark PATH     with --flink: a jar or folder of the classes of github.com/nexmark/nexmark, whose generator Flink
                     then runs, and brisk its own, instead of reading files
  --warm MB          touch so much memory right before each run, so that runs differ less on a virtual machine whose
                     host takes back what nobody uses; Flink's too, which uses up to 8000
  --binary PATH      measure this program instead of building one";

/// All that Flink runs: it refuses q6.
const QUERIES: [u32; 23] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Nexmark,
    Start,
    Latency,
    Checkpoint,
    Restore,
    Scaling,
    Flat,
}

pub struct Arguments {
    pub what: What,
    pub events: u64,
    pub seconds: u64,
    pub rounds: usize,
    pub rate: u64,
    pub parallelism: u32,
    pub files: bool,
    pub flink: Option<PathBuf>,
    /// Of Flink's generator.
    pub nexmark: Option<PathBuf>,
    pub warm_mb: usize,
    pub binary: Option<PathBuf>,
    pub queries: Vec<u32>,
}

impl What {
    /// Those that are run if none is named.
    fn queries(self) -> &'static [u32] {
        match self {
            What::Nexmark => &QUERIES,
            What::Checkpoint => &[5, 7, 12, 17, 18, 20],
            What::Scaling => &[1, 5, 17, 18, 20],
            // State that does not grow with the number of events, or not much.
            What::Flat => &[0, 5, 12, 15, 16],
            What::Start | What::Latency | What::Restore => &[],
        }
    }
}

impl Arguments {
    pub fn parse(args: &[String]) -> Result<Self> {
        let mut parsed = Self {
            what: What::Nexmark,
            events: 0,
            seconds: 10,
            rounds: 1,
            rate: 10_000,
            parallelism: 1,
            files: false,
            flink: None,
            nexmark: None,
            warm_mb: 0,
            binary: None,
            queries: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "start" => parsed.what = What::Start,
                "latency" => parsed.what = What::Latency,
                "checkpoint" => parsed.what = What::Checkpoint,
                "restore" => parsed.what = What::Restore,
                "scaling" => parsed.what = What::Scaling,
                "flat" => parsed.what = What::Flat,
                "--seconds" => parsed.seconds = value()?.parse().context("--seconds")?,
                "--rounds" => parsed.rounds = value()?.parse::<usize>().context("--rounds")?.max(1),
                "--events" => parsed.events = value()?.parse().context("--events")?,
                "--rate" => parsed.rate = value()?.parse().context("--rate")?,
                "--parallelism" => parsed.parallelism = value()?.parse().context("--parallelism")?,
                "--files" => parsed.files = true,
                "--flink" => parsed.flink = Some(value()?.into()),
                "--nexmark" => parsed.nexmark = Some(value()?.into()),
                "--warm" => parsed.warm_mb = value()?.parse().context("--warm")?,
                "--binary" => parsed.binary = Some(value()?.into()),
                query => match query.strip_prefix('q').and_then(|n| n.parse().ok()) {
                    Some(n) if QUERIES.contains(&n) => parsed.queries.push(n),
                    _ => bail!("{query} is no query and no option\n{USAGE}"),
                },
            }
        }
        // Flink has no generator of these events without another package.
        parsed.files |= parsed.flink.is_some() && parsed.nexmark.is_none();
        if parsed.events == 0 {
            parsed.events = match parsed.what {
                What::Checkpoint | What::Scaling => 5_000_000,
                What::Flat => 10_000_000,
                _ => 1_000_000,
            };
        }
        if parsed.queries.is_empty() {
            parsed.queries = parsed.what.queries().to_vec();
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
        assert!(!parse("--flink lib --nexmark classes").expect("valid").files, "Flink makes the events too");
        assert_eq!(parse("q5 q0").expect("valid").queries, [5, 0]);
        let flat = parse("flat --rounds 3").expect("valid");
        assert_eq!((flat.what, flat.events, flat.rounds, flat.queries[0]), (What::Flat, 10_000_000, 3, 0));
        for wrong in ["q6", "q24", "--events", "--events x", "--rows 3"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

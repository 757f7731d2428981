//! `cargo xtask bench files`: what reading files costs, beside DuckDB over the same files with as many threads.
//!
//! The files hold Nexmark's bids, written once by brisk: newline-delimited JSON and Parquet with the same rows. Costs are
//! those of whole processes as the system counts them; DuckDB's are less those of a process that only starts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::measure::{self, Cost, measure};
use super::queries::root;

pub const USAGE: &str = "usage: cargo xtask bench files [options] [json | parquet | QUERY ...]
  --bids N           how many bids (5000000)
  --threads N        (2)
  --runs N           of which the median counts (3)
  --duckdb PYTHON    run DuckDB as well: a Python that has the packages duckdb and pyarrow
  --write            only write the files, and say where
  --warm MB          touch so much memory right before each run, DuckDB's too
  --binary PATH      measure this program instead of building one
The queries are projection, filter, tumble, hop and distinct.";

/// The share of bids among the events, and of auctions, so that a window of ten seconds sees 48 thousand auctions.
const GENERATOR: &str = "'person.proportion' = '2', 'auction.proportion' = '9', 'bid.proportion' = '92', 'bid.avg-size' = '58', 'base-time' = '1700006400000'";
const EVENTS_A_ROUND: u64 = 103;
const BIDS_A_ROUND: u64 = 92;
/// Of bids, in event time.
const BIDS_A_SECOND: u64 = 50_000;

struct Query {
    name: &'static str,
    /// The columns of the answer, and how it is made of `bid`.
    columns: &'static str,
    select: &'static str,
    duckdb: &'static str,
}

const QUERIES: [Query; 5] = [
    Query {
        name: "projection",
        columns: "auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), `dateTime` TIMESTAMP(3), extra VARCHAR",
        select: "SELECT auction, bidder, 0.908 * price, `dateTime`, extra FROM bid",
        duckdb: "SELECT auction, bidder, 0.908 * price, dateTime, extra FROM bid",
    },
    Query {
        name: "filter",
        columns: "auction BIGINT, price BIGINT",
        select: "SELECT auction, price FROM bid WHERE MOD(auction, 123) = 0",
        duckdb: "SELECT auction, price FROM bid WHERE auction % 123 = 0",
    },
    Query {
        name: "tumble",
        columns: "auction BIGINT, window_start TIMESTAMP(3), bids BIGINT, total BIGINT, high BIGINT",
        select: "SELECT auction, window_start, COUNT(*), SUM(price), MAX(price)
            FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end",
        duckdb: "SELECT auction, time_bucket(INTERVAL '10 seconds', dateTime) AS w, count(*), sum(price), max(price) FROM bid GROUP BY auction, w",
    },
    Query {
        name: "hop",
        columns: "window_start TIMESTAMP(3), high BIGINT",
        select: "SELECT window_start, MAX(bids) FROM (
            SELECT auction, window_start, window_end, COUNT(*) AS bids
            FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND)) GROUP BY auction, window_start, window_end
        ) GROUP BY window_start, window_end",
        duckdb: "WITH panes AS (SELECT auction, time_bucket(INTERVAL '2 seconds', dateTime) AS p, count(*) AS n FROM bid GROUP BY auction, p),
            windows AS (SELECT auction, p - to_seconds(2 * k) AS w, sum(n) AS n FROM panes, range(5) AS r(k) GROUP BY auction, w)
            SELECT w, max(n) FROM windows GROUP BY w",
    },
    Query {
        name: "distinct",
        columns: "window_start TIMESTAMP(3), bidders BIGINT",
        select: "SELECT window_start, COUNT(DISTINCT bidder)
            FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY window_start, window_end",
        duckdb: "SELECT time_bucket(INTERVAL '10 seconds', dateTime) AS w, count(DISTINCT bidder) FROM bid GROUP BY w",
    },
];

struct Arguments {
    bids: u64,
    threads: u32,
    runs: usize,
    duckdb: Option<PathBuf>,
    write: bool,
    warm_mb: usize,
    binary: Option<PathBuf>,
    formats: Vec<&'static str>,
    queries: Vec<&'static Query>,
}

impl Arguments {
    fn parse(args: &[String]) -> Result<Self> {
        let mut parsed =
            Self { bids: 5_000_000, threads: 2, runs: 3, duckdb: None, write: false, warm_mb: 0, binary: None, formats: Vec::new(), queries: Vec::new() };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value\n{USAGE}"));
            match arg.as_str() {
                "--bids" => parsed.bids = value()?.parse().context("--bids")?,
                "--threads" => parsed.threads = value()?.parse().context("--threads")?,
                "--runs" => parsed.runs = value()?.parse().context("--runs")?,
                "--duckdb" => parsed.duckdb = Some(value()?.into()),
                "--write" => parsed.write = true,
                "--warm" => parsed.warm_mb = value()?.parse().context("--warm")?,
                "--binary" => parsed.binary = Some(value()?.into()),
                "json" => parsed.formats.push("json"),
                "parquet" => parsed.formats.push("parquet"),
                name => match QUERIES.iter().find(|q| q.name == name) {
                    Some(query) => parsed.queries.push(query),
                    None => bail!("{name} is no query and no option\n{USAGE}"),
                },
            }
        }
        if parsed.bids == 0 || parsed.runs == 0 || parsed.threads == 0 {
            bail!("--bids, --runs and --threads are at least 1");
        }
        if parsed.formats.is_empty() {
            parsed.formats = vec!["json", "parquet"];
        }
        if parsed.queries.is_empty() {
            parsed.queries = QUERIES.iter().collect();
        }
        Ok(parsed)
    }
}

pub fn run(args: &[String]) -> Result<()> {
    let arguments = Arguments::parse(args)?;
    let brisk = match &arguments.binary {
        Some(path) => path.clone(),
        None => super::build()?,
    };
    let files = Files::write(&brisk, arguments.bids)?;
    if arguments.write {
        println!("{}\n{}", files.folder("json").display(), files.folder("parquet").display());
        return Ok(());
    }
    println!("{} bids, {BIDS_A_SECOND} a second of event time, {} threads, median of {}", arguments.bids, arguments.threads, arguments.runs);
    println!("{}", files.density(&brisk)?);
    measure::warm_before_each(arguments.warm_mb);
    let idle = match &arguments.duckdb {
        Some(python) => {
            Some(median(arguments.runs, || measure(Command::new(python).args(["-c", "import duckdb, pyarrow; duckdb.sql('SELECT 1').fetchall()"])))?)
        }
        None => None,
    };
    println!(
        "{:<9}{:<12}{:>12}{:>16}{:>10}{:>10}{:>14}{:>16}{:>10}",
        "format", "query", "CPU s", "events/CPU s", "wall s", "peak MB", "DuckDB CPU s", "events/CPU s", "ratio"
    );
    for format in &arguments.formats {
        for query in &arguments.queries {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..arguments.runs {
                ours.push(files.run_brisk(&brisk, format, query, arguments.threads)?);
                if let (Some(python), Some(idle)) = (&arguments.duckdb, &idle) {
                    theirs.push(files.run_duckdb(python, format, query, arguments.threads)?.less(idle));
                }
            }
            line(format, query, arguments.bids, middle(ours), (!theirs.is_empty()).then(|| middle(theirs)));
        }
    }
    Ok(())
}

fn line(format: &str, query: &Query, bids: u64, ours: Cost, theirs: Option<Cost>) {
    let rate = |cost: &Cost| bids as f64 / cost.cpu_s;
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_string());
    println!(
        "{format:<9}{:<12}{:>12.2}{:>16.0}{:>10.2}{:>10.0}{:>14}{:>16}{:>10}",
        query.name,
        ours.cpu_s,
        rate(&ours),
        ours.wall_s,
        ours.peak_mb,
        or_dash(theirs.map(|t| format!("{:.2}", t.cpu_s))),
        or_dash(theirs.map(|t| format!("{:.0}", rate(&t)))),
        or_dash(theirs.map(|t| format!("{:.2}x", t.cpu_s / ours.cpu_s))),
    );
}

fn median(runs: usize, mut run: impl FnMut() -> Result<Cost>) -> Result<Cost> {
    Ok(middle((0..runs).map(|_| run()).collect::<Result<Vec<_>>>()?))
}

/// The one of middle cost.
fn middle(mut costs: Vec<Cost>) -> Cost {
    costs.sort_by(|a, b| a.cpu_s.total_cmp(&b.cpu_s));
    costs[costs.len() / 2]
}

/// The folders of the bids, and beside them the scripts.
struct Files {
    dir: PathBuf,
    bids: u64,
}

impl Files {
    /// Once for each number of bids.
    fn write(brisk: &Path, bids: u64) -> Result<Self> {
        let dir = root().join("target").join("files");
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let files = Self { dir: dir.canonicalize()?, bids };
        let (json, parquet) = (files.folder("json"), files.folder("parquet"));
        let done = files.dir.join(format!("bids-{bids}.done"));
        if done.exists() {
            return Ok(files);
        }
        println!("writing {} and {}", json.display(), parquet.display());
        for folder in [&json, &parquet] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
        let path = root().join("tests/nexmark/bids.sql");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let rate = BIDS_A_SECOND * EVENTS_A_ROUND / BIDS_A_ROUND;
        let source = format!("'connector' = 'nexmark', 'events.num' = '{}', 'first-event.rate' = '{rate}', {GENERATOR}", events_for(bids));
        let text = text.replace("${SOURCE}", &source).replace("${JSON}", &json.display().to_string()).replace("${PARQUET}", &parquet.display().to_string());
        let script = files.dir.join("bids.sql");
        fs::write(&script, text)?;
        measure(Command::new(brisk).arg("run").arg(&script)).context("writing the bids")?;
        fs::write(done, "")?;
        Ok(files)
    }

    fn folder(&self, format: &str) -> PathBuf {
        self.dir.join(format!("bids-{}-{format}", self.bids))
    }

    fn ddl(&self, format: &str) -> String {
        format!(
            "CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, `dateTime` TIMESTAMP(3), extra VARCHAR,
                WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND)
            WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = '{format}');\n",
            self.folder(format).display()
        )
    }

    /// How many events and keys a window of ten seconds holds, which is what a windowed figure depends on.
    fn density(&self, brisk: &Path) -> Result<String> {
        let script = self.dir.join("density.sql");
        let select = "SELECT window_start, COUNT(*), COUNT(DISTINCT auction), COUNT(DISTINCT bidder)
            FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) GROUP BY window_start, window_end;";
        fs::write(&script, self.ddl("json") + select)?;
        let output = Command::new(brisk).arg("run").arg(&script).args(["-o", "tsv"]).output().context("brisk")?;
        if !output.status.success() {
            bail!("counting the events of a window failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let windows: Vec<Vec<u64>> =
            text.lines().map(|l| l.split('\t').filter_map(|cell| cell.parse().ok()).collect()).filter(|w: &Vec<u64>| w.len() == 3).collect();
        let most = windows.iter().max_by_key(|w| w[0]).context("no window")?;
        Ok(format!("a full window of 10 s has {} events, {} auctions, {} bidders; there are {} windows", most[0], most[1], most[2], windows.len()))
    }

    fn run_brisk(&self, brisk: &Path, format: &str, query: &Query, threads: u32) -> Result<Cost> {
        let script = self.dir.join(format!("{}-{format}.sql", query.name));
        let answer = format!("CREATE TABLE answer ({}) WITH ('connector' = 'blackhole');\nINSERT INTO answer {};\n", query.columns, query.select);
        fs::write(&script, self.ddl(format) + &answer)?;
        measure(Command::new(brisk).arg("run").arg(&script).args(["--parallelism", &threads.to_string()])).with_context(|| query.name.to_string())
    }

    /// The answer is taken in batches of Arrow and dropped.
    fn run_duckdb(&self, python: &Path, format: &str, query: &Query, threads: u32) -> Result<Cost> {
        let files = format!("{}/part-*", self.folder(format).display());
        let source = match format {
            "json" => format!(
                "read_json('{files}', format = 'newline_delimited', columns = {{auction: 'BIGINT', bidder: 'BIGINT', price: 'BIGINT', \
                 channel: 'VARCHAR', url: 'VARCHAR', dateTime: 'TIMESTAMP', extra: 'VARCHAR'}})"
            ),
            _ => format!("read_parquet('{files}')"),
        };
        let program = format!(
            "import duckdb\nc = duckdb.connect()\nc.execute('SET threads = {threads}')\nc.execute(\"\"\"CREATE VIEW bid AS SELECT * FROM {source}\"\"\")\n\
             for batch in c.sql(\"\"\"{}\"\"\").to_arrow_reader(8192): pass\n",
            query.duckdb
        );
        measure(Command::new(python).args(["-c", &program])).with_context(|| format!("DuckDB, {}", query.name))
    }
}

/// How many events the generator has to make for that many bids: in each round the bids come last.
fn events_for(bids: u64) -> u64 {
    let (rounds, more) = (bids / BIDS_A_ROUND, bids % BIDS_A_ROUND);
    rounds * EVENTS_A_ROUND + if more > 0 { EVENTS_A_ROUND - BIDS_A_ROUND + more } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_understood() {
        let parse = |text: &str| Arguments::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let some = parse("json hop --bids 5 --duckdb python tumble").expect("valid");
        assert_eq!((some.bids, some.formats, some.queries.iter().map(|q| q.name).collect::<Vec<_>>()), (5, vec!["json"], vec!["hop", "tumble"]));
        assert_eq!(parse("").expect("valid").queries.len(), 5);
        for wrong in ["q6", "--bids", "--bids x", "--bids 0"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bids_are_counted_in_rounds() {
        assert_eq!(events_for(92), 103);
        assert_eq!(events_for(93), 103 + 12);
        assert_eq!(events_for(1), 12);
    }
}

//! State larger than the memory limit: the same answer, and the process stays near its limit.

use std::process::Stdio;
use std::time::Duration;

use crate::process::script;
use crate::program::brisk;

/// About 400 MB of rows are kept: of every auction, bidder and price the last bid, with a text of 3000 letters. The rows are read
/// back as they are replaced, and all of them by the sum.
const SCRIPT: &str = "
CREATE TABLE datagen (
    event_type INT,
    person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard STRING, city STRING, state STRING, `dateTime` TIMESTAMP(3), extra STRING>,
    auction ROW<id BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT, `dateTime` TIMESTAMP(3), expires TIMESTAMP(3),
        seller BIGINT, category BIGINT, extra STRING>,
    bid ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3), extra STRING>,
    WATERMARK FOR `time` AS `time`,
    `time` AS bid.`dateTime`
) WITH ('connector' = 'nexmark', 'events.num' = '150000', 'bid.avg-size' = '3000 b', 'base-time' = '1700000000000', 'seed' = '3');
SELECT COUNT(*), SUM(CHAR_LENGTH(extra)), SUM(ASCII(SUBSTRING(extra, 1000, 1))) FROM (
    SELECT extra, ROW_NUMBER() OVER (PARTITION BY auction, bidder, price ORDER BY `time` DESC) AS place
    FROM (SELECT bid.auction, bid.bidder, bid.price, bid.extra, `time` FROM datagen WHERE event_type = 2)
) WHERE place = 1;
";

const LIMIT_MB: u64 = 192;

#[test]
fn state_beyond_the_limit_lies_on_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = script(directory.path(), SCRIPT);
    let run = |limit: &str| {
        let mut command = brisk();
        command.arg("run").arg(&script).args(["--memory-limit", limit, "-o", "csv"]).arg("--spill-dir").arg(directory.path());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let mut peak = 0;
        while child.try_wait().expect("can be waited for").is_none() {
            peak = peak.max(resident_mb(child.id()).unwrap_or(0));
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().expect("has ended");
        assert!(output.status.success());
        (String::from_utf8_lossy(&output.stdout).into_owned(), peak)
    };
    let (free, free_peak) = run("none");
    let (limited, limited_peak) = run(&format!("{LIMIT_MB} mb"));
    assert_eq!(limited, free);
    assert!(free_peak > LIMIT_MB * 3 / 2, "the state is meant to be larger than the limit: {free_peak} MB");
    assert!(limited_peak < LIMIT_MB * 5 / 4, "{limited_peak} MB where {LIMIT_MB} MB are allowed, {free_peak} MB without a limit");
}

fn resident_mb(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? >> 10)
}

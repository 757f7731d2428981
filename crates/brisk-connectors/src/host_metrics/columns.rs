//! What the columns of a `host-metrics` table may be called, and what they hold.
//!
//! | column | scope | unit |
//! |---|---|---|
//! | `host`, `metric_time` | all | this machine's name, the time of the reading |
//! | `core` / `disk` / `interface` | core / disk / network | its number or name |
//! | `cpu`, `cpu_user`, `cpu_system`, `cpu_iowait`, `cpu_steal`, `cpu_idle` | total, core | percent of the time; `cpu` is all but idle and iowait |
//! | `cores` | total | how many |
//! | `mem`, `swap` | total | percent used |
//! | `mem_total_bytes`, `mem_used_bytes`, `mem_available_bytes`, `swap_total_bytes`, `swap_used_bytes` | total | |
//! | `load1`, `load5`, `load15`, `uptime_s` | total | |
//! | `io` | total, disk | percent of the time that the (busiest) disk was busy |
//! | `disk_read_bytes_per_s`, `disk_write_bytes_per_s`, `disk_reads_per_s`, `disk_writes_per_s` | total, disk | |
//! | `net_rx_bytes_per_s`, `net_tx_bytes_per_s`, `net_rx_packets_per_s`, `net_tx_packets_per_s`, `net_errors_per_s` | total, network | |

use super::Scope;
use super::proc::{Cpu, Disk, Memory, Network, Reading};

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Time(i64),
    Number(f64),
}

/// A row: the values by the names of their columns.
pub(super) type Row = Vec<(&'static str, Value)>;

/// The names that a table of this scope may have.
pub(super) fn names(scope: Scope) -> Vec<&'static str> {
    let mut one = Reading { cores: vec![Cpu::default()], ..Reading::default() };
    one.disks.insert(String::new(), Disk::default());
    one.networks.insert(String::new(), Network::default());
    rows(scope, "", 0, &one, &one, 1.0).into_iter().flatten().map(|(name, _)| name).collect()
}

/// The rows of a reading, `seconds` after the one before.
pub(super) fn rows(scope: Scope, host: &str, now_ms: i64, before: &Reading, now: &Reading, seconds: f64) -> Vec<Row> {
    let row = |more: Vec<Row>| {
        let head = vec![("host", Value::Text(host.to_string())), ("metric_time", Value::Time(now_ms))];
        std::iter::once(head).chain(more).flatten().collect()
    };
    match scope {
        Scope::Total => vec![row(vec![
            cpu(&before.cpu, &now.cpu),
            vec![("cores", Value::Number(now.cores.len() as f64))],
            memory(&now.memory),
            general(now),
            disk(&before.all_disks(), &now.all_disks(), seconds),
            network(&before.all_networks(), &now.all_networks(), seconds),
        ])],
        Scope::Core => {
            let cores = now.cores.iter().enumerate();
            cores.map(|(i, c)| row(vec![vec![("core", Value::Number(i as f64))], cpu(before.cores.get(i).unwrap_or(c), c)])).collect()
        }
        Scope::Disk => now
            .disks
            .iter()
            .map(|(name, d)| row(vec![vec![("disk", Value::Text(name.clone()))], disk(before.disks.get(name).unwrap_or(d), d, seconds)]))
            .collect(),
        Scope::Network => {
            let named = |name: &str| vec![("interface", Value::Text(name.to_string()))];
            now.networks.iter().map(|(name, n)| row(vec![named(name), network(before.networks.get(name).unwrap_or(n), n, seconds)])).collect()
        }
    }
}

/// The share of `part` in `whole` in percent.
fn percent(part: u64, whole: u64) -> Value {
    Value::Number(if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 })
}

/// How fast a counter grew; one that fell was reset.
fn rate(before: u64, now: u64, seconds: f64) -> Value {
    Value::Number(if seconds > 0.0 { now.saturating_sub(before) as f64 / seconds } else { 0.0 })
}

fn cpu(before: &Cpu, now: &Cpu) -> Row {
    let ticks = |of: fn(&Cpu) -> u64| of(now).saturating_sub(of(before));
    let (user, system, idle) = (ticks(|c| c.user), ticks(|c| c.system), ticks(|c| c.idle));
    let (iowait, steal) = (ticks(|c| c.iowait), ticks(|c| c.steal));
    let all = user + system + idle + iowait + steal;
    vec![
        ("cpu", percent(user + system + steal, all)),
        ("cpu_user", percent(user, all)),
        ("cpu_system", percent(system, all)),
        ("cpu_iowait", percent(iowait, all)),
        ("cpu_steal", percent(steal, all)),
        ("cpu_idle", percent(idle, all)),
    ]
}

fn memory(now: &Memory) -> Row {
    let used = now.total.saturating_sub(now.available);
    let swap_used = now.swap_total.saturating_sub(now.swap_free);
    vec![
        ("mem", percent(used, now.total)),
        ("mem_total_bytes", Value::Number(now.total as f64)),
        ("mem_used_bytes", Value::Number(used as f64)),
        ("mem_available_bytes", Value::Number(now.available as f64)),
        ("swap", percent(swap_used, now.swap_total)),
        ("swap_total_bytes", Value::Number(now.swap_total as f64)),
        ("swap_used_bytes", Value::Number(swap_used as f64)),
    ]
}

fn general(now: &Reading) -> Row {
    let [load1, load5, load15] = now.load.map(Value::Number);
    vec![("load1", load1), ("load5", load5), ("load15", load15), ("uptime_s", Value::Number(now.uptime_s))]
}

fn disk(before: &Disk, now: &Disk, seconds: f64) -> Row {
    let busy = now.busy_ms.saturating_sub(before.busy_ms) as f64 / 10.0 / seconds.max(0.001);
    vec![
        ("io", Value::Number(busy.min(100.0))),
        ("disk_read_bytes_per_s", rate(before.read_bytes, now.read_bytes, seconds)),
        ("disk_write_bytes_per_s", rate(before.written_bytes, now.written_bytes, seconds)),
        ("disk_reads_per_s", rate(before.reads, now.reads, seconds)),
        ("disk_writes_per_s", rate(before.writes, now.writes, seconds)),
    ]
}

fn network(before: &Network, now: &Network, seconds: f64) -> Row {
    let errors = |n: &Network| n.rx_errors + n.tx_errors;
    vec![
        ("net_rx_bytes_per_s", rate(before.rx_bytes, now.rx_bytes, seconds)),
        ("net_tx_bytes_per_s", rate(before.tx_bytes, now.tx_bytes, seconds)),
        ("net_rx_packets_per_s", rate(before.rx_packets, now.rx_packets, seconds)),
        ("net_tx_packets_per_s", rate(before.tx_packets, now.tx_packets, seconds)),
        ("net_errors_per_s", rate(errors(before), errors(now), seconds)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(row: &Row, name: &str, expected: f64) {
        let value = row.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
        assert_eq!(value, Some(Value::Number(expected)), "{name}");
    }

    #[test]
    fn rates_are_over_the_time_between_readings() {
        let before = Reading { cpu: Cpu { user: 10, idle: 90, ..Cpu::default() }, ..Reading::default() };
        let mut now = Reading { cpu: Cpu { user: 40, system: 20, idle: 130, iowait: 10, steal: 0 }, ..Reading::default() };
        now.memory = Memory { total: 1000, available: 250, swap_total: 0, swap_free: 0 };
        now.networks.insert("eth0".into(), Network { rx_bytes: 500, ..Network::default() });
        now.disks.insert("sda".into(), Disk { reads: 4, busy_ms: 500, ..Disk::default() });
        let row = rows(Scope::Total, "h", 7, &before, &now, 2.0).remove(0);
        check(&row, "cpu", 50.0);
        check(&row, "cpu_iowait", 10.0);
        check(&row, "mem", 75.0);
        check(&row, "swap", 0.0);
        check(&row, "net_rx_bytes_per_s", 250.0);
        check(&row, "disk_reads_per_s", 2.0);
        check(&row, "io", 25.0);
        // An interface that is new has no rate yet.
        check(&rows(Scope::Network, "h", 7, &before, &now, 2.0)[0], "net_rx_bytes_per_s", 0.0);
        assert!(names(Scope::Core).contains(&"core") && !names(Scope::Core).contains(&"mem"));
    }
}

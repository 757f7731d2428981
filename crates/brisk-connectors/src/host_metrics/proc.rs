//! The counters of `/proc`, as text and as numbers.

use std::collections::BTreeMap;
use std::fs;
use std::io;

/// Bytes of a sector in `/proc/diskstats`, whatever the disk's own are.
const SECTOR_BYTES: u64 = 512;

/// All counters at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Reading {
    pub cpu: Cpu,
    /// By number.
    pub cores: Vec<Cpu>,
    pub memory: Memory,
    pub load: [f64; 3],
    pub uptime_s: f64,
    /// Whole disks by name, without partitions.
    pub disks: BTreeMap<String, Disk>,
    /// Interfaces by name, without loopback.
    pub networks: BTreeMap<String, Network>,
}

/// Ticks spent in each state since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cpu {
    pub user: u64,
    pub system: u64,
    pub idle: u64,
    pub iowait: u64,
    pub steal: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Memory {
    pub total: u64,
    pub available: u64,
    pub swap_total: u64,
    pub swap_free: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Disk {
    pub reads: u64,
    pub read_bytes: u64,
    pub writes: u64,
    pub written_bytes: u64,
    pub busy_ms: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Network {
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
}

impl Reading {
    pub fn now() -> io::Result<Self> {
        let (cpu, cores) = cpus(&read("/proc/stat")?);
        let is_disk = |name: &str| fs::exists(format!("/sys/block/{}", name.replace('/', "!"))).unwrap_or(true);
        Ok(Self {
            cpu,
            cores,
            memory: memory(&read("/proc/meminfo")?),
            load: load(&read("/proc/loadavg")?),
            uptime_s: numbers(&read("/proc/uptime")?).first().copied().unwrap_or(0.0),
            disks: disks(&read("/proc/diskstats").unwrap_or_default(), is_disk),
            networks: networks(&read("/proc/net/dev").unwrap_or_default()),
        })
    }

    /// All disks together; how busy the busiest is.
    pub fn all_disks(&self) -> Disk {
        self.disks.values().fold(Disk::default(), |sum, d| Disk {
            reads: sum.reads + d.reads,
            read_bytes: sum.read_bytes + d.read_bytes,
            writes: sum.writes + d.writes,
            written_bytes: sum.written_bytes + d.written_bytes,
            busy_ms: sum.busy_ms.max(d.busy_ms),
        })
    }

    pub fn all_networks(&self) -> Network {
        self.networks.values().fold(Network::default(), |sum, n| Network {
            rx_bytes: sum.rx_bytes + n.rx_bytes,
            rx_packets: sum.rx_packets + n.rx_packets,
            rx_errors: sum.rx_errors + n.rx_errors,
            tx_bytes: sum.tx_bytes + n.tx_bytes,
            tx_packets: sum.tx_packets + n.tx_packets,
            tx_errors: sum.tx_errors + n.tx_errors,
        })
    }
}

/// This machine's name.
pub(super) fn host_name() -> String {
    read("/proc/sys/kernel/hostname").map(|name| name.trim().to_string()).unwrap_or_default()
}

fn read(path: &str) -> io::Result<String> {
    fs::read_to_string(path)
}

fn numbers(text: &str) -> Vec<f64> {
    text.split_ascii_whitespace().map_while(|w| w.parse().ok()).collect()
}

/// The words of a line as counters; what is no number counts as 0.
fn counters(line: &str) -> Vec<u64> {
    line.split_ascii_whitespace().map(|w| w.parse().unwrap_or(0)).collect()
}

fn at(counters: &[u64], index: usize) -> u64 {
    counters.get(index).copied().unwrap_or(0)
}

fn cpus(stat: &str) -> (Cpu, Vec<Cpu>) {
    let mut total = Cpu::default();
    let mut cores = Vec::new();
    for line in stat.lines().take_while(|l| l.starts_with("cpu")) {
        let Some((name, rest)) = line.split_once(' ') else { continue };
        let c = counters(rest);
        // user nice system idle iowait irq softirq steal
        let cpu = Cpu { user: at(&c, 0) + at(&c, 1), system: at(&c, 2) + at(&c, 5) + at(&c, 6), idle: at(&c, 3), iowait: at(&c, 4), steal: at(&c, 7) };
        if name == "cpu" { total = cpu } else { cores.push(cpu) }
    }
    (total, cores)
}

fn memory(meminfo: &str) -> Memory {
    let bytes = |key: &str| {
        let line = meminfo.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
        line.and_then(|l| l.split_ascii_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1024
    };
    Memory { total: bytes("MemTotal"), available: bytes("MemAvailable"), swap_total: bytes("SwapTotal"), swap_free: bytes("SwapFree") }
}

fn load(loadavg: &str) -> [f64; 3] {
    let n = numbers(loadavg);
    [0, 1, 2].map(|i| n.get(i).copied().unwrap_or(0.0))
}

fn disks(diskstats: &str, is_disk: impl Fn(&str) -> bool) -> BTreeMap<String, Disk> {
    let mut disks = BTreeMap::new();
    for line in diskstats.lines() {
        let Some(name) = line.split_ascii_whitespace().nth(2) else { continue };
        let virtual_disk = name.starts_with("loop") || name.starts_with("ram") || name.starts_with("zram");
        if virtual_disk || !is_disk(name) {
            continue;
        }
        let c = counters(line);
        let disk =
            Disk { reads: at(&c, 3), read_bytes: at(&c, 5) * SECTOR_BYTES, writes: at(&c, 7), written_bytes: at(&c, 9) * SECTOR_BYTES, busy_ms: at(&c, 12) };
        disks.insert(name.to_string(), disk);
    }
    disks
}

fn networks(dev: &str) -> BTreeMap<String, Network> {
    let mut networks = BTreeMap::new();
    for line in dev.lines() {
        let Some((name, rest)) = line.split_once(':') else { continue };
        if name.trim() == "lo" {
            continue;
        }
        let c = counters(rest);
        let network =
            Network { rx_bytes: at(&c, 0), rx_packets: at(&c, 1), rx_errors: at(&c, 2), tx_bytes: at(&c, 8), tx_packets: at(&c, 9), tx_errors: at(&c, 10) };
        networks.insert(name.trim().to_string(), network);
    }
    networks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read() {
        let (total, cores) = cpus("cpu  10 1 20 300 5 2 3 4 0 0\ncpu0 5 0 10 150 2 1 1 2 0 0\nintr 1 2\n");
        assert_eq!(total, Cpu { user: 11, system: 25, idle: 300, iowait: 5, steal: 4 });
        assert_eq!(cores.len(), 1);
        assert_eq!(memory("MemTotal:  100 kB\nMemFree: 1 kB\nMemAvailable: 40 kB\n"), Memory { total: 102_400, available: 40_960, ..Memory::default() });
        assert_eq!(load("0.5 0.25 0.1 1/200 5\n"), [0.5, 0.25, 0.1]);
        let text = "   8       0 sda 100 0 200 5 50 0 400 6 0 77 11\n   8       1 sda1 1 1 1 1 1 1 1 1 1 1 1\n   7       0 loop0 1 1 1 1 1 1 1 1 1 1 1\n";
        let read = disks(text, |name| name != "sda1");
        assert_eq!(
            read.into_iter().collect::<Vec<_>>(),
            [("sda".to_string(), Disk { reads: 100, read_bytes: 102_400, writes: 50, written_bytes: 204_800, busy_ms: 77 })]
        );
        let text = "Inter-|   Receive\n face |bytes\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 10 2 1 0 0 0 0 0 20 3 4 0 0 0 0 0\n";
        let eth = Network { rx_bytes: 10, rx_packets: 2, rx_errors: 1, tx_bytes: 20, tx_packets: 3, tx_errors: 4 };
        assert_eq!(networks(text).into_iter().collect::<Vec<_>>(), [("eth0".to_string(), eth)]);
    }

    #[test]
    fn this_machine_can_be_read() {
        let reading = Reading::now().unwrap();
        assert!(!reading.cores.is_empty() && reading.memory.total > 0 && reading.uptime_s > 0.0);
        assert!(!host_name().is_empty());
    }
}

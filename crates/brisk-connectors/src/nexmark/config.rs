//! The options of the Nexmark source, by the names of the benchmark for Flink, and what follows from them.

use brisk_core::connector::{MemorySize, TableDescriptor, TimeSpan, parse_options};
use brisk_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Options of `'connector' = 'nexmark'`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NexmarkOptions {
    /// Events per second of event time.
    #[serde(rename = "first-event.rate", default = "default_rate")]
    pub first_event_rate: u32,
    /// Taken for compatibility: the rate does not change.
    #[serde(rename = "next-event.rate", default = "default_rate")]
    pub next_event_rate: u32,
    /// Taken for compatibility.
    #[serde(rename = "rate.shape", default)]
    pub rate_shape: Option<String>,
    /// Taken for compatibility.
    #[serde(rename = "rate.period", default)]
    pub rate_period: Option<TimeSpan>,
    /// Taken for compatibility: see `max-emit-speed`.
    #[serde(rename = "rate.limited", default)]
    pub rate_limited: bool,
    #[serde(rename = "person.avg-size", default = "default_person_size")]
    pub person_size: MemorySize,
    #[serde(rename = "auction.avg-size", default = "default_auction_size")]
    pub auction_size: MemorySize,
    #[serde(rename = "bid.avg-size", default = "default_bid_size")]
    pub bid_size: MemorySize,
    #[serde(rename = "person.proportion", default = "one")]
    pub person_proportion: u32,
    #[serde(rename = "auction.proportion", default = "three")]
    pub auction_proportion: u32,
    #[serde(rename = "bid.proportion", default = "forty_six")]
    pub bid_proportion: u32,
    #[serde(rename = "bid.hot-ratio.auctions", default = "two")]
    pub hot_auction_ratio: u32,
    #[serde(rename = "bid.hot-ratio.bidders", default = "four")]
    pub hot_bidder_ratio: u32,
    #[serde(rename = "auction.hot-ratio.sellers", default = "four")]
    pub hot_seller_ratio: u32,
    /// How many events; 0 never ends.
    #[serde(rename = "events.num", default)]
    pub events: u64,
    /// Whether the source goes on waiting after its last event.
    #[serde(rename = "keep-alive", default)]
    pub keep_alive: bool,
    /// Ends after so many events; below 0: after `events.num`.
    #[serde(rename = "stop-at", default = "never")]
    pub stop_at: i64,
    /// Events as fast as possible, not when their time has come.
    #[serde(rename = "max-emit-speed", default = "yes")]
    pub max_emit_speed: bool,
    /// Event time of event 0 in ms since 1970. Without it, the time at which the source starts (as in the reference).
    #[serde(rename = "base-time", default)]
    pub base_time: Option<i64>,
    /// Of the random numbers: equal seeds give equal events. (The reference draws a new one for every run.)
    #[serde(default)]
    pub seed: u64,
}

fn default_rate() -> u32 {
    10_000
}
fn default_person_size() -> MemorySize {
    MemorySize(200)
}
fn default_auction_size() -> MemorySize {
    MemorySize(500)
}
fn default_bid_size() -> MemorySize {
    MemorySize(100)
}
fn one() -> u32 {
    1
}
fn two() -> u32 {
    2
}
fn three() -> u32 {
    3
}
fn four() -> u32 {
    4
}
fn forty_six() -> u32 {
    46
}
fn never() -> i64 {
    -1
}
fn yes() -> bool {
    true
}

impl NexmarkOptions {
    pub fn of(table: &TableDescriptor) -> Result<Self> {
        let options: Self = parse_options(&table.options).map_err(|e| e.context(format!("table `{}`", table.name)))?;
        let positive = [
            ("first-event.rate", options.first_event_rate),
            ("auction.proportion", options.auction_proportion),
            ("person.proportion", options.person_proportion),
            ("bid.hot-ratio.auctions", options.hot_auction_ratio),
            ("bid.hot-ratio.bidders", options.hot_bidder_ratio),
            ("auction.hot-ratio.sellers", options.hot_seller_ratio),
        ];
        for (key, value) in positive {
            if value == 0 || i32::try_from(value).is_err() {
                return Err(Error::invalid(format!("table `{}`: '{key}' = '{value}' is not between 1 and 2147483647", table.name)));
            }
        }
        Ok(options)
    }

    pub fn total_proportion(&self) -> u64 {
        u64::from(self.person_proportion) + u64::from(self.auction_proportion) + u64::from(self.bid_proportion)
    }

    /// How many events all generators make; `None` without end.
    pub fn limit(&self) -> Option<u64> {
        let limit = (self.events > 0).then_some(self.events);
        match u64::try_from(self.stop_at) {
            Ok(stop) => Some(limit.map_or(stop, |l| l.min(stop))),
            Err(_) => limit,
        }
    }
}

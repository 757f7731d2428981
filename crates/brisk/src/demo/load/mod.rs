//! The load generator, a process of its own: a shop's traffic over HTTP, a fleet of hosts that send heartbeats, and an
//! application that writes a log. Trouble is told on standard input, a line each; the process ends when that does.
//!
//! Time passes in small steps: each part makes the events between two times. It begins some minutes ago, so that a page
//! that was just opened has something to show.

mod application;
mod client;
mod fleet;
mod random;
mod shop;
mod timestamp;

use std::collections::HashMap;
use std::io::BufRead;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use brisk_core::Result;
use brisk_core::clock::Clock;
use brisk_runtime::SystemClock;

use application::Application;
use client::Client;
use fleet::Fleet;
use shop::Shop;

pub struct LoadOptions {
    pub server: SocketAddr,
    pub logs: PathBuf,
    pub rate: f64,
}

/// Events come in steps of this length.
const STEP_MS: i64 = 250;
/// How much of the past is made at the start.
const HISTORY_MS: i64 = 6 * 60_000 + 5_000;
const HISTORY_STEP_MS: i64 = 2_000;

/// A span of time that events are made for.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub from_ms: i64,
    pub to_ms: i64,
}

/// Events of one path, as lines of JSON.
pub struct Events {
    pub path: &'static str,
    pub lines: String,
}

/// Runs until the standard input ends, or the log cannot be written.
pub fn run(options: LoadOptions) -> Result<()> {
    let told = listen()?;
    let mut client = Client::new(options.server);
    let mut shop = Shop::new(options.rate);
    let now = SystemClock.now_ms();
    for from_ms in (now - HISTORY_MS..now).step_by(HISTORY_STEP_MS as usize) {
        let span = Span { from_ms, to_ms: (from_ms + HISTORY_STEP_MS).min(now) };
        client.post_all(shop.history(span));
    }
    let mut fleet = Fleet::new();
    let mut application = Application::open(&options.logs)?;
    let mut troubles = Troubles::default();
    let mut from_ms = now;
    loop {
        troubles.hear(&told);
        let span = Span { from_ms, to_ms: SystemClock.now_ms().max(from_ms) };
        application.step(span, &troubles)?;
        client.post_all(shop.step(span, &troubles));
        client.post_all(fleet.step(span, &troubles));
        from_ms = span.to_ms;
        let spent = SystemClock.now_ms() - span.to_ms;
        std::thread::sleep(Duration::from_millis((STEP_MS - spent).clamp(10, STEP_MS) as u64));
    }
}

/// The lines of standard input, from a thread of its own.
fn listen() -> Result<Receiver<String>> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("told".to_owned()).spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(std::result::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
        // At once: a server that is started next must not be sent what was meant for the one that ended.
        std::process::exit(0);
    })?;
    Ok(receiver)
}

/// What trouble there is, and until when.
#[derive(Default)]
pub struct Troubles {
    until_ms: HashMap<String, i64>,
}

impl Troubles {
    fn hear(&mut self, told: &Receiver<String>) {
        for line in told.try_iter() {
            self.take(&line, SystemClock.now_ms());
        }
    }

    /// A line is a name and how many milliseconds it lasts.
    fn take(&mut self, line: &str, now_ms: i64) {
        if let Some((name, lasts)) = line.split_once(' ')
            && let Ok(lasts_ms) = lasts.trim().parse::<i64>()
        {
            self.until_ms.insert(name.to_owned(), now_ms + lasts_ms);
        }
    }

    pub fn on(&self, name: &str, at_ms: i64) -> bool {
        self.until_ms.get(name).is_some_and(|until| at_ms < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_lasts_as_long_as_was_told() {
        let mut troubles = Troubles::default();
        troubles.take("errors 1000", 5000);
        troubles.take("nonsense", 5000);
        assert!(troubles.on("errors", 5999) && !troubles.on("errors", 6000) && !troubles.on("sweep", 5500));
    }
}

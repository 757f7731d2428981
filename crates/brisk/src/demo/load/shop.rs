//! The shop's visitors: what they view, search and buy, and the calls and card payments that come of it. Items become
//! popular and are forgotten again, so that rankings move.

use std::fmt::Write;

use super::random::Random;
use super::timestamp::timestamp;
use super::{Events, Span, Troubles};

/// An item with its price in cents.
struct Item {
    name: &'static str,
    cents: i64,
}

const fn item(name: &'static str, yuan: i64) -> Item {
    Item { name, cents: yuan * 100 - 10 }
}

const ITEMS: &[Item] = &[
    item("Wireless earbuds", 399),
    item("Down jacket", 699),
    item("Robot vacuum", 1899),
    item("Rice cooker", 329),
    item("Running shoes", 459),
    item("Face serum", 289),
    item("Coffee machine", 1299),
    item("Electric toothbrush", 259),
    item("Air fryer", 369),
    item("Smart watch", 1199),
    item("Yoga mat", 99),
    item("Desk lamp", 159),
    item("Cat food, 10 kg", 219),
    item("Green tea", 128),
    item("Mechanical keyboard", 549),
    item("Wool scarf", 189),
    item("Suitcase", 499),
    item("Tent for two", 599),
    item("Chef's knife", 239),
    item("Building blocks", 349),
    item("Hair dryer", 429),
    item("Lipstick", 169),
    item("Power bank", 149),
    item("Camping chair", 119),
];
/// One a user, for one yuan: what gets people into the shop.
const ONE_YUAN_ITEM: i64 = 100;

const CITIES: &[(&str, f64)] =
    &[("Shanghai", 22.0), ("Beijing", 18.0), ("Hangzhou", 15.0), ("Guangzhou", 12.0), ("Shenzhen", 11.0), ("Chengdu", 9.0), ("Wuhan", 7.0), ("Nanjing", 6.0)];
const CHANNELS: &[(&str, f64)] = &[("app", 52.0), ("mini program", 27.0), ("web", 14.0), ("live stream", 7.0)];
const PAGES: &[&str] = &["item", "item", "item", "list", "home"];
const KEYWORDS: &[(&str, f64)] = &[
    ("earbuds", 9.0),
    ("down jacket", 8.0),
    ("gifts under 100", 6.0),
    ("coffee", 5.0),
    ("running shoes", 5.0),
    ("serum", 4.0),
    ("vacuum", 4.0),
    ("cat food", 3.0),
    ("watch", 3.0),
    ("tent", 2.0),
];
const CUSTOMERS: &[&str] = &[
    "Chen Jie",
    "Gao Lin",
    "Guo Jing",
    "He Ping",
    "Hu Bin",
    "Huang Lei",
    "Li Na",
    "Li Wei",
    "Lin Tao",
    "Liu Yang",
    "Luo Dan",
    "Ma Chao",
    "Song Yu",
    "Sun Li",
    "Tang Min",
    "Wang Fang",
    "Wu Qiang",
    "Xu Hui",
    "Yang Mei",
    "Zhang Min",
    "Zhao Lei",
    "Zheng Kai",
    "Zhou Jun",
    "Zhu Lan",
];
const URLS: &[&str] = &["/", "/item", "/list", "/cart", "/search", "/api/price"];

const USERS: i64 = 200_000;
const VISITORS: i64 = 9_000;
/// Who sweeps, probes and hammers.
const SWEEPER: i64 = 6666;
const HAMMERER: &str = "203.0.113.66";

/// Events a second.
const ORDERS: f64 = 90.0;
const VIEWS: f64 = 150.0;
const SEARCHES: f64 = 30.0;
const VISITS: f64 = 120.0;
const TRADES: f64 = 20.0;

pub struct Shop {
    random: Random,
    rate: f64,
    next_order: i64,
    swept_ms: i64,
    card: Option<Probe>,
}

/// A card that is being tried.
struct Probe {
    card: String,
    next_ms: i64,
}

impl Shop {
    pub fn new(rate: f64) -> Self {
        Self { random: Random::new(11), rate, next_order: 1, swept_ms: 0, card: None }
    }

    /// What a page shows of the time before it was opened.
    pub fn history(&mut self, span: Span) -> Vec<Events> {
        vec![self.orders(span, &Troubles::default()), self.views(span)]
    }

    pub fn step(&mut self, span: Span, troubles: &Troubles) -> Vec<Events> {
        vec![self.orders(span, troubles), self.views(span), self.searches(span), self.visits(span, troubles), self.trades(span, troubles)]
    }

    fn orders(&mut self, span: Span, troubles: &Troubles) -> Events {
        let mut lines = String::new();
        for at in self.times(span, ORDERS * wave(span.to_ms)) {
            let item = self.item(at);
            let user = self.random.between(1, USERS);
            let quantity = if self.random.chance(0.15) { 2 } else { 1 };
            self.order(&mut lines, at, user, Some(item), quantity);
        }
        if self.random.chance(0.05) {
            let user = self.random.between(1, USERS);
            self.order(&mut lines, span.to_ms, user, None, 1);
        }
        if troubles.on("sweep", span.to_ms) && span.to_ms - self.swept_ms >= 500 {
            self.swept_ms = span.to_ms;
            self.order(&mut lines, span.to_ms, SWEEPER, None, 2);
        }
        Events { path: "/ingest/orders", lines }
    }

    /// `None` is the 1-yuan item.
    fn order(&mut self, lines: &mut String, at: i64, user: i64, item: Option<usize>, quantity: i64) {
        let (id, name, cents) = item.map_or((ONE_YUAN_ITEM, "1-yuan surprise", 100), |i| (i as i64 + 1, ITEMS[i].name, ITEMS[i].cents));
        let (city, channel) = (named(&mut self.random, CITIES), named(&mut self.random, CHANNELS));
        let order = self.next_order;
        self.next_order += 1;
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(
            lines,
            r#"{{"order_id":{order},"user_id":{user},"item_id":{id},"item":"{name}","shop_id":{},"price":{}.{:02},"quantity":{quantity},"city":"{city}","channel":"{channel}","order_time":"{}"}}"#,
            id % 8 + 1,
            cents / 100,
            cents % 100,
            timestamp(at)
        );
    }

    fn views(&mut self, span: Span) -> Events {
        let mut lines = String::new();
        for at in self.times(span, VIEWS * wave(span.to_ms)) {
            // Some visitors are known customers; each looks at things of his own kind.
            let visitor = self.random.between(1, VISITORS);
            let customer = usize::try_from(visitor - 1).ok().and_then(|v| CUSTOMERS.get(v % (CUSTOMERS.len() * 12)));
            let item = if self.random.chance(0.6) { (visitor as usize + self.random.between(0, 4) as usize) % ITEMS.len() } else { self.item(at) };
            let name = customer.map_or("null".to_owned(), |c| format!("\"{c}\""));
            let _ = writeln!(
                lines,
                r#"{{"visitor_id":{visitor},"customer":{name},"item_id":{},"item":"{}","page":"{}","stay_ms":{},"view_time":"{}"}}"#,
                item + 1,
                ITEMS[item].name,
                self.random.pick(PAGES),
                self.random.between(300, 40_000),
                timestamp(at)
            );
        }
        Events { path: "/ingest/views", lines }
    }

    fn searches(&mut self, span: Span) -> Events {
        let mut lines = String::new();
        for at in self.times(span, SEARCHES) {
            let weights = KEYWORDS.iter().enumerate().map(|(i, (_, weight))| weight * fashion(i, at));
            let keyword = KEYWORDS[self.random.weighted(weights)].0;
            let visitor = self.random.between(1, VISITORS);
            let _ = writeln!(lines, r#"{{"visitor_id":{visitor},"keyword":"{keyword}","search_time":"{}"}}"#, timestamp(at));
        }
        Events { path: "/ingest/searches", lines }
    }

    fn visits(&mut self, span: Span, troubles: &Troubles) -> Events {
        let mut lines = String::new();
        for at in self.times(span, VISITS) {
            let ip = format!("10.0.{}.{}", self.random.between(1, 9), self.random.between(1, 40));
            let status = if self.random.chance(0.02) { 500 } else { 200 };
            self.visit(&mut lines, at, &ip, status);
        }
        if troubles.on("calls", span.to_ms) {
            for at in self.times(span, 25.0 / self.rate) {
                self.visit(&mut lines, at, HAMMERER, 403);
            }
        }
        Events { path: "/ingest/visits", lines }
    }

    fn visit(&mut self, lines: &mut String, at: i64, ip: &str, status: i64) {
        let (url, bytes) = (*self.random.pick(URLS), self.random.between(400, 90_000));
        let _ = writeln!(lines, r#"{{"ip":"{ip}","url":"{url}","status":{status},"bytes":{bytes},"visit_time":"{}"}}"#, timestamp(at));
    }

    fn trades(&mut self, span: Span, troubles: &Troubles) -> Events {
        let mut lines = String::new();
        for at in self.times(span, TRADES) {
            let card = format!("card-{}", self.random.between(100, 400));
            trade(&mut lines, at, &card, self.random.between(2_000, 90_000));
        }
        self.probe(&mut lines, span.to_ms, troubles.on("card", span.to_ms));
        Events { path: "/ingest/trades", lines }
    }

    /// Small payments while it lasts, a big one at its end.
    fn probe(&mut self, lines: &mut String, at: i64, goes_on: bool) {
        match self.card.take() {
            None if !goes_on => {}
            None => {
                let card = format!("card-{}", self.random.between(4000, 9999));
                self.card = Some(Probe { card, next_ms: at });
            }
            Some(probe) if !goes_on => trade(lines, at, &probe.card, 880_000),
            Some(mut probe) => {
                if at >= probe.next_ms {
                    trade(lines, at, &probe.card, self.random.between(100, 900));
                    probe.next_ms = at + 700;
                }
                self.card = Some(probe);
            }
        }
    }

    /// When the events of a span happen, in order.
    fn times(&mut self, span: Span, per_second: f64) -> Vec<i64> {
        let length = span.to_ms - span.from_ms;
        let count = self.random.count(per_second * self.rate * length as f64 / 1000.0);
        let mut times: Vec<i64> = (0..count).map(|_| self.random.between(span.from_ms, span.to_ms)).collect();
        times.sort_unstable();
        times
    }

    /// An item, the popular ones more often.
    fn item(&mut self, at: i64) -> usize {
        self.random.weighted((0..ITEMS.len()).map(|i| fashion(i, at) / (i as f64 + 3.0).sqrt()))
    }
}

fn named(random: &mut Random, of: &'static [(&'static str, f64)]) -> &'static str {
    of[random.weighted(of.iter().map(|(_, weight)| *weight))].0
}

fn trade(lines: &mut String, at: i64, card: &str, cents: i64) {
    let _ = writeln!(lines, r#"{{"card":"{card}","amount":{}.{:02},"trade_time":"{}"}}"#, cents / 100, cents % 100, timestamp(at));
}

/// How many come and go: waves of a minute on waves of four.
fn wave(at_ms: i64) -> f64 {
    let seconds = at_ms as f64 / 1000.0;
    1.0 + 0.22 * (seconds / 38.0).sin() + 0.12 * (seconds / 9.0).sin()
}

/// How popular something is at a time; each has its own waves.
fn fashion(place: usize, at_ms: i64) -> f64 {
    let (seconds, place) = (at_ms as f64 / 1000.0, place as f64);
    (0.9 * (seconds / (31.0 + 7.0 * place) + place * 2.4).sin()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_json_of_their_time() {
        let mut shop = Shop::new(1.0);
        let mut troubles = Troubles::default();
        for name in ["sweep", "calls", "card"] {
            troubles.take(&format!("{name} 100000"), 0);
        }
        for events in shop.step(Span { from_ms: 0, to_ms: 2000 }, &troubles) {
            for line in events.lines.lines() {
                let event: serde_json::Value = serde_json::from_str(line).expect(line);
                let time = event.as_object().and_then(|e| e.iter().find(|(name, _)| name.ends_with("_time"))).expect(line);
                assert!(time.1.as_str().is_some_and(|t| t.starts_with("1970-01-01 00:00:0")), "{line}");
            }
        }
    }

    #[test]
    fn a_probe_ends_with_a_big_payment() {
        let mut shop = Shop::new(1.0);
        let mut lines = String::new();
        for step in 0..20 {
            shop.probe(&mut lines, step * 250, step < 19);
        }
        let amounts: Vec<f64> = lines.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).expect(l)["amount"].as_f64().expect(l)).collect();
        assert!(amounts.len() > 4 && amounts[..amounts.len() - 1].iter().all(|a| *a < 10.0) && amounts.last() == Some(&8800.0), "{amounts:?}");
    }
}

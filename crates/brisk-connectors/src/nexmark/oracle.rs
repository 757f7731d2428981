//! The plain generator: an event at a time, a draw at a time. It is kept to hold the quick one to.

use std::ops::Range;
use std::sync::Arc;

use super::config::NexmarkOptions;
use super::generator::{EventKind, Share};

/// A kind of event and the values of its fields, in order.
pub type Event = (EventKind, Vec<Value>);

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Long(i64),
    Text(String),
}

const FIRST_AUCTION_ID: i64 = 1000;
const FIRST_PERSON_ID: i64 = 1000;
const FIRST_CATEGORY_ID: i64 = 10;
const CATEGORIES: i32 = 5;
const AUCTION_ID_LEAD: i64 = 10;
const PERSON_ID_LEAD: i64 = 10;
const HOT_SELLER_BATCH: i64 = 100;
const HOT_AUCTION_BATCH: i64 = 100;
const HOT_BIDDER_BATCH: i64 = 100;
const ACTIVE_PEOPLE: i64 = 1000;
const AUCTIONS_IN_FLIGHT: i64 = 100;
const FIRST_EVENT_NUMBER: i64 = 1;

/// One of the generators that make the events together, each on a time line of its own.
pub struct Oracle {
    proportions: Proportions,
    hot_auction_ratio: i32,
    hot_bidder_ratio: i32,
    hot_seller_ratio: i32,
    person_size: i32,
    auction_size: i32,
    bid_size: i32,
    delay_us: f64,
    base_time: i64,
    first_event_id: i64,
    random: Java,
    events: i64,
    buffer: [String; 3],
    texts: Arc<OldTexts>,
}

fn long(value: i64) -> Value {
    Value::Long(value)
}

fn text(value: &str) -> Value {
    Value::Text(value.to_string())
}

struct Proportions {
    person: i64,
    auction: i64,
    total: i64,
}

impl Oracle {
    pub fn new(options: &NexmarkOptions, share: Share) -> Self {
        let size = |size: &brisk_core::connector::MemorySize| i32::try_from(size.0).unwrap_or(i32::MAX / 2);
        let per_generator = options.limit().map_or(i64::MAX as u64 / 2 / share.generators, |limit| limit / share.generators);
        Self {
            proportions: Proportions {
                person: i64::from(options.person_proportion),
                auction: i64::from(options.auction_proportion),
                total: options.total_proportion() as i64,
            },
            hot_auction_ratio: options.hot_auction_ratio as i32,
            hot_bidder_ratio: options.hot_bidder_ratio as i32,
            hot_seller_ratio: options.hot_seller_ratio as i32,
            person_size: size(&options.person_size),
            auction_size: size(&options.auction_size),
            bid_size: size(&options.bid_size),
            delay_us: 1_000_000.0 / f64::from(options.first_event_rate) * share.generators as f64,
            base_time: share.base_time,
            first_event_id: 1 + (share.index * per_generator) as i64,
            random: Java::new(options.seed.wrapping_add(share.index.wrapping_mul(0x5851_f42d_4c95_7f2d))),
            events: 0,
            buffer: Default::default(),
            texts: Arc::new(OldTexts::new(options.seed)),
        }
    }

    pub fn random_state(&self) -> u64 {
        self.random.state()
    }

    /// Makes the next event.
    pub fn next(&mut self) -> Event {
        let number = FIRST_EVENT_NUMBER + self.events;
        let time = self.time_of(number);
        let id = self.first_event_id + number;
        let rest = id % self.proportions.total;
        self.events += 1;
        if rest < self.proportions.person {
            self.person(id, time)
        } else if rest < self.proportions.person + self.proportions.auction {
            self.auction(id, number, time)
        } else {
            self.bid(id, time)
        }
    }

    fn time_of(&self, number: i64) -> i64 {
        self.base_time + (number as f64 * self.delay_us) as i64 / 1000
    }

    fn person(&mut self, event: i64, time: i64) -> Event {
        let [name, email, card] = &mut self.buffer;
        next_name(&mut self.random, name);
        next_email(&mut self.random, email);
        next_credit_card(&mut self.random, card);
        let city = next_city(&mut self.random);
        let state = next_state(&mut self.random);
        let size = 8 + (name.len() + email.len() + card.len() + city.len() + state.len()) as i32;
        let extra = OldTexts::next_extra(&mut self.random, size, self.person_size);
        let id = self.proportions.last_person(event) + FIRST_PERSON_ID;
        (EventKind::Person, vec![long(id), text(name), text(email), text(card), text(city), text(state), long(time), text(self.texts.extra(extra))])
    }

    fn auction(&mut self, event: i64, number: i64, time: i64) -> Event {
        let p = &self.proportions;
        let random = &mut self.random;
        let id = p.last_auction(event) + FIRST_AUCTION_ID;
        let seller = match random.next_below(self.hot_seller_ratio) {
            0 => p.next_person(event, random),
            _ => p.last_person(event) / HOT_SELLER_BATCH * HOT_SELLER_BATCH,
        } + FIRST_PERSON_ID;
        let category = FIRST_CATEGORY_ID + i64::from(random.next_below(CATEGORIES));
        let initial_bid = next_price(random);
        let ahead = AUCTIONS_IN_FLIGHT * p.total / p.auction;
        let horizon = self.base_time + ((number + ahead) as f64 * self.delay_us) as i64 / 1000 - time;
        let expires = time + 1 + next_long(random, (horizon * 2).max(1));
        let [name, description, _] = &mut self.buffer;
        next_string(random, 20, ' ', name);
        next_string(random, 100, ' ', description);
        let reserve = initial_bid + next_price(random);
        let size = 8 + (name.len() + description.len()) as i32 + 8 + 8 + 8 + 8 + 8;
        let extra = OldTexts::next_extra(random, size, self.auction_size);
        (
            EventKind::Auction,
            vec![
                long(id),
                text(name),
                text(description),
                long(initial_bid),
                long(reserve),
                long(time),
                long(expires),
                long(seller),
                long(category),
                text(self.texts.extra(extra)),
            ],
        )
    }

    fn bid(&mut self, event: i64, time: i64) -> Event {
        let p = &self.proportions;
        let random = &mut self.random;
        let auction = match random.next_below(self.hot_auction_ratio) {
            0 => p.next_auction(event, random),
            _ => p.last_auction(event) / HOT_AUCTION_BATCH * HOT_AUCTION_BATCH,
        } + FIRST_AUCTION_ID;
        let bidder = match random.next_below(self.hot_bidder_ratio) {
            0 => p.next_person(event, random),
            _ => p.last_person(event) / HOT_BIDDER_BATCH * HOT_BIDDER_BATCH + 1,
        } + 2 * FIRST_PERSON_ID;
        let price_draw = random.next_double();
        let (channel, url): (&str, &str) = match random.next_below(2) {
            0 => {
                let (channel, url) = self.texts.next_channel(random);
                (channel, url)
            }
            _ => {
                let i = random.next_below(HOT_CHANNELS.len() as i32) as usize;
                (HOT_CHANNELS[i], &self.texts.hot_urls[i])
            }
        };
        let extra = OldTexts::next_extra(random, 8 + 8 + 8 + 8, self.bid_size);
        (EventKind::Bid, vec![long(auction), long(bidder), long(price(price_draw)), text(channel), text(url), long(time), text(self.texts.extra(extra))])
    }
}

impl Proportions {
    fn last_person(&self, event: i64) -> i64 {
        let (epoch, offset) = (event / self.total, event % self.total);
        epoch * self.person + offset.min(self.person - 1)
    }

    fn last_auction(&self, event: i64) -> i64 {
        let (epoch, offset) = (event / self.total, event % self.total);
        if offset < self.person {
            return (epoch - 1) * self.auction + self.auction - 1;
        }
        epoch * self.auction + (offset - self.person).min(self.auction - 1)
    }

    fn next_person(&self, event: i64, random: &mut Java) -> i64 {
        let people = self.last_person(event) + 1;
        let active = people.min(ACTIVE_PEOPLE);
        people - active + next_long(random, active + PERSON_ID_LEAD)
    }

    fn next_auction(&self, event: i64, random: &mut Java) -> i64 {
        let last = self.last_auction(event);
        let first = (last - AUCTIONS_IN_FLIGHT).max(0);
        first + next_long(random, last - first + 1 + AUCTION_ID_LEAD)
    }
}

fn next_price(random: &mut Java) -> i64 {
    price(random.next_double())
}

fn price(draw: f64) -> i64 {
    (10f64.powf(draw * 6.0) * 100.0 + 0.5).floor() as i64
}

fn next_long(random: &mut Java, n: i64) -> i64 {
    match i32::try_from(n) {
        Ok(n) if n < i32::MAX => i64::from(random.next_below(n)),
        _ => (random.next_long() % n).abs(),
    }
}

const MIN_LENGTH: i32 = 3;
const POOL_LENGTH: usize = 1024 * 1024;
const CHANNELS: i32 = 10_000;

const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] = ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const FIRST_NAMES: [&str; 11] = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];

/// What all generators of one source share: made once.
struct OldTexts {
    /// Letters, of which `extra` columns are pieces.
    pool: String,
    hot_urls: Vec<String>,
    /// Channel and URL by channel number.
    channels: Vec<(String, String)>,
}

impl OldTexts {
    fn new(seed: u64) -> Self {
        let pool = letters(&mut Java::new(seed ^ 0x7465_7874), POOL_LENGTH);
        let mut random = Java::new(seed ^ 0x7572_6c73);
        let hot_urls = (0..HOT_CHANNELS.len()).map(|_| base_url(&mut random)).collect();
        let channels = (0..CHANNELS)
            .map(|i| {
                let mut url = base_url(&mut random);
                if random.next_below(10) > 0 {
                    url.push_str(&format!("&channel_id={}", i.reverse_bits().wrapping_abs()));
                }
                (format!("channel-{i}"), url)
            })
            .collect();
        Self { pool, hot_urls, channels }
    }

    /// Draws a text that makes an event of `so_far` bytes `average` bytes long on the average; empty if it is longer
    /// already. Gives the place of the text, since most callers do not look at it.
    fn next_extra(random: &mut Java, so_far: i32, average: i32) -> Range<usize> {
        if so_far > average {
            return 0..0;
        }
        let missing = average - so_far;
        let spread = (f64::from(missing) * 0.2).round() as i32;
        let length = missing - spread + if spread == 0 { 0 } else { random.next_below(2 * spread) };
        // A piece longer than half the pool is cut to that: the reference would draw it anew.
        let length = length.min(POOL_LENGTH as i32 / 2 - 1);
        let from = random.next_below(POOL_LENGTH as i32 - length) as usize;
        from..from + length as usize
    }

    /// The text at a place that [`OldTexts::next_extra`] gave.
    fn extra(&self, place: Range<usize>) -> &str {
        &self.pool[place]
    }

    fn next_channel(&self, random: &mut Java) -> &(String, String) {
        &self.channels[random.next_below(CHANNELS) as usize]
    }
}

/// Up to `max` characters, a thirteenth of them `special`, without blanks around.
fn next_string(random: &mut Java, max: i32, special: char, out: &mut String) {
    out.clear();
    for _ in 0..MIN_LENGTH + random.next_below(max - MIN_LENGTH) {
        match random.next_below(13) {
            0 => out.push(special),
            _ => out.push((b'a' + random.next_below(26) as u8) as char),
        }
    }
    let trimmed = out.trim();
    if trimmed.len() < out.len() {
        *out = trimmed.to_string();
    }
}

fn next_name(random: &mut Java, out: &mut String) {
    out.clear();
    out.push_str(pick(random, &FIRST_NAMES));
    out.push(' ');
    out.push_str(pick(random, &LAST_NAMES));
}

fn next_email(random: &mut Java, out: &mut String) {
    let mut part = String::new();
    out.clear();
    next_string(random, 7, ' ', &mut part);
    out.push_str(&part);
    out.push('@');
    next_string(random, 5, ' ', &mut part);
    out.push_str(&part);
    out.push_str(".com");
}

fn next_credit_card(random: &mut Java, out: &mut String) {
    out.clear();
    for i in 0..4 {
        let group = random.next_below(10_000);
        let blank = if i > 0 { " " } else { "" };
        out.push_str(&format!("{blank}{group:04}"));
    }
}

fn next_city(random: &mut Java) -> &'static str {
    pick(random, &CITIES)
}

fn next_state(random: &mut Java) -> &'static str {
    pick(random, &STATES)
}

fn pick(random: &mut Java, list: &[&'static str]) -> &'static str {
    list[random.next_below(list.len() as i32) as usize]
}

fn base_url(random: &mut Java) -> String {
    let mut url = "https://www.nexmark.com/".to_string();
    let mut part = String::new();
    for _ in 0..3 {
        next_string(random, 5, '_', &mut part);
        url.push_str(&part);
        url.push('/');
    }
    url.push_str("item.htm?query=1");
    url
}

/// Letters, six from each draw. A negative draw gives characters below 'a', as in Java.
fn letters(random: &mut Java, length: usize) -> String {
    let mut text = String::with_capacity(length);
    let (mut draw, mut left) = (0i32, 0);
    while text.len() < length {
        if left == 0 {
            draw = random.next_int();
            left = 6;
        }
        text.push((i32::from(b'a') + draw % 26) as u8 as char);
        draw /= 26;
        left -= 1;
    }
    text
}

/// The golden ratio's fraction in 64 bits, odd.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug, Clone, Copy)]
struct Java {
    state: u64,
}

impl Java {
    fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn state(&self) -> u64 {
        self.state
    }

    fn advance(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GAMMA);
        self.state
    }

    fn next_long(&mut self) -> i64 {
        let z = self.advance();
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as i64
    }

    fn next_int(&mut self) -> i32 {
        let z = self.advance();
        let z = (z ^ (z >> 33)).wrapping_mul(0x62a9_d9ed_7997_05f5);
        ((z ^ (z >> 28)).wrapping_mul(0xcb24_d0a5_c88c_35b3) >> 32) as i32
    }

    /// Uniform in `0..bound`; `bound` is above 0. Draws again where a plain remainder would favour small values.
    fn next_below(&mut self, bound: i32) -> i32 {
        let r = self.next_int();
        let m = bound - 1;
        if bound & m == 0 {
            return r & m;
        }
        let mut u = (r as u32 >> 1) as i32;
        loop {
            let r = u % bound;
            if u.wrapping_add(m).wrapping_sub(r) >= 0 {
                return r;
            }
            u = (self.next_int() as u32 >> 1) as i32;
        }
    }

    /// Uniform in `0.0..1.0`.
    fn next_double(&mut self) -> f64 {
        ((self.next_long() as u64) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

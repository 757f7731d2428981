//! Events of the Nexmark benchmark: persons, auctions and bids by their proportions, with the ids, hot keys, prices and
//! times of the reference generator (github.com/nexmark/nexmark), draw by draw.
//!
//! All draws are made whatever is asked for, so that leaving out columns does not change the others; what costs is
//! making texts, and these are made only if asked for.

use super::config::NexmarkOptions;
use super::events::EventColumns;
use super::random::SplittableRandom;
use super::text::{HOT_CHANNELS, Texts, next_city, next_credit_card, next_email, next_name, next_state, next_string};

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

/// The kinds of events, by their number in the column `event_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Person = 0,
    Auction = 1,
    Bid = 2,
}

/// One of the generators that make the events together, each on a time line of its own.
pub struct Generator {
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
    random: SplittableRandom,
    events: i64,
    buffer: [String; 3],
}

struct Proportions {
    person: i64,
    auction: i64,
    total: i64,
}

/// Which part of all events a generator makes.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub generators: u64,
    pub index: u64,
    pub base_time: i64,
}

impl Generator {
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
            random: SplittableRandom::new(options.seed.wrapping_add(share.index.wrapping_mul(0x5851_f42d_4c95_7f2d))),
            events: 0,
            buffer: Default::default(),
        }
    }

    /// Goes on after `events` events with the random state of then.
    pub fn resume(&mut self, events: i64, random_state: u64) {
        self.events = events;
        self.random = SplittableRandom::new(random_state);
    }

    pub fn events(&self) -> i64 {
        self.events
    }

    pub fn random_state(&self) -> u64 {
        self.random.state()
    }

    /// The event time of the next event.
    pub fn next_time(&self) -> i64 {
        self.time_of(FIRST_EVENT_NUMBER + self.events)
    }

    /// Makes the next event and adds it to the columns.
    #[inline]
    pub fn next(&mut self, texts: &Texts, columns: &mut EventColumns) {
        let number = FIRST_EVENT_NUMBER + self.events;
        let time = self.time_of(number);
        let id = self.first_event_id + number;
        let rest = id % self.proportions.total;
        self.events += 1;
        if rest < self.proportions.person {
            self.person(id, time, texts, columns);
        } else if rest < self.proportions.person + self.proportions.auction {
            self.auction(id, number, time, texts, columns);
        } else {
            self.bid(id, time, texts, columns);
        }
    }

    fn time_of(&self, number: i64) -> i64 {
        self.base_time + (number as f64 * self.delay_us) as i64 / 1000
    }

    fn person(&mut self, event: i64, time: i64, texts: &Texts, columns: &mut EventColumns) {
        let [name, email, card] = &mut self.buffer;
        next_name(&mut self.random, name);
        next_email(&mut self.random, email);
        next_credit_card(&mut self.random, card);
        let city = next_city(&mut self.random);
        let state = next_state(&mut self.random);
        let size = 8 + (name.len() + email.len() + card.len() + city.len() + state.len()) as i32;
        let extra = Texts::next_extra(&mut self.random, size, self.person_size);
        let id = self.proportions.last_person(event) + FIRST_PERSON_ID;
        if columns.begin(EventKind::Person) {
            let c = &mut columns.person;
            c.long(0, id);
            c.text(1, name);
            c.text(2, email);
            c.text(3, card);
            c.text(4, city);
            c.text(5, state);
            c.long(6, time);
            if c.wants(7) {
                c.text(7, texts.extra(extra));
            }
        }
    }

    fn auction(&mut self, event: i64, number: i64, time: i64, texts: &Texts, columns: &mut EventColumns) {
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
        let extra = Texts::next_extra(random, size, self.auction_size);
        if columns.begin(EventKind::Auction) {
            let c = &mut columns.auction;
            c.long(0, id);
            c.text(1, name);
            c.text(2, description);
            c.long(3, initial_bid);
            c.long(4, reserve);
            c.long(5, time);
            c.long(6, expires);
            c.long(7, seller);
            c.long(8, category);
            if c.wants(9) {
                c.text(9, texts.extra(extra));
            }
        }
    }

    #[inline]
    fn bid(&mut self, event: i64, time: i64, texts: &Texts, columns: &mut EventColumns) {
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
                let (channel, url) = texts.next_channel(random);
                (channel, url)
            }
            _ => {
                let i = random.next_below(HOT_CHANNELS.len() as i32) as usize;
                (HOT_CHANNELS[i], &texts.hot_urls[i])
            }
        };
        let extra = Texts::next_extra(random, 8 + 8 + 8 + 8, self.bid_size);
        if columns.begin(EventKind::Bid) {
            let c = &mut columns.bid;
            c.long(0, auction);
            c.long(1, bidder);
            if c.wants(2) {
                c.long(2, price(price_draw));
            }
            c.text(3, channel);
            c.text(4, url);
            c.long(5, time);
            if c.wants(6) {
                c.text(6, texts.extra(extra));
            }
        }
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

    fn next_person(&self, event: i64, random: &mut SplittableRandom) -> i64 {
        let people = self.last_person(event) + 1;
        let active = people.min(ACTIVE_PEOPLE);
        people - active + next_long(random, active + PERSON_ID_LEAD)
    }

    fn next_auction(&self, event: i64, random: &mut SplittableRandom) -> i64 {
        let last = self.last_auction(event);
        let first = (last - AUCTIONS_IN_FLIGHT).max(0);
        first + next_long(random, last - first + 1 + AUCTION_ID_LEAD)
    }
}

fn next_price(random: &mut SplittableRandom) -> i64 {
    price(random.next_double())
}

fn price(draw: f64) -> i64 {
    (10f64.powf(draw * 6.0) * 100.0 + 0.5).floor() as i64
}

fn next_long(random: &mut SplittableRandom, n: i64) -> i64 {
    match i32::try_from(n) {
        Ok(n) if n < i32::MAX => i64::from(random.next_below(n)),
        _ => (random.next_long() % n).abs(),
    }
}

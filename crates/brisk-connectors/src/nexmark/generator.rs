//! Events of the Nexmark benchmark: persons, auctions and bids by their proportions, with the ids, hot keys, prices and
//! times of the reference generator (github.com/nexmark/nexmark), draw by draw.
//!
//! All draws are made whatever is asked for, so that leaving out columns does not change the others; what is left out
//! is what follows from a draw. Bids, nearly all of the events, are made a run at a time ([`super::bids`]).

use super::bids::BidRun;
use super::config::NexmarkOptions;
use super::events::EventColumns;
use super::price::Prices;
use super::random::SplittableRandom;
use super::text::{CREDIT_CARD_LENGTH, Extra, Texts, next_city, next_credit_card, next_email, next_name, next_state, next_string, skip_email, skip_string};

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
const ITEM_NAME: i32 = 20;
const ITEM_DESCRIPTION: i32 = 100;

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
    hot_seller_ratio: i32,
    person_size: i32,
    auction_size: i32,
    times: TimeLine,
    first_event_id: i64,
    random: SplittableRandom,
    events: i64,
    bids: BidRun,
    prices: Prices,
    buffer: Vec<u8>,
}

/// How many events of each kind are an epoch: first the persons, then the auctions, then the bids.
struct Proportions {
    person: i64,
    auction: i64,
    total: i64,
}

/// Event time by the number of an event.
#[derive(Debug, Clone, Copy)]
struct TimeLine {
    base: i64,
    delay_us: f64,
}

/// Which part of all events a generator makes.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    pub generators: u64,
    pub index: u64,
    pub base_time: i64,
}

/// Where the ids that an event may name begin, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    pub first: i64,
    pub count: i32,
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
            hot_seller_ratio: options.hot_seller_ratio as i32,
            person_size: size(&options.person_size),
            auction_size: size(&options.auction_size),
            times: TimeLine { base: share.base_time, delay_us: 1_000_000.0 / f64::from(options.first_event_rate) * share.generators as f64 },
            first_event_id: 1 + (share.index * per_generator) as i64,
            random: SplittableRandom::new(options.seed.wrapping_add(share.index.wrapping_mul(0x5851_f42d_4c95_7f2d))),
            events: 0,
            bids: BidRun::new(options.hot_auction_ratio as i32, options.hot_bidder_ratio as i32, size(&options.bid_size)),
            prices: Prices::new(),
            buffer: Vec::new(),
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

    /// Whether the next event's time has come.
    pub fn is_due(&self, now: i64) -> bool {
        self.next_time() <= now
    }

    /// The event time of the next event.
    pub fn next_time(&self) -> i64 {
        self.times.of(FIRST_EVENT_NUMBER + self.events)
    }

    /// Makes at most `most` events, at least one if that is not 0, and adds those that are wanted to the columns, which
    /// have room.
    pub fn next(&mut self, most: i64, texts: &Texts, columns: &mut EventColumns) {
        let number = FIRST_EVENT_NUMBER + self.events;
        let id = self.first_event_id + number;
        let rest = id % self.proportions.total;
        let bids_from = self.proportions.person + self.proportions.auction;
        let made = if most <= 0 {
            0
        } else if rest < self.proportions.person {
            self.person(id, number, texts, columns);
            1
        } else if rest < bids_from {
            self.auction(id, number, texts, columns);
            1
        } else {
            let room = if columns.wants(EventKind::Bid) { columns.room() as i64 } else { i64::MAX };
            let run = most.min(self.proportions.total - rest).min(room).min(BidRun::MAX as i64);
            self.bid_run(id, number, run as usize, texts, columns);
            run
        };
        self.events += made;
    }

    fn person(&mut self, event: i64, number: i64, texts: &Texts, columns: &mut EventColumns) {
        let wanted = columns.wants(EventKind::Person);
        let random = &mut self.random;
        let [first, last] = next_name(random);
        self.buffer.clear();
        let email = if wanted {
            next_email(random, &mut self.buffer);
            self.buffer.len()
        } else {
            skip_email(random)
        };
        let card = next_credit_card(random);
        let city = next_city(random);
        let state = next_state(random);
        let size = 8 + (first.len() + 1 + last.len() + email + CREDIT_CARD_LENGTH + city.len() + state.len()) as i32;
        let (from, length) = Extra::new(size, self.person_size).next(random);
        if !wanted {
            return;
        }
        columns.begin(EventKind::Person, 1);
        let c = &mut columns.person;
        c.long(0, self.proportions.last_person(event) + FIRST_PERSON_ID);
        if let Some(names) = c.texts(1) {
            [first, " "].iter().for_each(|part| names.push_bytes(part.as_bytes()));
            names.push(last.as_bytes());
        }
        c.text(2, &self.buffer);
        c.text(3, &card);
        c.text(4, city.as_bytes());
        c.text(5, state.as_bytes());
        c.long(6, self.times.of(number));
        c.text(7, &texts.pool.bytes[from..from + length]);
    }

    fn auction(&mut self, event: i64, number: i64, texts: &Texts, columns: &mut EventColumns) {
        let wanted = columns.wants(EventKind::Auction);
        let p = &self.proportions;
        let random = &mut self.random;
        let id = p.last_auction(event) + FIRST_AUCTION_ID;
        let seller = match random.next_below(self.hot_seller_ratio) {
            0 => {
                let people = p.people(event);
                people.first + i64::from(random.next_below(people.count))
            }
            _ => p.last_person(event) / HOT_SELLER_BATCH * HOT_SELLER_BATCH,
        } + FIRST_PERSON_ID;
        let category = FIRST_CATEGORY_ID + i64::from(random.next_below(CATEGORIES));
        let initial_bid = random.next_unit();
        let time = self.times.of(number);
        let ahead = AUCTIONS_IN_FLIGHT * p.total / p.auction;
        let horizon = self.times.of(number + ahead) - time;
        let expires = time + 1 + next_long(random, (horizon * 2).max(1));
        self.buffer.clear();
        let (name, description) = if wanted {
            next_string(random, ITEM_NAME, b' ', &mut self.buffer);
            let name = self.buffer.len();
            next_string(random, ITEM_DESCRIPTION, b' ', &mut self.buffer);
            (name, self.buffer.len() - name)
        } else {
            (skip_string(random, ITEM_NAME), skip_string(random, ITEM_DESCRIPTION))
        };
        let reserve = random.next_unit();
        let size = 8 + (name + description) as i32 + 8 + 8 + 8 + 8 + 8;
        let (from, length) = Extra::new(size, self.auction_size).next(random);
        if !wanted {
            return;
        }
        columns.begin(EventKind::Auction, 1);
        let c = &mut columns.auction;
        c.long(0, id);
        c.text(1, &self.buffer[..name]);
        c.text(2, &self.buffer[name..]);
        let initial_bid = self.prices.of(initial_bid);
        c.long(3, initial_bid);
        c.long(4, initial_bid + self.prices.of(reserve));
        c.long(5, time);
        c.long(6, expires);
        c.long(7, seller);
        c.long(8, category);
        c.text(9, &texts.pool.bytes[from..from + length]);
    }

    /// Makes `count` bids of one epoch, from event `event` on: the auctions and persons that they name are those before it.
    fn bid_run(&mut self, event: i64, number: i64, count: usize, texts: &Texts, columns: &mut EventColumns) {
        let p = &self.proportions;
        let hot_auction = p.last_auction(event) / HOT_AUCTION_BATCH * HOT_AUCTION_BATCH;
        let hot_bidder = p.last_person(event) / HOT_BIDDER_BATCH * HOT_BIDDER_BATCH + 1;
        self.bids.name(p.auctions(event), hot_auction, p.people(event), hot_bidder);
        self.bids.draw(&mut self.random, count);
        if !columns.wants(EventKind::Bid) {
            return;
        }
        columns.begin(EventKind::Bid, count);
        let (run, c) = (&self.bids, &mut columns.bid);
        if let Some(auctions) = c.numbers(0) {
            auctions.extend(run.auctions[..count].iter().map(|id| id + FIRST_AUCTION_ID));
        }
        if let Some(bidders) = c.numbers(1) {
            bidders.extend(run.bidders[..count].iter().map(|id| id + 2 * FIRST_PERSON_ID));
        }
        if let Some(prices) = c.numbers(2) {
            prices.extend(run.prices[..count].iter().map(|draw| self.prices.of(*draw)));
        }
        if let Some(channels) = c.texts(3) {
            for &channel in &run.channels[..count] {
                let (from, length) = texts.channels.place(channel as usize);
                channels.push_piece::<16>(&texts.channels.bytes, from, length);
            }
        }
        if let Some(urls) = c.texts(4) {
            for &channel in &run.channels[..count] {
                let (from, length) = texts.urls.place(channel as usize);
                urls.push_piece::<80>(&texts.urls.bytes, from, length);
            }
        }
        if let Some(times) = c.numbers(5) {
            let line = self.times;
            times.extend((number..number + count as i64).map(|n| line.of(n)));
        }
        if let Some(extras) = c.texts(6) {
            for &(from, length) in &run.extras[..count] {
                extras.push_piece::<96>(&texts.pool.bytes, from as usize, length as usize);
            }
        }
    }
}

impl TimeLine {
    #[inline]
    fn of(&self, number: i64) -> i64 {
        self.base + (number as f64 * self.delay_us) as i64 / 1000
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

    /// The persons that may bid or sell: those active, and a few that are still to come.
    fn people(&self, event: i64) -> Ids {
        let people = self.last_person(event) + 1;
        let active = people.min(ACTIVE_PEOPLE);
        Ids { first: people - active, count: (active + PERSON_ID_LEAD) as i32 }
    }

    /// The auctions that may be bid on: those in flight, and a few that are still to come.
    fn auctions(&self, event: i64) -> Ids {
        let last = self.last_auction(event);
        let first = (last - AUCTIONS_IN_FLIGHT).max(0);
        Ids { first, count: (last - first + 1 + AUCTION_ID_LEAD) as i32 }
    }
}

fn next_long(random: &mut SplittableRandom, n: i64) -> i64 {
    match i32::try_from(n) {
        Ok(n) if n < i32::MAX => i64::from(random.next_below(n)),
        _ => (random.next_long() % n).abs(),
    }
}

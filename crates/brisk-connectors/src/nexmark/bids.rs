//! The draws of a run of bids, all of which may name the same auctions and persons.
//!
//! How many draws a bid takes hangs on two of them: whether it is for a hot auction, and by a hot bidder. So a bid reads
//! all of its draws by state, the ones that it may not take as well, and only then goes on by as many as it took: there is
//! nothing to branch on, and bids overlap in the processor. A bid of which a draw must be made again is rare (one in two
//! thousand, by the place of its `extra`); it is done over, one draw after the other.

use super::generator::Ids;
use super::random::{Bound, GAMMA, SplittableRandom, int_at, unit_at};
use super::text::{Extra, FIRST_HOT_CHANNEL, HOT_CHANNEL_COUNT};

/// What is drawn for a run of bids.
pub struct BidRun {
    hot_auction: Bound,
    hot_bidder: Bound,
    any_channel: Bound,
    extra: Extra,
    auction_ids: Ids,
    hot_auction_id: i64,
    auction: Bound,
    bidder_ids: Ids,
    hot_bidder_id: i64,
    bidder: Bound,
    pub auctions: [i64; Self::MAX],
    pub bidders: [i64; Self::MAX],
    /// As draws in units of 2^-53.
    pub prices: [u64; Self::MAX],
    pub channels: [u32; Self::MAX],
    /// Places in the pool of texts, with their lengths.
    pub extras: [(u32, u32); Self::MAX],
}

struct Bid {
    auction: i64,
    bidder: i64,
    price: u64,
    channel: u32,
    extra: (u32, u32),
}

/// All ones for `true`.
#[inline]
fn mask(condition: bool) -> u64 {
    u64::from(condition).wrapping_neg()
}

impl BidRun {
    pub const MAX: usize = 64;

    pub fn new(hot_auction_ratio: i32, hot_bidder_ratio: i32, size: i32) -> Self {
        let nobody = Ids { first: 0, count: 1 };
        Self {
            hot_auction: Bound::new(hot_auction_ratio),
            hot_bidder: Bound::new(hot_bidder_ratio),
            any_channel: Bound::new(FIRST_HOT_CHANNEL as i32),
            extra: Extra::new(8 + 8 + 8 + 8, size),
            auction_ids: nobody,
            hot_auction_id: 0,
            auction: Bound::new(1),
            bidder_ids: nobody,
            hot_bidder_id: 0,
            bidder: Bound::new(1),
            auctions: [0; Self::MAX],
            bidders: [0; Self::MAX],
            prices: [0; Self::MAX],
            channels: [0; Self::MAX],
            extras: [(0, 0); Self::MAX],
        }
    }

    /// Which auctions and persons the next bids may name.
    pub fn name(&mut self, auctions: Ids, hot_auction: i64, bidders: Ids, hot_bidder: i64) {
        if !self.auction.is(auctions.count) {
            self.auction = Bound::new(auctions.count);
        }
        if !self.bidder.is(bidders.count) {
            self.bidder = Bound::new(bidders.count);
        }
        (self.auction_ids, self.hot_auction_id, self.bidder_ids, self.hot_bidder_id) = (auctions, hot_auction, bidders, hot_bidder);
    }

    /// Draws `count` bids.
    pub fn draw(&mut self, random: &mut SplittableRandom, count: usize) {
        let mut state = random.state();
        for i in 0..count {
            let bid = match self.at_once(&mut state) {
                Some(bid) => bid,
                None => self.one_by_one(&mut state),
            };
            self.auctions[i] = bid.auction;
            self.bidders[i] = bid.bidder;
            self.prices[i] = bid.price;
            self.channels[i] = bid.channel;
            self.extras[i] = bid.extra;
        }
        *random = SplittableRandom::new(state);
    }

    /// `None`, and the state as it was, where a draw must be made again.
    #[inline]
    fn at_once(&self, state: &mut u64) -> Option<Bid> {
        let after = |state: u64, draws: u64| state.wrapping_add(GAMMA.wrapping_mul(draws));
        let (kind, mut again) = self.hot_auction.of(int_at(after(*state, 1)));
        let (drawn, drawn_again) = self.auction.of(int_at(after(*state, 2)));
        let any = kind == 0;
        again |= any & drawn_again;
        let auction = if any { self.auction_ids.first + i64::from(drawn) } else { self.hot_auction_id };

        // The draw of whose bid it is, for either case: what is waited for is only which.
        let (first, second) = (self.hot_bidder.of(int_at(after(*state, 2))), self.hot_bidder.of(int_at(after(*state, 3))));
        let (kind, kind_again) = if any { second } else { first };
        let at = after(*state, 2).wrapping_add(GAMMA & mask(any));
        let (drawn, drawn_again) = self.bidder.of(int_at(after(at, 1)));
        let any = kind == 0;
        again |= kind_again | (any & drawn_again);
        let bidder = if any { self.bidder_ids.first + i64::from(drawn) } else { self.hot_bidder_id };

        let at = at.wrapping_add(GAMMA & mask(any));
        let price = unit_at(after(at, 1));
        let hot = int_at(after(at, 2)) & 1 == 1;
        let channel = int_at(after(at, 3));
        let (drawn, drawn_again) = self.any_channel.of(channel);
        again |= !hot & drawn_again;
        let channel = if hot { FIRST_HOT_CHANNEL + (channel & (HOT_CHANNEL_COUNT - 1)) } else { drawn };

        let mut at = after(at, 3);
        let mut extra = (0, 0);
        if self.extra.is_drawn() {
            let mut drawn = 0;
            if let Some(bound) = self.extra.length_bound() {
                at = after(at, 1);
                let drawn_again;
                (drawn, drawn_again) = bound.of(int_at(at));
                again |= drawn_again;
            }
            let length = self.extra.length(drawn);
            let places = Extra::places(length);
            at = after(at, 1);
            let draw = int_at(at);
            let mut place = draw & (places - 1);
            if !places.is_power_of_two() {
                place = (draw >> 1) % places;
                again |= (draw >> 1) - place + places > 1 << 31;
            }
            extra = (place, length);
        }
        if again {
            return None;
        }
        *state = at;
        Some(Bid { auction, bidder, price, channel, extra })
    }

    #[cold]
    fn one_by_one(&self, state: &mut u64) -> Bid {
        let mut random = SplittableRandom::new(*state);
        let auction = match random.next_below(self.hot_auction.get()) {
            0 => self.auction_ids.first + i64::from(random.next_below(self.auction_ids.count)),
            _ => self.hot_auction_id,
        };
        let bidder = match random.next_below(self.hot_bidder.get()) {
            0 => self.bidder_ids.first + i64::from(random.next_below(self.bidder_ids.count)),
            _ => self.hot_bidder_id,
        };
        let price = random.next_unit();
        let channel = match random.next_below(2) {
            0 => random.next_below(FIRST_HOT_CHANNEL as i32) as u32,
            _ => FIRST_HOT_CHANNEL + random.next_below(HOT_CHANNEL_COUNT as i32) as u32,
        };
        let (place, length) = self.extra.next(&mut random);
        *state = random.state();
        Bid { auction, bidder, price, channel, extra: (place as u32, length as u32) }
    }
}

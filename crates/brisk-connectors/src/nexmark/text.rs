//! The random texts of Nexmark events, as the reference generator makes them. All of them are ASCII.

use super::random::{Bound, SplittableRandom};

const MIN_LENGTH: i32 = 3;
const POOL_LENGTH: usize = 1024 * 1024;
const CHANNELS: i32 = 10_000;
const EMAIL_PART: i32 = 7;
const EMAIL_HOST: i32 = 5;

const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] = ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const FIRST_NAMES: [&str; 11] = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];

/// What all generators of one source share: made once.
pub struct Texts {
    /// Letters, of which `extra` columns are pieces.
    pub pool: Pieces,
    /// Names and URLs of the channels by number, the hot ones behind the others.
    pub channels: Pieces,
    pub urls: Pieces,
}

/// Texts in one buffer. Behind the last there are bytes enough for a copy of a fixed length that is longer than it.
pub struct Pieces {
    pub bytes: Vec<u8>,
    starts: Vec<u32>,
}

/// The number of the first hot channel.
pub const FIRST_HOT_CHANNEL: u32 = CHANNELS as u32;
pub const HOT_CHANNEL_COUNT: u32 = HOT_CHANNELS.len() as u32;

impl Pieces {
    /// So many bytes may be read behind a text.
    const SLACK: usize = 128;

    /// Room for `count` texts of about `length` bytes.
    fn with_capacity(count: usize, length: usize) -> Self {
        let mut starts = Vec::with_capacity(count + 1);
        starts.push(0);
        Self { bytes: Vec::with_capacity(count * length + Self::SLACK), starts }
    }

    /// Ends a text: what was added to the bytes since the last one.
    fn end(&mut self) {
        self.starts.push(self.bytes.len() as u32);
    }

    fn finished(mut self) -> Self {
        self.bytes.resize(self.bytes.len() + Self::SLACK, 0);
        self
    }

    /// Where a text begins, and its length.
    #[inline]
    pub fn place(&self, index: usize) -> (usize, usize) {
        let (from, to) = (self.starts[index] as usize, self.starts[index + 1] as usize);
        (from, to - from)
    }
}

impl Texts {
    pub fn new(seed: u64) -> Self {
        let mut random = SplittableRandom::new(seed ^ 0x7572_6c73);
        let mut hot_urls = Vec::new();
        let hot_ends = HOT_CHANNELS.map(|_| {
            base_url(&mut random, &mut hot_urls);
            hot_urls.len()
        });
        let count = CHANNELS as usize + HOT_CHANNELS.len();
        let (mut channels, mut urls) = (Pieces::with_capacity(count, 13), Pieces::with_capacity(count, 80));
        for number in 0..CHANNELS {
            channels.bytes.extend_from_slice(format!("channel-{number}").as_bytes());
            channels.end();
            base_url(&mut random, &mut urls.bytes);
            if random.next_below(10) > 0 {
                urls.bytes.extend_from_slice(format!("&channel_id={}", number.reverse_bits().wrapping_abs()).as_bytes());
            }
            urls.end();
        }
        let mut from = 0;
        for (name, to) in HOT_CHANNELS.iter().zip(hot_ends) {
            channels.bytes.extend_from_slice(name.as_bytes());
            channels.end();
            urls.bytes.extend_from_slice(&hot_urls[from..to]);
            urls.end();
            from = to;
        }
        let mut pool = Pieces::with_capacity(1, POOL_LENGTH);
        letters(&mut SplittableRandom::new(seed ^ 0x7465_7874), POOL_LENGTH, &mut pool.bytes);
        pool.end();
        Self { pool: pool.finished(), channels: channels.finished(), urls: urls.finished() }
    }
}

/// A text to make an event of `so_far` bytes `average` bytes long on the average: as a draw of its length and of its
/// place in the pool. An event that is longer already has an empty one, without a draw.
#[derive(Debug, Clone, Copy)]
pub struct Extra {
    shortest: i32,
    /// Of the draw that is added to the shortest length.
    more: Option<Bound>,
    drawn: bool,
}

impl Extra {
    #[inline]
    pub fn new(so_far: i32, average: i32) -> Self {
        if so_far > average {
            return Self { shortest: 0, more: None, drawn: false };
        }
        let missing = average - so_far;
        let spread = (f64::from(missing) * 0.2).round() as i32;
        Self { shortest: missing - spread, more: (spread > 0).then(|| Bound::new(2 * spread)), drawn: true }
    }

    /// Whether there are draws at all.
    pub fn is_drawn(&self) -> bool {
        self.drawn
    }

    pub fn length_bound(&self) -> Option<Bound> {
        self.more
    }

    /// The length that the draw makes. A piece longer than half the pool is cut to that: the reference would draw it anew.
    #[inline]
    pub fn length(&self, drawn: u32) -> u32 {
        (self.shortest as u32 + drawn).min(POOL_LENGTH as u32 / 2 - 1)
    }

    /// How many places in the pool a piece of this length has.
    #[inline]
    pub fn places(length: u32) -> u32 {
        POOL_LENGTH as u32 - length
    }

    /// Where the piece is in the pool, and its length.
    pub fn next(&self, random: &mut SplittableRandom) -> (usize, usize) {
        if !self.drawn {
            return (0, 0);
        }
        let drawn = self.more.map_or(0, |more| random.next_below(more.get()));
        let length = self.length(drawn as u32);
        (random.next_below(Self::places(length) as i32) as usize, length as usize)
    }
}

/// Adds up to `max` letters, a thirteenth of them `special`, without blanks around.
pub fn next_string(random: &mut SplittableRandom, max: i32, special: u8, out: &mut Vec<u8>) {
    let start = out.len();
    for _ in 0..MIN_LENGTH + random.next_below(max - MIN_LENGTH) {
        out.push(match random.next_below(13) {
            0 => special,
            _ => b'a' + random.next_below(26) as u8,
        });
    }
    let trimmed = out[start..].trim_ascii();
    let (blanks, length) = (out.len() - start - out[start..].trim_ascii_start().len(), trimmed.len());
    out.copy_within(start + blanks..start + blanks + length, start);
    out.truncate(start + length);
}

/// Makes the draws of [`next_string`] with blanks for special letters, and gives its length alone.
#[inline]
pub fn skip_string(random: &mut SplittableRandom, max: i32) -> usize {
    let (mut first, mut end) = (i32::MAX, 0);
    for i in 0..MIN_LENGTH + random.next_below(max - MIN_LENGTH) {
        if random.next_below(13) != 0 {
            random.skip_below(26);
            first = first.min(i);
            end = i + 1;
        }
    }
    (end - first).max(0) as usize
}

/// First and last name.
pub fn next_name(random: &mut SplittableRandom) -> [&'static str; 2] {
    [pick(random, &FIRST_NAMES), pick(random, &LAST_NAMES)]
}

pub fn next_email(random: &mut SplittableRandom, out: &mut Vec<u8>) {
    next_string(random, EMAIL_PART, b' ', out);
    out.push(b'@');
    next_string(random, EMAIL_HOST, b' ', out);
    out.extend_from_slice(b".com");
}

/// Makes the draws of [`next_email`], and gives its length.
pub fn skip_email(random: &mut SplittableRandom) -> usize {
    skip_string(random, EMAIL_PART) + 1 + skip_string(random, EMAIL_HOST) + 4
}

/// The digits of a credit card are four groups of four.
pub const CREDIT_CARD_LENGTH: usize = 19;

pub fn next_credit_card(random: &mut SplittableRandom) -> [u8; CREDIT_CARD_LENGTH] {
    let mut card = [b' '; CREDIT_CARD_LENGTH];
    for group in card.chunks_mut(5) {
        let mut digits = random.next_below(10_000);
        for place in group[..4].iter_mut().rev() {
            *place = b'0' + (digits % 10) as u8;
            digits /= 10;
        }
    }
    card
}

pub fn next_city(random: &mut SplittableRandom) -> &'static str {
    pick(random, &CITIES)
}

pub fn next_state(random: &mut SplittableRandom) -> &'static str {
    pick(random, &STATES)
}

fn pick(random: &mut SplittableRandom, list: &[&'static str]) -> &'static str {
    list[random.next_below(list.len() as i32) as usize]
}

fn base_url(random: &mut SplittableRandom, url: &mut Vec<u8>) {
    url.extend_from_slice(b"https://www.nexmark.com/");
    for _ in 0..3 {
        next_string(random, 5, b'_', url);
        url.push(b'/');
    }
    url.extend_from_slice(b"item.htm?query=1");
}

/// Letters, six from each draw. A negative draw gives characters below 'a', as in Java.
fn letters(random: &mut SplittableRandom, length: usize, out: &mut Vec<u8>) {
    let end = out.len() + length;
    while out.len() < end {
        let mut draw = random.next_int();
        for _ in 0..6.min(end - out.len()) {
            out.push((i32::from(b'a') + draw % 26) as u8);
            draw /= 26;
        }
    }
}

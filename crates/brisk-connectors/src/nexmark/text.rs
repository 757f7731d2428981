//! The random texts of Nexmark events, as the reference generator makes them.

use std::ops::Range;

use super::random::SplittableRandom;

const MIN_LENGTH: i32 = 3;
const POOL_LENGTH: usize = 1024 * 1024;
const CHANNELS: i32 = 10_000;

pub const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] = ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const FIRST_NAMES: [&str; 11] = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];

/// What all generators of one source share: made once.
pub struct Texts {
    /// Letters, of which `extra` columns are pieces.
    pool: String,
    pub hot_urls: Vec<String>,
    /// Channel and URL by channel number.
    pub channels: Vec<(String, String)>,
}

impl Texts {
    pub fn new(seed: u64) -> Self {
        let pool = letters(&mut SplittableRandom::new(seed ^ 0x7465_7874), POOL_LENGTH);
        let mut random = SplittableRandom::new(seed ^ 0x7572_6c73);
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
    #[inline]
    pub fn next_extra(random: &mut SplittableRandom, so_far: i32, average: i32) -> Range<usize> {
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

    /// The text at a place that [`Texts::next_extra`] gave.
    pub fn extra(&self, place: Range<usize>) -> &str {
        &self.pool[place]
    }

    pub fn next_channel(&self, random: &mut SplittableRandom) -> &(String, String) {
        &self.channels[random.next_below(CHANNELS) as usize]
    }
}

/// Up to `max` characters, a thirteenth of them `special`, without blanks around.
pub fn next_string(random: &mut SplittableRandom, max: i32, special: char, out: &mut String) {
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

pub fn next_name(random: &mut SplittableRandom, out: &mut String) {
    out.clear();
    out.push_str(pick(random, &FIRST_NAMES));
    out.push(' ');
    out.push_str(pick(random, &LAST_NAMES));
}

pub fn next_email(random: &mut SplittableRandom, out: &mut String) {
    let mut part = String::new();
    out.clear();
    next_string(random, 7, ' ', &mut part);
    out.push_str(&part);
    out.push('@');
    next_string(random, 5, ' ', &mut part);
    out.push_str(&part);
    out.push_str(".com");
}

pub fn next_credit_card(random: &mut SplittableRandom, out: &mut String) {
    out.clear();
    for i in 0..4 {
        let group = random.next_below(10_000);
        let blank = if i > 0 { " " } else { "" };
        out.push_str(&format!("{blank}{group:04}"));
    }
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

fn base_url(random: &mut SplittableRandom) -> String {
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
fn letters(random: &mut SplittableRandom, length: usize) -> String {
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

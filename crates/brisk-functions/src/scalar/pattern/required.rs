//! The text that every match of a regular expression has in it: looked for first, since that is quicker than to match.
//!
//! Where what stands before it in a match is of limited length, a match cannot begin much before its first place, and
//! the search need not either.

use memchr::memmem::Finder;
use regex_syntax::hir::{Hir, HirKind};

#[derive(Debug)]
pub(super) struct Required {
    text: Finder<'static>,
    /// How many bytes of a match stand before it at most, if that is limited, and at least.
    before: Option<usize>,
    least: usize,
}

/// A match may begin in so many places for each place of the text, or it is searched for.
const FEW_STARTS: usize = 4;
/// A shorter text is in most texts that are searched.
const MIN_LENGTH: usize = 2;

impl Required {
    /// The longest such text, if the pattern has one.
    pub fn of(pattern: &str) -> Option<Self> {
        let hir = regex_syntax::parse(pattern).ok()?;
        let mut found = Search { longest: Vec::new(), before: None, least: 0 };
        found.visit(&hir, Some(0), 0);
        let text = || Finder::new(&found.longest).into_owned();
        (found.longest.len() >= MIN_LENGTH).then(|| Self { text: text(), before: found.before, least: found.least })
    }

    /// Where the first match can begin at the earliest; `None` if there can be none.
    pub fn start(&self, text: &str) -> Option<usize> {
        let place = self.text.find(text.as_bytes())?;
        Some(self.before.map_or(0, |before| text.floor_char_boundary(place.saturating_sub(before))))
    }

    pub fn has_few_starts(&self) -> bool {
        self.before.is_some_and(|before| before - self.least < FEW_STARTS)
    }

    /// Tries the places where a match can begin, in order, until one will do.
    pub fn any_start(&self, text: &str, mut begins: impl FnMut(usize) -> bool) -> bool {
        let before = self.before.unwrap_or(text.len());
        let (mut from, mut untried) = (0, 0);
        while let Some(found) = self.text.find(&text.as_bytes()[from..]) {
            let place = from + found;
            from = place + 1;
            let Some(last) = place.checked_sub(self.least) else { continue };
            for start in untried.max(place.saturating_sub(before))..=last {
                if text.is_char_boundary(start) && begins(start) {
                    return true;
                }
            }
            untried = last + 1;
        }
        false
    }
}

struct Search {
    longest: Vec<u8>,
    before: Option<usize>,
    least: usize,
}

impl Search {
    /// `before` and `least`: how many bytes of a match stand before what is visited, which is in every match.
    fn visit(&mut self, hir: &Hir, mut before: Option<usize>, mut least: usize) {
        match hir.kind() {
            HirKind::Literal(literal) if literal.0.len() > self.longest.len() => {
                self.longest = literal.0.to_vec();
                self.before = before;
                self.least = least;
            }
            HirKind::Capture(group) => self.visit(&group.sub, before, least),
            HirKind::Repetition(repeated) if repeated.min > 0 => self.visit(&repeated.sub, before, least),
            HirKind::Concat(parts) => {
                for part in parts {
                    self.visit(part, before, least);
                    before = before.zip(part.properties().maximum_len()).map(|(before, length)| before.saturating_add(length));
                    least = least.saturating_add(part.properties().minimum_len().unwrap_or(0));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: Option<usize>) {
        assert_eq!(Required::of(pattern).expect("a required text").start(text), expected, "{pattern}");
    }

    #[test]
    fn a_search_begins_where_a_match_can() {
        check("(&|^)key=([^&]*)", "a=1&key=2", Some(3));
        check("(&|^)key=([^&]*)", "key=2", Some(0));
        check("(&|^)key=([^&]*)", "a=1&kay=2", None);
        check("[^x]abc", "ääabc", Some(0));
        check("\\d*abc", "xxabc", Some(0));
        check("(?:ab)+c*", "xxabab", Some(2));
    }

    #[test]
    fn what_may_be_missing_is_not_required() {
        for pattern in ["a|bc", "(?:abc)?", "(?i)abc", "[ab]c", "(?:abc)*d", ""] {
            assert!(Required::of(pattern).is_none(), "{pattern}");
        }
    }

    /// Whatever the pattern, searching from there finds the same match as searching from the start.
    #[test]
    fn matches_are_the_same() {
        let patterns = ["(&|^)bb([^&]*)", "a?bb", "b+a", "(ab)+", "[^a]*ab$", "^ab", "(?:a|&){0,2}bb", "\\bab", "ba(?:&&)?"];
        let letters = ['a', 'b', '&', 'ä'];
        for pattern in patterns {
            let regex = regex::Regex::new(pattern).expect("a pattern");
            let Some(required) = Required::of(pattern) else { continue };
            for number in 0..4usize.pow(6) {
                let text: String = (0..6).map(|i| letters[number / 4usize.pow(i) % 4]).collect();
                let found = required.start(&text).and_then(|start| regex.find_at(&text, start));
                assert_eq!(found.map(|m| m.range()), regex.find(&text).map(|m| m.range()), "{pattern} in {text}");
                let mut first = None;
                let anchored = |start: usize| regex.find_at(&text, start).filter(|m| m.start() == start).map(|m| m.range());
                required.any_start(&text, |start| {
                    first = anchored(start);
                    first.is_some()
                });
                assert_eq!(first, regex.find(&text).map(|m| m.range()), "{pattern} in {text}, tried");
            }
        }
    }
}

//! Java's regular expressions on `regex-automata` (the engines of the `regex` crate), or where they look around or back, on
//! `fancy-regex`.
//!
//! What is translated: `\d`, `\w`, `\s` and their opposites know ASCII only, `\Q..\E` quotes, `\h` is a horizontal
//! blank. Compiled patterns are kept per thread, a few hundred at most.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;

use brisk_core::{Error, Result};
use hashbrown::HashMap;
use regex_automata::meta::{Cache, Regex};
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input};

use super::required::Required;
use super::steps::Steps;

/// A compiled pattern.
pub enum Pattern {
    Plain(Box<Plain>),
    Fancy(Box<fancy_regex::Regex>),
}

pub struct Plain {
    regex: Regex,
    /// What every match has in it.
    required: Option<Required>,
    /// How a match goes from its beginning, where that begins in a few places and leaves no choice.
    steps: Option<Steps>,
    groups: usize,
    /// What a search for groups works with.
    scratch: RefCell<(Cache, Captures)>,
}

/// So many patterns are kept; then all are forgotten.
const MAX_CACHED: usize = 256;

type Compiled = HashMap<String, Option<Rc<Pattern>>, foldhash::fast::RandomState>;

thread_local! {
    static CACHE: RefCell<Compiled> = RefCell::new(HashMap::default());
}

/// The compiled pattern; an error where Java would not take it.
pub fn compile(pattern: &str) -> Result<Rc<Pattern>> {
    try_compile(pattern).ok_or_else(|| Error::compute(format!("'{pattern}' is no regular expression")))
}

/// As [`compile`], `None` for what is no pattern.
pub fn try_compile(pattern: &str) -> Option<Rc<Pattern>> {
    CACHE.with_borrow_mut(|cache| {
        if let Some(known) = cache.get(pattern) {
            return known.clone();
        }
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        let compiled = build(pattern).map(Rc::new);
        cache.insert(pattern.to_string(), compiled.clone());
        compiled
    })
}

fn build(pattern: &str) -> Option<Pattern> {
    let translated = translate(pattern);
    if let Ok(regex) = Regex::new(&translated) {
        let scratch = RefCell::new((regex.create_cache(), regex.create_captures()));
        let required = Required::of(&translated);
        let steps = required.as_ref().filter(|r| r.has_few_starts()).and_then(|_| Steps::of(&translated));
        return Some(Pattern::Plain(Box::new(Plain { required, steps, groups: regex.captures_len() - 1, scratch, regex })));
    }
    fancy_regex::Regex::new(&translated).ok().map(|r| Pattern::Fancy(Box::new(r)))
}

impl Plain {
    /// Where the first match can begin at the earliest; `None` if there is none.
    fn start(&self, text: &str) -> Option<usize> {
        match &self.required {
            Some(required) => required.start(text),
            None => Some(0),
        }
    }

    fn find(&self, text: &str) -> Option<(usize, usize)> {
        if self.steps.is_some() {
            return self.first_group(text, 0);
        }
        self.regex.search(&Input::new(text).range(self.start(text)?..)).map(|m| (m.start(), m.end()))
    }

    /// Where a group is in the first match. Where a match can begin in a few places only, it is tried there and nowhere
    /// else: that needs no search, and the quickest of the engines will do.
    fn first_group(&self, text: &str, group: usize) -> Option<(usize, usize)> {
        if let (Some(steps), Some(required)) = (&self.steps, &self.required) {
            let mut found = None;
            required.any_start(text, |start| {
                found = steps.group_at(text.as_bytes(), start, group);
                found.is_some()
            });
            return found;
        }
        let (cache, found) = &mut *self.scratch.borrow_mut();
        let is_match = match &self.required {
            Some(required) if required.has_few_starts() => required.any_start(text, |start| {
                let input = Input::new(text).range(start..).anchored(Anchored::Yes);
                self.regex.search_captures_with(cache, &input, found);
                found.is_match()
            }),
            _ => {
                let input = Input::new(text).range(self.start(text)?..);
                self.regex.search_captures_with(cache, &input, found);
                found.is_match()
            }
        };
        if !is_match {
            return None;
        }
        found.get_group(group).map(|span| (span.start, span.end))
    }
}

impl Pattern {
    pub fn is_match(&self, text: &str) -> bool {
        match self {
            Pattern::Plain(p) => p.start(text).is_some_and(|start| p.regex.is_match(Input::new(text).range(start..))),
            Pattern::Fancy(r) => r.is_match(text).unwrap_or(false),
        }
    }

    /// The bytes of the first match.
    pub fn find(&self, text: &str) -> Option<(usize, usize)> {
        match self {
            Pattern::Plain(p) => p.find(text),
            Pattern::Fancy(r) => r.find(text).ok().flatten().map(|m| (m.start(), m.end())),
        }
    }

    /// What a group (0 is the whole) took of the first match, if it took part.
    pub fn first_group<'t>(&self, text: &'t str, group: usize) -> Option<&'t str> {
        let (from, to) = match self {
            _ if group == 0 => self.find(text)?,
            Pattern::Plain(p) => p.first_group(text, group)?,
            Pattern::Fancy(r) => {
                let found = r.captures(text).ok().flatten()?;
                let part = found.get(group)?;
                (part.start(), part.end())
            }
        };
        Some(&text[from..to])
    }

    /// The number of groups, the whole match not counted.
    pub fn groups(&self) -> usize {
        match self {
            Pattern::Plain(p) => p.groups,
            Pattern::Fancy(r) => r.captures_len() - 1,
        }
    }

    /// Calls `f` with the matches in order: what a group (0 is the whole) took, if it took part.
    pub fn each_group<'t>(&self, text: &'t str, group: usize, mut f: impl FnMut(Option<&'t str>) -> bool) {
        if group == 0 {
            return self.each_match(text, |from, to| f(Some(&text[from..to])));
        }
        let mut next = Some(0);
        while let Some(at) = next {
            let (whole, part) = match self {
                Pattern::Plain(p) => {
                    let (cache, found) = &mut *p.scratch.borrow_mut();
                    p.regex.search_captures_with(cache, &Input::new(text).range(at..), found);
                    let Some(whole) = found.get_match() else { return };
                    ((whole.start(), whole.end()), found.get_group(group).map(|span| &text[span.range()]))
                }
                Pattern::Fancy(r) => match r.captures_from_pos(text, at) {
                    Ok(Some(found)) => (found.get(0).map_or((at, at), |m| (m.start(), m.end())), found.get(group).map(|m| m.as_str())),
                    _ => return,
                },
            };
            if !f(part) {
                return;
            }
            next = behind(text, whole.0, whole.1);
        }
    }

    /// Calls `f` with where each match begins and ends, in order, until it says no. As Java has it a match of nothing
    /// may stand right behind another match, where `find_iter` of the crates leaves it out.
    fn each_match(&self, text: &str, mut f: impl FnMut(usize, usize) -> bool) {
        let mut next = Some(0);
        while let Some(at) = next {
            let found = match self {
                Pattern::Plain(p) => p.regex.search(&Input::new(text).range(at..)).map(|m| (m.start(), m.end())),
                Pattern::Fancy(r) => r.find_from_pos(text, at).ok().flatten().map(|m| (m.start(), m.end())),
            };
            let Some((from, to)) = found else { return };
            if !f(from, to) {
                return;
            }
            next = behind(text, from, to);
        }
    }

    /// Replaces every match by `new`, taken as it is.
    pub fn replace_all(&self, text: &str, new: &str, out: &mut String) {
        let mut last = 0;
        let mut put = |from: usize, to: usize| {
            out.push_str(&text[last..from]);
            out.push_str(new);
            last = to;
        };
        self.each_match(text, |from, to| {
            put(from, to);
            true
        });
        out.push_str(&text[last..]);
    }

    /// The parts between matches, as Java's split: empty ones at the end are left out.
    pub fn split<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let mut parts = Vec::new();
        let mut last = 0;
        let mut cut = |from: usize, to: usize| {
            // A match of nothing at the very start gives no part.
            if to > 0 && (from < text.len() || to > from) {
                parts.push(&text[last..from]);
                last = to;
            }
        };
        match self {
            Pattern::Plain(p) => p.regex.find_iter(text).for_each(|m| cut(m.start(), m.end())),
            Pattern::Fancy(r) => r.find_iter(text).map_while(|m| m.ok()).for_each(|m| cut(m.start(), m.end())),
        }
        parts.push(&text[last..]);
        while parts.len() > 1 && parts.last().is_some_and(|p| p.is_empty()) {
            parts.pop();
        }
        parts
    }
}

/// Where the search goes on behind a match: one character on where it was of nothing, so that it ends.
fn behind(text: &str, from: usize, to: usize) -> Option<usize> {
    if to > from {
        return Some(to);
    }
    text[to..].chars().next().map(|c| to + c.len_utf8())
}

/// Java's syntax where it differs.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut depth_of_class = 0;
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('Q') => quote(&mut chars, &mut out),
                Some(escaped) => escape(escaped, depth_of_class > 0, &mut out),
                None => out.push('\\'),
            },
            '[' => {
                depth_of_class += 1;
                out.push('[');
                // A bracket right behind the opening one is a character.
                if chars.peek() == Some(&'^') {
                    out.push('^');
                    chars.next();
                }
                if chars.peek() == Some(&']') {
                    out.push_str("\\]");
                    chars.next();
                }
            }
            ']' if depth_of_class > 0 => {
                depth_of_class -= 1;
                out.push(']');
            }
            _ => out.push(c),
        }
    }
    out
}

/// What a backslash and a letter mean.
fn escape(c: char, in_class: bool, out: &mut String) {
    let set = match c {
        'd' | 'D' => "0-9",
        'w' | 'W' => "a-zA-Z0-9_",
        's' | 'S' => " \\t\\n\\x0B\\f\\r",
        'h' | 'H' => " \\t\\x{A0}\\x{1680}\\x{180e}\\x{2000}-\\x{200a}\\x{202f}\\x{205f}\\x{3000}",
        'b' if !in_class => return out.push_str("(?-u:\\b)"),
        'Z' => return out.push_str("(?:\\n?\\z)"),
        'R' => return out.push_str("(?:\\r\\n|[\\n\\x0B\\f\\r\\x{85}\\x{2028}\\x{2029}])"),
        'e' => return out.push_str("\\x1B"),
        // Letters that mean nothing to Java are errors there and here; everything else keeps its backslash.
        _ => {
            out.push('\\');
            out.push(c);
            return;
        }
    };
    let _ = match (c.is_uppercase(), in_class) {
        (true, _) => write!(out, "[^{set}]"),
        (false, true) => write!(out, "{set}"),
        (false, false) => write!(out, "[{set}]"),
    };
}

/// Everything up to `\E`, as it is.
fn quote(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    while let Some(c) = chars.next() {
        if c == '\\' && chars.peek() == Some(&'E') {
            chars.next();
            return;
        }
        out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expected: Option<(usize, usize)>) {
        assert_eq!(compile(pattern).unwrap().find(text), expected, "{pattern}");
    }

    #[test]
    fn java_syntax_is_translated() {
        check("\\d+", "x٣12", Some((3, 5)));
        check("[\\d.]+", "a1.2", Some((1, 4)));
        check("[^\\s]", " b", Some((1, 2)));
        check("\\Qa.b\\E+", "axb a.bb", Some((4, 8)));
        check("(?<=a)b", "ab", Some((1, 2)));
        check("(a)\\1", "baa", Some((1, 3)));
        check("a++b", "aab", Some((0, 3)));
        check("\\/", "a/b", Some((1, 2)));
        assert!(try_compile("(").is_none());
    }

    #[test]
    fn splitting_drops_empty_ends() {
        assert_eq!(compile(",").unwrap().split("a,,b,,"), ["a", "", "b"]);
        assert_eq!(compile("").unwrap().split("abc"), ["a", "b", "c"]);
    }
}

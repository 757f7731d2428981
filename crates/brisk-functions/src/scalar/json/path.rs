//! The path language of JSON_EXISTS, JSON_VALUE and JSON_QUERY: `[lax|strict] $.a['b'][0][1:3][*]..c[?(@.d > 1)]`, as
//! Jayway's JsonPath (which Flink uses) understands it.
//!
//! A path of single names and positions is *definite*: it finds one value, and not finding one is an error in strict
//! mode. Any other path finds a list, which may be empty. Without a mode a path is strict.

mod compile;
mod filter;

use std::borrow::Cow;

use super::tree::Json;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    pub is_lax: bool,
    /// `Err`: it is no path, which both modes take for an error of the evaluation.
    steps: Result<Vec<Step>, String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// `.a`, `['a']`.
    Name(String),
    /// `['a', 'b']`.
    Names(Vec<String>),
    /// `[0]`, `[-1]`: from the end if negative.
    Index(i64),
    /// `[0, 2]`.
    Indexes(Vec<i64>),
    /// `[1:3]`, `[:2]`, `[-2:]`.
    Slice(Option<i64>, Option<i64>),
    /// `.*`, `[*]`.
    Wildcard,
    /// `..`: here and everywhere below.
    Descend,
    /// `[?(..)]`.
    Filter(filter::Condition),
    /// `.length()`, `.size()`.
    Length,
}

/// What a path finds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Found<'j, 'a> {
    /// A definite path found it; JSON's null counts as nothing in all functions.
    One(Cow<'j, Json<'a>>),
    Many(Vec<Cow<'j, Json<'a>>>),
    /// Lax: there is nothing.
    Nothing,
}

impl Path {
    pub fn compile(text: &str) -> Self {
        let (is_lax, rest) = mode(text);
        Path { is_lax, steps: compile::steps(rest) }
    }

    /// Evaluates the path over a document; an error is what ON ERROR is for.
    pub fn find<'j, 'a>(&self, document: &'j Json<'a>) -> Result<Found<'j, 'a>, String> {
        let steps = self.steps.as_ref().map_err(Clone::clone)?;
        if *document == Json::Null {
            return Err("json object can not be null".into());
        }
        let mut found = Vec::new();
        let is_definite = is_definite(steps);
        let outcome = walk(steps, Cow::Borrowed(document), document, true, &mut found);
        match (outcome, is_definite) {
            (Err(e), _) if !self.is_lax => Err(e),
            (_, false) => Ok(Found::Many(found)),
            (_, true) => match found.into_iter().next() {
                Some(one) => Ok(Found::One(one)),
                None if self.is_lax => Ok(Found::Nothing),
                None => Err("No results for path".into()),
            },
        }
    }
}

/// The mode in front of a path, and the path behind it.
fn mode(text: &str) -> (bool, &str) {
    let trimmed = text.trim_start();
    for (word, is_lax) in [("lax", true), ("strict", false)] {
        let Some(head) = trimmed.get(..word.len()) else { continue };
        let rest = &trimmed[word.len()..];
        if head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace) {
            return (is_lax, rest.trim_start());
        }
    }
    (false, text)
}

fn is_definite(steps: &[Step]) -> bool {
    steps.iter().enumerate().all(|(i, step)| match step {
        Step::Name(_) | Step::Index(_) | Step::Length => true,
        Step::Names(_) => i + 1 == steps.len(),
        _ => false,
    })
}

/// Follows `steps` from `at`. `definite`: nothing before them could find several values, so a miss is an error.
fn walk<'j, 'a>(steps: &[Step], at: Cow<'j, Json<'a>>, root: &Json<'a>, definite: bool, found: &mut Vec<Cow<'j, Json<'a>>>) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else {
        found.push(at);
        return Ok(());
    };
    let miss = |what: &str| if definite { Err(format!("{what} in the path")) } else { Ok(()) };
    match step {
        Step::Length => {
            let length = match at.as_ref() {
                Json::Array(items) => items.len(),
                Json::Object(entries) => entries.len(),
                Json::Text(text) => text.chars().count(),
                _ => return miss("no length"),
            };
            walk(rest, Cow::Owned(Json::Number(Cow::Owned(length.to_string()))), root, definite, found)
        }
        Step::Name(name) => match (at.as_ref(), child(&at, |json| json.get(name))) {
            (Json::Object(_), Some(value)) => walk(rest, value, root, definite, found),
            // The last name of a path may be missing without an error of its own.
            (Json::Object(_), None) if rest.is_empty() => Ok(()),
            (Json::Object(_), None) => miss("a missing property"),
            _ => miss("no object"),
        },
        Step::Names(names) => {
            let Json::Object(_) = at.as_ref() else { return miss("no object") };
            if rest.is_empty() {
                let entries = names.iter().filter_map(|n| at.get(n).map(|v| (Cow::Owned(n.clone()), v.clone()))).collect();
                found.push(Cow::Owned(Json::Object(entries)));
                return Ok(());
            }
            for value in names.iter().filter_map(|n| child(&at, |json| json.get(n))) {
                walk(rest, value, root, false, found)?;
            }
            Ok(())
        }
        Step::Index(_) | Step::Indexes(_) | Step::Slice(..) => {
            let Json::Array(items) = at.as_ref() else { return miss("no array") };
            let single = matches!(step, Step::Index(_));
            for index in positions(step, items.len()) {
                if let Some(item) = child(&at, |json| items_of(json).get(index)) {
                    walk(rest, item, root, definite && single, found)?;
                }
            }
            Ok(())
        }
        Step::Wildcard => {
            for index in 0..children(&at) {
                if let Some(value) = child(&at, |json| nth(json, index)) {
                    walk(rest, value, root, false, found)?;
                }
            }
            Ok(())
        }
        Step::Descend => {
            walk(rest, at.clone(), root, false, found)?;
            for index in 0..children(&at) {
                if let Some(value) = child(&at, |json| nth(json, index)) {
                    walk(steps, value, root, false, found)?;
                }
            }
            Ok(())
        }
        Step::Filter(condition) => match at.as_ref() {
            Json::Array(items) => {
                for index in 0..items.len() {
                    if let Some(item) = child(&at, |json| items_of(json).get(index)).filter(|i| condition.holds(i, root)) {
                        walk(rest, item, root, false, found)?;
                    }
                }
                Ok(())
            }
            Json::Object(_) if condition.holds(&at, root) => walk(rest, at, root, false, found),
            Json::Object(_) => Ok(()),
            _ => miss("a filter on a scalar"),
        },
    }
}

/// A part of a value: borrowed from the document where the value is.
fn child<'j, 'a>(at: &Cow<'j, Json<'a>>, part: impl for<'x> Fn(&'x Json<'a>) -> Option<&'x Json<'a>>) -> Option<Cow<'j, Json<'a>>> {
    match at {
        Cow::Borrowed(json) => part(json).map(Cow::Borrowed),
        Cow::Owned(json) => part(json).cloned().map(Cow::Owned),
    }
}

fn items_of<'x, 'a>(json: &'x Json<'a>) -> &'x [Json<'a>] {
    match json {
        Json::Array(items) => items,
        _ => &[],
    }
}

fn children(json: &Json<'_>) -> usize {
    match json {
        Json::Array(items) => items.len(),
        Json::Object(entries) => entries.len(),
        _ => 0,
    }
}

fn nth<'x, 'a>(json: &'x Json<'a>, index: usize) -> Option<&'x Json<'a>> {
    match json {
        Json::Array(items) => items.get(index),
        Json::Object(entries) => entries.get(index).map(|(_, v)| v),
        _ => None,
    }
}

/// The positions of an array of `length` that a step names, in order.
fn positions(step: &Step, length: usize) -> Vec<usize> {
    let length = length as i64;
    let from_end = |i: i64| if i < 0 { i + length } else { i };
    let valid = |i: &i64| (0..length).contains(i);
    let found: Vec<i64> = match step {
        Step::Index(index) => vec![from_end(*index)],
        Step::Indexes(indexes) => indexes.iter().map(|i| from_end(*i)).collect(),
        Step::Slice(from, to) => {
            let from = from.map_or(0, from_end).max(0);
            (from..to.map_or(length, from_end).min(length)).collect()
        }
        _ => Vec::new(),
    };
    found.into_iter().filter(valid).map(|i| i as usize).collect()
}

#[cfg(test)]
mod tests;

//! Patterns that are matched without a choice: texts, classes of characters and groups in a row, where what a repetition
//! takes cannot be what follows it wants. `&id=([^&]*)` and `(\d+)-(\d+)` are such patterns, `a*ab` is none.
//!
//! From one start there is one way to match these, found by going along the text once and without an automaton.

use regex_syntax::hir::{Class, Hir, HirKind, Look, Repetition};

#[derive(Debug)]
pub(super) struct Steps(Vec<Step>);

#[derive(Debug)]
enum Step {
    Text(Box<[u8]>),
    /// As many bytes of a class as there are.
    Run {
        bytes: Box<[bool; 256]>,
        least: usize,
        most: usize,
    },
    Begin,
    End,
    /// The text, or nothing at the beginning: `(&|^)`.
    TextOrBegin(Box<[u8]>),
    Open(usize),
    Close(usize),
}

impl Steps {
    /// The steps of a pattern in the syntax of `regex_syntax`; `None` if it is not of this kind.
    pub fn of(pattern: &str) -> Option<Self> {
        let mut steps = Vec::new();
        add(&regex_syntax::parse(pattern).ok()?, &mut steps)?;
        let without_choice = steps.iter().enumerate().all(|(place, step)| is_clear(step, &steps[place + 1..]));
        without_choice.then_some(Self(steps))
    }

    /// The bytes of a group (0 is the whole) in the match that begins at `start`, if there is one.
    pub fn group_at(&self, text: &[u8], start: usize, group: usize) -> Option<(usize, usize)> {
        let (mut at, mut from, mut to) = (start, start, start);
        for step in &self.0 {
            match step {
                Step::Text(wanted) if text[at..].starts_with(wanted) => at += wanted.len(),
                Step::Run { bytes, least, most } => {
                    let room = &text[at..at.saturating_add(*most).min(text.len())];
                    let count = room.iter().position(|b| !bytes[*b as usize]).unwrap_or(room.len());
                    if count < *least {
                        return None;
                    }
                    at += count;
                }
                Step::TextOrBegin(wanted) if text[at..].starts_with(wanted) => at += wanted.len(),
                Step::Begin | Step::TextOrBegin(_) if at == 0 => {}
                Step::End if at == text.len() => {}
                Step::Open(number) if *number == group => from = at,
                Step::Close(number) if *number == group => to = at,
                Step::Open(_) | Step::Close(_) => {}
                Step::Text(_) | Step::Begin | Step::End | Step::TextOrBegin(_) => return None,
            }
        }
        Some(if group == 0 { (start, at) } else { (from, to) })
    }
}

/// Adds the steps of a part that is in every match, once.
fn add(hir: &Hir, steps: &mut Vec<Step>) -> Option<()> {
    match hir.kind() {
        HirKind::Empty => {}
        HirKind::Literal(text) => steps.push(Step::Text(text.0.clone())),
        HirKind::Class(class) => steps.push(run(class, 1, Some(1))?),
        HirKind::Look(Look::Start) => steps.push(Step::Begin),
        HirKind::Look(Look::End) => steps.push(Step::End),
        HirKind::Look(_) => return None,
        HirKind::Repetition(Repetition { min, max, greedy: true, sub }) => {
            let HirKind::Class(class) = sub.kind() else { return None };
            steps.push(run(class, *min as usize, max.map(|m| m as usize))?);
        }
        HirKind::Repetition(_) => return None,
        HirKind::Capture(group) => {
            steps.push(Step::Open(group.index as usize));
            add(&group.sub, steps)?;
            steps.push(Step::Close(group.index as usize));
        }
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| add(part, steps))?,
        HirKind::Alternation(parts) => match [parts.first()?.kind(), parts.last()?.kind()] {
            [HirKind::Literal(text), HirKind::Look(Look::Start)] if parts.len() == 2 => steps.push(Step::TextOrBegin(text.0.clone())),
            _ => return None,
        },
    }
    Some(())
}

/// Only classes that are of bytes: of ASCII, or with all that is not ASCII where the number of characters is no matter.
fn run(class: &Class, least: usize, most: Option<usize>) -> Option<Step> {
    let Class::Unicode(class) = class else { return None };
    let mut bytes = Box::new([false; 256]);
    let mut has_others = false;
    for range in class.ranges() {
        let (from, to) = (range.start() as usize, range.end() as usize);
        if to > 0x7f {
            if from > 0x80 || to != char::MAX as usize {
                return None;
            }
            has_others = true;
            bytes[0x80..].fill(true);
        }
        bytes[from.min(0x80)..(to + 1).min(0x80)].fill(true);
    }
    if has_others && (least > 1 || most.is_some()) {
        return None;
    }
    Some(Step::Run { bytes, least, most: most.unwrap_or(usize::MAX) })
}

/// Whether a step leaves nothing to choose, given those behind it.
fn is_clear(step: &Step, behind: &[Step]) -> bool {
    let next = behind.iter().find(|s| !matches!(s, Step::Open(_) | Step::Close(_)));
    let begins_with = |wanted: &dyn Fn(u8) -> bool| match next {
        Some(Step::Text(text)) => wanted(text[0]),
        Some(Step::Run { bytes, least: 1.., .. }) => (0..=255u8).any(|b| bytes[b as usize] && wanted(b)),
        _ => true,
    };
    match step {
        Step::Run { least, most, .. } if least == most => true,
        Step::Run { bytes, .. } => matches!(next, None | Some(Step::End)) || !begins_with(&|b| bytes[b as usize]),
        Step::TextOrBegin(text) => !begins_with(&|b| b == text[0]),
        Step::Text(_) | Step::Begin | Step::End | Step::Open(_) | Step::Close(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_with_a_choice_are_left_alone() {
        for pattern in ["(&|^)channel_id=([^&]*)", "id=([0-9]+)", "([0-9]+)-([a-z]{2,3})!", "^/api/([^/]+)/x$", "[ab]c", "[ab]{3}"] {
            assert!(Steps::of(pattern).is_some(), "{pattern}");
        }
        for pattern in ["a*ab", "[a-c]+b", "ab|cd", "(?:ab)+", "[^&]{2}", "a+?", "(^|&)a", "(&|^)[&a]", "[0-9]*[a-z]*x", "\\b", "[à-é]+"] {
            assert!(Steps::of(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn they_match_as_the_automata_do() {
        let patterns = ["(&|^)ab=([^&]*)", "([0-9]+)-([ab]+)", "([0-9]{1,2})=a", "^a([^b]*)b", "b=([0-9]*)$", "a[0-9]?b", "(a)(&)[^a]+", "([^&]+)&"];
        let pieces = ["a", "b", "=", "&", "1", "2", "-", "ä", "€", "ab=", "\n"];
        let mut seed = 7u64;
        for round in 0..20_000 {
            let pattern = patterns[round % patterns.len()];
            let mut text = String::new();
            for _ in 0..round % 9 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            }
            let steps = Steps::of(pattern).unwrap();
            let regex = regex_automata::meta::Regex::new(pattern).unwrap();
            let mut found = regex.create_captures();
            regex.captures(&text, &mut found);
            let starts = || (0..=text.len()).filter(|s| text.is_char_boundary(*s));
            for group in 0..regex.captures_len() {
                let by_steps = starts().find_map(|start| steps.group_at(text.as_bytes(), start, group));
                let expected = found.get_group(group).map(|span| (span.start, span.end));
                assert_eq!(by_steps, expected, "{pattern} of {text:?}, group {group}");
            }
        }
    }
}

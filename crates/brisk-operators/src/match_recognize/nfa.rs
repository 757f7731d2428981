//! The automaton of a row pattern, and how partial matches move along it.
//!
//! A state has edges: *take* consumes the row if it satisfies a variable's condition, *proceed* goes to another state
//! without consuming. A greedy loop may be left only by a row that the loop itself does not take; that is Flink's
//! notion of greed, and there is no backtracking: all ways through the pattern are followed side by side.
//!
//! The rows of a match are consecutive, so a partial match is its first row and a variable for each row since.

use super::{AfterMatch, Pattern};

pub(super) type StateId = u16;

const FINAL: StateId = 0;

pub(super) struct Nfa {
    states: Vec<Vec<Edge>>,
    start: StateId,
    /// For each state the variables whose conditions a step from it may ask for.
    asked: Vec<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Edge {
    Take {
        variable: u8,
        target: StateId,
    },
    /// Only when none of the variables `unless` takes the row.
    Proceed {
        target: StateId,
        unless: Vec<u8>,
    },
}

/// A match, whole or in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Partial {
    pub state: StateId,
    /// The number of its first row in the partition.
    pub start: u64,
    /// The time of its first row.
    pub time: i64,
    /// The variable of each row from the first.
    pub variables: Vec<u8>,
}

/// What is going on in one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Matching {
    /// In the order of their first rows.
    pub partial: Vec<Partial>,
    /// Whole matches that wait because an earlier one may still come.
    pub complete: Vec<Partial>,
}

/// Where steps lead, and room to work in.
#[derive(Debug, Default)]
pub(super) struct Moves {
    pub next: Vec<Partial>,
    pub complete: Vec<Partial>,
    open: Vec<StateId>,
    seen: Vec<StateId>,
    ends: Vec<StateId>,
}

impl Nfa {
    pub fn new(pattern: &Pattern) -> Self {
        let mut nfa = Self { states: vec![Vec::new()], start: FINAL, asked: Vec::new() };
        nfa.start = nfa.compile(pattern, FINAL);
        nfa.asked = (0..nfa.states.len()).map(|s| nfa.variables_from(s as StateId)).collect();
        nfa
    }

    pub fn start(&self) -> StateId {
        self.start
    }

    pub fn states(&self) -> usize {
        self.states.len()
    }

    /// The variables whose conditions [`Nfa::step`] may ask for in `state`.
    pub fn asked(&self, state: StateId) -> &[u8] {
        &self.asked[state as usize]
    }

    /// Moves `partial` over a row; `None` is a match that would begin with it. `holds` says whether the row satisfies
    /// a variable's condition in this partial match.
    pub fn step(&self, partial: Option<&Partial>, row: u64, time: i64, holds: impl Fn(u8) -> bool, moves: &mut Moves) {
        let Moves { next, complete, open, seen, ends } = moves;
        open.push(partial.map_or(self.start, |p| p.state));
        seen.clear();
        while let Some(state) = open.pop() {
            if seen.contains(&state) {
                continue;
            }
            seen.push(state);
            for edge in &self.states[state as usize] {
                match edge {
                    Edge::Take { variable, target } if holds(*variable) => {
                        let taken = extended(partial, *variable, *target, row, time);
                        if self.reaches_end(*target, &holds, ends) {
                            complete.push(taken.clone());
                        }
                        if *target != FINAL {
                            next.push(taken);
                        }
                    }
                    Edge::Take { .. } => {}
                    Edge::Proceed { target, unless } => {
                        if !unless.iter().any(|v| holds(*v)) {
                            open.push(*target);
                        }
                    }
                }
            }
        }
    }

    /// Whether the match is whole in `state`, going on without a further row.
    fn reaches_end(&self, state: StateId, holds: &impl Fn(u8) -> bool, seen: &mut Vec<StateId>) -> bool {
        seen.clear();
        seen.push(state);
        // `seen` grows while it is gone through.
        let mut at = 0;
        while at < seen.len() {
            if seen[at] == FINAL {
                return true;
            }
            for edge in &self.states[seen[at] as usize] {
                if let Edge::Proceed { target, unless } = edge
                    && !seen.contains(target)
                    && !unless.iter().any(|v| holds(*v))
                {
                    seen.push(*target);
                }
            }
            at += 1;
        }
        false
    }

    /// Makes the states of `pattern` before `next`; gives the first.
    fn compile(&mut self, pattern: &Pattern, next: StateId) -> StateId {
        match pattern {
            Pattern::Variable(v) => self.state(vec![Edge::Take { variable: *v as u8, target: next }]),
            Pattern::Sequence(parts) => parts.iter().rev().fold(next, |next, p| self.compile(p, next)),
            Pattern::Alternation(parts) => {
                // The edge that was added last is followed first.
                let edges = parts.iter().rev().map(|p| always(self.compile(p, next))).collect();
                self.state(edges)
            }
            Pattern::Exclude(inner) => self.compile(inner, next),
            Pattern::Permute(parts) => {
                let orders = permutations(parts).into_iter().map(Pattern::Sequence).collect();
                self.compile(&Pattern::Alternation(orders), next)
            }
            Pattern::Repeat { pattern, min, max, greedy } => self.compile_repeat(pattern, *min, *max, *greedy, next),
        }
    }

    fn compile_repeat(&mut self, pattern: &Pattern, min: u32, max: Option<u32>, greedy: bool, next: StateId) -> StateId {
        // Flink: greed has no meaning for `?` and for an exact count.
        let unless = if greedy && (min, max) != (0, Some(1)) { first_variables(pattern) } else { Vec::new() };
        let mut entry = next;
        match max {
            None => {
                entry = self.state(vec![Edge::Proceed { target: next, unless }]);
                let body = self.compile(pattern, entry);
                self.enter(entry, body);
            }
            Some(max) => {
                for _ in min..max {
                    let body = self.compile(pattern, entry);
                    entry = self.state(vec![Edge::Proceed { target: next, unless: unless.clone() }]);
                    self.enter(entry, body);
                }
            }
        }
        (0..min).fold(entry, |next, _| self.compile(pattern, next))
    }

    /// Lets `state` go into `body` as well; a body of one variable becomes part of the state.
    fn enter(&mut self, state: StateId, body: StateId) {
        let edges = match self.states[body as usize].as_slice() {
            [take @ Edge::Take { .. }] => vec![take.clone()],
            _ => vec![always(body)],
        };
        self.states[state as usize].extend(edges);
    }

    fn state(&mut self, edges: Vec<Edge>) -> StateId {
        self.states.push(edges);
        (self.states.len() - 1) as StateId
    }

    fn variables_from(&self, state: StateId) -> Vec<u8> {
        let mut variables = Vec::new();
        let mut open = vec![state];
        let mut seen = vec![];
        while let Some(state) = open.pop() {
            if seen.contains(&state) {
                continue;
            }
            seen.push(state);
            for edge in &self.states[state as usize] {
                match edge {
                    Edge::Take { variable, target } => {
                        variables.push(*variable);
                        // Whether the match is whole after the row may hang on a loop's condition for the same row.
                        variables.extend(self.proceeds(*target));
                    }
                    Edge::Proceed { target, unless } => {
                        variables.extend(unless);
                        open.push(*target);
                    }
                }
            }
        }
        variables.sort_unstable();
        variables.dedup();
        variables
    }

    fn proceeds(&self, state: StateId) -> Vec<u8> {
        let mut variables = Vec::new();
        let mut open = vec![state];
        let mut seen = vec![];
        while let Some(state) = open.pop() {
            if seen.contains(&state) {
                continue;
            }
            seen.push(state);
            for edge in &self.states[state as usize] {
                if let Edge::Proceed { target, unless } = edge {
                    variables.extend(unless);
                    open.push(*target);
                }
            }
        }
        variables
    }
}

impl Matching {
    pub fn is_empty(&self) -> bool {
        self.partial.is_empty() && self.complete.is_empty()
    }

    /// Goes on to where steps led; leaves their lists empty.
    pub fn take(&mut self, moves: &mut Moves) {
        self.complete.append(&mut moves.complete);
        std::mem::swap(&mut self.partial, &mut moves.next);
        moves.next.clear();
    }

    /// The first row that is still needed.
    pub fn first_row(&self) -> Option<u64> {
        self.partial.iter().chain(&self.complete).map(|p| p.start).min()
    }

    /// Gives up partial matches that began at or before `time - within`.
    pub fn expire(&mut self, time: i64, within_ms: Option<i64>) {
        if let Some(within) = within_ms {
            self.partial.retain(|p| time.saturating_sub(p.time) < within);
        }
    }

    /// Takes out the matches that no earlier partial match can forestall, and with each what AFTER MATCH skips.
    pub fn release(&mut self, skip: AfterMatch, found: &mut Vec<Partial>) -> Result<(), SkipError> {
        self.complete.sort_by_key(|m| m.start);
        while let Some(first) = self.complete.first() {
            if self.partial.first().is_some_and(|p| p.start < first.start) {
                break;
            }
            let whole = self.complete.remove(0);
            let from = whole.next_start(skip)?;
            self.partial.retain(|p| p.start >= from);
            self.complete.retain(|p| p.start >= from);
            found.push(whole);
        }
        Ok(())
    }
}

/// AFTER MATCH SKIP names a variable without rows, or the first row of the match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SkipError {
    NoRow(usize),
    FirstRow,
}

impl Partial {
    /// The first row at which another match may begin.
    fn next_start(&self, skip: AfterMatch) -> Result<u64, SkipError> {
        let place = |found: Option<usize>, variable| match found {
            None => Err(SkipError::NoRow(variable)),
            Some(0) => Err(SkipError::FirstRow),
            Some(n) => Ok(self.start + n as u64),
        };
        match skip {
            AfterMatch::PastLastRow => Ok(self.start + self.variables.len() as u64),
            AfterMatch::ToNextRow => Ok(self.start + 1),
            AfterMatch::ToFirst(v) => place(self.variables.iter().position(|x| usize::from(*x) == v), v),
            AfterMatch::ToLast(v) => place(self.variables.iter().rposition(|x| usize::from(*x) == v), v),
        }
    }
}

fn always(target: StateId) -> Edge {
    Edge::Proceed { target, unless: Vec::new() }
}

fn extended(partial: Option<&Partial>, variable: u8, state: StateId, row: u64, time: i64) -> Partial {
    let Some(partial) = partial else { return Partial { state, start: row, time, variables: vec![variable] } };
    let mut variables = Vec::with_capacity(partial.variables.len() + 1);
    variables.extend_from_slice(&partial.variables);
    variables.push(variable);
    Partial { state, variables, ..*partial }
}

/// The variables that a match of `pattern` may begin with.
fn first_variables(pattern: &Pattern) -> Vec<u8> {
    match pattern {
        Pattern::Variable(v) => vec![*v as u8],
        Pattern::Sequence(parts) => {
            let optional = parts.iter().take_while(|p| is_nullable(p)).count();
            parts.iter().take(optional + 1).flat_map(first_variables).collect()
        }
        Pattern::Alternation(parts) | Pattern::Permute(parts) => parts.iter().flat_map(first_variables).collect(),
        Pattern::Repeat { pattern, .. } | Pattern::Exclude(pattern) => first_variables(pattern),
    }
}

/// Whether `pattern` matches no rows.
fn is_nullable(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Variable(_) => false,
        Pattern::Sequence(parts) | Pattern::Permute(parts) => parts.iter().all(is_nullable),
        Pattern::Alternation(parts) => parts.iter().any(is_nullable),
        Pattern::Repeat { pattern, min, .. } => *min == 0 || is_nullable(pattern),
        Pattern::Exclude(inner) => is_nullable(inner),
    }
}

fn permutations(parts: &[Pattern]) -> Vec<Vec<Pattern>> {
    if parts.len() <= 1 {
        return vec![parts.to_vec()];
    }
    let mut all = Vec::new();
    for first in 0..parts.len() {
        let mut rest = parts.to_vec();
        let head = rest.remove(first);
        all.extend(permutations(&rest).into_iter().map(|tail| std::iter::once(head.clone()).chain(tail).collect()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Pattern = Pattern::Variable(0);
    const B: Pattern = Pattern::Variable(1);
    const C: Pattern = Pattern::Variable(2);

    fn repeat(pattern: Pattern, min: u32, max: Option<u32>, greedy: bool) -> Pattern {
        Pattern::Repeat { pattern: Box::new(pattern), min, max, greedy }
    }

    fn sequence(parts: &[Pattern]) -> Pattern {
        Pattern::Sequence(parts.to_vec())
    }

    /// Runs `pattern` over rows, each a word of the variables that it satisfies; a match is shown as its first row and
    /// variables.
    fn check(pattern: Pattern, skip: AfterMatch, rows: &str, expected: &str) {
        let nfa = Nfa::new(&pattern);
        let (mut matching, mut moves) = (Matching::default(), Moves::default());
        let mut found = Vec::new();
        for (row, word) in rows.split(' ').enumerate() {
            let holds = |v: u8| word.contains((b'a' + v) as char);
            for partial in &matching.partial {
                nfa.step(Some(partial), row as u64, 0, holds, &mut moves);
            }
            nfa.step(None, row as u64, 0, holds, &mut moves);
            matching.take(&mut moves);
            matching.release(skip, &mut found).unwrap();
        }
        let shown: Vec<String> = found.iter().map(|m| format!("{}{}", m.start, m.variables.iter().map(|v| (b'a' + v) as char).collect::<String>())).collect();
        assert_eq!(shown.join(" "), expected, "{pattern:?} over {rows}");
    }

    #[test]
    fn greedy_loops_are_left_by_rows_they_do_not_take() {
        let pattern = sequence(&[repeat(A, 1, None, true), B]);
        check(pattern.clone(), AfterMatch::PastLastRow, "a a ab b a b", "0aaab 4ab");
        check(pattern.clone(), AfterMatch::ToNextRow, "a a b", "0aab 1ab");
        check(pattern, AfterMatch::PastLastRow, "a a ab x", "");
        check(sequence(&[repeat(A, 1, None, false), B]), AfterMatch::PastLastRow, "a a ab b", "0aab");
        check(sequence(&[repeat(A, 3, None, true), B]), AfterMatch::PastLastRow, "a a b a a a a b", "3aaaab");
    }

    #[test]
    fn counts_are_kept() {
        check(sequence(&[repeat(A, 2, Some(3), true), B]), AfterMatch::PastLastRow, "a a a a b", "1aaab");
        check(sequence(&[repeat(A, 0, Some(1), true), B]), AfterMatch::PastLastRow, "a b b", "0ab 2b");
        check(sequence(&[repeat(A, 0, None, true), B]), AfterMatch::PastLastRow, "b a a b", "0b 1aab");
        check(repeat(A, 2, Some(2), true), AfterMatch::PastLastRow, "a a a a", "0aa 2aa");
    }

    #[test]
    fn groups_alternatives_and_orders_match() {
        check(sequence(&[repeat(sequence(&[A, B]), 1, None, true), C]), AfterMatch::PastLastRow, "a b a b c", "0ababc");
        check(sequence(&[Pattern::Alternation(vec![A, B]), C]), AfterMatch::PastLastRow, "ab c b c", "0ac 2bc");
        check(Pattern::Permute(vec![A, B, C]), AfterMatch::PastLastRow, "c a b", "0cab");
    }

    #[test]
    fn skips_go_where_they_say() {
        let pattern = sequence(&[A, repeat(B, 1, None, true), C]);
        check(pattern.clone(), AfterMatch::ToFirst(1), "a ab ab c", "0abbc 1abc");
        check(pattern, AfterMatch::ToLast(1), "a ab ab c c", "0abbc");
    }

    #[test]
    fn a_match_waits_for_earlier_ones() {
        let pattern = Pattern::Alternation(vec![sequence(&[A, B, B, B]), sequence(&[B, C])]);
        check(pattern, AfterMatch::PastLastRow, "a b bc b", "0abbb");
    }
}

//! What the shell's editor knows of SQL: where a statement ends, and which word may be meant.

use std::borrow::Cow;

use brisk_functions::{aggregate, scalar};
use brisk_parser::Completeness;
use brisk_sql::session::Session;
use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

/// Words that begin or divide statements.
const KEYWORDS: &[&str] = &[
    "ALTER",
    "AND",
    "ARRAY",
    "AS",
    "ASC",
    "BEGIN",
    "BETWEEN",
    "BIGINT",
    "BOOLEAN",
    "BY",
    "CASE",
    "CAST",
    "CATALOG",
    "CATALOGS",
    "COUNT",
    "CREATE",
    "CROSS",
    "CUMULATE",
    "CURRENT",
    "DATABASE",
    "DATABASES",
    "DATE",
    "DAY",
    "DECIMAL",
    "DEFINE",
    "DESC",
    "DESCRIBE",
    "DESCRIPTOR",
    "DISTINCT",
    "DOUBLE",
    "DROP",
    "ELSE",
    "END",
    "ENFORCED",
    "EXCEPT",
    "EXECUTE",
    "EXISTS",
    "EXPLAIN",
    "FALSE",
    "FETCH",
    "FOLLOWING",
    "FOR",
    "FROM",
    "FULL",
    "FUNCTIONS",
    "GROUP",
    "HAVING",
    "HOP",
    "HOUR",
    "IF",
    "IN",
    "INNER",
    "INSERT",
    "INT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "JOIN",
    "KEY",
    "LATERAL",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MATCH_RECOGNIZE",
    "MEASURES",
    "METADATA",
    "MINUTE",
    "MONTH",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OVER",
    "PARTITION",
    "PATTERN",
    "PRECEDING",
    "PRIMARY",
    "QUIT",
    "RANGE",
    "RESET",
    "RIGHT",
    "ROW",
    "ROWS",
    "SECOND",
    "SELECT",
    "SESSION",
    "SET",
    "SHOW",
    "STATEMENT",
    "STRING",
    "SYSTEM_TIME",
    "TABLE",
    "TABLES",
    "TEMPORARY",
    "THEN",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "TRUE",
    "TUMBLE",
    "UNBOUNDED",
    "UNION",
    "UNNEST",
    "USE",
    "USING",
    "VALUES",
    "VIEW",
    "VIEWS",
    "WATERMARK",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITH",
    "WITHIN",
    "YEAR",
];

pub struct ShellHelper {
    functions: Vec<String>,
    /// Tables, views and their columns.
    names: Vec<String>,
}

impl Default for ShellHelper {
    fn default() -> Self {
        let is_word = |name: &&str| name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let (scalars, aggregates) = (scalar::scalar_functions(), aggregate::aggregate_functions());
        let names = scalars.iter().map(|f| f.name()).chain(aggregates.iter().map(|f| f.name()));
        let mut functions: Vec<String> = names.filter(is_word).map(str::to_string).collect();
        functions.sort();
        functions.dedup();
        Self { functions, names: Vec::new() }
    }
}

impl ShellHelper {
    /// Takes the names that the session knows now.
    pub fn set_names(&mut self, session: &Session) {
        self.names = session.catalog.names(session.catalog.current());
        let columns: Vec<String> = self
            .names
            .iter()
            .filter_map(|name| session.catalog.table(name))
            .flat_map(|t| t.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>())
            .collect();
        self.names.extend(columns);
        self.names.sort();
        self.names.dedup();
    }

    /// Where the word before the cursor begins, and what it may be meant to be.
    fn candidates(&self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        let before = line.get(..cursor).unwrap_or(line);
        let start = before.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let word = &before[start..];
        if word.is_empty() {
            return (start, Vec::new());
        }
        let begins = |name: &&str| name.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
        let small = word.chars().all(|c| !c.is_uppercase());
        let cased = |name: &str| if small { name.to_lowercase() } else { name.to_uppercase() };
        let mut found: Vec<String> = self.names.iter().map(String::as_str).filter(begins).map(str::to_string).collect();
        found.extend(KEYWORDS.iter().copied().filter(begins).map(cased));
        found.extend(self.functions.iter().map(String::as_str).filter(begins).map(cased));
        let mut seen = std::collections::HashSet::new();
        found.retain(|name| seen.insert(name.clone()));
        (start, found)
    }
}

impl Completer for ShellHelper {
    type Candidate = String;

    fn complete(&self, line: &str, cursor: usize, _context: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.candidates(line, cursor))
    }
}

impl Validator for ShellHelper {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        let incomplete = !context.input().trim_start().starts_with('\\') && brisk_parser::completeness(context.input()) == Completeness::Incomplete;
        Ok(if incomplete { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Hinter for ShellHelper {
    type Hint = String;
}

impl Highlighter for ShellHelper {
    fn highlight<'l>(&self, line: &'l str, _cursor: usize) -> Cow<'l, str> {
        Cow::Borrowed(line)
    }
}

impl Helper for ShellHelper {}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, start: usize, expected: &[&str]) {
        let helper = ShellHelper { functions: vec!["sum".into(), "upper".into()], names: vec!["orders".into(), "sUsers".into()] };
        assert_eq!(helper.candidates(line, line.len()), (start, expected.iter().map(|e| e.to_string()).collect()), "{line}");
    }

    #[test]
    fn words_are_completed_in_their_case() {
        check("sele", 0, &["select"]);
        check("SELECT * FROM Or", 14, &["orders", "OR", "ORDER"]);
        check("SELECT su", 7, &["sUsers", "sum"]);
        check("SELECT a.", 9, &[]);
    }
}

//! Statements: which one begins here, and those that neither define nor show anything.

use super::{Parsed, Parser};
use crate::ast::{Explain, ExplainDetail, Insert, ObjectName, PartitionItem, Statement, StatementKind, StopJob};
use crate::token::Tok;

impl Parser<'_> {
    /// A statement without its semicolon.
    pub(super) fn statement(&mut self) -> Parsed<Statement> {
        self.nest(Self::statement_here)
    }

    fn statement_here(&mut self) -> Parsed<Statement> {
        let start = self.span();
        let kind = self.statement_kind()?;
        let span = self.since(start);
        Ok(Statement { kind, span, text: self.text(span).to_string() })
    }

    fn statement_kind(&mut self) -> Parsed<StatementKind> {
        if self.at_query() || self.at_symbol("(") {
            return Ok(StatementKind::Query(Box::new(self.query()?)));
        }
        let Tok::Word(upper) = self.tok() else {
            return Err(self.unexpected(&["a statement"]));
        };
        let upper = upper.clone();
        match upper.as_str() {
            "INSERT" => Ok(StatementKind::Insert(Box::new(self.insert()?))),
            "EXECUTE" => self.execute(),
            "BEGIN" => {
                self.expect_words(&["BEGIN", "STATEMENT", "SET"])?;
                Ok(StatementKind::BeginStatementSet)
            }
            "END" => {
                self.advance();
                Ok(StatementKind::EndStatementSet)
            }
            "CREATE" => self.create(),
            "DROP" => self.drop(),
            "ALTER" => self.alter(),
            "USE" => self.use_statement(),
            "SHOW" => self.show(),
            "DESCRIBE" | "DESC" => self.describe(),
            "EXPLAIN" => self.explain(),
            "SET" => self.set(),
            "RESET" => self.reset(),
            "STOP" => self.stop_job(),
            "QUIT" | "EXIT" | "CLEAR" | "HELP" => {
                self.advance();
                Ok(StatementKind::Client(upper))
            }
            _ => self.other_statement(&upper),
        }
    }

    /// Statements that Flink knows and brisk does not.
    fn other_statement(&mut self, upper: &str) -> Parsed<StatementKind> {
        let Some((_, words)) = UNSUPPORTED.iter().find(|(first, _)| *first == upper) else {
            let statements = "a statement such as SELECT, INSERT, CREATE TABLE or SET";
            return Err(self.unexpected(&[statements]));
        };
        self.unsupported(*words)
    }

    /// Takes the statement unread; its first `words` words name it.
    pub(super) fn unsupported(&mut self, words: usize) -> Parsed<StatementKind> {
        let mut what = Vec::new();
        while !self.at_end() {
            match self.tok() {
                Tok::Invalid(_) => return Err(self.unexpected(&[])),
                Tok::Word(upper) if what.len() < words => what.push(upper.clone()),
                _ => {}
            }
            self.advance();
        }
        Ok(StatementKind::Unsupported { what: what.join(" ") })
    }

    /// `INSERT INTO ...`.
    fn insert(&mut self) -> Parsed<Insert> {
        let start = self.span();
        self.expect_word("INSERT")?;
        let overwrite = self.eat_word("OVERWRITE");
        if !overwrite && !self.eat_word("INTO") {
            return Err(self.unexpected(&["INTO", "OVERWRITE"]));
        }
        self.eat_word("TABLE");
        let target = self.object_name("a table")?;
        let hints = self.hints()?;
        let mut partition = Vec::new();
        if self.eat_word("PARTITION") {
            partition = self.partition()?;
        }
        let mut columns = Vec::new();
        if self.at_symbol("(") && self.name_at(1) {
            columns = self.parenthesized_list(|parser| parser.object_name("a column"))?;
        }
        let source = self.query()?;
        Ok(Insert { overwrite, target, hints, partition, columns, source, span: self.since(start) })
    }

    /// `(a = 1, b)`.
    pub(super) fn partition(&mut self) -> Parsed<Vec<PartitionItem>> {
        self.parenthesized_list(|parser| {
            let start = parser.span();
            let name = parser.ident("a column")?;
            let value = if parser.eat_symbol("=") { Some(parser.expr()?) } else { None };
            Ok(PartitionItem { name, value, span: parser.since(start) })
        })
    }

    fn execute(&mut self) -> Parsed<StatementKind> {
        if self.word_at(1, "PLAN") {
            return self.unsupported(2);
        }
        self.expect_word("EXECUTE")?;
        if self.at_word("STATEMENT") {
            return self.statement_set();
        }
        if self.at_word("INSERT") {
            return Ok(StatementKind::Insert(Box::new(self.insert()?)));
        }
        Ok(StatementKind::Query(Box::new(self.query()?)))
    }

    /// `STATEMENT SET BEGIN insert; insert; END`.
    fn statement_set(&mut self) -> Parsed<StatementKind> {
        self.expect_words(&["STATEMENT", "SET", "BEGIN"])?;
        let mut inserts = Vec::new();
        while self.at_word("INSERT") {
            inserts.push(self.insert()?);
            self.expect_symbol(";")?;
        }
        if inserts.is_empty() || !self.at_word("END") {
            return Err(self.unexpected(if inserts.is_empty() { &["INSERT"] } else { &["INSERT", "END"] }));
        }
        self.advance();
        Ok(StatementKind::StatementSet(inserts))
    }

    fn explain(&mut self) -> Parsed<StatementKind> {
        let start = self.span();
        self.expect_word("EXPLAIN")?;
        let mut details = Vec::new();
        if !self.eat_words(&["PLAN", "FOR"]) && self.explain_detail().is_some() {
            details = self.comma_list(|parser| {
                let detail = parser.explain_detail();
                let Some(detail) = detail else {
                    return Err(parser.unexpected(&["ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN"]));
                };
                parser.advance();
                Ok(detail)
            })?;
        }
        let statement = self.nest(Self::explained)?;
        let explain = Explain { details, statement: Box::new(statement), span: self.since(start) };
        Ok(StatementKind::Explain(explain))
    }

    fn explained(&mut self) -> Parsed<Statement> {
        if !self.at_word("STATEMENT") {
            return self.statement();
        }
        let start = self.span();
        let kind = self.statement_set()?;
        let span = self.since(start);
        Ok(Statement { kind, span, text: self.text(span).to_string() })
    }

    fn explain_detail(&self) -> Option<ExplainDetail> {
        let Tok::Word(upper) = self.tok() else { return None };
        match upper.as_str() {
            "ESTIMATED_COST" => Some(ExplainDetail::EstimatedCost),
            "CHANGELOG_MODE" => Some(ExplainDetail::ChangelogMode),
            "JSON_EXECUTION_PLAN" => Some(ExplainDetail::JsonExecutionPlan),
            "PLAN_ADVICE" => Some(ExplainDetail::PlanAdvice),
            _ => None,
        }
    }

    fn use_statement(&mut self) -> Parsed<StatementKind> {
        if self.word_at(1, "MODULES") {
            return self.unsupported(2);
        }
        self.expect_word("USE")?;
        if self.at_word("CATALOG") && self.name_at(1) {
            self.advance();
            return Ok(StatementKind::UseCatalog(self.ident("a catalog")?));
        }
        let database: ObjectName = self.object_name("a database")?;
        Ok(StatementKind::UseDatabase(database))
    }

    /// `SET`, `SET 'key' = 'value'`, `SET key = value`.
    fn set(&mut self) -> Parsed<StatementKind> {
        self.expect_word("SET")?;
        if self.at_end() {
            return Ok(StatementKind::Set(None));
        }
        let key = self.setting_text(true)?;
        if !self.eat_symbol("=") {
            let error = self.unexpected(&["\"=\""]);
            return Err(error.with_remedy("write SET 'key' = 'value'".to_string()));
        }
        let value = self.setting_text(false)?;
        Ok(StatementKind::Set(Some((key, value))))
    }

    fn reset(&mut self) -> Parsed<StatementKind> {
        self.expect_word("RESET")?;
        if self.at_end() {
            return Ok(StatementKind::Reset(None));
        }
        Ok(StatementKind::Reset(Some(self.setting_text(true)?)))
    }

    /// A string, or what stands here as it stands, up to the end of the statement (of a key: up to `=`).
    fn setting_text(&mut self, is_key: bool) -> Parsed<String> {
        if let Tok::String(value) = self.tok().clone() {
            self.advance();
            return Ok(value);
        }
        let start = self.span();
        while !(self.at_end() || is_key && self.at_symbol("=")) {
            if let Tok::Invalid(_) = self.tok() {
                return Err(self.unexpected(&[]));
            }
            self.advance();
        }
        let text = self.text(self.since(start)).trim();
        if self.span().start == start.start || text.is_empty() {
            return Err(self.unexpected(&[if is_key { "a key" } else { "a value" }]));
        }
        // An address such as file:///tmp would lose everything behind its colon to a comment.
        if self.source.get(self.previous().end..).is_some_and(|rest| rest.starts_with("//")) {
            let error = self.error_at(self.since(start), "// begins a comment here");
            return Err(error.with_remedy("write the value in single quotes".to_string()));
        }
        Ok(text.to_string())
    }

    fn stop_job(&mut self) -> Parsed<StatementKind> {
        let start = self.span();
        self.expect_words(&["STOP", "JOB"])?;
        let id = self.string("the id of a job in quotes")?;
        let mut stop = StopJob { id, with_savepoint: false, with_drain: false, span: start };
        while self.eat_word("WITH") {
            if self.eat_word("SAVEPOINT") {
                stop.with_savepoint = true;
            } else if self.eat_word("DRAIN") {
                stop.with_drain = true;
            } else {
                return Err(self.unexpected(&["SAVEPOINT", "DRAIN"]));
            }
        }
        stop.span = self.since(start);
        Ok(StatementKind::StopJob(stop))
    }
}

/// First words of statements that are refused later, and how many words name the statement.
const UNSUPPORTED: &[(&str, usize)] = &[
    ("ADD", 2),
    ("ANALYZE", 2),
    ("CALL", 1),
    ("CANCEL", 2),
    ("COMPILE", 2),
    ("DELETE", 1),
    ("LOAD", 2),
    ("MERGE", 1),
    ("REFRESH", 3),
    ("REMOVE", 2),
    ("REPLACE", 2),
    ("TRUNCATE", 2),
    ("UNLOAD", 2),
    ("UPDATE", 1),
    ("UPSERT", 1),
];

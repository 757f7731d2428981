//! SHOW and DESCRIBE.

use super::{Parsed, Parser};
use crate::ast::{Describe, DescribeWhat, ObjectName, Show, ShowLike, ShowWhat, StatementKind};
use crate::token::Tok;

impl Parser<'_> {
    pub(super) fn show(&mut self) -> Parsed<StatementKind> {
        let start = self.span();
        if self.word_at(1, "CREATE") && (self.word_at(2, "MATERIALIZED") || self.word_at(2, "MODEL")) {
            return self.unsupported(3);
        }
        self.expect_word("SHOW")?;
        let what = self.show_what()?;
        let like = self.show_like()?;
        Ok(StatementKind::Show(Show { what, like, span: self.since(start) }))
    }

    fn show_what(&mut self) -> Parsed<ShowWhat> {
        let Tok::Word(word) = self.tok() else {
            return Err(self.unexpected(SHOWABLE));
        };
        let word = word.clone();
        self.advance();
        Ok(match word.as_str() {
            "TABLES" => ShowWhat::Tables { from: self.show_from()? },
            "VIEWS" => ShowWhat::Views { from: self.show_from()? },
            "MATERIALIZED" => {
                self.expect_word("TABLES")?;
                ShowWhat::MaterializedTables { from: self.show_from()? }
            }
            "DATABASES" => ShowWhat::Databases { from: self.show_from()? },
            "CATALOGS" => ShowWhat::Catalogs,
            "USER" => {
                self.expect_word("FUNCTIONS")?;
                ShowWhat::Functions { user: true, from: self.show_from()? }
            }
            "FUNCTIONS" => ShowWhat::Functions { user: false, from: self.show_from()? },
            "PROCEDURES" => ShowWhat::Procedures { from: self.show_from()? },
            "MODELS" => ShowWhat::Models { from: self.show_from()? },
            "COLUMNS" => match self.show_from()? {
                Some(table) => ShowWhat::Columns { table },
                None => return Err(self.unexpected(&["FROM"])),
            },
            "PARTITIONS" => {
                let table = self.object_name("a table")?;
                let partition = if self.eat_word("PARTITION") { self.partition()? } else { Vec::new() };
                ShowWhat::Partitions { table, partition }
            }
            "CREATE" => self.show_create()?,
            "CURRENT" if self.eat_word("CATALOG") => ShowWhat::CurrentCatalog,
            "CURRENT" if self.eat_word("DATABASE") => ShowWhat::CurrentDatabase,
            "CURRENT" => return Err(self.unexpected(&["CATALOG", "DATABASE"])),
            "JOBS" => ShowWhat::Jobs,
            "JARS" => ShowWhat::Jars,
            "FULL" => {
                self.expect_word("MODULES")?;
                ShowWhat::Modules { full: true }
            }
            "MODULES" => ShowWhat::Modules { full: false },
            _ => {
                self.at -= 1;
                return Err(self.unexpected(SHOWABLE));
            }
        })
    }

    fn show_create(&mut self) -> Parsed<ShowWhat> {
        if self.eat_word("TABLE") {
            return Ok(ShowWhat::CreateTable(self.object_name("a table")?));
        }
        if self.eat_word("VIEW") {
            return Ok(ShowWhat::CreateView(self.object_name("a view")?));
        }
        if self.eat_word("CATALOG") {
            return Ok(ShowWhat::CreateCatalog(self.ident("a catalog")?));
        }
        Err(self.unexpected(&["TABLE", "VIEW", "CATALOG"]))
    }

    /// `FROM name` or `IN name` if it is there.
    fn show_from(&mut self) -> Parsed<Option<ObjectName>> {
        if !self.eat_word("FROM") && !self.eat_word("IN") {
            return Ok(None);
        }
        self.object_name("a name").map(Some)
    }

    fn show_like(&mut self) -> Parsed<Option<ShowLike>> {
        let negated = self.eat_word("NOT");
        let ignore_case = self.at_word("ILIKE");
        if !self.eat_word("LIKE") && !self.eat_word("ILIKE") {
            if negated {
                return Err(self.unexpected(&["LIKE", "ILIKE"]));
            }
            return Ok(None);
        }
        let pattern = self.string("a pattern in quotes")?;
        Ok(Some(ShowLike { pattern, negated, ignore_case }))
    }

    pub(super) fn describe(&mut self) -> Parsed<StatementKind> {
        let start = self.span();
        if self.word_at(1, "MODEL") && self.name_at(2) || self.word_at(1, "CONNECTION") && self.name_at(2) {
            return self.unsupported(2);
        }
        self.advance();
        let mut extended = false;
        let what = if self.at_word("JOB") && matches!(self.tok_at(1), Tok::String(_)) {
            self.advance();
            DescribeWhat::Job(self.string("the id of a job in quotes")?)
        } else if self.at_word("FUNCTION") {
            self.advance();
            extended = self.eat_word("EXTENDED");
            DescribeWhat::Function(self.object_name("a function")?)
        } else if self.at_word("DATABASE") && (self.name_at(1) || self.word_at(1, "EXTENDED")) {
            self.advance();
            extended = self.eat_word("EXTENDED");
            DescribeWhat::Database(self.object_name("a database")?)
        } else if self.at_word("CATALOG") && (self.name_at(1) || self.word_at(1, "EXTENDED")) {
            self.advance();
            extended = self.eat_word("EXTENDED");
            DescribeWhat::Catalog(self.ident("a catalog")?)
        } else {
            extended = self.eat_word("EXTENDED") || extended;
            DescribeWhat::Table(self.object_name("a table")?)
        };
        Ok(StatementKind::Describe(Describe { what, extended, span: self.since(start) }))
    }
}

const SHOWABLE: &[&str] = &[
    "TABLES",
    "VIEWS",
    "DATABASES",
    "CATALOGS",
    "FUNCTIONS",
    "COLUMNS",
    "PARTITIONS",
    "CREATE TABLE",
    "CREATE VIEW",
    "CURRENT CATALOG",
    "CURRENT DATABASE",
    "JOBS",
    "MODULES",
];

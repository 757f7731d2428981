//! CREATE and DROP.

use super::{Parsed, Parser};
use crate::ast::{
    ColumnDef, ColumnKind, ConstraintKind, CreateCatalog, CreateDatabase, CreateFunction, CreateTable, CreateView, Distribution, DistributionKind, Drop, Ident,
    LikeClause, LikeFeature, LikeOption, LikeStrategy, ObjectKind, ObjectName, StatementKind, TableConstraint, TableOption, WatermarkDef,
};
use crate::span::Span;
use crate::token::Tok;

/// What `( ... )` of CREATE TABLE or ALTER TABLE may hold.
pub(super) enum TableElement {
    Column(ColumnDef),
    Watermark(WatermarkDef),
    Constraint(TableConstraint),
}

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Parsed<StatementKind> {
        let start = self.span();
        let mut ahead = 1;
        let or_replace = self.word_at(1, "OR");
        if or_replace {
            ahead += 2;
        }
        let temporary = self.word_at(ahead, "TEMPORARY");
        if temporary {
            ahead += 1;
        }
        let system = self.word_at(ahead, "SYSTEM");
        if system {
            ahead += 1;
        }
        let Tok::Word(what) = self.tok_at(ahead) else {
            self.at += ahead;
            return Err(self.unexpected(CREATABLE));
        };
        let what = what.clone();
        if matches!(what.as_str(), "MATERIALIZED" | "MODEL" | "CONNECTION") {
            return self.unsupported(if what == "MATERIALIZED" { 3 } else { 2 });
        }
        self.expect_word("CREATE")?;
        if or_replace {
            self.expect_words(&["OR", "REPLACE"])?;
        }
        let allowed = match what.as_str() {
            "TABLE" => true,
            "VIEW" | "FUNCTION" => !or_replace,
            _ => !or_replace && !temporary,
        };
        self.at += usize::from(temporary && allowed) + usize::from(system && what == "FUNCTION");
        match what.as_str() {
            "TABLE" if !system => self.create_table(start, or_replace, temporary),
            "VIEW" if allowed && !system => self.create_view(start, temporary),
            "FUNCTION" if allowed => self.create_function(start, temporary, system),
            "DATABASE" if allowed => self.create_database(start),
            "CATALOG" if allowed => self.create_catalog(start),
            _ if or_replace => Err(self.unexpected(&["TABLE"])),
            _ => Err(self.unexpected(CREATABLE)),
        }
    }

    fn if_not_exists(&mut self) -> Parsed<bool> {
        if !self.eat_words(&["IF", "NOT"]) {
            return Ok(false);
        }
        self.expect_word("EXISTS")?;
        Ok(true)
    }

    pub(super) fn if_exists(&mut self) -> bool {
        self.eat_words(&["IF", "EXISTS"])
    }

    fn create_table(&mut self, start: Span, or_replace: bool, temporary: bool) -> Parsed<StatementKind> {
        self.expect_word("TABLE")?;
        let if_not_exists = self.if_not_exists()?;
        let mut table = CreateTable {
            or_replace,
            temporary,
            if_not_exists,
            name: self.object_name("the name of a table")?,
            columns: Vec::new(),
            watermark: None,
            constraints: Vec::new(),
            comment: None,
            distribution: None,
            partitioned_by: Vec::new(),
            options: Vec::new(),
            like: None,
            query: None,
            span: start,
        };
        if self.at_symbol("(") {
            self.table_elements(&mut table)?;
        }
        table.comment = self.comment()?;
        if self.at_word("DISTRIBUTED") {
            self.advance();
            table.distribution = Some(self.distribution()?);
        }
        if self.eat_word("PARTITIONED") {
            self.expect_word("BY")?;
            table.partitioned_by = self.parenthesized_list(|parser| parser.ident("a column"))?;
        }
        table.options = self.with_options()?;
        if self.at_word("LIKE") {
            table.like = Some(self.like_clause()?);
        } else if self.eat_word("AS") {
            table.query = Some(self.query()?);
        }
        table.span = self.since(start);
        Ok(StatementKind::CreateTable(Box::new(table)))
    }

    fn table_elements(&mut self, table: &mut CreateTable) -> Parsed<()> {
        let open = self.span();
        self.expect_symbol("(")?;
        loop {
            let at = self.span();
            match self.table_element(&mut table.constraints)? {
                TableElement::Column(column) => table.columns.push(column),
                TableElement::Constraint(constraint) => table.constraints.push(constraint),
                TableElement::Watermark(_) if table.watermark.is_some() => {
                    return Err(self.error_at(at, "a table can have only one WATERMARK"));
                }
                TableElement::Watermark(watermark) => table.watermark = Some(watermark),
            }
            if !self.eat_symbol(",") {
                return self.close(open);
            }
        }
    }

    /// A column, WATERMARK or constraint. A constraint that is written at a column goes to `constraints`.
    pub(super) fn table_element(&mut self, constraints: &mut Vec<TableConstraint>) -> Parsed<TableElement> {
        if self.at_word("WATERMARK") {
            return Ok(TableElement::Watermark(self.watermark()?));
        }
        if self.at_any_word(&["CONSTRAINT", "PRIMARY", "UNIQUE"]) {
            return Ok(TableElement::Constraint(self.table_constraint()?));
        }
        Ok(TableElement::Column(self.column_def(constraints)?))
    }

    fn watermark(&mut self) -> Parsed<WatermarkDef> {
        let start = self.span();
        self.expect_words(&["WATERMARK", "FOR"])?;
        let column = self.object_name("a column")?;
        self.expect_word("AS")?;
        let expr = self.expr()?;
        Ok(WatermarkDef { column, expr, span: self.since(start) })
    }

    fn table_constraint(&mut self) -> Parsed<TableConstraint> {
        let start = self.span();
        let (name, kind) = self.constraint_head()?;
        let columns = self.parenthesized_list(|parser| parser.ident("a column"))?;
        let enforced = self.enforced()?;
        Ok(TableConstraint { name, kind, columns, enforced, span: self.since(start) })
    }

    /// `[CONSTRAINT n] PRIMARY KEY`.
    fn constraint_head(&mut self) -> Parsed<(Option<Ident>, ConstraintKind)> {
        let name = if self.eat_word("CONSTRAINT") { Some(self.ident("the name of a constraint")?) } else { None };
        if self.eat_word("UNIQUE") {
            return Ok((name, ConstraintKind::Unique));
        }
        self.expect_words(&["PRIMARY", "KEY"])?;
        Ok((name, ConstraintKind::PrimaryKey))
    }

    fn enforced(&mut self) -> Parsed<Option<bool>> {
        if self.eat_word("ENFORCED") {
            return Ok(Some(true));
        }
        if self.at_word("NOT") && !self.word_at(1, "NULL") {
            self.advance();
            self.expect_word("ENFORCED")?;
            return Ok(Some(false));
        }
        Ok(None)
    }

    fn column_def(&mut self, constraints: &mut Vec<TableConstraint>) -> Parsed<ColumnDef> {
        let start = self.span();
        let name = self.ident("the name of a column")?;
        let kind = if self.eat_word("AS") {
            ColumnKind::Computed(self.expr()?)
        } else if self.at_symbol(",") || self.at_symbol(")") {
            ColumnKind::FromQuery
        } else {
            self.typed_column(start, &name, constraints)?
        };
        let comment = self.comment()?;
        Ok(ColumnDef { name, kind, comment, span: self.since(start) })
    }

    fn typed_column(&mut self, start: Span, column: &Ident, constraints: &mut Vec<TableConstraint>) -> Parsed<ColumnKind> {
        let data_type = self.data_type()?;
        if self.eat_word("METADATA") {
            let key = if self.eat_word("FROM") { Some(self.string("a key in quotes")?) } else { None };
            let is_virtual = self.eat_word("VIRTUAL");
            return Ok(ColumnKind::Metadata { data_type, key, is_virtual });
        }
        if self.at_any_word(&["CONSTRAINT", "PRIMARY", "UNIQUE"]) {
            let (name, kind) = self.constraint_head()?;
            let enforced = self.enforced()?;
            let columns = vec![column.clone()];
            constraints.push(TableConstraint { name, kind, columns, enforced, span: self.since(start) });
        }
        Ok(ColumnKind::Physical(data_type))
    }

    /// `COMMENT 'text'` if it is there.
    fn comment(&mut self) -> Parsed<Option<String>> {
        if !self.eat_word("COMMENT") {
            return Ok(None);
        }
        self.string("a comment in quotes").map(Some)
    }

    /// What follows DISTRIBUTED or DISTRIBUTION.
    pub(super) fn distribution(&mut self) -> Parsed<Distribution> {
        let start = self.previous();
        let mut distribution = Distribution { kind: None, columns: Vec::new(), buckets: None, span: start };
        if self.eat_word("BY") {
            if self.eat_word("HASH") {
                distribution.kind = Some(DistributionKind::Hash);
            } else if self.eat_word("RANGE") {
                distribution.kind = Some(DistributionKind::Range);
            }
            distribution.columns = self.parenthesized_list(|parser| parser.ident("a column"))?;
        } else if !self.at_word("INTO") {
            return Err(self.unexpected(&["BY", "INTO"]));
        }
        if self.eat_word("INTO") {
            distribution.buckets = Some(self.integer("a number of buckets")?);
            self.expect_word("BUCKETS")?;
        }
        distribution.span = self.since(start);
        Ok(distribution)
    }

    /// `WITH ('k' = 'v')` if it is there.
    pub(super) fn with_options(&mut self) -> Parsed<Vec<TableOption>> {
        if !self.eat_word("WITH") {
            return Ok(Vec::new());
        }
        self.options()
    }

    /// `('k' = 'v', ...)`, may be empty.
    pub(super) fn options(&mut self) -> Parsed<Vec<TableOption>> {
        if self.at_symbol("(") && self.symbol_at(1, ")") {
            self.advance();
            self.advance();
            return Ok(Vec::new());
        }
        self.parenthesized_list(|parser| {
            let key_span = parser.span();
            let key = parser.string("an option in single quotes")?;
            parser.expect_symbol("=")?;
            let value_span = parser.span();
            let value = parser.string("a value in single quotes")?;
            Ok(TableOption { key, value, key_span, value_span })
        })
    }

    fn like_clause(&mut self) -> Parsed<LikeClause> {
        let start = self.span();
        self.expect_word("LIKE")?;
        let table = self.object_name("a table")?;
        let mut options = Vec::new();
        let open = self.span();
        if self.eat_symbol("(") {
            while !self.at_symbol(")") {
                options.push(self.like_option()?);
            }
            self.close(open)?;
        }
        Ok(LikeClause { table, options, span: self.since(start) })
    }

    fn like_option(&mut self) -> Parsed<LikeOption> {
        let start = self.span();
        let strategy = if self.eat_word("INCLUDING") {
            LikeStrategy::Including
        } else if self.eat_word("EXCLUDING") {
            LikeStrategy::Excluding
        } else if self.eat_word("OVERWRITING") {
            LikeStrategy::Overwriting
        } else {
            return Err(self.unexpected(&["INCLUDING", "EXCLUDING", "OVERWRITING", "\")\""]));
        };
        let Some((_, feature)) = LIKE_FEATURES.iter().find(|(word, _)| self.at_word(word)) else {
            let words: Vec<&str> = LIKE_FEATURES.iter().map(|(word, _)| *word).collect();
            return Err(self.unexpected(&words));
        };
        self.advance();
        Ok(LikeOption { strategy, feature: *feature, span: self.since(start) })
    }

    fn create_view(&mut self, start: Span, temporary: bool) -> Parsed<StatementKind> {
        self.expect_word("VIEW")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name("the name of a view")?;
        let columns = self.optional_columns()?;
        let comment = self.comment()?;
        self.expect_word("AS")?;
        let query = self.query()?;
        let span = self.since(start);
        let view = CreateView { temporary, if_not_exists, name, columns, comment, query, span };
        Ok(StatementKind::CreateView(Box::new(view)))
    }

    fn create_database(&mut self, start: Span) -> Parsed<StatementKind> {
        self.expect_word("DATABASE")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name("the name of a database")?;
        let comment = self.comment()?;
        let options = self.with_options()?;
        let span = self.since(start);
        Ok(StatementKind::CreateDatabase(CreateDatabase { if_not_exists, name, comment, options, span }))
    }

    fn create_catalog(&mut self, start: Span) -> Parsed<StatementKind> {
        self.expect_word("CATALOG")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.ident("the name of a catalog")?;
        let comment = self.comment()?;
        let options = self.with_options()?;
        let span = self.since(start);
        Ok(StatementKind::CreateCatalog(CreateCatalog { if_not_exists, name, comment, options, span }))
    }

    fn create_function(&mut self, start: Span, temporary: bool, system: bool) -> Parsed<StatementKind> {
        self.expect_word("FUNCTION")?;
        let if_not_exists = self.if_not_exists()?;
        let name = self.object_name("the name of a function")?;
        self.expect_word("AS")?;
        let class = self.string("the name of a class in quotes")?;
        let mut language = None;
        if self.eat_word("LANGUAGE") {
            let Some(word) = ["JAVA", "SCALA", "SQL", "PYTHON"].into_iter().find(|word| self.at_word(word)) else {
                return Err(self.unexpected(&["JAVA", "SCALA", "SQL", "PYTHON"]));
            };
            self.advance();
            language = Some(word.to_string());
        }
        let mut resources = Vec::new();
        if self.eat_word("USING") {
            resources = self.comma_list(|parser| {
                parser.expect_word("JAR")?;
                parser.string("a path in quotes")
            })?;
        }
        let span = self.since(start);
        let function = CreateFunction { temporary, system, if_not_exists, name, class, language, resources, span };
        Ok(StatementKind::CreateFunction(function))
    }

    pub(super) fn drop(&mut self) -> Parsed<StatementKind> {
        let start = self.span();
        let shift = usize::from(self.word_at(1, "TEMPORARY"));
        for word in ["MATERIALIZED", "MODEL", "CONNECTION"] {
            if self.word_at(1 + shift, word) {
                return self.unsupported(if word == "MATERIALIZED" { 3 } else { 2 });
            }
        }
        self.expect_word("DROP")?;
        let temporary = self.eat_word("TEMPORARY");
        let system = temporary && self.eat_word("SYSTEM");
        let Some((_, kind)) = OBJECTS.iter().find(|(word, _)| self.at_word(word)) else {
            return Err(self.unexpected(CREATABLE));
        };
        if system && *kind != ObjectKind::Function {
            return Err(self.unexpected(&["FUNCTION"]));
        }
        if temporary && matches!(kind, ObjectKind::Database | ObjectKind::Catalog) {
            return Err(self.unexpected(&["TABLE", "VIEW", "FUNCTION"]));
        }
        self.advance();
        let if_exists = self.if_exists();
        let name: ObjectName = self.object_name("a name")?;
        let cascade = *kind == ObjectKind::Database && self.eat_word("CASCADE");
        if *kind == ObjectKind::Database && !cascade {
            self.eat_word("RESTRICT");
        }
        let span = self.since(start);
        Ok(StatementKind::Drop(Drop { kind: *kind, temporary, if_exists, name, cascade, span }))
    }
}

const CREATABLE: &[&str] = &["TABLE", "VIEW", "DATABASE", "CATALOG", "FUNCTION"];

const OBJECTS: &[(&str, ObjectKind)] = &[
    ("TABLE", ObjectKind::Table),
    ("VIEW", ObjectKind::View),
    ("DATABASE", ObjectKind::Database),
    ("CATALOG", ObjectKind::Catalog),
    ("FUNCTION", ObjectKind::Function),
];

const LIKE_FEATURES: &[(&str, LikeFeature)] = &[
    ("ALL", LikeFeature::All),
    ("CONSTRAINTS", LikeFeature::Constraints),
    ("DISTRIBUTION", LikeFeature::Distribution),
    ("GENERATED", LikeFeature::Generated),
    ("METADATA", LikeFeature::Metadata),
    ("OPTIONS", LikeFeature::Options),
    ("PARTITIONS", LikeFeature::Partitions),
    ("WATERMARKS", LikeFeature::Watermarks),
];

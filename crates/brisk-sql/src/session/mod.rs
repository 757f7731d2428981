//! A session: its catalog and options, and what each statement does to them or asks of the server.
//!
//! Statements that only change the catalog or the options are done here. Queries and INSERTs come back bound, for the
//! planner; what needs jobs comes back as it is, for the server.

mod alter;
mod create;
mod options;
mod script;
mod show;
#[cfg(test)]
mod tests;

use brisk_core::{Error, Position, Result};
use brisk_functions::EvalContext;
use brisk_parser::Span;
use brisk_parser::ast::{self, ExplainDetail, ObjectKind, Statement, StatementKind, StopJob};

use crate::bind::Binder;
use crate::bind::place::Places;
use crate::catalog::{Catalog, CatalogObject, Namespace, ObjectPath};
use crate::logical::{Insert, Plan};

pub use options::Options;
pub use script::{parse_error, parse_statements, substitute};

/// What a user works in.
#[derive(Debug, Clone, Default)]
pub struct Session {
    pub catalog: Catalog,
    pub options: Options,
}

/// What came of a statement, or what is to be done about it.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is done; a word for the user.
    Ok(String),
    /// It is done, and this is the answer.
    Rows(TextRows),
    /// To be run and shown.
    Query(Box<Plan>),
    /// To be run as one job.
    Inserts(Vec<Insert>),
    /// To be planned and described.
    Explain {
        plans: Vec<Explained>,
        details: Vec<ExplainDetail>,
    },
    /// For the server.
    StopJob(StopJob),
    ShowJobs,
    DescribeJob(String),
    /// QUIT, EXIT, CLEAR, HELP: for the shell.
    Client(String),
}

/// An answer in text; NULL is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TextRows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
}

#[derive(Debug, Clone)]
pub enum Explained {
    Query(Box<Plan>),
    Insert(Box<Insert>),
}

impl Session {
    pub fn new(options: Options) -> Self {
        Self { catalog: Catalog::default(), options }
    }

    /// Executes one statement, which begins at `at` in its script.
    pub fn execute(&mut self, statement: &Statement, at: Position) -> Result<Outcome> {
        let places = Places::of(statement, at);
        self.dispatch(statement, &places).map_err(|e| e.at(at))
    }

    fn dispatch(&mut self, statement: &Statement, places: &Places) -> Result<Outcome> {
        let done = |()| Outcome::Ok("OK".to_string());
        match &statement.kind {
            StatementKind::Query(query) => Ok(Outcome::Query(Box::new(self.binder(places).bind_query(query)?))),
            StatementKind::Insert(insert) => Ok(Outcome::Inserts(vec![self.binder(places).bind_insert(insert)?])),
            StatementKind::StatementSet(inserts) => Ok(Outcome::Inserts(self.inserts(inserts, places)?)),
            StatementKind::CreateTable(create) => self.create_table(create, places),
            StatementKind::CreateView(create) => self.create_view(create, places).map(done),
            StatementKind::CreateDatabase(create) => self.create_database(create, places).map(done),
            StatementKind::CreateCatalog(create) => self.create_catalog(create, places).map(done),
            StatementKind::CreateFunction(create) => {
                let error = places.unsupported(create.span, "functions of Java classes cannot be created");
                Err(error.with_remedy("use the built-in functions (SHOW FUNCTIONS), or run the script on Flink"))
            }
            StatementKind::Drop(drop) => self.drop(drop, places).map(done),
            StatementKind::AlterTable(alter) => self.alter_table(alter, places).map(done),
            StatementKind::AlterView(alter) => self.alter_view(alter, places).map(done),
            StatementKind::UseDatabase(name) => self.use_database(name, places).map(done),
            StatementKind::UseCatalog(name) => self.use_catalog(name, places).map(done),
            StatementKind::Show(show) => self.show(show, places),
            StatementKind::Describe(describe) => self.describe(describe, places),
            StatementKind::Explain(explain) => self.explain(explain, places),
            StatementKind::Set(Some((key, value))) => self.options.set(key, value).map(done),
            StatementKind::Set(None) => {
                let rows = self.options.all().map(|(k, v)| vec![Some(k.to_string()), Some(v.to_string())]).collect();
                Ok(Outcome::Rows(TextRows { columns: vec!["key".into(), "value".into()], rows }))
            }
            StatementKind::Reset(key) => {
                self.options.reset(key.as_deref());
                Ok(done(()))
            }
            StatementKind::StopJob(stop) => Ok(Outcome::StopJob(stop.clone())),
            StatementKind::Client(command) => Ok(Outcome::Client(command.clone())),
            StatementKind::BeginStatementSet | StatementKind::EndStatementSet => {
                Err(places.invalid(statement.span, "BEGIN STATEMENT SET and END belong around the INSERTs of one script"))
            }
            StatementKind::Unsupported { what } => Err(places.unsupported(statement.span, format!("{what} is not supported"))),
        }
    }

    /// A binder for expressions and queries at these places.
    pub(crate) fn binder(&self, places: &Places) -> Binder<'_> {
        let context = EvalContext { processing_time_ms: 0, time_zone: self.options.time_zone(), watermark_ms: None };
        Binder::new(&self.catalog, context, places.clone())
    }

    fn inserts(&self, inserts: &[ast::Insert], places: &Places) -> Result<Vec<Insert>> {
        inserts.iter().map(|i| self.binder(places).bind_insert(i)).collect()
    }

    fn explain(&self, explain: &ast::Explain, places: &Places) -> Result<Outcome> {
        let plans = match &explain.statement.kind {
            StatementKind::Query(query) => vec![Explained::Query(Box::new(self.binder(places).bind_query(query)?))],
            StatementKind::Insert(insert) => vec![Explained::Insert(Box::new(self.binder(places).bind_insert(insert)?))],
            StatementKind::StatementSet(inserts) => self.inserts(inserts, places)?.into_iter().map(|i| Explained::Insert(Box::new(i))).collect(),
            _ => return Err(places.unsupported(explain.span, "EXPLAIN is for queries, INSERT and statement sets")),
        };
        Ok(Outcome::Explain { plans, details: explain.details.clone() })
    }

    // ---- names

    pub(crate) fn path(&self, name: &ast::ObjectName, places: &Places) -> Result<ObjectPath> {
        let path = self.catalog.path(&name.values(), self.catalog.current());
        path.ok_or_else(|| places.invalid(name.span, "a name has three parts at most: catalog.database.name"))
    }

    /// Catalog and database of a name of one or two parts.
    pub(crate) fn namespace(&self, name: Option<&ast::ObjectName>, places: &Places) -> Result<Namespace> {
        let Some(name) = name else { return Ok(self.catalog.current().clone()) };
        let namespace = match name.values().as_slice() {
            [database] => Namespace { catalog: self.catalog.current().catalog.clone(), database: database.to_string() },
            [catalog, database] => Namespace { catalog: catalog.to_string(), database: database.to_string() },
            _ => return Err(places.invalid(name.span, "a database has two parts at most: catalog.database")),
        };
        self.catalog.database(&namespace.catalog, &namespace.database).map_err(|e| e.at(places.at(name.span)))?;
        Ok(namespace)
    }

    fn use_database(&mut self, name: &ast::ObjectName, places: &Places) -> Result<()> {
        let namespace = self.namespace(Some(name), places)?;
        self.catalog.use_namespace(namespace)
    }

    fn use_catalog(&mut self, name: &ast::Ident, places: &Places) -> Result<()> {
        let entry = self.catalog.catalogs.get(&name.value).ok_or_else(|| places.invalid(name.span, format!("there is no catalog `{}`", name.value)))?;
        let default = entry.options.get("default-database").cloned();
        let database = default.or_else(|| entry.databases.keys().next().cloned());
        let database = database.ok_or_else(|| places.invalid(name.span, format!("catalog `{}` has no database", name.value)))?;
        self.catalog.use_namespace(Namespace { catalog: name.value.clone(), database })
    }

    fn drop(&mut self, drop: &ast::Drop, places: &Places) -> Result<()> {
        let shown = drop.name.values().join(".");
        match drop.kind {
            ObjectKind::Table | ObjectKind::View => self.drop_object(drop, places),
            ObjectKind::Database => {
                let namespace = match self.namespace(Some(&drop.name), places) {
                    Ok(namespace) => namespace,
                    Err(_) if drop.if_exists => return Ok(()),
                    Err(e) => return Err(e),
                };
                if !drop.cascade && !self.catalog.is_empty(&namespace.catalog, &namespace.database) {
                    return Err(places.invalid(drop.name.span, format!("database `{shown}` is not empty")).with_remedy("add CASCADE to drop what it holds"));
                }
                if namespace == *self.catalog.current() {
                    return Err(places.invalid(drop.name.span, format!("database `{shown}` is in use")).with_remedy("USE another one first"));
                }
                let entry = self.catalog.catalogs.get_mut(&namespace.catalog);
                entry.and_then(|e| e.databases.remove(&namespace.database));
                Ok(())
            }
            ObjectKind::Catalog => {
                if self.catalog.current().catalog == shown {
                    return Err(places.invalid(drop.name.span, format!("catalog `{shown}` is in use")).with_remedy("USE CATALOG another one first"));
                }
                match self.catalog.catalogs.remove(&shown) {
                    None if !drop.if_exists => Err(places.invalid(drop.name.span, format!("there is no catalog `{shown}`"))),
                    _ => Ok(()),
                }
            }
            ObjectKind::Function if drop.if_exists => Ok(()),
            ObjectKind::Function => Err(places.invalid(drop.name.span, format!("there is no function `{shown}` that was created"))),
        }
    }

    fn drop_object(&mut self, drop: &ast::Drop, places: &Places) -> Result<()> {
        let path = self.path(&drop.name, places)?;
        let is_view = drop.kind == ObjectKind::View;
        let what = if is_view { "view" } else { "table" };
        let found = if drop.temporary { self.catalog.temporary(&path) } else { self.catalog.permanent(&path) };
        match found {
            Some(CatalogObject::View(_)) if !is_view => Err(places.invalid(drop.name.span, format!("`{}` is a view", path.name)).with_remedy("use DROP VIEW")),
            Some(CatalogObject::Table(_)) if is_view => {
                Err(places.invalid(drop.name.span, format!("`{}` is a table", path.name)).with_remedy("use DROP TABLE"))
            }
            Some(_) if !drop.temporary && self.catalog.temporary(&path).is_some() => {
                let error = places.invalid(drop.name.span, format!("a temporary object hides {what} `{}`", path.name));
                Err(error.with_remedy(format!("drop it first: DROP TEMPORARY {}", what.to_uppercase())))
            }
            Some(_) => {
                self.catalog.remove(&path, drop.temporary);
                Ok(())
            }
            None if drop.if_exists => Ok(()),
            None if !drop.temporary && self.catalog.temporary(&path).is_some() => {
                let error = places.invalid(drop.name.span, format!("`{}` is temporary", path.name));
                Err(error.with_remedy(format!("use DROP TEMPORARY {}", what.to_uppercase())))
            }
            None => Err(places.invalid(drop.name.span, format!("there is no {what} `{}`", drop.name.values().join(".")))),
        }
    }
}

/// The position of the whole of a text, for statements that come without a script.
pub fn whole_text() -> Position {
    Position { statement: 1, line: 1, column: 1 }
}

/// Refuses an object whose name is taken, unless IF NOT EXISTS: then there is nothing to do.
fn is_new(catalog: &Catalog, path: &ObjectPath, temporary: bool, if_not_exists: bool, span: Span, places: &Places) -> Result<bool> {
    let found = if temporary { catalog.temporary(path) } else { catalog.permanent(path) };
    match found {
        None => Ok(true),
        Some(_) if if_not_exists => Ok(false),
        Some(object) => {
            let what = if matches!(object, CatalogObject::View(_)) { "view" } else { "table" };
            let error: Error = places.invalid(span, format!("{what} `{}` exists already", path.dotted()));
            Err(error.with_remedy("drop it first, or write IF NOT EXISTS"))
        }
    }
}

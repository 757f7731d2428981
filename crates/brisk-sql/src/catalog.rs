//! Tables and views by name.
//!
//! What must stay true: a [`Table`] is complete and checked; its computed columns and its watermark are bound
//! expressions over the table's own columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use brisk_core::{Column, Error, Position, Result, SqlType};
use brisk_functions::Expr;
use brisk_parser::ast;

/// A table as CREATE TABLE declares it, bound.
#[derive(Debug, Clone)]
pub struct Table {
    /// `catalog.database.table`, without quotes.
    pub name: String,
    pub columns: Vec<TableColumn>,
    pub watermark: Option<TableWatermark>,
    /// Positions in `columns`; empty without a primary key.
    pub primary_key: Vec<usize>,
    pub partition_keys: Vec<usize>,
    /// WITH (...), with what an OPTIONS hint changes.
    pub options: BTreeMap<String, String>,
    /// Where options were written, for messages about them.
    pub option_positions: BTreeMap<String, Position>,
    /// Where the table was created.
    pub position: Position,
    pub primary_key_name: Option<String>,
    pub comment: Option<String>,
}

#[derive(Debug, Clone)]
pub struct TableColumn {
    pub name: String,
    pub sql_type: SqlType,
    pub kind: TableColumnKind,
    pub comment: Option<String>,
}

#[derive(Debug, Clone)]
pub enum TableColumnKind {
    Physical,
    /// `METADATA [FROM key] [VIRTUAL]`; a virtual one is not written.
    Metadata {
        key: String,
        is_virtual: bool,
    },
    /// Over the table's columns, of which it may use physical and metadata ones. `text` is the SQL.
    Computed {
        expr: Expr,
        text: String,
    },
}

#[derive(Debug, Clone)]
pub struct TableWatermark {
    /// The rowtime column, in `columns`.
    pub column: usize,
    /// Over all of the table's columns; of the rowtime column's type.
    pub expr: Expr,
    pub text: String,
}

/// A view: a query by name, bound anew wherever it is used.
#[derive(Debug, Clone)]
pub struct View {
    /// `catalog.database.view`, without quotes.
    pub name: String,
    pub query: ast::Query,
    /// The query as written.
    pub text: String,
    /// The names of its columns.
    pub columns: Vec<String>,
    /// The columns as they were when it was created, for DESCRIBE.
    pub schema: Vec<Column>,
    /// Where its names are looked up.
    pub namespace: Namespace,
    pub comment: Option<String>,
}

#[derive(Debug, Clone)]
pub enum CatalogObject {
    Table(Arc<Table>),
    View(Arc<View>),
}

/// The catalog and database that names belong to which have none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    pub catalog: String,
    pub database: String,
}

/// The full name of a table or view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectPath {
    pub catalog: String,
    pub database: String,
    pub name: String,
}

#[derive(Debug, Clone, Default)]
pub struct Database {
    pub comment: Option<String>,
    pub options: BTreeMap<String, String>,
    objects: BTreeMap<String, CatalogObject>,
}

#[derive(Debug, Clone, Default)]
pub struct CatalogEntry {
    pub comment: Option<String>,
    pub options: BTreeMap<String, String>,
    pub databases: BTreeMap<String, Database>,
}

/// All catalogs, kept in memory. A temporary table or view hides a permanent one of its name.
#[derive(Debug, Clone)]
pub struct Catalog {
    pub catalogs: BTreeMap<String, CatalogEntry>,
    temporary: BTreeMap<ObjectPath, CatalogObject>,
    current: Namespace,
}

pub const DEFAULT_CATALOG: &str = "default_catalog";
pub const DEFAULT_DATABASE: &str = "default_database";

impl Default for Catalog {
    fn default() -> Self {
        let database = BTreeMap::from([(DEFAULT_DATABASE.to_string(), Database::default())]);
        let entry = CatalogEntry { databases: database, ..CatalogEntry::default() };
        Self {
            catalogs: BTreeMap::from([(DEFAULT_CATALOG.to_string(), entry)]),
            temporary: BTreeMap::new(),
            current: Namespace { catalog: DEFAULT_CATALOG.into(), database: DEFAULT_DATABASE.into() },
        }
    }
}

impl Database {
    pub fn new(comment: Option<String>, options: BTreeMap<String, String>) -> Self {
        Self { comment, options, objects: BTreeMap::new() }
    }
}

impl Catalog {
    pub fn current(&self) -> &Namespace {
        &self.current
    }

    pub fn use_namespace(&mut self, namespace: Namespace) -> Result<()> {
        self.database(&namespace.catalog, &namespace.database)?;
        self.current = namespace;
        Ok(())
    }

    pub fn database(&self, catalog: &str, database: &str) -> Result<&Database> {
        let entry = self.catalogs.get(catalog).ok_or_else(|| Error::invalid(format!("there is no catalog `{catalog}`")))?;
        entry.databases.get(database).ok_or_else(|| Error::invalid(format!("there is no database `{database}` in catalog `{catalog}`")))
    }

    /// The full name of one to three parts; `None` for more.
    pub fn path(&self, parts: &[&str], namespace: &Namespace) -> Option<ObjectPath> {
        let (catalog, database, name) = match parts {
            [name] => (namespace.catalog.as_str(), namespace.database.as_str(), *name),
            [database, name] => (namespace.catalog.as_str(), *database, *name),
            [catalog, database, name] => (*catalog, *database, *name),
            _ => return None,
        };
        Some(ObjectPath { catalog: catalog.into(), database: database.into(), name: name.into() })
    }

    pub fn get(&self, path: &ObjectPath) -> Option<&CatalogObject> {
        self.temporary.get(path).or_else(|| self.permanent(path))
    }

    pub fn permanent(&self, path: &ObjectPath) -> Option<&CatalogObject> {
        self.catalogs.get(&path.catalog)?.databases.get(&path.database)?.objects.get(&path.name)
    }

    pub fn temporary(&self, path: &ObjectPath) -> Option<&CatalogObject> {
        self.temporary.get(path)
    }

    /// A table by one to three parts, for options that name one.
    pub fn table(&self, name: &str) -> Option<Arc<Table>> {
        let parts: Vec<&str> = name.split('.').map(|p| p.trim_matches('`')).collect();
        match self.get(&self.path(&parts, &self.current)?)? {
            CatalogObject::Table(table) => Some(Arc::clone(table)),
            CatalogObject::View(_) => None,
        }
    }

    /// The names in a namespace, temporary ones included, in order.
    pub fn names(&self, namespace: &Namespace) -> Vec<String> {
        self.objects(namespace).into_iter().map(|(name, _)| name).collect()
    }

    /// Tables and views in a namespace by name, temporary ones in the place of those they hide.
    pub fn objects(&self, namespace: &Namespace) -> Vec<(String, CatalogObject)> {
        let permanent = self.catalogs.get(&namespace.catalog).and_then(|c| c.databases.get(&namespace.database));
        let mut all: BTreeMap<String, CatalogObject> = permanent.map(|d| d.objects.clone()).unwrap_or_default();
        let here = |p: &ObjectPath| p.catalog == namespace.catalog && p.database == namespace.database;
        all.extend(self.temporary.iter().filter(|(p, _)| here(p)).map(|(p, o)| (p.name.clone(), o.clone())));
        all.into_iter().collect()
    }

    /// Puts an object under its name, in the place of one that is there.
    pub fn put(&mut self, path: &ObjectPath, object: CatalogObject, temporary: bool) -> Result<()> {
        if temporary {
            self.temporary.insert(path.clone(), object);
            return Ok(());
        }
        self.database(&path.catalog, &path.database)?;
        let database = self.catalogs.get_mut(&path.catalog).and_then(|c| c.databases.get_mut(&path.database));
        database.expect("checked to be there").objects.insert(path.name.clone(), object);
        Ok(())
    }

    pub fn remove(&mut self, path: &ObjectPath, temporary: bool) -> Option<CatalogObject> {
        if temporary {
            return self.temporary.remove(path);
        }
        self.catalogs.get_mut(&path.catalog)?.databases.get_mut(&path.database)?.objects.remove(&path.name)
    }

    /// Whether a database holds nothing.
    pub fn is_empty(&self, catalog: &str, database: &str) -> bool {
        self.catalogs.get(catalog).and_then(|c| c.databases.get(database)).is_none_or(|d| d.objects.is_empty())
    }
}

impl ObjectPath {
    /// `catalog.database.name`.
    pub fn dotted(&self) -> String {
        format!("{}.{}.{}", self.catalog, self.database, self.name)
    }
}

//! CREATE: tables, with LIKE and AS, views, databases, catalogs.

use std::sync::Arc;

use brisk_core::{Column, Result};
use brisk_parser::ast::{self, ColumnKind};

use super::{Outcome, Session, is_new};
use crate::bind::place::Places;
use crate::bind::table::{DefinedColumn, DefinedKind, Definition};
use crate::catalog::{CatalogEntry, CatalogObject, Database, Table, View};
use crate::logical::Plan;

impl Session {
    pub(super) fn create_table(&mut self, create: &ast::CreateTable, places: &Places) -> Result<Outcome> {
        if create.or_replace {
            return Err(places.unsupported(create.span, "CREATE OR REPLACE TABLE is not supported").with_remedy("DROP TABLE IF EXISTS first"));
        }
        let path = self.path(&create.name, places)?;
        if !create.temporary {
            self.catalog.database(&path.catalog, &path.database).map_err(|e| e.at(places.at(create.name.span)))?;
        }
        if !is_new(&self.catalog, &path, create.temporary, create.if_not_exists, create.name.span, places)? {
            return Ok(Outcome::Ok("OK".to_string()));
        }
        let mut binder = self.binder(places);
        let mut definition = binder.definition(create, path.dotted())?;
        if let Some(like) = &create.like {
            let base = self.table(&like.table, places)?;
            definition = binder.like(definition, &base, like)?;
        }
        if let Some(query) = &create.query {
            let plan = binder.bind_query(query)?;
            as_query(&mut definition, create, &plan, places)?;
        }
        let table = Arc::new(binder.bind_definition(definition)?);
        self.catalog.put(&path, CatalogObject::Table(table), create.temporary)?;
        let Some(query) = &create.query else { return Ok(Outcome::Ok("OK".to_string())) };
        let insert = insert_of(create, query);
        match self.binder(places).bind_insert(&insert) {
            Ok(insert) => Ok(Outcome::Inserts(vec![insert])),
            Err(e) => {
                self.catalog.remove(&path, create.temporary);
                Err(e)
            }
        }
    }

    /// A table by name.
    pub(super) fn table(&self, name: &ast::ObjectName, places: &Places) -> Result<Arc<Table>> {
        let path = self.path(name, places)?;
        match self.catalog.get(&path) {
            Some(CatalogObject::Table(table)) => Ok(Arc::clone(table)),
            Some(CatalogObject::View(_)) => Err(places.invalid(name.span, format!("`{}` is a view, not a table", path.name))),
            None => Err(places.invalid(name.span, format!("there is no table `{}`", name.values().join(".")))),
        }
    }

    pub(super) fn create_view(&mut self, create: &ast::CreateView, places: &Places) -> Result<()> {
        let path = self.path(&create.name, places)?;
        if !is_new(&self.catalog, &path, create.temporary, create.if_not_exists, create.name.span, places)? {
            return Ok(());
        }
        let names: Vec<String> = create.columns.iter().map(|c| c.value.clone()).collect();
        let view = self.bound_view(&path.dotted(), &create.query, names, create.comment.clone(), places)?;
        self.catalog.put(&path, CatalogObject::View(Arc::new(view)), create.temporary)
    }

    /// A view of a query, which is bound to find its errors and columns.
    pub(super) fn bound_view(&self, name: &str, query: &ast::Query, names: Vec<String>, comment: Option<String>, places: &Places) -> Result<View> {
        let plan = self.binder(places).bind_query(query)?;
        if !names.is_empty() && names.len() != plan.columns.len() {
            return Err(places.invalid(query.span, format!("the query has {} columns, but {} names are given", plan.columns.len(), names.len())));
        }
        let columns: Vec<String> = if names.is_empty() { plan.columns.iter().map(|c| c.name.clone()).collect() } else { names };
        for (i, column) in columns.iter().enumerate() {
            if columns[..i].contains(column) {
                let error = places.invalid(query.span, format!("view `{name}` would have two columns `{column}`"));
                return Err(error.with_remedy("give the columns names of their own with AS"));
            }
        }
        let schema = columns.iter().zip(&plan.columns).map(|(n, c)| Column::new(n, c.sql_type.clone())).collect();
        Ok(View {
            name: name.to_string(),
            query: query.clone(),
            text: places.text(query.span).to_string(),
            columns,
            schema,
            namespace: self.catalog.current().clone(),
            comment,
        })
    }

    pub(super) fn create_database(&mut self, create: &ast::CreateDatabase, places: &Places) -> Result<()> {
        let (catalog, database) = match create.name.values().as_slice() {
            [database] => (self.catalog.current().catalog.clone(), database.to_string()),
            [catalog, database] => (catalog.to_string(), database.to_string()),
            _ => return Err(places.invalid(create.name.span, "a database has two parts at most: catalog.database")),
        };
        let entry = self.catalog.catalogs.get_mut(&catalog).ok_or_else(|| places.invalid(create.name.span, format!("there is no catalog `{catalog}`")))?;
        if entry.databases.contains_key(&database) {
            if create.if_not_exists {
                return Ok(());
            }
            return Err(places.invalid(create.name.span, format!("database `{database}` exists already")).with_remedy("write IF NOT EXISTS"));
        }
        let options = create.options.iter().map(|o| (o.key.clone(), o.value.clone())).collect();
        entry.databases.insert(database, Database::new(create.comment.clone(), options));
        Ok(())
    }

    pub(super) fn create_catalog(&mut self, create: &ast::CreateCatalog, places: &Places) -> Result<()> {
        if self.catalog.catalogs.contains_key(&create.name.value) {
            if create.if_not_exists {
                return Ok(());
            }
            return Err(places.invalid(create.name.span, format!("catalog `{}` exists already", create.name.value)).with_remedy("write IF NOT EXISTS"));
        }
        let kind = create.options.iter().find(|o| o.key == "type");
        let kind = kind.ok_or_else(|| places.invalid(create.span, "a catalog needs the option 'type'").with_remedy("'type' = 'generic_in_memory'"))?;
        if kind.value != "generic_in_memory" {
            let error = places.unsupported(kind.value_span, format!("a catalog of type '{}' is not supported", kind.value));
            return Err(error.with_remedy("use 'generic_in_memory' and CREATE TABLE"));
        }
        let options: std::collections::BTreeMap<String, String> = create.options.iter().map(|o| (o.key.clone(), o.value.clone())).collect();
        let default = options.get("default-database").map_or("default", String::as_str).to_string();
        let databases = [(default, Database::default())].into();
        self.catalog.catalogs.insert(create.name.value.clone(), CatalogEntry { comment: create.comment.clone(), options, databases });
        Ok(())
    }
}

/// Adds the columns of CREATE TABLE .. AS: those of the query come behind the declared ones, which may change their
/// types; a list of bare names gives their order.
fn as_query(definition: &mut Definition, create: &ast::CreateTable, plan: &Plan, places: &Places) -> Result<()> {
    let at = places.at(create.span);
    let mut of_query: Vec<DefinedColumn> = Vec::with_capacity(plan.columns.len());
    for column in &plan.columns {
        let kind = DefinedKind::Physical(column.sql_type.clone());
        of_query.push(DefinedColumn { name: column.name.clone(), kind, comment: None, at });
    }
    let order: Vec<&ast::ColumnDef> = create.columns.iter().filter(|c| c.kind == ColumnKind::FromQuery).collect();
    if !order.is_empty() {
        for named in order {
            let found = of_query.iter().position(|c| c.name == named.name.value);
            let found = found.ok_or_else(|| places.invalid(named.span, format!("column `{}` is not in the query", named.name.value)))?;
            definition.columns.push(of_query.remove(found));
        }
        if let Some(left) = of_query.first() {
            return Err(places.invalid(create.span, format!("column `{}` of the query is not in the list of columns", left.name)));
        }
        return Ok(());
    }
    for column in of_query {
        match definition.columns.iter().position(|c| c.name == column.name) {
            // Declared: its type is taken, its place is the query's.
            Some(own) if matches!(definition.columns[own].kind, DefinedKind::Physical(_)) => {
                let own = definition.columns.remove(own);
                definition.columns.push(own);
            }
            Some(_) => return Err(places.invalid(create.span, format!("column `{}` of the query is declared as computed or metadata", column.name))),
            None => definition.columns.push(column),
        }
    }
    Ok(())
}

/// The INSERT that fills a table created AS a query: columns by name, in the query's order.
fn insert_of(create: &ast::CreateTable, query: &ast::Query) -> ast::Insert {
    ast::Insert {
        overwrite: false,
        target: create.name.clone(),
        hints: Vec::new(),
        partition: Vec::new(),
        columns: Vec::new(),
        source: query.clone(),
        span: create.span,
    }
}

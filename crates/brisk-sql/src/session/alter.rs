//! ALTER TABLE and ALTER VIEW: the definition is changed and bound again as a whole.

use std::sync::Arc;

use brisk_core::Result;
use brisk_parser::ast::{self, AlterTableAction, AlterViewAction, ColumnPlace, SchemaChange};

use super::{Session, is_new};
use crate::bind::place::Places;
use crate::bind::table::{DefinedKind, Definition};
use crate::catalog::{CatalogObject, ObjectPath};

impl Session {
    pub(super) fn alter_table(&mut self, alter: &ast::AlterTable, places: &Places) -> Result<()> {
        let path = self.path(&alter.name, places)?;
        if alter.if_exists && self.catalog.get(&path).is_none() {
            return Ok(());
        }
        let table = self.table(&alter.name, places)?;
        let temporary = self.catalog.temporary(&path).is_some();
        if let AlterTableAction::RenameTo(name) = &alter.action {
            let target = self.renamed(&path, name, places)?;
            is_new(&self.catalog, &target, temporary, false, name.span, places)?;
            let mut renamed = (*table).clone();
            renamed.name = target.dotted();
            self.catalog.remove(&path, temporary);
            return self.catalog.put(&target, CatalogObject::Table(Arc::new(renamed)), temporary);
        }
        let mut definition = Definition::of(&table)?;
        self.change(&mut definition, &alter.action, places)?;
        let table = self.binder(places).bind_definition(definition)?;
        self.catalog.put(&path, CatalogObject::Table(Arc::new(table)), temporary)
    }

    /// A name without catalog and database stays in those of the old one.
    fn renamed(&self, old: &ObjectPath, name: &ast::ObjectName, places: &Places) -> Result<ObjectPath> {
        match name.parts.as_slice() {
            [only] => Ok(ObjectPath { name: only.value.clone(), ..old.clone() }),
            _ => self.path(name, places),
        }
    }

    fn change(&self, definition: &mut Definition, action: &AlterTableAction, places: &Places) -> Result<()> {
        match action {
            AlterTableAction::SetOptions(options) => self.binder(places).set_options(definition, options),
            AlterTableAction::ResetOptions(keys) => {
                for key in keys {
                    definition.options.remove(key);
                }
                Ok(())
            }
            AlterTableAction::RenameColumn { from, to } => rename_column(definition, from, to, places),
            AlterTableAction::Add(change) => self.add(definition, change, false, places),
            AlterTableAction::Modify(change) => self.add(definition, change, true, places),
            AlterTableAction::DropColumns(names) => names.iter().try_for_each(|name| drop_column(definition, name, places)),
            AlterTableAction::DropPrimaryKey => gone(definition.primary_key.take(), "primary key", places),
            AlterTableAction::DropConstraint(name) => {
                let key = definition.primary_key.take_if(|k| k.name.as_deref() == Some(&name.value));
                key.map(drop).ok_or_else(|| places.invalid(name.span, format!("the table has no constraint `{}`", name.value)))
            }
            AlterTableAction::DropWatermark => gone(definition.watermark.take(), "watermark", places),
            AlterTableAction::DropDistribution | AlterTableAction::SetDistribution(_) => Err(brisk_core::Error::unsupported("DISTRIBUTION is not supported")),
            AlterTableAction::RenameTo(_) => Ok(()),
        }
    }

    /// ADD, or with `modify` the change of what is there.
    fn add(&self, definition: &mut Definition, change: &SchemaChange, modify: bool, places: &Places) -> Result<()> {
        let binder = self.binder(places);
        for change in &change.columns {
            let mut column = binder.defined_column(&change.column)?;
            let span = change.column.name.span;
            let place = match definition.column(&column.name) {
                Some(old) if modify => {
                    let old_column = definition.columns.remove(old);
                    column.comment = column.comment.or(old_column.comment);
                    old
                }
                Some(_) => return Err(places.invalid(span, format!("column `{}` exists already", column.name)).with_remedy("use MODIFY")),
                None if modify => return Err(places.invalid(span, format!("there is no column `{}`", column.name)).with_remedy("use ADD")),
                None => definition.columns.len(),
            };
            let place = match &change.place {
                None => place,
                Some(ColumnPlace::First) => 0,
                Some(ColumnPlace::After(name)) => {
                    let after = definition.column(&name.last().value);
                    1 + after.ok_or_else(|| places.invalid(name.span, format!("there is no column `{}`", name.last().value)))?
                }
            };
            definition.columns.insert(place, column);
        }
        if let Some(watermark) = &change.watermark {
            check_slot(definition.watermark.is_some(), modify, "a watermark", places, watermark.span)?;
            definition.watermark = Some(binder.defined_watermark(watermark)?);
        }
        for constraint in &change.constraints {
            check_slot(definition.primary_key.is_some(), modify, "a primary key", places, constraint.span)?;
            definition.primary_key = Some(binder.defined_key(constraint)?);
        }
        Ok(())
    }

    pub(super) fn alter_view(&mut self, alter: &ast::AlterView, places: &Places) -> Result<()> {
        let path = self.path(&alter.name, places)?;
        let Some(CatalogObject::View(view)) = self.catalog.get(&path).cloned() else {
            return Err(places.invalid(alter.name.span, format!("there is no view `{}`", alter.name.values().join("."))));
        };
        let temporary = self.catalog.temporary(&path).is_some();
        match &alter.action {
            AlterViewAction::RenameTo(name) => {
                let target = self.renamed(&path, name, places)?;
                is_new(&self.catalog, &target, temporary, false, name.span, places)?;
                let mut renamed = (*view).clone();
                renamed.name = target.dotted();
                self.catalog.remove(&path, temporary);
                self.catalog.put(&target, CatalogObject::View(Arc::new(renamed)), temporary)
            }
            AlterViewAction::As(query) => {
                let changed = self.bound_view(&view.name, query, Vec::new(), view.comment.clone(), places)?;
                self.catalog.put(&path, CatalogObject::View(Arc::new(changed)), temporary)
            }
        }
    }
}

fn check_slot(taken: bool, modify: bool, what: &str, places: &Places, span: brisk_parser::Span) -> Result<()> {
    match (taken, modify) {
        (true, false) => Err(places.invalid(span, format!("the table has {what} already")).with_remedy("use MODIFY")),
        (false, true) => Err(places.invalid(span, format!("the table has not {what}")).with_remedy("use ADD")),
        _ => Ok(()),
    }
}

fn gone<T>(what: Option<T>, name: &str, places: &Places) -> Result<()> {
    what.map(drop).ok_or_else(|| places.invalid(brisk_parser::Span::default(), format!("the table has no {name}")))
}

fn rename_column(definition: &mut Definition, from: &ast::ObjectName, to: &ast::Ident, places: &Places) -> Result<()> {
    let old = plain(from, places)?;
    let at = definition.column(old).ok_or_else(|| places.invalid(from.span, format!("there is no column `{old}`")))?;
    if definition.column(&to.value).is_some() {
        return Err(places.invalid(to.span, format!("column `{}` exists already", to.value)));
    }
    refuse_if_used(definition, old, "renamed", from, places)?;
    definition.columns[at].name.clone_from(&to.value);
    let renamed = |names: &mut Vec<String>| names.iter_mut().filter(|n| *n == old).for_each(|n| n.clone_from(&to.value));
    renamed(&mut definition.partition_keys);
    if let Some(key) = &mut definition.primary_key {
        renamed(&mut key.columns);
    }
    Ok(())
}

fn drop_column(definition: &mut Definition, name: &ast::ObjectName, places: &Places) -> Result<()> {
    let column = plain(name, places)?;
    let at = definition.column(column).ok_or_else(|| places.invalid(name.span, format!("there is no column `{column}`")))?;
    if definition.primary_key.as_ref().is_some_and(|k| k.columns.iter().any(|c| c == column)) {
        return Err(places.invalid(name.span, format!("column `{column}` is part of the primary key")));
    }
    refuse_if_used(definition, column, "dropped", name, places)?;
    definition.columns.remove(at);
    Ok(())
}

fn plain<'n>(name: &'n ast::ObjectName, places: &Places) -> Result<&'n str> {
    match name.parts.as_slice() {
        [only] => Ok(&only.value),
        _ => Err(places.unsupported(name.span, "nested fields cannot be altered").with_remedy("MODIFY the whole column")),
    }
}

/// A column that others are computed from stays as it is.
fn refuse_if_used(definition: &Definition, column: &str, what: &str, name: &ast::ObjectName, places: &Places) -> Result<()> {
    let uses = |e: &ast::Expr| names_in(e).any(|n| n == column);
    let by_watermark = definition.watermark.as_ref().is_some_and(|w| w.column == column || uses(&w.expr.expr));
    let by_computed = definition.columns.iter().find(|c| matches!(&c.kind, DefinedKind::Computed(e) if uses(&e.expr)));
    let user = match (by_watermark, by_computed) {
        (true, _) => "the watermark".to_string(),
        (_, Some(c)) => format!("computed column `{}`", c.name),
        _ => return Ok(()),
    };
    Err(places.invalid(name.span, format!("column `{column}` cannot be {what}: {user} uses it")))
}

/// The first parts of all names in an expression.
fn names_in(expr: &ast::Expr) -> impl Iterator<Item = &str> {
    let mut found = Vec::new();
    let mut open = vec![expr];
    while let Some(e) = open.pop() {
        if let Some(name) = e.as_name() {
            found.push(name.parts[0].value.as_str());
        }
        open.extend(crate::bind::children(e));
    }
    found.into_iter()
}

//! INSERT: the query's columns brought to those of the table.

use std::sync::Arc;

use brisk_core::{Error, Result, SqlType};
use brisk_functions::{Expr, cast};
use brisk_parser::Span;
use brisk_parser::ast;

use super::expr::{coerce, nearest};
use super::scope::Scope;
use super::{Binder, Env, one_row, project};
use crate::catalog::{CatalogObject, Table, TableColumn, TableColumnKind};
use crate::logical::{Insert, Plan};

/// What a written column gets.
enum Value {
    Query(usize),
    Constant(Expr),
    Null,
}

impl Binder<'_> {
    pub fn bind_insert(&mut self, insert: &ast::Insert) -> Result<Insert> {
        let table = self.insert_target(insert)?;
        let source = self.top_query(&insert.source)?;
        let written = written_columns(&table);
        let values = self.insert_values(insert, &table, &written, &source)?;
        let mut exprs = Vec::with_capacity(written.len());
        let mut not_null = Vec::new();
        for (position, (&at, value)) in written.iter().zip(values).enumerate() {
            let column = &table.columns[at];
            let span = insert.source.span;
            let expr = match value {
                Value::Query(i) => {
                    self.assignable(span, &table, column, position, &source.columns[i].sql_type, &source, &written)?;
                    coerce(super::column(&source, i), &column.sql_type)
                }
                Value::Constant(e) => {
                    self.assignable(span, &table, column, position, &e.sql_type(), &source, &written)?;
                    coerce(e, &column.sql_type)
                }
                Value::Null if !column.sql_type.nullable => {
                    return Err(self.invalid(insert.target.span, format!("column `{}` has no default value and does not allow NULLs", column.name)));
                }
                Value::Null => Expr::null(&column.sql_type),
            };
            if !column.sql_type.nullable && expr.sql_type().nullable {
                not_null.push(position);
            }
            exprs.push((column.name.clone(), expr.fold(&self.context)?));
        }
        let source = project(source, exprs);
        Ok(Insert { table, source, overwrite: insert.overwrite, statement: self.places.statement(), not_null })
    }

    fn insert_target(&mut self, insert: &ast::Insert) -> Result<Arc<Table>> {
        let path = self.catalog.path(&insert.target.values(), &self.namespace);
        match path.and_then(|p| self.catalog.get(&p)) {
            Some(CatalogObject::Table(table)) => Ok(self.with_hints(table, &insert.hints)),
            Some(CatalogObject::View(_)) => {
                Err(self.invalid(insert.target.span, format!("`{}` is a view and cannot be written to", insert.target.values().join("."))))
            }
            None => Err(self.no_such_table(&insert.target)),
        }
    }

    /// For each written column where its value comes from.
    fn insert_values(&mut self, insert: &ast::Insert, table: &Table, written: &[usize], source: &Plan) -> Result<Vec<Value>> {
        let mut values: Vec<Option<Value>> = written.iter().map(|_| None).collect();
        for item in &insert.partition {
            let at = self.written_column(table, written, &item.name)?;
            if !table.partition_keys.contains(&written[at]) {
                return Err(self.invalid(item.span, format!("`{}` is no partition column of the table", item.name.value)));
            }
            if let Some(value) = &item.value {
                let mut env = Env { no_subquery: Some("PARTITION"), ..Env::new(one_row(), Scope::default()) };
                let value = self.expr(&mut env, value)?;
                let target = &table.columns[written[at]].sql_type;
                // A partition is written as text as often as not.
                values[at] = Some(Value::Constant(self.cast(item.span, value, target.clone(), false)?));
            }
        }
        let open: Vec<usize> = match insert.columns.as_slice() {
            [] => (0..written.len()).filter(|&i| values[i].is_none()).collect(),
            named => {
                let mut open = Vec::with_capacity(named.len());
                for name in named {
                    let [column] = name.parts.as_slice() else {
                        return Err(self.unsupported(name.span, "INSERT into nested fields is not supported").with_remedy("build the ROW in the query"));
                    };
                    let at = self.written_column(table, written, column)?;
                    if values[at].is_some() || open.contains(&at) {
                        return Err(self.invalid(column.span, format!("column `{}` is given twice", column.value)));
                    }
                    open.push(at);
                }
                open
            }
        };
        if open.len() != source.columns.len() {
            return Err(self.column_mismatch(insert.source.span, table, "different number of columns", source, written));
        }
        for (i, at) in open.into_iter().enumerate() {
            values[at] = Some(Value::Query(i));
        }
        Ok(values.into_iter().map(|v| v.unwrap_or(Value::Null)).collect())
    }

    fn written_column(&self, table: &Table, written: &[usize], name: &ast::Ident) -> Result<usize> {
        let at = written.iter().position(|&i| table.columns[i].name == name.value);
        at.ok_or_else(|| {
            if table.columns.iter().any(|c| c.name == name.value) {
                return self.invalid(name.span, format!("column `{}` is computed or virtual and cannot be written to", name.value));
            }
            let error = self.invalid(name.span, format!("table `{}` has no column `{}`", table.name, name.value));
            match nearest(&name.value, table.columns.iter().map(|c| c.name.as_str())) {
                Some(near) => error.with_remedy(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn assignable(&self, span: Span, table: &Table, column: &TableColumn, position: usize, from: &SqlType, source: &Plan, written: &[usize]) -> Result<()> {
        if cast::implicit(from, &column.sql_type.with_nullable(true)) || from.data_type == brisk_core::DataType::Null {
            return Ok(());
        }
        let cause = format!(
            "incompatible types for sink column `{}` at position {position}: {} cannot be assigned to {}",
            column.name, from.data_type, column.sql_type.data_type
        );
        Err(self.column_mismatch(span, table, &cause, source, written).with_remedy(format!("CAST it to {}", column.sql_type.data_type)))
    }

    fn column_mismatch(&self, span: Span, table: &Table, cause: &str, source: &Plan, written: &[usize]) -> Error {
        let query: Vec<String> = source.columns.iter().map(|c| format!("{}: {}", c.name, c.sql_type)).collect();
        let sink: Vec<String> = written.iter().map(|&i| format!("{}: {}", table.columns[i].name, table.columns[i].sql_type)).collect();
        let message = format!(
            "column types of query result and sink for '{}' do not match: {cause}. Query schema: [{}]. Sink schema: [{}]",
            table.name,
            query.join(", "),
            sink.join(", ")
        );
        self.invalid(span, message)
    }
}

/// The columns that INSERT writes: neither computed nor virtual.
pub fn written_columns(table: &Table) -> Vec<usize> {
    let is_written = |c: &TableColumn| match &c.kind {
        TableColumnKind::Physical => true,
        TableColumnKind::Metadata { is_virtual, .. } => !is_virtual,
        TableColumnKind::Computed { .. } => false,
    };
    (0..table.columns.len()).filter(|&i| is_written(&table.columns[i])).collect()
}

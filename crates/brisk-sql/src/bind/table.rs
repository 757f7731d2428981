//! Definitions of tables: CREATE TABLE, LIKE and ALTER TABLE make a [`Definition`], which is checked and bound as a whole.

use std::collections::BTreeMap;

use brisk_core::{DataType, Error, Position, Result, SqlType};
use brisk_parser::ast::{self, ColumnKind, ConstraintKind, LikeFeature, LikeStrategy};

use super::expr::coerce;
use super::place::Places;
use super::{Binder, types};
use crate::catalog::{Table, TableColumn, TableColumnKind, TableWatermark};
use crate::logical::PlanColumn;

/// A table before it is checked.
#[derive(Debug, Clone)]
pub struct Definition {
    /// `catalog.database.table`.
    pub name: String,
    pub columns: Vec<DefinedColumn>,
    pub watermark: Option<DefinedWatermark>,
    pub primary_key: Option<DefinedKey>,
    pub partition_keys: Vec<String>,
    pub options: BTreeMap<String, String>,
    pub option_positions: BTreeMap<String, Position>,
    pub comment: Option<String>,
    pub position: Position,
}

#[derive(Debug, Clone)]
pub struct DefinedColumn {
    pub name: String,
    pub kind: DefinedKind,
    pub comment: Option<String>,
    pub at: Position,
}

#[derive(Debug, Clone)]
pub enum DefinedKind {
    Physical(SqlType),
    Metadata { sql_type: SqlType, key: String, is_virtual: bool },
    Computed(DefinedExpr),
}

/// An expression with its text. `places` knows where its spans are.
#[derive(Debug, Clone)]
pub struct DefinedExpr {
    pub expr: ast::Expr,
    pub text: String,
    pub places: Places,
}

#[derive(Debug, Clone)]
pub struct DefinedWatermark {
    pub column: String,
    pub expr: DefinedExpr,
    pub at: Position,
}

#[derive(Debug, Clone)]
pub struct DefinedKey {
    pub name: Option<String>,
    pub columns: Vec<String>,
    pub at: Position,
}

impl Definition {
    /// What was bound, as it was defined.
    pub fn of(table: &Table) -> Result<Self> {
        let again = |text: &str| -> Result<DefinedExpr> {
            let expr = brisk_parser::parse_expression(text).map_err(|e| Error::internal(format!("table `{}`: {e}", table.name)))?;
            Ok(DefinedExpr { expr, text: text.to_string(), places: Places::fixed(table.position) })
        };
        let column = |c: &TableColumn| -> Result<DefinedColumn> {
            let kind = match &c.kind {
                TableColumnKind::Physical => DefinedKind::Physical(c.sql_type.clone()),
                TableColumnKind::Metadata { key, is_virtual } => {
                    DefinedKind::Metadata { sql_type: c.sql_type.clone(), key: key.clone(), is_virtual: *is_virtual }
                }
                TableColumnKind::Computed { text, .. } => DefinedKind::Computed(again(text)?),
            };
            Ok(DefinedColumn { name: c.name.clone(), kind, comment: c.comment.clone(), at: table.position })
        };
        let name = |i: &usize| table.columns[*i].name.clone();
        let watermark = match &table.watermark {
            Some(w) => Some(DefinedWatermark { column: name(&w.column), expr: again(&w.text)?, at: table.position }),
            None => None,
        };
        let key = DefinedKey { name: table.primary_key_name.clone(), columns: table.primary_key.iter().map(name).collect(), at: table.position };
        Ok(Self {
            name: table.name.clone(),
            columns: table.columns.iter().map(column).collect::<Result<_>>()?,
            watermark,
            primary_key: (!table.primary_key.is_empty()).then_some(key),
            partition_keys: table.partition_keys.iter().map(name).collect(),
            options: table.options.clone(),
            option_positions: table.option_positions.clone(),
            comment: table.comment.clone(),
            position: table.position,
        })
    }

    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == name)
    }
}

impl Binder<'_> {
    /// The definition that CREATE TABLE writes, without LIKE and AS.
    pub fn definition(&self, create: &ast::CreateTable, name: String) -> Result<Definition> {
        let mut columns = Vec::with_capacity(create.columns.len());
        for column in create.columns.iter().filter(|c| c.kind != ColumnKind::FromQuery) {
            columns.push(self.defined_column(column)?);
        }
        if let Some(distribution) = &create.distribution {
            return Err(self.unsupported(distribution.span, "DISTRIBUTED is not supported").with_remedy("leave it out; rows are dealt out by key"));
        }
        let mut definition = Definition {
            name,
            columns,
            watermark: create.watermark.as_ref().map(|w| self.defined_watermark(w)).transpose()?,
            primary_key: None,
            partition_keys: create.partitioned_by.iter().map(|p| p.value.clone()).collect(),
            options: BTreeMap::new(),
            option_positions: BTreeMap::new(),
            comment: create.comment.clone(),
            position: self.at(create.span),
        };
        for constraint in &create.constraints {
            let key = self.defined_key(constraint)?;
            if definition.primary_key.replace(key).is_some() {
                return Err(self.invalid(constraint.span, "a table has one primary key only"));
            }
        }
        self.set_options(&mut definition, &create.options)?;
        Ok(definition)
    }

    pub fn set_options(&self, definition: &mut Definition, options: &[ast::TableOption]) -> Result<()> {
        for option in options {
            definition.option_positions.insert(option.key.clone(), self.at(option.key_span));
            definition.options.insert(option.key.clone(), option.value.clone());
        }
        Ok(())
    }

    pub fn defined_column(&self, column: &ast::ColumnDef) -> Result<DefinedColumn> {
        let kind = match &column.kind {
            ColumnKind::Physical(t) => DefinedKind::Physical(types::sql_type(&self.places, t)?),
            ColumnKind::Metadata { data_type, key, is_virtual } => DefinedKind::Metadata {
                sql_type: types::sql_type(&self.places, data_type)?,
                key: key.clone().unwrap_or_else(|| column.name.value.clone()),
                is_virtual: *is_virtual,
            },
            ColumnKind::Computed(expr) => DefinedKind::Computed(self.defined_expr(expr)),
            ColumnKind::FromQuery => return Err(self.invalid(column.span, format!("column `{}` has no type", column.name.value))),
        };
        Ok(DefinedColumn { name: column.name.value.clone(), kind, comment: column.comment.clone(), at: self.at(column.name.span) })
    }

    pub fn defined_watermark(&self, watermark: &ast::WatermarkDef) -> Result<DefinedWatermark> {
        let [column] = watermark.column.parts.as_slice() else {
            return Err(self.unsupported(watermark.column.span, "a watermark for a nested field is not supported").with_remedy("add a computed column for it"));
        };
        Ok(DefinedWatermark { column: column.value.clone(), expr: self.defined_expr(&watermark.expr), at: self.at(column.span) })
    }

    fn defined_expr(&self, expr: &ast::Expr) -> DefinedExpr {
        DefinedExpr { expr: expr.clone(), text: expr.to_string(), places: self.places.clone() }
    }

    pub fn defined_key(&self, constraint: &ast::TableConstraint) -> Result<DefinedKey> {
        if constraint.kind == ConstraintKind::Unique {
            return Err(self.unsupported(constraint.span, "UNIQUE is not supported").with_remedy("use PRIMARY KEY (..) NOT ENFORCED"));
        }
        if constraint.enforced != Some(false) {
            let error = self.unsupported(constraint.span, "a PRIMARY KEY is not enforced: the data belong to another system");
            return Err(error.with_remedy("write PRIMARY KEY (..) NOT ENFORCED"));
        }
        let name = constraint.name.as_ref().map(|n| n.value.clone());
        Ok(DefinedKey { name, columns: constraint.columns.iter().map(|c| c.value.clone()).collect(), at: self.at(constraint.span) })
    }

    // ---- LIKE

    /// Takes over what LIKE says from another table.
    pub fn like(&self, definition: Definition, base: &Table, like: &ast::LikeClause) -> Result<Definition> {
        let base = Definition::of(base)?;
        let mut merged = definition.clone();
        let strategy = |feature| like_strategy(like, feature);
        let twice = |what: String, remedy: &str| self.invalid(like.span, format!("the base table has {what} already")).with_remedy(remedy.to_string());

        let mut columns = Vec::new();
        for column in base.columns {
            let (feature, name) = match &column.kind {
                DefinedKind::Physical(_) => (None, "GENERATED"),
                DefinedKind::Computed(_) => (Some(LikeFeature::Generated), "GENERATED"),
                DefinedKind::Metadata { .. } => (Some(LikeFeature::Metadata), "METADATA"),
            };
            let how = feature.map_or(LikeStrategy::Including, strategy);
            let is_new = definition.columns.iter().any(|c| c.name == column.name);
            match how {
                LikeStrategy::Excluding => {}
                LikeStrategy::Overwriting if is_new => {
                    let own = merged.columns.iter().position(|c| c.name == column.name).expect("just found");
                    columns.push(merged.columns.remove(own));
                }
                _ if is_new => return Err(twice(format!("a column `{}`", column.name), &format!("leave it out, or write EXCLUDING {name}"))),
                _ => columns.push(column),
            }
        }
        columns.append(&mut merged.columns);
        merged.columns = columns;

        merged.watermark = match (strategy(LikeFeature::Watermarks), base.watermark, definition.watermark) {
            (LikeStrategy::Excluding, _, own) | (_, None, own) => own,
            (LikeStrategy::Overwriting, Some(_), Some(own)) => Some(own),
            (_, Some(theirs), None) => Some(theirs),
            (_, Some(_), Some(_)) => return Err(twice("a watermark".into(), "write EXCLUDING WATERMARKS or OVERWRITING WATERMARKS")),
        };
        merged.primary_key = match (strategy(LikeFeature::Constraints), base.primary_key, definition.primary_key) {
            (LikeStrategy::Excluding, _, own) | (_, None, own) => own,
            (_, Some(theirs), None) => Some(theirs),
            (_, Some(_), Some(_)) => return Err(twice("a primary key".into(), "write EXCLUDING CONSTRAINTS")),
        };
        if strategy(LikeFeature::Partitions) != LikeStrategy::Excluding && !base.partition_keys.is_empty() {
            if !definition.partition_keys.is_empty() {
                return Err(twice("partitions".into(), "write EXCLUDING PARTITIONS"));
            }
            merged.partition_keys = base.partition_keys;
        }
        let options = strategy(LikeFeature::Options);
        if options != LikeStrategy::Excluding {
            for (key, value) in base.options {
                let own = merged.options.contains_key(&key);
                if own && options == LikeStrategy::Including {
                    return Err(twice(format!("an option '{key}'"), "write EXCLUDING OPTIONS or OVERWRITING OPTIONS"));
                }
                if !own {
                    if let Some(at) = base.option_positions.get(&key) {
                        merged.option_positions.insert(key.clone(), *at);
                    }
                    merged.options.insert(key, value);
                }
            }
        }
        merged.comment = merged.comment.or(base.comment);
        Ok(merged)
    }

    // ---- checks

    /// The table of a definition, checked and bound.
    pub fn bind_definition(&mut self, definition: Definition) -> Result<Table> {
        let Definition { name, columns, watermark, primary_key, partition_keys, options, option_positions, comment, position } = definition;
        for (i, column) in columns.iter().enumerate() {
            if columns[..i].iter().any(|c| c.name == column.name) {
                return Err(Error::invalid(format!("table `{name}` has two columns `{}`", column.name)).at(column.at));
            }
        }
        let find = |wanted: &str, what: &str, at: Position| -> Result<usize> {
            let found = columns.iter().position(|c| c.name == wanted);
            found.ok_or_else(|| Error::invalid(format!("{what} column `{wanted}` is no column of the table")).at(at))
        };
        let (key, key_name) = match &primary_key {
            Some(key) => {
                let mut positions = Vec::with_capacity(key.columns.len());
                for c in &key.columns {
                    let at = find(c, "primary key", key.at)?;
                    if !matches!(columns[at].kind, DefinedKind::Physical(_)) {
                        return Err(Error::invalid(format!("primary key column `{c}` is not a physical column")).at(key.at));
                    }
                    if positions.contains(&at) {
                        return Err(Error::invalid(format!("column `{c}` stands twice in the primary key")).at(key.at));
                    }
                    positions.push(at);
                }
                let name = key.name.clone().unwrap_or_else(|| format!("PK_{}", key.columns.join("_")));
                (positions, Some(name))
            }
            None => (Vec::new(), None),
        };
        let mut partitions = Vec::with_capacity(partition_keys.len());
        for p in &partition_keys {
            partitions.push(find(p, "partition", position)?);
        }
        let watermark_column = match &watermark {
            Some(w) => Some(find(&w.column, "watermark", w.at)?),
            None => None,
        };
        // Computed columns see physical and metadata columns only.
        let mut bound: Vec<TableColumn> = Vec::with_capacity(columns.len());
        let mut visible: Vec<PlanColumn> = Vec::with_capacity(columns.len());
        for (i, column) in columns.iter().enumerate() {
            let sql_type = match &column.kind {
                DefinedKind::Physical(t) if key.contains(&i) => t.with_nullable(false),
                DefinedKind::Physical(t) | DefinedKind::Metadata { sql_type: t, .. } => t.clone(),
                DefinedKind::Computed(_) => SqlType::nullable(DataType::Null),
            };
            let is_computed = matches!(column.kind, DefinedKind::Computed(_));
            visible.push(PlanColumn::new(if is_computed { String::new() } else { column.name.clone() }, sql_type));
        }
        let mut seen = visible.clone();
        for (i, column) in columns.into_iter().enumerate() {
            let (sql_type, kind) = match column.kind {
                DefinedKind::Physical(_) => (visible[i].sql_type.clone(), TableColumnKind::Physical),
                DefinedKind::Metadata { sql_type, key, is_virtual } => (sql_type, TableColumnKind::Metadata { key, is_virtual }),
                DefinedKind::Computed(defined) => {
                    let expr = self.defined_value(&visible, &defined).map_err(|e| e.context(format!("computed column `{}`", column.name)).at(column.at))?;
                    (expr.sql_type(), TableColumnKind::Computed { expr, text: defined.text })
                }
            };
            seen[i] = PlanColumn::new(&column.name, sql_type.clone());
            bound.push(TableColumn { name: column.name, sql_type, kind, comment: column.comment });
        }
        let watermark = match (watermark, watermark_column) {
            (Some(w), Some(at)) => Some(self.bound_watermark(&seen, w, at)?),
            _ => None,
        };
        Ok(Table {
            name,
            columns: bound,
            watermark,
            primary_key: key,
            primary_key_name: key_name,
            partition_keys: partitions,
            options,
            option_positions,
            position,
            comment,
        })
    }

    fn bound_watermark(&mut self, columns: &[PlanColumn], watermark: DefinedWatermark, at: usize) -> Result<TableWatermark> {
        let column = &columns[at];
        let is_time = |t: &DataType| matches!(t, DataType::Timestamp(0..=3) | DataType::TimestampLtz(0..=3));
        let must = "must be TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3";
        if !is_time(&column.sql_type.data_type) {
            let message = format!("the time column of a watermark {must}, but `{}` is {}", column.name, column.sql_type.data_type);
            return Err(Error::invalid(message).at(watermark.at));
        }
        let expr = self.defined_value(columns, &watermark.expr).map_err(|e| e.at(watermark.at))?;
        let found = expr.sql_type().data_type;
        let place = watermark.expr.places.at(watermark.expr.expr.span);
        if !found.is_timestamp() || matches!(found, DataType::Timestamp(p) | DataType::TimestampLtz(p) if p > 3) {
            return Err(Error::invalid(format!("the watermark {must}, but it is {found}")).at(place));
        }
        if std::mem::discriminant(&found) != std::mem::discriminant(&column.sql_type.data_type) {
            return Err(Error::invalid(format!("the watermark is {found} and its time column `{}` is {}", column.name, column.sql_type.data_type)).at(place));
        }
        Ok(TableWatermark { column: at, expr: coerce(expr, &column.sql_type), text: watermark.expr.text })
    }

    fn defined_value(&mut self, columns: &[PlanColumn], defined: &DefinedExpr) -> Result<brisk_functions::Expr> {
        let mine = std::mem::replace(&mut self.places, defined.places.clone());
        let bound = self.bind_over(columns, &defined.expr);
        self.places = mine;
        bound
    }
}

/// What LIKE does with a feature: the last that is written for it, else for ALL, else Flink's default.
fn like_strategy(like: &ast::LikeClause, feature: LikeFeature) -> LikeStrategy {
    let written = |f: LikeFeature| like.options.iter().rev().find(|o| o.feature == f).map(|o| o.strategy);
    let default = if feature == LikeFeature::Options { LikeStrategy::Overwriting } else { LikeStrategy::Including };
    written(feature).or_else(|| written(LikeFeature::All)).unwrap_or(default)
}

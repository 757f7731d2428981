//! SHOW and DESCRIBE.

use brisk_core::Result;
use brisk_functions::{aggregate, scalar};
use brisk_parser::ast::{self, DescribeWhat, ShowLike, ShowWhat};

use super::{Outcome, Session, TextRows};
use crate::bind::place::Places;
use crate::catalog::{CatalogObject, ObjectPath, Table, TableColumn, TableColumnKind, View};

impl Session {
    pub(super) fn show(&self, show: &ast::Show, places: &Places) -> Result<Outcome> {
        let like = show.like.as_ref();
        Ok(match &show.what {
            ShowWhat::Tables { from } => {
                let namespace = self.namespace(from.as_ref(), places)?;
                names("table name", self.catalog.names(&namespace), like)
            }
            ShowWhat::Views { from } => {
                let namespace = self.namespace(from.as_ref(), places)?;
                let views = self.catalog.objects(&namespace).into_iter().filter(|(_, o)| matches!(o, CatalogObject::View(_)));
                names("view name", views.map(|(n, _)| n).collect(), like)
            }
            ShowWhat::Databases { from } => {
                let catalog = from.as_ref().map_or(self.catalog.current().catalog.as_str(), |n| n.last().value.as_str());
                let entry = self.catalog.catalogs.get(catalog);
                let entry = entry.ok_or_else(|| places.invalid(show.span, format!("there is no catalog `{catalog}`")))?;
                names("database name", entry.databases.keys().cloned().collect(), like)
            }
            ShowWhat::Catalogs => names("catalog name", self.catalog.catalogs.keys().cloned().collect(), like),
            ShowWhat::Functions { user: true, .. } => names("function name", Vec::new(), like),
            ShowWhat::Functions { .. } => names("function name", function_names(), like),
            ShowWhat::MaterializedTables { .. } => names("materialized table name", Vec::new(), like),
            ShowWhat::Procedures { .. } => names("procedure name", Vec::new(), like),
            ShowWhat::Models { .. } => names("model name", Vec::new(), like),
            ShowWhat::Jars => names("jars", Vec::new(), like),
            ShowWhat::Modules { full } => {
                let mut rows = TextRows { columns: vec!["module name".into()], rows: vec![vec![Some("core".into())]] };
                if *full {
                    rows.columns.push("used".into());
                    rows.rows[0].push(Some("TRUE".into()));
                }
                Outcome::Rows(rows)
            }
            ShowWhat::CurrentCatalog => names("current catalog name", vec![self.catalog.current().catalog.clone()], None),
            ShowWhat::CurrentDatabase => names("current database name", vec![self.catalog.current().database.clone()], None),
            ShowWhat::Columns { table } => {
                let mut rows = self.described(table, places)?;
                rows.rows.retain(|r| matches(like, r[0].as_deref().unwrap_or("")));
                Outcome::Rows(rows)
            }
            ShowWhat::CreateTable(name) => {
                let (path, object) = self.object(name, places)?;
                let CatalogObject::Table(table) = object else {
                    return Err(places.invalid(name.span, format!("`{}` is a view", path.name)).with_remedy("use SHOW CREATE VIEW"));
                };
                names("result", vec![create_table(&path, table, self.catalog.temporary(&path).is_some())], None)
            }
            ShowWhat::CreateView(name) => {
                let (path, object) = self.object(name, places)?;
                let CatalogObject::View(view) = object else {
                    return Err(places.invalid(name.span, format!("`{}` is a table", path.name)).with_remedy("use SHOW CREATE TABLE"));
                };
                names("result", vec![create_view(&path, view, self.catalog.temporary(&path).is_some())], None)
            }
            ShowWhat::CreateCatalog(name) => {
                let entry = self.catalog.catalogs.get(&name.value);
                let entry = entry.ok_or_else(|| places.invalid(name.span, format!("there is no catalog `{}`", name.value)))?;
                let comment = entry.comment.as_ref().map_or(String::new(), |c| format!("\nCOMMENT {}", text(c)));
                names("result", vec![format!("CREATE CATALOG {}{comment} WITH (\n{}\n)", quoted(&name.value), options(&entry.options))], None)
            }
            ShowWhat::Partitions { table, .. } => {
                return Err(places.unsupported(table.span, "SHOW PARTITIONS is not supported").with_remedy("query the partition columns"));
            }
            ShowWhat::Jobs => Outcome::ShowJobs,
        })
    }

    pub(super) fn describe(&self, describe: &ast::Describe, places: &Places) -> Result<Outcome> {
        let pairs = |pairs: Vec<(&str, String)>| {
            let rows = pairs.into_iter().map(|(k, v)| vec![Some(k.to_string()), Some(v)]).collect();
            Outcome::Rows(TextRows { columns: vec!["info name".into(), "info value".into()], rows })
        };
        match &describe.what {
            DescribeWhat::Table(name) => Ok(Outcome::Rows(self.described(name, places)?)),
            DescribeWhat::Database(name) => {
                let namespace = self.namespace(Some(name), places)?;
                let comment = self.catalog.database(&namespace.catalog, &namespace.database)?.comment.clone().unwrap_or_default();
                Ok(pairs(vec![("name", namespace.database), ("comment", comment)]))
            }
            DescribeWhat::Catalog(name) => {
                let entry = self.catalog.catalogs.get(&name.value);
                let entry = entry.ok_or_else(|| places.invalid(name.span, format!("there is no catalog `{}`", name.value)))?;
                let kind = entry.options.get("type").cloned().unwrap_or_else(|| "generic_in_memory".into());
                Ok(pairs(vec![("name", name.value.clone()), ("type", kind), ("comment", entry.comment.clone().unwrap_or_default())]))
            }
            DescribeWhat::Function(name) => Err(places.unsupported(name.span, "DESCRIBE FUNCTION is not supported").with_remedy("use SHOW FUNCTIONS")),
            DescribeWhat::Job(id) => Ok(Outcome::DescribeJob(id.clone())),
        }
    }

    fn object(&self, name: &ast::ObjectName, places: &Places) -> Result<(ObjectPath, &CatalogObject)> {
        let path = self.path(name, places)?;
        match self.catalog.get(&path) {
            Some(object) => Ok((path, object)),
            None => Err(places.invalid(name.span, format!("there is no table or view `{}`", name.values().join(".")))),
        }
    }

    fn described(&self, name: &ast::ObjectName, places: &Places) -> Result<TextRows> {
        let (_, object) = self.object(name, places)?;
        let mut columns: Vec<String> = ["name", "type", "null", "key", "extras", "watermark"].map(String::from).to_vec();
        let mut rows: Vec<Vec<Option<String>>> = match object {
            CatalogObject::Table(table) => table.columns.iter().enumerate().map(|(i, c)| described_column(table, i, c)).collect(),
            CatalogObject::View(view) => {
                let row =
                    |c: &brisk_core::Column| vec![Some(c.name.clone()), Some(c.sql_type.data_type.to_string()), truth(c.sql_type.nullable), None, None, None];
                view.schema.iter().map(row).collect()
            }
        };
        if let CatalogObject::Table(table) = object
            && table.columns.iter().any(|c| c.comment.is_some())
        {
            columns.push("comment".into());
            for (row, column) in rows.iter_mut().zip(&table.columns) {
                row.push(column.comment.clone());
            }
        }
        Ok(TextRows { columns, rows })
    }
}

fn truth(value: bool) -> Option<String> {
    Some(if value { "TRUE" } else { "FALSE" }.to_string())
}

fn described_column(table: &Table, position: usize, column: &TableColumn) -> Vec<Option<String>> {
    let watermark = table.watermark.as_ref().filter(|w| w.column == position);
    let rowtime = if watermark.is_some() { " *ROWTIME*" } else { "" };
    let key = table.primary_key.contains(&position).then(|| {
        let names: Vec<&str> = table.primary_key.iter().map(|&i| table.columns[i].name.as_str()).collect();
        format!("PRI({})", names.join(", "))
    });
    let extras = match &column.kind {
        TableColumnKind::Physical => None,
        TableColumnKind::Metadata { key, is_virtual } => {
            let from = if *key == column.name { String::new() } else { format!(" FROM {}", text(key)) };
            Some(format!("METADATA{from}{}", if *is_virtual { " VIRTUAL" } else { "" }))
        }
        TableColumnKind::Computed { text, .. } => Some(format!("AS {text}")),
    };
    vec![
        Some(column.name.clone()),
        Some(format!("{}{rowtime}", column.sql_type.data_type)),
        truth(column.sql_type.nullable),
        key,
        extras,
        watermark.map(|w| w.text.clone()),
    ]
}

/// One column of names, those that LIKE lets through.
fn names(column: &str, names: Vec<String>, like: Option<&ShowLike>) -> Outcome {
    let rows = names.into_iter().filter(|n| matches(like, n)).map(|n| vec![Some(n)]).collect();
    Outcome::Rows(TextRows { columns: vec![column.to_string()], rows })
}

fn function_names() -> Vec<String> {
    let is_word = |n: &&str| n.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && n.starts_with(|c: char| c.is_ascii_alphabetic());
    let scalars = scalar::scalar_functions();
    let aggregates = aggregate::aggregate_functions();
    let mut names: Vec<String> = scalars.iter().map(|f| f.name()).filter(is_word).map(str::to_lowercase).collect();
    names.extend(aggregates.iter().map(|f| f.name()).filter(is_word).map(str::to_lowercase));
    names.sort();
    names.dedup();
    names
}

/// Whether a name passes LIKE (`%`, `_`).
fn matches(like: Option<&ShowLike>, name: &str) -> bool {
    let Some(like) = like else { return true };
    let fold = |t: &str| if like.ignore_case { t.to_lowercase() } else { t.to_string() };
    let (pattern, name): (Vec<char>, Vec<char>) = (fold(&like.pattern).chars().collect(), fold(name).chars().collect());
    like_matches(&pattern, &name) != like.negated
}

fn like_matches(pattern: &[char], name: &[char]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some(('%', rest)) => (0..=name.len()).any(|i| like_matches(rest, &name[i..])),
        Some((c, rest)) => name.split_first().is_some_and(|(n, behind)| (*c == '_' || c == n) && like_matches(rest, behind)),
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn options(options: &std::collections::BTreeMap<String, String>) -> String {
    options.iter().map(|(k, v)| format!("  {} = {}", text(k), text(v))).collect::<Vec<_>>().join(",\n")
}

fn full_name(path: &ObjectPath) -> String {
    format!("{}.{}.{}", quoted(&path.catalog), quoted(&path.database), quoted(&path.name))
}

fn create_table(path: &ObjectPath, table: &Table, temporary: bool) -> String {
    let mut parts: Vec<String> = Vec::new();
    for column in &table.columns {
        let comment = column.comment.as_ref().map_or(String::new(), |c| format!(" COMMENT {}", text(c)));
        let kind = match &column.kind {
            TableColumnKind::Physical => column.sql_type.to_string(),
            TableColumnKind::Metadata { key, is_virtual } => {
                let from = if *key == column.name { String::new() } else { format!(" FROM {}", text(key)) };
                format!("{} METADATA{from}{}", column.sql_type, if *is_virtual { " VIRTUAL" } else { "" })
            }
            TableColumnKind::Computed { text, .. } => format!("AS {text}"),
        };
        parts.push(format!("  {} {kind}{comment}", quoted(&column.name)));
    }
    let names = |positions: &[usize]| positions.iter().map(|&i| quoted(&table.columns[i].name)).collect::<Vec<_>>().join(", ");
    if let Some(w) = &table.watermark {
        parts.push(format!("  WATERMARK FOR {} AS {}", quoted(&table.columns[w.column].name), w.text));
    }
    if let Some(name) = &table.primary_key_name {
        parts.push(format!("  CONSTRAINT {} PRIMARY KEY ({}) NOT ENFORCED", quoted(name), names(&table.primary_key)));
    }
    let temporary = if temporary { "TEMPORARY " } else { "" };
    let mut sql = format!("CREATE {temporary}TABLE {} (\n{}\n)", full_name(path), parts.join(",\n"));
    if let Some(comment) = &table.comment {
        sql.push_str(&format!(" COMMENT {}", text(comment)));
    }
    if !table.partition_keys.is_empty() {
        sql.push_str(&format!("\nPARTITIONED BY ({})", names(&table.partition_keys)));
    }
    if !table.options.is_empty() {
        sql.push_str(&format!("\nWITH (\n{}\n)", options(&table.options)));
    }
    sql.push('\n');
    sql
}

fn create_view(path: &ObjectPath, view: &View, temporary: bool) -> String {
    let columns: Vec<String> = view.columns.iter().map(|c| format!("  {}", quoted(c))).collect();
    let comment = view.comment.as_ref().map_or(String::new(), |c| format!(" COMMENT {}", text(c)));
    let temporary = if temporary { "TEMPORARY " } else { "" };
    format!("CREATE {temporary}VIEW {} (\n{}\n){comment}\nAS {}\n", full_name(path), columns.join(",\n"), view.text)
}

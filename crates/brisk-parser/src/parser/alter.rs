//! ALTER TABLE and ALTER VIEW.

use super::ddl::TableElement;
use super::{Parsed, Parser};
use crate::ast::{AlterTable, AlterTableAction, AlterView, AlterViewAction, ColumnChange, ColumnPlace, ObjectName, SchemaChange, StatementKind};
use crate::span::Span;

impl Parser<'_> {
    pub(super) fn alter(&mut self) -> Parsed<StatementKind> {
        let start = self.span();
        if self.word_at(1, "TABLE") {
            return self.alter_table(start);
        }
        if self.word_at(1, "VIEW") {
            return self.alter_view(start);
        }
        if self.word_at(1, "MATERIALIZED") {
            return self.unsupported(3);
        }
        for word in ["DATABASE", "CATALOG", "FUNCTION", "TEMPORARY", "MODEL", "CONNECTION"] {
            if self.word_at(1, word) {
                return self.unsupported(2);
            }
        }
        self.advance();
        Err(self.unexpected(&["TABLE", "VIEW"]))
    }

    fn alter_view(&mut self, start: Span) -> Parsed<StatementKind> {
        self.expect_words(&["ALTER", "VIEW"])?;
        let name = self.object_name("a view")?;
        let action = if self.eat_words(&["RENAME", "TO"]) {
            AlterViewAction::RenameTo(self.object_name("the new name")?)
        } else if self.eat_word("AS") {
            AlterViewAction::As(Box::new(self.query()?))
        } else {
            return Err(self.unexpected(&["RENAME TO", "AS"]));
        };
        let view = AlterView { name, action, span: self.since(start) };
        Ok(StatementKind::AlterView(Box::new(view)))
    }

    fn alter_table(&mut self, start: Span) -> Parsed<StatementKind> {
        self.expect_words(&["ALTER", "TABLE"])?;
        let if_exists = self.if_exists();
        let name = self.object_name("a table")?;
        if self.at_any_word(&["ADD", "DROP"]) && self.at_partition() {
            let what = if self.at_word("ADD") { "ADD" } else { "DROP" };
            self.unsupported(0)?;
            return Ok(StatementKind::Unsupported { what: format!("ALTER TABLE {what} PARTITION") });
        }
        let action = self.alter_action()?;
        let table = AlterTable { if_exists, name, action, span: self.since(start) };
        Ok(StatementKind::AlterTable(Box::new(table)))
    }

    fn at_partition(&self) -> bool {
        self.word_at(1, "PARTITION") || self.word_at(1, "IF")
    }

    fn alter_action(&mut self) -> Parsed<AlterTableAction> {
        if self.eat_word("SET") {
            return Ok(AlterTableAction::SetOptions(self.options()?));
        }
        if self.eat_word("RESET") {
            let keys = self.parenthesized_list(|parser| parser.string("an option in single quotes"))?;
            return Ok(AlterTableAction::ResetOptions(keys));
        }
        if self.eat_word("RENAME") {
            return self.alter_rename();
        }
        if self.eat_word("ADD") {
            return self.alter_schema(AlterTableAction::Add);
        }
        if self.eat_word("MODIFY") {
            return self.alter_schema(AlterTableAction::Modify);
        }
        if self.eat_word("DROP") {
            return self.alter_drop();
        }
        Err(self.unexpected(&["SET", "RESET", "RENAME", "ADD", "MODIFY", "DROP"]))
    }

    fn alter_rename(&mut self) -> Parsed<AlterTableAction> {
        if self.eat_word("TO") {
            return Ok(AlterTableAction::RenameTo(self.object_name("the new name")?));
        }
        let from = self.object_name("a column")?;
        self.expect_word("TO")?;
        Ok(AlterTableAction::RenameColumn { from, to: self.ident("the new name")? })
    }

    fn alter_schema(&mut self, action: fn(SchemaChange) -> AlterTableAction) -> Parsed<AlterTableAction> {
        if self.eat_word("DISTRIBUTION") {
            return Ok(AlterTableAction::SetDistribution(self.distribution()?));
        }
        let mut change = SchemaChange::default();
        let open = self.span();
        if self.eat_symbol("(") {
            self.schema_change(&mut change)?;
            while self.eat_symbol(",") {
                self.schema_change(&mut change)?;
            }
            self.close(open)?;
        } else {
            self.eat_word("COLUMN");
            self.schema_change(&mut change)?;
        }
        Ok(action(change))
    }

    fn schema_change(&mut self, change: &mut SchemaChange) -> Parsed<()> {
        let at = self.span();
        match self.table_element(&mut change.constraints)? {
            TableElement::Constraint(constraint) => change.constraints.push(constraint),
            TableElement::Watermark(_) if change.watermark.is_some() => {
                return Err(self.error_at(at, "a table can have only one WATERMARK"));
            }
            TableElement::Watermark(watermark) => change.watermark = Some(watermark),
            TableElement::Column(column) => {
                let place = self.column_place()?;
                change.columns.push(ColumnChange { column, place });
            }
        }
        Ok(())
    }

    fn column_place(&mut self) -> Parsed<Option<ColumnPlace>> {
        if self.eat_word("FIRST") {
            return Ok(Some(ColumnPlace::First));
        }
        if self.eat_word("AFTER") {
            let column: ObjectName = self.object_name("a column")?;
            return Ok(Some(ColumnPlace::After(column)));
        }
        Ok(None)
    }

    fn alter_drop(&mut self) -> Parsed<AlterTableAction> {
        if self.eat_words(&["PRIMARY", "KEY"]) {
            return Ok(AlterTableAction::DropPrimaryKey);
        }
        if self.eat_word("CONSTRAINT") {
            return Ok(AlterTableAction::DropConstraint(self.ident("the name of a constraint")?));
        }
        if self.eat_word("WATERMARK") {
            return Ok(AlterTableAction::DropWatermark);
        }
        if self.eat_word("DISTRIBUTION") {
            return Ok(AlterTableAction::DropDistribution);
        }
        if self.at_symbol("(") {
            let columns = self.parenthesized_list(|parser| parser.object_name("a column"))?;
            return Ok(AlterTableAction::DropColumns(columns));
        }
        self.eat_word("COLUMN");
        Ok(AlterTableAction::DropColumns(vec![self.object_name("a column")?]))
    }
}

//! The JSON functions of the SQL standard.

use super::{OperandParser, Parsed, Parser};
use crate::ast::{Expr, ExprKind, JsonCall, JsonExistsOnError, JsonOnNull, JsonQueryBehavior, JsonValueBehavior, JsonWrapper};

impl<'a> Parser<'a> {
    /// What parses the call of the JSON function `upper`; nothing for other names.
    pub(super) fn json_call(upper: &str) -> Option<OperandParser<'a>> {
        Some(match upper {
            "JSON_EXISTS" => |parser| parser.json_call_of(Self::json_exists),
            "JSON_VALUE" => |parser| parser.json_call_of(Self::json_value),
            "JSON_QUERY" => |parser| parser.json_call_of(Self::json_query),
            "JSON_OBJECT" => |parser| parser.json_call_of(Self::json_object),
            "JSON_ARRAY" => |parser| parser.json_call_of(Self::json_array),
            "JSON_OBJECTAGG" => |parser| parser.json_call_of(Self::json_object_agg),
            "JSON_ARRAYAGG" => |parser| parser.json_call_of(Self::json_array_agg),
            _ => return None,
        })
    }

    fn json_call_of(&mut self, inner: fn(&mut Self) -> Parsed<Box<JsonCall>>) -> Parsed<ExprKind> {
        self.advance();
        let mut call = self.parenthesized(inner)?;
        if let JsonCall::ArrayAgg { order_by, .. } = call.as_mut()
            && order_by.is_empty()
            && self.eat_words(&["WITHIN", "GROUP"])
        {
            *order_by = self.parenthesized(Self::order_by)?;
        }
        Ok(ExprKind::Json(call))
    }

    /// `document [FORMAT JSON], 'path'`.
    fn json_input_and_path(&mut self) -> Parsed<(Expr, Expr)> {
        let input = self.json_operand()?;
        self.expect_symbol(",")?;
        Ok((input, self.expr()?))
    }

    fn json_operand(&mut self) -> Parsed<Expr> {
        let operand = self.expr_or_query()?;
        self.eat_words(&["FORMAT", "JSON"]);
        Ok(operand)
    }

    fn json_exists(&mut self) -> Parsed<Box<JsonCall>> {
        let (input, path) = self.json_input_and_path()?;
        let behaviors = [
            ("TRUE", JsonExistsOnError::True),
            ("FALSE", JsonExistsOnError::False),
            ("UNKNOWN", JsonExistsOnError::Unknown),
            ("ERROR", JsonExistsOnError::Error),
        ];
        let found = behaviors.iter().find(|(word, _)| self.at_word(word));
        let on_error = found.map(|(_, behavior)| *behavior);
        if on_error.is_some() {
            self.advance();
            self.expect_words(&["ON", "ERROR"])?;
        }
        Ok(Box::new(JsonCall::Exists { input, path, on_error }))
    }

    fn json_value(&mut self) -> Parsed<Box<JsonCall>> {
        let (input, path) = self.json_input_and_path()?;
        let returning = if self.eat_word("RETURNING") { Some(self.data_type()?) } else { None };
        let (mut on_empty, mut on_error) = (None, None);
        while let Some(behavior) = self.json_value_behavior()? {
            if self.json_behavior_is_on_empty(on_empty.is_none(), on_error.is_none())? {
                on_empty = Some(behavior);
            } else {
                on_error = Some(behavior);
            }
        }
        Ok(Box::new(JsonCall::Value { input, path, returning, on_empty, on_error }))
    }

    fn json_value_behavior(&mut self) -> Parsed<Option<JsonValueBehavior>> {
        Ok(if self.eat_word("NULL") {
            Some(JsonValueBehavior::Null)
        } else if self.eat_word("ERROR") {
            Some(JsonValueBehavior::Error)
        } else if self.eat_word("DEFAULT") {
            Some(JsonValueBehavior::Default(self.expr()?))
        } else {
            None
        })
    }

    /// Takes ON EMPTY (`true`) or ON ERROR, of which each may be there once.
    fn json_behavior_is_on_empty(&mut self, empty_free: bool, error_free: bool) -> Parsed<bool> {
        self.expect_word("ON")?;
        if empty_free && self.eat_word("EMPTY") {
            return Ok(true);
        }
        if error_free && self.eat_word("ERROR") {
            return Ok(false);
        }
        Err(self.unexpected(match (empty_free, error_free) {
            (true, true) => &["EMPTY", "ERROR"],
            (true, false) => &["EMPTY"],
            _ => &["ERROR"],
        }))
    }

    fn json_query(&mut self) -> Parsed<Box<JsonCall>> {
        let (input, path) = self.json_input_and_path()?;
        let returning = if self.eat_word("RETURNING") { Some(self.data_type()?) } else { None };
        let wrapper = self.json_wrapper()?;
        let (mut on_empty, mut on_error) = (None, None);
        while let Some(behavior) = self.json_query_behavior() {
            if self.json_behavior_is_on_empty(on_empty.is_none(), on_error.is_none())? {
                on_empty = Some(behavior);
            } else {
                on_error = Some(behavior);
            }
        }
        Ok(Box::new(JsonCall::Query { input, path, returning, wrapper, on_empty, on_error }))
    }

    fn json_wrapper(&mut self) -> Parsed<Option<JsonWrapper>> {
        let wrapper = if self.eat_word("WITHOUT") {
            JsonWrapper::Without
        } else if self.eat_word("WITH") {
            if self.eat_word("CONDITIONAL") {
                JsonWrapper::Conditional
            } else {
                self.eat_word("UNCONDITIONAL");
                JsonWrapper::Unconditional
            }
        } else {
            return Ok(None);
        };
        self.eat_word("ARRAY");
        self.expect_word("WRAPPER")?;
        Ok(Some(wrapper))
    }

    fn json_query_behavior(&mut self) -> Option<JsonQueryBehavior> {
        if self.eat_word("NULL") {
            Some(JsonQueryBehavior::Null)
        } else if self.eat_word("ERROR") {
            Some(JsonQueryBehavior::Error)
        } else if self.eat_words(&["EMPTY", "OBJECT"]) {
            Some(JsonQueryBehavior::EmptyObject)
        } else if self.eat_words(&["EMPTY", "ARRAY"]) || self.eat_word("EMPTY") {
            Some(JsonQueryBehavior::EmptyArray)
        } else {
            None
        }
    }

    fn json_object(&mut self) -> Parsed<Box<JsonCall>> {
        let mut entries = Vec::new();
        if !self.at_symbol(")") && !self.at_json_on_null() {
            entries = self.comma_list(Self::json_entry)?;
        }
        Ok(Box::new(JsonCall::Object { entries, on_null: self.json_on_null()? }))
    }

    /// `[KEY] k VALUE v` or `k : v`.
    fn json_entry(&mut self) -> Parsed<(Expr, Expr)> {
        if self.at_word("KEY") && !self.word_at(1, "VALUE") && !self.symbol_at(1, ":") && !self.symbol_at(1, ".") {
            self.advance();
        }
        let key = self.expr()?;
        if !self.eat_word("VALUE") && !self.eat_symbol(":") {
            return Err(self.unexpected(&["VALUE", "\":\""]));
        }
        Ok((key, self.json_operand()?))
    }

    fn json_array(&mut self) -> Parsed<Box<JsonCall>> {
        let mut items = Vec::new();
        if !self.at_symbol(")") && !self.at_json_on_null() {
            items = self.comma_list(Self::json_operand)?;
        }
        Ok(Box::new(JsonCall::Array { items, on_null: self.json_on_null()? }))
    }

    fn json_object_agg(&mut self) -> Parsed<Box<JsonCall>> {
        let (key, value) = self.json_entry()?;
        Ok(Box::new(JsonCall::ObjectAgg { key, value, on_null: self.json_on_null()? }))
    }

    fn json_array_agg(&mut self) -> Parsed<Box<JsonCall>> {
        let item = self.json_operand()?;
        let order_by = if self.at_word("ORDER") { self.order_by()? } else { Vec::new() };
        Ok(Box::new(JsonCall::ArrayAgg { item, order_by, on_null: self.json_on_null()? }))
    }

    fn at_json_on_null(&self) -> bool {
        self.at_words(&["NULL", "ON", "NULL"]) || self.at_words(&["ABSENT", "ON", "NULL"])
    }

    fn json_on_null(&mut self) -> Parsed<Option<JsonOnNull>> {
        let on_null = if self.eat_word("NULL") {
            JsonOnNull::Null
        } else if self.eat_word("ABSENT") {
            JsonOnNull::Absent
        } else {
            return Ok(None);
        };
        self.expect_words(&["ON", "NULL"])?;
        Ok(Some(on_null))
    }
}

//! Types.

use super::{Parsed, Parser};
use crate::ast::{DataType, RowField, TypeKind};
use crate::keywords::is_reserved;
use crate::span::Span;
use crate::token::Tok;

impl Parser<'_> {
    /// A type with its nullability, and ARRAY or MULTISET behind it.
    pub(super) fn data_type(&mut self) -> Parsed<DataType> {
        self.nest(Self::data_type_here)
    }

    fn data_type_here(&mut self) -> Parsed<DataType> {
        let start = self.span();
        let kind = self.type_kind()?;
        let mut data_type = self.with_nullability(start, kind)?;
        loop {
            let wrap: fn(Box<DataType>) -> TypeKind = if self.eat_word("ARRAY") {
                TypeKind::Array
            } else if self.eat_word("MULTISET") {
                TypeKind::Multiset
            } else {
                return Ok(data_type);
            };
            data_type = self.with_nullability(start, wrap(Box::new(data_type)))?;
            self.grow()?;
        }
    }

    fn with_nullability(&mut self, start: Span, kind: TypeKind) -> Parsed<DataType> {
        let nullable = if self.eat_words(&["NOT", "NULL"]) {
            Some(false)
        } else if self.at_word("NULL") && !self.word_at(1, "ON") {
            self.advance();
            Some(true)
        } else {
            None
        };
        Ok(DataType { kind, nullable, span: self.since(start) })
    }

    fn type_kind(&mut self) -> Parsed<TypeKind> {
        let Tok::Word(upper) = self.tok() else {
            if matches!(self.tok(), Tok::Quoted(_)) {
                return Ok(TypeKind::UserDefined(self.object_name("a type")?));
            }
            return Err(self.unexpected(&["a type"]));
        };
        let upper = upper.clone();
        if let Some(kind) = plain_type(&upper) {
            self.advance();
            return Ok(kind);
        }
        if let Some(kind) = self.nested_type(&upper)? {
            return Ok(kind);
        }
        self.type_with_arguments(&upper)
    }

    /// Types with lengths and precisions, and names of users' own.
    fn type_with_arguments(&mut self, upper: &str) -> Parsed<TypeKind> {
        if upper == "DATETIME" {
            return Err(self.unexpected(&["a type"]).with_remedy("write TIMESTAMP(3)".to_string()));
        }
        if is_reserved(upper) && !TYPES_WITH_ARGUMENTS.contains(&upper) {
            return Err(self.unexpected(&["a type"]));
        }
        if !is_reserved(upper) {
            return self.user_defined_type();
        }
        self.advance();
        match upper {
            "CHAR" | "CHARACTER" => {
                let varying = self.eat_word("VARYING");
                let length = self.type_argument()?;
                Ok(if varying { TypeKind::Varchar(length) } else { TypeKind::Char(length) })
            }
            "BINARY" => {
                let varying = self.eat_word("VARYING");
                let length = self.type_argument()?;
                Ok(if varying { TypeKind::Varbinary(length) } else { TypeKind::Binary(length) })
            }
            "VARCHAR" => Ok(TypeKind::Varchar(self.type_argument()?)),
            "VARBINARY" => Ok(TypeKind::Varbinary(self.type_argument()?)),
            "DOUBLE" => {
                self.eat_word("PRECISION");
                Ok(TypeKind::Double)
            }
            "TIME" => {
                let precision = self.type_argument()?;
                if self.eat_word("WITHOUT") {
                    self.expect_words(&["TIME", "ZONE"])?;
                }
                Ok(TypeKind::Time(precision))
            }
            "TIMESTAMP" => self.timestamp_rest(),
            "TIMESTAMP_LTZ" => Ok(TypeKind::TimestampLtz(self.type_argument()?)),
            "INTERVAL" => Ok(TypeKind::Interval(self.interval_qualifier()?)),
            _ => self.decimal_rest(),
        }
    }

    fn user_defined_type(&mut self) -> Parsed<TypeKind> {
        let name = self.object_name("a type")?;
        if !self.at_symbol("(") && !self.at_symbol("<") {
            return Ok(TypeKind::UserDefined(name));
        }
        let error = self.error_at(name.span, format!("there is no type {name} with arguments"));
        Err(match name.last().value.to_uppercase().as_str() {
            "STRUCT" => error.with_remedy("write ROW<a INT, b STRING>".to_string()),
            "LIST" => error.with_remedy("write ARRAY<INT>".to_string()),
            _ => error,
        })
    }

    fn timestamp_rest(&mut self) -> Parsed<TypeKind> {
        let precision = self.type_argument()?;
        if self.eat_word("WITHOUT") {
            self.expect_words(&["TIME", "ZONE"])?;
        } else if self.at_word("WITH") && (self.word_at(1, "LOCAL") || self.word_at(1, "TIME")) {
            self.advance();
            let local = self.eat_word("LOCAL");
            self.expect_words(&["TIME", "ZONE"])?;
            return Ok(if local { TypeKind::TimestampLtz(precision) } else { TypeKind::TimestampTz(precision) });
        }
        Ok(TypeKind::Timestamp(precision))
    }

    fn decimal_rest(&mut self) -> Parsed<TypeKind> {
        let (mut precision, mut scale) = (None, None);
        let open = self.span();
        if self.eat_symbol("(") {
            precision = Some(self.integer("a precision")?);
            if self.eat_symbol(",") {
                scale = Some(self.integer("a scale")?);
            }
            self.close(open)?;
        }
        Ok(TypeKind::Decimal { precision, scale })
    }

    /// `(n)` if it is there.
    fn type_argument(&mut self) -> Parsed<Option<u32>> {
        if !self.at_symbol("(") {
            return Ok(None);
        }
        self.parenthesized(|parser| parser.integer("a length or precision")).map(Some)
    }

    /// ARRAY, MAP, MULTISET, ROW, STRUCTURED and RAW; nothing taken where none stands here.
    fn nested_type(&mut self, upper: &str) -> Parsed<Option<TypeKind>> {
        let angle = self.symbol_at(1, "<");
        Ok(Some(match upper {
            "ARRAY" if angle => TypeKind::Array(Box::new(self.angle_brackets(Self::data_type)?)),
            "MULTISET" if angle => TypeKind::Multiset(Box::new(self.angle_brackets(Self::data_type)?)),
            "MAP" if angle => self.angle_brackets(|parser| {
                let key = parser.data_type()?;
                parser.expect_symbol(",")?;
                Ok(TypeKind::Map(Box::new(key), Box::new(parser.data_type()?)))
            })?,
            "ARRAY" | "MULTISET" => {
                self.advance();
                let error = self.unexpected(&["\"<\""]);
                return Err(error.with_remedy(format!("say of what, as in {upper}<INT>")));
            }
            "ROW" => self.row_type()?,
            "RAW" => {
                self.advance();
                let open = self.span();
                self.expect_symbol("(")?;
                let class = self.string("the name of a class in quotes")?;
                self.expect_symbol(",")?;
                let snapshot = self.string("a serializer in quotes")?;
                self.close(open)?;
                TypeKind::Raw { class, snapshot }
            }
            "STRUCTURED" => self.angle_brackets(|parser| {
                let class = parser.string("the name of a class in quotes")?;
                let mut fields = Vec::new();
                while parser.eat_symbol(",") {
                    fields.push(parser.row_field()?);
                }
                Ok(TypeKind::Structured { class, fields })
            })?,
            _ => return Ok(None),
        }))
    }

    /// A word and `< inner >`.
    fn angle_brackets<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.advance();
        self.expect_symbol("<")?;
        let parsed = inner(self)?;
        self.expect_symbol(">")?;
        Ok(parsed)
    }

    fn row_type(&mut self) -> Parsed<TypeKind> {
        if self.symbol_at(1, "<>") {
            self.advance();
            self.advance();
            return Ok(TypeKind::Row(Vec::new()));
        }
        if self.symbol_at(1, "<") {
            return Ok(TypeKind::Row(self.angle_brackets(|parser| parser.row_fields(">"))?));
        }
        self.advance();
        if !self.at_symbol("(") {
            let error = self.unexpected(&["\"<\""]);
            return Err(error.with_remedy("name the fields, as in ROW<a INT, b STRING>".to_string()));
        }
        Ok(TypeKind::Row(self.parenthesized(|parser| parser.row_fields(")"))?))
    }

    fn row_fields(&mut self, close: &str) -> Parsed<Vec<RowField>> {
        if self.at_symbol(close) {
            return Ok(Vec::new());
        }
        self.comma_list(Self::row_field)
    }

    fn row_field(&mut self) -> Parsed<RowField> {
        let start = self.span();
        let name = self.ident("the name of a field")?;
        let data_type = self.data_type()?;
        let comment = match self.tok() {
            Tok::String(_) => Some(self.string("a comment")?),
            _ => None,
        };
        Ok(RowField { name, data_type, comment, span: self.since(start) })
    }
}

const TYPES_WITH_ARGUMENTS: &[&str] =
    &["CHAR", "CHARACTER", "BINARY", "VARCHAR", "VARBINARY", "DOUBLE", "TIME", "TIMESTAMP", "TIMESTAMP_LTZ", "INTERVAL", "DECIMAL", "DEC", "NUMERIC"];

/// Types of one word without arguments.
fn plain_type(upper: &str) -> Option<TypeKind> {
    Some(match upper {
        "STRING" => TypeKind::String,
        "BYTES" => TypeKind::Bytes,
        "BOOLEAN" => TypeKind::Boolean,
        "TINYINT" => TypeKind::TinyInt,
        "SMALLINT" => TypeKind::SmallInt,
        "INT" | "INTEGER" => TypeKind::Int,
        "BIGINT" => TypeKind::BigInt,
        "FLOAT" => TypeKind::Float,
        "REAL" => TypeKind::Real,
        "DATE" => TypeKind::Date,
        "NULL" => TypeKind::Null,
        "VARIANT" => TypeKind::Variant,
        _ => return None,
    })
}

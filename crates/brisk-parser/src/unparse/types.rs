//! Types and intervals.

use std::fmt::{Display, Formatter, Result};

use super::{Quoted, commas};
use crate::ast::{DataType, IntervalQualifier, RowField, TimeUnit, TypeKind};

impl Display for DataType {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.kind)?;
        match self.nullable {
            None => Ok(()),
            Some(true) => f.write_str(" NULL"),
            Some(false) => f.write_str(" NOT NULL"),
        }
    }
}

impl Display for TypeKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            TypeKind::Char(length) => with_argument(f, "CHAR", *length, ""),
            TypeKind::Varchar(length) => with_argument(f, "VARCHAR", *length, ""),
            TypeKind::String => f.write_str("STRING"),
            TypeKind::Binary(length) => with_argument(f, "BINARY", *length, ""),
            TypeKind::Varbinary(length) => with_argument(f, "VARBINARY", *length, ""),
            TypeKind::Bytes => f.write_str("BYTES"),
            TypeKind::Boolean => f.write_str("BOOLEAN"),
            TypeKind::Decimal { precision: Some(precision), scale: Some(scale) } => {
                write!(f, "DECIMAL({precision}, {scale})")
            }
            TypeKind::Decimal { precision, .. } => with_argument(f, "DECIMAL", *precision, ""),
            TypeKind::TinyInt => f.write_str("TINYINT"),
            TypeKind::SmallInt => f.write_str("SMALLINT"),
            TypeKind::Int => f.write_str("INT"),
            TypeKind::BigInt => f.write_str("BIGINT"),
            TypeKind::Float => f.write_str("FLOAT"),
            TypeKind::Real => f.write_str("REAL"),
            TypeKind::Double => f.write_str("DOUBLE"),
            TypeKind::Date => f.write_str("DATE"),
            TypeKind::Time(precision) => with_argument(f, "TIME", *precision, ""),
            TypeKind::Timestamp(precision) => with_argument(f, "TIMESTAMP", *precision, ""),
            TypeKind::TimestampLtz(precision) => with_argument(f, "TIMESTAMP_LTZ", *precision, ""),
            TypeKind::TimestampTz(precision) => with_argument(f, "TIMESTAMP", *precision, " WITH TIME ZONE"),
            TypeKind::Interval(qualifier) => write!(f, "INTERVAL {qualifier}"),
            TypeKind::Array(element) => write!(f, "ARRAY<{element}>"),
            TypeKind::Multiset(element) => write!(f, "MULTISET<{element}>"),
            TypeKind::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            TypeKind::Row(fields) => {
                f.write_str("ROW<")?;
                commas(f, fields)?;
                f.write_str(">")
            }
            TypeKind::Raw { class, snapshot } => write!(f, "RAW({}, {})", Quoted(class), Quoted(snapshot)),
            TypeKind::Structured { class, fields } => {
                write!(f, "STRUCTURED<{}", Quoted(class))?;
                for field in fields {
                    write!(f, ", {field}")?;
                }
                f.write_str(">")
            }
            TypeKind::Variant => f.write_str("VARIANT"),
            TypeKind::Null => f.write_str("NULL"),
            TypeKind::UserDefined(name) => match name.parts.as_slice() {
                // A plain VARIANT would be the built-in type.
                [only] if only.value.eq_ignore_ascii_case("VARIANT") => write!(f, "`{}`", only.value),
                _ => write!(f, "{name}"),
            },
        }
    }
}

fn with_argument(f: &mut Formatter<'_>, name: &str, argument: Option<u32>, after: &str) -> Result {
    match argument {
        Some(argument) => write!(f, "{name}({argument}){after}"),
        None => write!(f, "{name}{after}"),
    }
}

impl Display for RowField {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} {}", self.name, self.data_type)?;
        match &self.comment {
            Some(comment) => write!(f, " {}", Quoted(comment)),
            None => Ok(()),
        }
    }
}

impl Display for IntervalQualifier {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}", self.start)?;
        match (self.precision, self.fraction) {
            (Some(precision), Some(fraction)) if self.end.is_none() => write!(f, "({precision}, {fraction})")?,
            (Some(precision), _) => write!(f, "({precision})")?,
            (None, _) => {}
        }
        let Some(end) = self.end else { return Ok(()) };
        write!(f, " TO {end}")?;
        match self.fraction {
            Some(fraction) => write!(f, "({fraction})"),
            None => Ok(()),
        }
    }
}

impl Display for TimeUnit {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            TimeUnit::Nanosecond => "NANOSECOND",
            TimeUnit::Microsecond => "MICROSECOND",
            TimeUnit::Millisecond => "MILLISECOND",
            TimeUnit::Second => "SECOND",
            TimeUnit::Minute => "MINUTE",
            TimeUnit::Hour => "HOUR",
            TimeUnit::Day => "DAY",
            TimeUnit::Week => "WEEK",
            TimeUnit::Month => "MONTH",
            TimeUnit::Quarter => "QUARTER",
            TimeUnit::Year => "YEAR",
            TimeUnit::Decade => "DECADE",
            TimeUnit::Century => "CENTURY",
            TimeUnit::Millennium => "MILLENNIUM",
            TimeUnit::Dow => "DOW",
            TimeUnit::IsoDow => "ISODOW",
            TimeUnit::Doy => "DOY",
            TimeUnit::IsoYear => "ISOYEAR",
            TimeUnit::Epoch => "EPOCH",
        })
    }
}

//! The functions that have a meaning only with OVER: their arguments and results. The OVER operator computes them.

use brisk_core::{DataType, Result, SqlType};

use super::bind::wrong;
use crate::scalar::Argument;
use crate::types::common_type;

#[derive(Debug, Clone, PartialEq)]
pub struct OverSignature {
    /// The types that the arguments must be cast to.
    pub args: Vec<SqlType>,
    pub returns: SqlType,
}

/// The signature of ROW_NUMBER, RANK, DENSE_RANK, NTILE, CUME_DIST, PERCENT_RANK, LAG or LEAD; `None` for other names
/// (aggregate functions are bound by themselves). The result of LAG and LEAD is NULL where no such row exists, unless a
/// default is given.
pub fn over_function_signature(name: &str, args: &[Argument]) -> Result<Option<OverSignature>> {
    let name = name.to_ascii_uppercase();
    let rank = |returns| if args.is_empty() { Ok(no_arguments(returns)) } else { Err(wrong(&name, args, &format!("'{name}()'"))) };
    Ok(Some(match name.as_str() {
        "ROW_NUMBER" | "RANK" | "DENSE_RANK" => rank(DataType::BigInt)?,
        "CUME_DIST" | "PERCENT_RANK" => rank(DataType::Double)?,
        "NTILE" => match args {
            [tiles] if tiles.sql_type.data_type.is_integer() => {
                let bigint = SqlType::not_null(DataType::BigInt);
                OverSignature { args: vec![bigint.with_nullable(tiles.sql_type.nullable)], returns: bigint }
            }
            _ => return Err(wrong("NTILE", args, "'NTILE(<INTEGER>)'")),
        },
        "LAG" | "LEAD" => shifted(&name, args)?,
        _ => return Ok(None),
    }))
}

fn no_arguments(returns: DataType) -> OverSignature {
    OverSignature { args: Vec::new(), returns: SqlType::not_null(returns) }
}

/// `LAG(value [, offset [, default]])`.
fn shifted(name: &str, args: &[Argument]) -> Result<OverSignature> {
    let wrong = || wrong(name, args, &format!("'{name}(<ANY>)' '{name}(<ANY>, <INTEGER>)' '{name}(<ANY>, <INTEGER>, <DEFAULT>)'"));
    let offset_is_whole = args.get(1).is_none_or(|a| a.sql_type.data_type.is_integer());
    if !(1..=3).contains(&args.len()) || !offset_is_whole {
        return Err(wrong());
    }
    let value = &args[0].sql_type;
    let returns = match args.get(2) {
        None => value.with_nullable(true),
        Some(default) => {
            let both = common_type(&[value.clone(), default.sql_type.clone()]).ok_or_else(wrong)?;
            // Flink takes the value's type: the default is brought to it.
            SqlType { data_type: value.data_type.clone(), nullable: both.nullable }
        }
    };
    let mut types = vec![value.clone()];
    types.extend(args.get(1).map(|a| SqlType { data_type: DataType::BigInt, nullable: a.sql_type.nullable }));
    types.extend(args.get(2).map(|a| returns.with_nullable(a.sql_type.nullable)));
    Ok(OverSignature { args: types, returns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, args: &[DataType], expected: Option<&str>) {
        let args: Vec<_> = args.iter().map(|t| Argument { sql_type: SqlType::not_null(t.clone()), literal: None }).collect();
        let returns = over_function_signature(name, &args).unwrap().map(|s| s.returns.to_string());
        assert_eq!(returns.as_deref(), expected);
    }

    #[test]
    fn results_have_their_types() {
        check("row_number", &[], Some("BIGINT NOT NULL"));
        check("LAG", &[DataType::Int], Some("INT"));
        check("LEAD", &[DataType::Int, DataType::BigInt, DataType::Int], Some("INT NOT NULL"));
        check("CUME_DIST", &[], Some("DOUBLE NOT NULL"));
        check("SUM", &[DataType::Int], None);
        assert!(over_function_signature("RANK", &[Argument { sql_type: SqlType::not_null(DataType::Int), literal: None }]).is_err());
    }
}

//! How types combine: the least restrictive type that holds values of several.

use brisk_core::{DataType, SqlType};

/// Flink's least restrictive type: what UNION, CASE, COALESCE, ARRAY[..] and comparisons bring their operands to.
/// `None` where there is none.
pub fn common_type(types: &[SqlType]) -> Option<SqlType> {
    let nullable = types.iter().any(|t| t.nullable || t.data_type == DataType::Null);
    let mut found = DataType::Null;
    for t in types {
        found = common(&found, &t.data_type)?;
    }
    Some(SqlType { data_type: found, nullable })
}

fn common(a: &DataType, b: &DataType) -> Option<DataType> {
    (a == b).then(|| a.clone())
}

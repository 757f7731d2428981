//! Collections, as Flink answers them.

use brisk_core::{DataType as T, SqlType};

use super::super::testing::*;
use super::field_access;
use crate::Expr;

fn array(items: &[Expr]) -> Expr {
    call("ARRAY", items).unwrap().fold(&context()).unwrap()
}

fn map(entries: &[Expr]) -> Expr {
    call("MAP", entries).unwrap().fold(&context()).unwrap()
}

fn ints(items: &[i32]) -> Expr {
    array(&items.iter().map(|i| int(*i)).collect::<Vec<_>>())
}

fn no_ints() -> Expr {
    null(T::Array(Box::new(SqlType::nullable(T::Int))))
}

#[test]
fn constructors_find_the_common_type() {
    check_typed("ARRAY", &[int(1), double(2.0)], "ARRAY<DOUBLE>", "[1.0, 2.0]");
    check_typed("MAP", &[int(1), text("a"), int(2), text("b")], "MAP<INT, STRING>", "{1=a, 2=b}");
    check("MAP", &[int(1), text("a"), int(1), text("b")], "{1=b}");
    check_typed("ROW", &[Expr::int(1), Expr::string("foo")], "ROW<`EXPR$0` INT NOT NULL, `EXPR$1` CHAR(3) NOT NULL>", "(1, foo)");
    check("MULTISET", &[int(1), int(2), int(1)], "{1=2, 2=1}");
    check("ARRAY", &[int(1), text("a")], "ERROR");
}

#[test]
fn absent_elements_are_null_or_minus_one() {
    let not_null = array(&[Expr::int(1), Expr::int(2)]);
    check("ITEM", &[ints(&[1, 2]), int(5)], "NULL");
    check("ITEM", &[not_null.clone(), Expr::int(5)], "-1");
    check("ITEM", &[not_null, Expr::int(2)], "2");
    check("ITEM", &[ints(&[1, 2]), Expr::int(0)], "ERROR");
    check("ITEM", &[map(&[text("a"), int(12)]), text("a")], "12");
    check("ITEM", &[map(&[text("a"), int(12)]), text("c")], "NULL");
    check("CARDINALITY", &[ints(&[1, 2, 3])], "3");
    check("ELEMENT", &[ints(&[1])], "1");
    check("ELEMENT", &[ints(&[1, 2])], "ERROR");
}

#[test]
fn fields_of_a_null_row_are_null() {
    let row = call("ROW", &[int(1), text("x")]).unwrap().fold(&context()).unwrap();
    let field = Expr::call(field_access(1), vec![row.clone()]).unwrap();
    assert_eq!(field.fold(&context()).unwrap().to_string(), "'x':STRING NULL");
    let absent = Expr::call(field_access(0), vec![Expr::null(&row.sql_type())]).unwrap();
    assert_eq!(absent.fold(&context()).unwrap().to_string(), "NULL:INT");
}

#[test]
fn functions_of_elements() {
    check("ARRAY_APPEND", &[ints(&[1, 2]), int(3)], "[1, 2, 3]");
    check("ARRAY_PREPEND", &[ints(&[1, 2]), int(3)], "[3, 1, 2]");
    check("ARRAY_REMOVE", &[ints(&[1, 2, 2]), int(2)], "[1]");
    check("ARRAY_REMOVE", &[array(&[int(1), null(T::Int)]), null(T::Null)], "[1]");
    check("ARRAY_REMOVE", &[ints(&[1]), Expr::boolean(true)], "ERROR");
    check("ARRAY_CONTAINS", &[ints(&[1, 2]), null(T::Null)], "FALSE");
    check("ARRAY_CONTAINS", &[no_ints(), int(1)], "NULL");
    check("ARRAY_POSITION", &[ints(&[1, 2]), int(2)], "2");
    check("ARRAY_POSITION", &[ints(&[1, 2]), int(5)], "0");
    check("ARRAY_DISTINCT", &[array(&[int(1), null(T::Int), int(1), null(T::Int)])], "[1, NULL]");
    check("ARRAY_REVERSE", &[ints(&[1, 2, 3])], "[3, 2, 1]");
    check("ARRAY_SLICE", &[ints(&[1, 2, 3, 4, 5]), int(-123)], "[1, 2, 3, 4, 5]");
    check("ARRAY_SLICE", &[ints(&[1, 2, 3, 4, 5]), int(-3)], "[3, 4, 5]");
    check("ARRAY_SLICE", &[ints(&[1, 2, 3, 4, 5]), int(-123), int(-231)], "[]");
    check("ARRAY_SLICE", &[ints(&[1, 2, 3, 4, 5]), int(5), int(6)], "[5]");
    check("ARRAY_SLICE", &[ints(&[1, 2, 3, 4, 5]), int(0), int(-1)], "[1, 2, 3, 4, 5]");
    check("ARRAY_SLICE", &[ints(&[1]), int(1), null(T::Int)], "NULL");
    check("ARRAY_SORT", &[array(&[int(1), int(2), null(T::Int)])], "[NULL, 1, 2]");
    check("ARRAY_SORT", &[array(&[int(1), int(2), null(T::Int)]), Expr::boolean(false)], "[2, 1, NULL]");
}

#[test]
fn functions_of_several_arrays() {
    check("ARRAY_CONCAT", &[ints(&[1, 2]), ints(&[1])], "[1, 2, 1]");
    check("ARRAY_CONCAT", &[ints(&[1, 2]), no_ints()], "NULL");
    check("ARRAY_UNION", &[ints(&[1, 1]), array(&[int(2), null(T::Int)])], "[1, 2, NULL]");
    check("ARRAY_EXCEPT", &[ints(&[1, 2, 3, 2, 4, 2]), ints(&[2, 2])], "[1, 3, 4]");
    check("ARRAY_INTERSECT", &[ints(&[1, 1, 2]), ints(&[1, 4])], "[1]");
    check("ARRAY_EXCEPT", &[ints(&[1]), array(&[text("a")])], "ERROR");
}

#[test]
fn folds_leave_nulls_out() {
    check("ARRAY_MAX", &[array(&[double(1.2), null(T::Double), double(8.0)])], "8.0");
    check("ARRAY_MIN", &[array(&[double(1.2), null(T::Double), double(8.0)])], "1.2");
    check("ARRAY_MAX", &[array(&[ints(&[1])])], "ERROR");
    check("ARRAY_JOIN", &[array(&[text("a"), text("b"), null(T::STRING)]), text("+")], "a+b");
    check("ARRAY_JOIN", &[array(&[text("a"), text("b"), null(T::STRING)]), text("+"), text("")], "a+b+");
    check("ARRAY_JOIN", &[ints(&[1]), text("+")], "ERROR");
}

#[test]
fn functions_of_maps() {
    let ab = map(&[text("a"), int(1), text("b"), int(2)]);
    check("MAP_KEYS", std::slice::from_ref(&ab), "[a, b]");
    check("MAP_VALUES", std::slice::from_ref(&ab), "[1, 2]");
    check_typed("MAP_ENTRIES", std::slice::from_ref(&ab), "ARRAY<ROW<`key` STRING, `value` INT> NOT NULL>", "[(a, 1), (b, 2)]");
    check("MAP_FROM_ARRAYS", &[ints(&[1, 2]), array(&[text("x"), text("y")])], "{1=x, 2=y}");
    check("MAP_FROM_ARRAYS", &[ints(&[1, 2]), array(&[text("x")])], "ERROR");
    check("MAP_UNION", &[ab.clone(), map(&[text("b"), int(9), text("c"), int(3)])], "{a=1, b=9, c=3}");
    check("=", &[ab.clone(), map(&[text("b"), int(2), text("a"), int(1)])], "TRUE");
    check("<", &[ab.clone(), ab], "ERROR");
    check("=", &[ints(&[1, 2]), ints(&[1, 2])], "TRUE");
}

//! Paths over one document.

use super::super::tree::parse;
use super::*;

const DOCUMENT: &str = r#"{
  "store": {"book": [
      {"title": "A", "price": 8.95, "tags": ["x", "y"]},
      {"title": "B", "price": 12.99, "isbn": "1"},
      {"title": "C", "price": 22.0, "isbn": "2"}],
    "bicycle": {"color": "red", "price": 19.95}},
  "contains blank": "right", "n": null}"#;

#[track_caller]
fn check(path: &str, expected: &str) {
    let document = parse(DOCUMENT).unwrap();
    let found = match Path::compile(path).find(&document) {
        Err(_) => "ERROR".to_string(),
        Ok(Found::Nothing) => "NOTHING".to_string(),
        Ok(Found::One(one)) => text(&one),
        Ok(Found::Many(many)) => format!("({})", many.iter().map(|j| text(j)).collect::<Vec<_>>().join(" ")),
    };
    assert_eq!(found, expected, "{path}");
}

fn text(json: &Json<'_>) -> String {
    let mut out = String::new();
    json.write(&mut out);
    out
}

#[test]
fn definite_paths_find_one_value() {
    check("$.store.bicycle.color", r#""red""#);
    check("$['store']['book'][0].title", r#""A""#);
    check("$.store.book[-1]['price']", "22.0");
    check("$.['contains blank']", r#""right""#);
    check("store.bicycle.color", r#""red""#);
    check("$.store.bicycle['color', 'price']", r#"{"color":"red","price":19.95}"#);
    check("$.store.book.length()", "3");
    check("$.n", "null");
}

#[test]
fn modes_tell_what_a_miss_is() {
    check("$.none", "ERROR");
    check("strict $.none.deeper", "ERROR");
    check("lax $.none.deeper", "NOTHING");
    check("  LAX   $.none", "NOTHING");
    check("lax $.store.book[9]", "NOTHING");
    check("lax $.store[", "ERROR");
    check("$.", "ERROR");
    check("lax $.none[*]", "()");
}

#[test]
fn other_paths_find_lists() {
    check("$.store.book[*].title", r#"("A" "B" "C")"#);
    check("$..price", "(8.95 12.99 22.0 19.95)");
    check("$.store.book[0,2].title", r#"("A" "C")"#);
    check("$.store.book[1:].title", r#"("B" "C")"#);
    check("$.store.book[:-1].title", r#"("A" "B")"#);
    check("$.store.book[*].isbn", r#"("1" "2")"#);
    check("$.store.bicycle.*", r#"("red" 19.95)"#);
    check("$.none[*].title", "ERROR");
}

#[test]
fn filters_choose_elements() {
    check("$.store.book[?(@.price < 10)].title", r#"("A")"#);
    check("$.store.book[?(@.isbn)].title", r#"("B" "C")"#);
    check("$.store.book[?(!@.isbn)].title", r#"("A")"#);
    check("$.store.book[?(@.price > 10 && @.title == 'C')].isbn", r#"("2")"#);
    check("$.store.book[?(@.title in ['A', 'C'] || (@.isbn == '1'))].title", r#"("A" "B" "C")"#);
    check("$.store.book[?(@.title =~ /[bc]/i)].title", r#"("B" "C")"#);
    check("$.store.book[?(@.tags contains 'y')].title", r#"("A")"#);
    check("$.store.book[?(@.price > $.store.bicycle.price)].title", r#"("C")"#);
    check("$.store.book[?(@.price >)]", "ERROR");
}

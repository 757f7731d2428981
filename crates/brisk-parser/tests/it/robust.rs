//! No text panics or exhausts the stack: truncated, shuffled, damaged and very deep ones.

use brisk_parser::{completeness, parse_expression, parse_query, parse_script, parse_type};

use crate::{SCRIPTS, round_trip};

/// Parses in every way. What is taken must also be written back and taken again.
fn survive(text: &str) {
    completeness(text);
    if let Ok(statements) = parse_script(text) {
        for statement in &statements {
            round_trip::statement(statement);
        }
    }
}

/// Numbers that look random and are the same in every run.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }
}

/// The statements of all scripts, each alone, so that a mutation is near everything in it.
fn statements() -> Vec<String> {
    let parse = |script: &&str| parse_script(script).expect("valid");
    SCRIPTS.iter().flat_map(parse).map(|statement| statement.text).collect()
}

#[test]
fn truncated_at_every_byte() {
    for text in statements() {
        for end in 0..text.len() {
            if let Some(start) = text.get(..end) {
                survive(start);
            }
        }
    }
}

#[test]
fn with_words_deleted_swapped_and_doubled() {
    let mut random = Lcg(1);
    let all: Vec<String> = statements();
    let vocabulary: Vec<&str> = all.iter().flat_map(|text| text.split_inclusive([' ', '(', ')', ','])).collect();
    for text in &all {
        let words: Vec<&str> = text.split_inclusive([' ', '(', ')', ',', '.']).collect();
        for _ in 0..60 {
            let mut mutated = words.clone();
            for _ in 0..=random.below(3) {
                if mutated.is_empty() {
                    break;
                }
                let at = random.below(mutated.len());
                match random.below(4) {
                    0 => drop(mutated.remove(at)),
                    1 => mutated.insert(at, vocabulary[random.below(vocabulary.len())]),
                    2 => {
                        let other = random.below(mutated.len());
                        mutated.swap(at, other);
                    }
                    _ => mutated.insert(at, words[random.below(words.len())]),
                }
            }
            survive(&mutated.concat());
        }
    }
}

#[test]
fn with_damaged_characters() {
    const DAMAGE: &[char] = &['\'', '`', '"', '(', ')', '<', '>', ';', '*', '/', '-', '\\', '\0', 'é', '😀', '1', '.'];
    let mut random = Lcg(2);
    for text in statements() {
        let chars: Vec<char> = text.chars().collect();
        for _ in 0..60 {
            let mut mutated = chars.clone();
            let at = random.below(mutated.len());
            mutated[at] = DAMAGE[random.below(DAMAGE.len())];
            survive(&mutated.into_iter().collect::<String>());
        }
    }
}

#[test]
fn nesting_is_refused_before_the_stack_ends() {
    const DEEP: usize = 100_000;
    for (open, close) in [
        ("(", ")"),
        ("f(", ")"),
        ("-", ""),
        ("- ", ""),
        ("NOT ", ""),
        ("CASE ", ""),
        ("CASE WHEN ", ""),
        ("ARRAY[", "]"),
        ("a[", "]"),
        ("CAST(", " AS INT)"),
        ("(SELECT ", ")"),
        ("EXISTS (SELECT ", ")"),
        ("a IN (", ")"),
        ("JSON_OBJECT('a' : ", ")"),
        ("INTERVAL (", ")"),
        ("RUNNING ", ""),
        ("SUM(a) OVER (ORDER BY ", ")"),
        ("f(TABLE t PARTITION BY ", ")"),
    ] {
        let text = format!("{}1{}", open.repeat(DEEP), close.repeat(DEEP));
        assert!(parse_expression(&text).is_err(), "{open}");
        assert!(parse_script(&format!("SELECT {text}")).is_err(), "{open}");
    }
    for (open, close) in [("(", ")"), ("SELECT * FROM (", ")"), ("SELECT * FROM f((", "))"), ("WITH a AS (", ")")] {
        let text = format!("{}SELECT 1{}", open.repeat(DEEP), close.repeat(DEEP));
        assert!(parse_query(&text).is_err(), "{open}");
    }
    assert!(parse_type(&format!("{}INT", "ARRAY<".repeat(DEEP))).is_err());
    assert!(parse_script(&"EXPLAIN ".repeat(DEEP)).is_err());
    let pattern = "(".repeat(DEEP);
    assert!(parse_query(&format!("SELECT * FROM t MATCH_RECOGNIZE (PATTERN ({pattern}")).is_err());
    assert!(parse_query(&format!("SELECT 1 FROM t GROUP BY {}", "ROLLUP (".repeat(DEEP))).is_err());
}

#[test]
fn long_chains_are_refused_before_the_stack_ends() {
    const LONG: usize = 100_000;
    for link in [" + 1", " IS NULL", "[1]", " AT LOCAL", " BETWEEN 1 AND 2", " IN (1)"] {
        assert!(parse_expression(&format!("a{}", link.repeat(LONG))).is_err(), "{link}");
    }
    assert!(parse_expression(&format!("f(x){}", ".a".repeat(LONG))).is_err());
    assert!(parse_type(&format!("INT{}", " ARRAY".repeat(LONG))).is_err());
    assert!(parse_query(&format!("SELECT 1{}", " UNION SELECT 1".repeat(LONG))).is_err());
    assert!(parse_query(&format!("SELECT 1 FROM a{}", " CROSS JOIN a".repeat(LONG))).is_err());
}

/// What is just within the limits can also be copied, compared, written and dropped on a thread's usual stack.
#[test]
fn trees_within_the_limits_can_be_walked() {
    let chain = format!("a{}", " + a".repeat(brisk_parser::MAX_HEIGHT - 10));
    let deep = format!("{}1{}", "(".repeat(brisk_parser::MAX_DEPTH - 10), ")".repeat(brisk_parser::MAX_DEPTH - 10));
    let calls = format!("{}1{}", "f(CASE WHEN ".repeat(15), " THEN 1 END)".repeat(15));
    for text in [chain, deep, calls] {
        let parsed = parse_expression(&text).expect("within the limits");
        let again = parse_expression(&parsed.clone().to_string()).expect("within the limits");
        assert_eq!(parsed, again);
    }
    // Lists are wide, not high, and so are chains of OR and AND.
    let alternatives = format!("a = 1 AND b{}", " OR a = 1 AND b".repeat(5_000));
    let parsed = parse_expression(&alternatives).expect("within the limits");
    assert_eq!(parse_expression(&parsed.to_string()).expect("within the limits"), parsed);
    assert!(parse_expression(&format!("a IN (1{})", ", 1".repeat(50_000))).is_ok());
}

//! Prints the logical plans of a script's queries and INSERTs.
//!
//!     cargo run -p brisk-sql --example show_plan -- SCRIPT

use brisk_sql::session::{Outcome, Session, parse_statements, substitute};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let text = substitute(&std::fs::read_to_string(&path)?, |name| Some(name.to_string()))?;
        let mut session = Session::default();
        for (statement, at) in parse_statements(&text)? {
            let outcome = match session.execute(&statement, at) {
                Ok(outcome) => outcome,
                Err(e) => {
                    println!("{e}");
                    continue;
                }
            };
            println!("-- {}", statement.text.replace(char::is_whitespace, " "));
            match outcome {
                Outcome::Query(plan) => print!("{plan}"),
                Outcome::Inserts(inserts) => inserts.iter().for_each(|i| print!("Insert {}\n{}", i.table.name, i.source)),
                Outcome::Rows(rows) => println!("{rows:?}"),
                _ => {}
            }
        }
    }
    Ok(())
}

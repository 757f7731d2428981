//! The text of a golden script as blocks, and back with other expectations.
//!
//! A block begins with its command on a line of its own. Its body follows: SQL until it is complete, or rows until an
//! empty line. What is expected stands below `----`, until an empty line or the next command.

use std::ops::Range;
use std::time::Duration;

use brisk_core::connector::TimeSpan;
use brisk_parser::Completeness;

const SEPARATOR: &str = "----";

pub struct Script {
    lines: Vec<String>,
    pub blocks: Vec<Block>,
}

#[derive(Debug)]
pub struct Block {
    /// Where the command stands, from 1.
    pub line: usize,
    pub command: Command,
    /// Whether the order of the expected lines means nothing.
    pub sorted: bool,
    pub body: String,
    /// Where what is expected stands, or would: from 0, with the separator if there is one.
    at: Range<usize>,
    pub expected: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Statements that are done at once: definitions and settings.
    Statement,
    /// A SELECT, an INSERT or a statement set that runs while rows are fed. It ends the one before; all tables are empty.
    Stream,
    Feed {
        table: String,
    },
    /// Processing time goes on.
    Advance(Duration),
    /// The inputs end.
    End,
    /// What the stream's result is now, as a table.
    Table,
    /// A query over what has been fed, to its end.
    Query,
    Explain,
    Error,
}

impl Script {
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines: Vec<String> = text.lines().map(str::to_string).collect();
        let mut blocks = Vec::new();
        let mut at = 0;
        while at < lines.len() {
            let line = lines[at].trim();
            if line.is_empty() || line.starts_with('#') {
                at += 1;
                continue;
            }
            let block = read_block(&lines, at)?;
            at = block.at.end;
            blocks.push(block);
        }
        Ok(Self { lines, blocks })
    }

    /// The text with these lines expected, one entry a block; `None` keeps what the block has.
    pub fn rewritten(&self, expected: &[Option<Vec<String>>]) -> String {
        let mut text = String::new();
        let mut from = 0;
        let copy = |text: &mut String, lines: &[String]| lines.iter().for_each(|l| *text += &format!("{l}\n"));
        for (block, expected) in self.blocks.iter().zip(expected) {
            let Some(expected) = expected else { continue };
            copy(&mut text, &self.lines[from..block.at.start]);
            from = block.at.end;
            if !block.at.is_empty() || !expected.is_empty() {
                copy(&mut text, &[SEPARATOR.to_string()]);
            }
            copy(&mut text, expected);
        }
        copy(&mut text, &self.lines[from..]);
        text
    }
}

fn read_block(lines: &[String], first: usize) -> Result<Block, String> {
    let (command, sorted) = parse_command(&lines[first]).ok_or_else(|| format!("line {}: `{}` is no command", first + 1, lines[first].trim()))?;
    let mut at = first + 1;
    let mut body = String::new();
    while at < lines.len() && lines[at].trim() != SEPARATOR && !ends_body(&command, &body, &lines[at]) {
        body += &format!("{}\n", lines[at]);
        at += 1;
    }
    let start = at;
    let mut expected = Vec::new();
    if lines.get(at).is_some_and(|l| l.trim() == SEPARATOR) {
        at += 1;
        while at < lines.len() && !lines[at].trim().is_empty() && parse_command(&lines[at]).is_none() {
            expected.push(lines[at].trim_end().to_string());
            at += 1;
        }
    }
    Ok(Block { line: first + 1, command, sorted, body, at: start..at, expected })
}

fn ends_body(command: &Command, body: &str, line: &str) -> bool {
    match command {
        Command::Advance(_) | Command::End | Command::Table => true,
        Command::Feed { .. } => line.trim().is_empty() || parse_command(line).is_some(),
        _ => {
            let complete = brisk_parser::completeness(body) == Completeness::Complete;
            complete && (line.trim().is_empty() || line.starts_with('#') || parse_command(line).is_some())
        }
    }
}

/// The command that a line is, and whether it says `sorted`.
fn parse_command(line: &str) -> Option<(Command, bool)> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    let sorted = words.len() > 1 && words.last() == Some(&"sorted");
    if sorted {
        words.pop();
    }
    let command = match words.as_slice() {
        ["statement"] => Command::Statement,
        ["stream"] => Command::Stream,
        ["feed", table] => Command::Feed { table: table.to_string() },
        ["advance", span @ ..] if !span.is_empty() => Command::Advance(span.join(" ").parse::<TimeSpan>().ok()?.0),
        ["end"] => Command::End,
        ["table"] => Command::Table,
        ["query"] => Command::Query,
        ["explain"] => Command::Explain,
        ["error"] => Command::Error,
        _ => return None,
    };
    Some((command, sorted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# first\nstatement\nCREATE TABLE t (\n\n  a INT);\nstream\nSELECT a\nFROM t;\n\nfeed t sorted\n+I 1\n----\nfeed t\n+I 2\n----\n+I 2\n\nadvance 5 s\n";

    #[test]
    fn blocks_have_body_and_expectation() {
        let script = Script::parse(TEXT).unwrap();
        let shown: Vec<String> = script.blocks.iter().map(|b| format!("{} {:?} {} {:?} {:?}", b.line, b.command, b.sorted, b.body, b.expected)).collect();
        let expected = [
            r#"2 Statement false "CREATE TABLE t (\n\n  a INT);\n" []"#,
            r#"6 Stream false "SELECT a\nFROM t;\n" []"#,
            r#"10 Feed { table: "t" } true "+I 1\n" []"#,
            r#"13 Feed { table: "t" } false "+I 2\n" ["+I 2"]"#,
            r#"18 Advance(5s) false "" []"#,
        ];
        assert_eq!(shown, expected);
        assert_eq!(Script::parse("feeed t\n").err().unwrap(), "line 1: `feeed t` is no command");
    }

    #[test]
    fn expectations_are_replaced() {
        let script = Script::parse(TEXT).unwrap();
        assert_eq!(script.rewritten(&[None, None, None, None, None]), TEXT);
        let lines = |l: &[&str]| Some(l.iter().map(|l| l.to_string()).collect());
        let got = script.rewritten(&[None, lines(&["+I 0"]), lines(&["+I 1", "+I 9"]), lines(&[]), lines(&[])]);
        let want = TEXT.replace("FROM t;\n", "FROM t;\n----\n+I 0\n").replace("+I 1\n----\n", "+I 1\n----\n+I 1\n+I 9\n").replace("----\n+I 2\n", "----\n");
        assert_eq!(got, want);
    }
}

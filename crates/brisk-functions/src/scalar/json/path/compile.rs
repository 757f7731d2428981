//! A path's text as its steps.

use super::Step;
use super::filter::{Parser as FilterParser, Source};

/// The steps behind `$`; the error is that of a path that is none.
pub(super) fn steps(text: &str) -> Result<Vec<Step>, String> {
    let trimmed = text.trim();
    // A path may leave `$.` out.
    let whole = if trimmed.starts_with(['$', '@']) { trimmed.to_owned() } else { format!("$.{trimmed}") };
    let mut source = Source::new(&whole);
    source.next();
    let steps = steps_of(&mut source)?;
    match source.peek() {
        None => Ok(steps),
        Some(c) => Err(format!("'{text}' is no JSON path: unexpected '{c}'")),
    }
}

/// Steps as far as they go.
pub(super) fn steps_of(source: &mut Source<'_>) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    loop {
        match source.peek() {
            Some('.') => {
                source.next();
                if source.peek() == Some('.') {
                    source.next();
                    steps.push(Step::Descend);
                }
                match source.peek() {
                    Some('[') => {}
                    Some('*') => {
                        source.next();
                        steps.push(Step::Wildcard);
                    }
                    _ => steps.push(name(source)?),
                }
            }
            Some('[') => steps.push(bracket(source)?),
            _ => return Ok(steps),
        }
    }
}

/// A bare name, or a function's with its parentheses.
fn name(source: &mut Source<'_>) -> Result<Step, String> {
    let name = source.take_while(|c| !" .[]()=!<>&|,~+*/\t\n".contains(c));
    if source.peek() == Some('(') {
        source.next();
        source.expect(')')?;
        return match name {
            "length" | "size" => Ok(Step::Length),
            other => Err(format!("function {other}() of JSON paths is not supported")),
        };
    }
    if name.is_empty() {
        return Err("a JSON path must not end with a '.'".into());
    }
    Ok(Step::Name(name.to_owned()))
}

fn bracket(source: &mut Source<'_>) -> Result<Step, String> {
    source.next();
    source.blanks();
    let step = match source.peek() {
        Some('*') => {
            source.next();
            Step::Wildcard
        }
        Some('\'' | '"') => names(source)?,
        Some('?') => {
            source.next();
            source.blanks();
            source.expect('(')?;
            let condition = FilterParser::new(source).condition()?;
            source.blanks();
            source.expect(')')?;
            Step::Filter(condition)
        }
        _ => positions(source)?,
    };
    source.blanks();
    source.expect(']')?;
    Ok(step)
}

fn names(source: &mut Source<'_>) -> Result<Step, String> {
    let mut names = Vec::new();
    loop {
        source.blanks();
        names.push(source.quoted()?);
        source.blanks();
        if source.peek() != Some(',') {
            break;
        }
        source.next();
    }
    Ok(if names.len() == 1 { Step::Name(names.swap_remove(0)) } else { Step::Names(names) })
}

/// `0`, `0, 2`, `1:3`.
fn positions(source: &mut Source<'_>) -> Result<Step, String> {
    let text = source.take_while(|c| c.is_ascii_digit() || "-:, ".contains(c));
    let number = |t: &str| t.trim().parse::<i64>().map_err(|_| format!("'[{text}]' is no position in a JSON path"));
    if let Some((from, to)) = text.split_once(':') {
        let bound = |t: &str| if t.trim().is_empty() { Ok(None) } else { number(t).map(Some) };
        return Ok(Step::Slice(bound(from)?, bound(to)?));
    }
    let mut indexes = text.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
    Ok(if indexes.len() == 1 { Step::Index(indexes.swap_remove(0)) } else { Step::Indexes(indexes) })
}

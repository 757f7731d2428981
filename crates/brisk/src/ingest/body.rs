//! The events of a request's body.
//!
//! For JSON formats: objects one after the other (one a line, or one over many lines), or arrays of objects. For others:
//! lines. A body is taken whole or not at all; what is wrong with it is said with line and column.

use serde_json::value::RawValue;

/// How a body is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Json,
    Lines,
}

/// The events as they lie in the body, or what is wrong.
pub fn events(body: &[u8], shape: Shape) -> Result<Vec<&[u8]>, String> {
    let events = match shape {
        Shape::Json => json_events(body)?,
        Shape::Lines => lines(body),
    };
    if events.is_empty() {
        return Err("the body holds no event".to_owned());
    }
    Ok(events)
}

fn json_events(body: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut events = Vec::new();
    for value in serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>() {
        let value = value.map_err(|e| format!("the body is not JSON: {e}"))?;
        match value.get().as_bytes() {
            object @ [b'{', ..] => events.push(object),
            [b'[', ..] => {
                let elements: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|e| format!("the body is not JSON: {e}"))?;
                for element in elements {
                    push_object(element.get(), &mut events)?;
                }
            }
            _ => push_object(value.get(), &mut events)?,
        }
    }
    Ok(events)
}

fn push_object<'a>(text: &'a str, events: &mut Vec<&'a [u8]>) -> Result<(), String> {
    if !text.starts_with('{') {
        let shown: String = text.chars().take(40).collect();
        return Err(format!("event {} is no JSON object: {shown}", events.len() + 1));
    }
    events.push(text.as_bytes());
    Ok(())
}

fn lines(body: &[u8]) -> Vec<&[u8]> {
    body.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, shape: Shape, expected: Result<&[&str], &str>) {
        let seen = events(body.as_bytes(), shape).map(|e| e.into_iter().map(|e| std::str::from_utf8(e).expect("text")).collect::<Vec<_>>());
        assert_eq!(seen.as_deref().map_err(String::as_str), expected, "{body}");
    }

    #[test]
    fn json_comes_as_object_array_or_lines() {
        check(r#"{"a":1}"#, Shape::Json, Ok(&[r#"{"a":1}"#]));
        check("{\"a\":\n 1}\n", Shape::Json, Ok(&["{\"a\":\n 1}"]));
        check(r#" [{"a":1}, {"a":[{}]}] "#, Shape::Json, Ok(&[r#"{"a":1}"#, r#"{"a":[{}]}"#]));
        check("{\"a\":1}\n\n{\"a\":\"}\"}\r\n", Shape::Json, Ok(&[r#"{"a":1}"#, r#"{"a":"}"}"#]));
    }

    #[test]
    fn what_is_not_json_objects_is_refused_with_the_place() {
        check("{\"a\":1}\n{\"a\":", Shape::Json, Err("the body is not JSON: EOF while parsing a value at line 2 column 5"));
        check("orders", Shape::Json, Err("the body is not JSON: expected value at line 1 column 1"));
        check("[{}, 7]", Shape::Json, Err("event 2 is no JSON object: 7"));
        check("null", Shape::Json, Err("event 1 is no JSON object: null"));
        check("[]", Shape::Json, Err("the body holds no event"));
        check("", Shape::Json, Err("the body holds no event"));
    }

    #[test]
    fn other_formats_come_as_lines() {
        check("a,1\r\n\nb,2", Shape::Lines, Ok(&["a,1", "b,2"]));
    }
}

//! Texts with `{{name}}` in them, filled from an alert's columns.
//!
//! A name that nothing fills is left out. `{{` without `}}` is text.

/// A template that was read once and is filled often.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Name(String),
}

impl Template {
    pub fn parse(text: &str) -> Self {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, behind)) = after.split_once("}}") else { break };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Name(name.trim().to_owned()));
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Self(pieces)
    }

    pub fn fill<'a>(&self, find: impl Fn(&str) -> Option<std::borrow::Cow<'a, str>>) -> String {
        self.0.iter().fold(String::new(), |mut text, piece| {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Name(name) => text.push_str(&find(name).unwrap_or_default()),
            }
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: &str) {
        let find = |name: &str| (name == "host").then(|| "web-1".into());
        assert_eq!(Template::parse(template).fill(find), expected);
    }

    #[test]
    fn names_are_replaced() {
        check("", "");
        check("no name", "no name");
        check("{{host}} is down, {{ host }}!", "web-1 is down, web-1!");
        check("[{{other}}]", "[]");
        check("{{host", "{{host");
        check("a }} b", "a }} b");
    }
}

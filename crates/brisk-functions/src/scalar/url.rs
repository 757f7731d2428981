//! PARSE_URL: the parts of a URL as Java's URL class cuts it.

use std::sync::Arc;

use arrow_array::ArrayRef;
use brisk_core::{DataType as T, Result};

use super::binding::{Want, bind_nullable};
use super::builtin::Builtin;
use super::reader::build_texts;
use super::{Call, ScalarFunction};

pub fn functions() -> Vec<Arc<dyn ScalarFunction>> {
    vec![Builtin::new("PARSE_URL", |args| bind_nullable(args, &[Want::Text; 3], 2, T::STRING), parse_url).safe().shared()]
}

fn parse_url(call: &Call<'_>) -> Result<ArrayRef> {
    let (urls, parts) = (call.text(0), call.text(1));
    let keys = (call.args.len() > 2).then(|| call.text(2));
    Ok(build_texts(call.rows, |row, out| {
        let url = Url::parse(urls.get(row)?)?;
        let part = url.part(parts.get(row)?)?;
        match &keys {
            Some(keys) => out.push_str(if parts.get(row)? == "QUERY" { parameter(part, keys.get(row)?)? } else { return None }),
            None if parts.get(row)? == "FILE" => {
                out.push_str(part);
                if let Some(query) = url.query {
                    out.push('?');
                    out.push_str(query);
                }
            }
            None => out.push_str(part),
        }
        Some(())
    }))
}

/// The value of `key` in `a=1&b=2`.
fn parameter<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

struct Url<'a> {
    protocol: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    reference: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// `None` for a protocol that Java does not know.
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim();
        let (protocol, rest) = text.split_once(':')?;
        if !["http", "https", "ftp", "file", "jar", "mailto", "jmod", "jrt"].iter().any(|p| p.eq_ignore_ascii_case(protocol)) {
            return None;
        }
        let (rest, reference) = rest.split_once('#').map_or((rest, None), |(rest, reference)| (rest, Some(reference)));
        let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", rest),
        };
        Some(Self { protocol, authority, path, query, reference })
    }

    fn part(&self, name: &str) -> Option<&'a str> {
        let user = self.authority.rsplit_once('@');
        match name {
            "HOST" => {
                let host = user.map_or(self.authority, |(_, host)| host);
                // The port is behind the last colon, unless that is inside the brackets of an IPv6 address.
                Some(match host.rfind(':') {
                    Some(colon) if host.rfind(']').is_none_or(|bracket| bracket < colon) => &host[..colon],
                    _ => host,
                })
            }
            "PATH" | "FILE" => Some(self.path),
            "QUERY" => self.query,
            "REF" => self.reference,
            "PROTOCOL" => Some(self.protocol),
            "AUTHORITY" => Some(self.authority).filter(|a| !a.is_empty()),
            "USERINFO" => user.map(|(user, _)| user),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, text};

    #[test]
    fn urls_are_cut_as_in_java() {
        let url = "http://userinfo@flink.apache.org:8080/path?query=1&q=2#Ref";
        let cases = [
            ("HOST", "flink.apache.org"),
            ("PATH", "/path"),
            ("QUERY", "query=1&q=2"),
            ("REF", "Ref"),
            ("PROTOCOL", "http"),
            ("FILE", "/path?query=1&q=2"),
            ("AUTHORITY", "userinfo@flink.apache.org:8080"),
            ("USERINFO", "userinfo"),
            ("OTHER", "NULL"),
        ];
        for (part, expected) in cases {
            check("PARSE_URL", &[text(url), text(part)], expected);
        }
        check("PARSE_URL", &[text(url), text("QUERY"), text("q")], "2");
        check("PARSE_URL", &[text("http://user:pass@host"), text("FILE")], "");
        check("PARSE_URL", &[text("http://user:pass@host"), text("QUERY")], "NULL");
        check("PARSE_URL", &[text("http://user:pass@host/?#"), text("REF")], "");
        check("PARSE_URL", &[text("http://user:pass@host/?#"), text("FILE")], "/?");
        check("PARSE_URL", &[text("invalid://user:pass@host/"), text("HOST")], "NULL");
    }
}

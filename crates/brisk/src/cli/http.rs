//! One HTTP request to a brisk server: JSON there and back, over plain TCP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// A savepoint of a large job takes its time.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Sends a request and reads the answer; an answer that is an error becomes one.
pub fn request(endpoint: &str, method: &str, path: &str, body: Option<&str>) -> anyhow::Result<Value> {
    let host = endpoint.strip_prefix("http://").with_context(|| format!("--endpoint {endpoint}: write http://HOST:PORT"))?.trim_end_matches('/');
    let mut stream = TcpStream::connect(host).with_context(|| format!("no server answers at {endpoint}; start one with `brisk server`"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let body = body.unwrap_or("");
    let path = escaped(path);
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let (status, body) = split(&answer).with_context(|| format!("{endpoint} does not answer as a brisk server"))?;
    let value: Value = serde_json::from_slice(&body).with_context(|| format!("{endpoint} answered {status} without JSON"))?;
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let remedy = value["remedy"].as_str().map_or_else(String::new, |r| format!(" ({r})"));
    let place = match &value["position"] {
        Value::Null => String::new(),
        p => format!("statement {}, line {}, column {}: ", p["statement"], p["line"], p["column"]),
    };
    bail!("{place}{}{remedy}", value["error"].as_str().unwrap_or("the server refused without a reason"))
}

/// Status and body of an answer.
fn split(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = &answer[end + 4..];
    let chunked = head.lines().any(|l| l.to_ascii_lowercase().starts_with("transfer-encoding:") && l.to_ascii_lowercase().contains("chunked"));
    Some((status, if chunked { unchunked(body)? } else { body.to_vec() }))
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?.split(';').next()?.trim(), 16).ok()?;
        rest = &rest[line + 2..];
        if length == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..length)?);
        rest = rest.get(length + 2..)?;
    }
}

/// A job's id may hold what a request line cannot.
fn escaped(path: &str) -> String {
    let escape = |b: u8| if b.is_ascii_graphic() && b != b'%' && b != b'?' && b != b'#' { char::from(b).to_string() } else { format!("%{b:02X}") };
    path.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &str, expected: Option<(u16, &str)>) {
        assert_eq!(split(answer.as_bytes()), expected.map(|(status, body)| (status, body.as_bytes().to_vec())));
    }

    #[test]
    fn answers_are_read_with_and_without_chunks() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Some((200, "{}")));
        check("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n3;x\r\n\":1\r\n1\r\n}\r\n0\r\n\r\n", Some((404, "{\"a\":1}")));
        check("SSH-2.0", None);
    }
}

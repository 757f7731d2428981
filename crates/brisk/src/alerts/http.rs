//! Requests of channels over HTTP, and the signatures that vendors ask for.

use std::time::Duration;

use brisk_core::connector::TimeSpan;
use brisk_core::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::channels::SendError;

/// A POST.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRequest {
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HttpReply {
    pub status: u16,
    pub retry_after_ms: Option<i64>,
    pub body: String,
}

pub struct HttpClient {
    agent: ureq::Agent,
}

/// Of an answer no more is read.
const MAX_REPLY_BYTES: u64 = 64 << 10;

impl HttpRequest {
    pub fn post_json(url: impl Into<String>, body: String) -> Self {
        Self { url: url.into(), headers: vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())], body }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

impl HttpClient {
    /// A client for one address. Proxies of the environment count, except for this machine.
    pub fn new(url: &str, timeout: Option<TimeSpan>) -> Result<Self> {
        let Some(host) = host_of(url) else {
            return Err(Error::invalid("'url' is not an address of http:// or https://"));
        };
        let timeout = timeout.map_or(Duration::from_secs(10), |t| t.0);
        let config = ureq::Agent::config_builder().timeout_global(Some(timeout)).http_status_as_error(false).max_redirects(0).max_redirects_will_error(false);
        let local = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        let config = if local { config.proxy(None) } else { config };
        Ok(Self { agent: config.build().into() })
    }

    pub fn send(&self, request: &HttpRequest) -> Result<HttpReply, SendError> {
        let failed = |e: ureq::Error| SendError::retry(without_address(&e.to_string(), &request.url));
        let mut call = self.agent.post(&request.url);
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        let mut reply = call.send(request.body.as_bytes()).map_err(failed)?;
        let retry_after = reply.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse::<i64>().ok());
        let body = reply.body_mut().with_config().limit(MAX_REPLY_BYTES).lossy_utf8(true).read_to_string().map_err(failed)?;
        Ok(HttpReply { status: reply.status().as_u16(), retry_after_ms: retry_after.map(|s| s.saturating_mul(1000)), body })
    }
}

impl HttpReply {
    /// 2xx is an acknowledgement; what a server or a limit is to blame for is tried again.
    pub fn check_status(self) -> Result<Self, SendError> {
        let reason = || format!("HTTP {}: {}", self.status, super::message::shortened(&self.body, 200));
        match self.status {
            200..=299 => Ok(self),
            408 | 425 | 429 | 500..=599 => Err(SendError::Retry { reason: reason(), after_ms: self.retry_after_ms }),
            _ => Err(SendError::Rejected(reason())),
        }
    }

    /// The answer of vendors who put a code into the body.
    pub fn json(self) -> Result<serde_json::Value, SendError> {
        let reply = self.check_status()?;
        serde_json::from_str(&reply.body).map_err(|_| SendError::retry(format!("the answer is not JSON: {}", super::message::shortened(&reply.body, 200))))
    }
}

pub fn hmac_sha256(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

pub fn sha256_hex(data: &[u8]) -> String {
    hex(&Sha256::digest(data))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// `%XX` for all but letters, digits, `-`, `.`, `_` and `~`.
pub fn percent_encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// The host of an address, without its port.
pub fn host_of(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match authority.find(']') {
        Some(end) => &authority[..=end],
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// Addresses of robots hold their token: messages must not.
fn without_address(text: &str, url: &str) -> String {
    text.replace(url, "***")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<&str>) {
        assert_eq!(host_of(url), expected);
    }

    #[test]
    fn hosts_are_found() {
        check("https://oapi.dingtalk.com/robot/send?access_token=1", Some("oapi.dingtalk.com"));
        check("http://127.0.0.1:80", Some("127.0.0.1"));
        check("http://u:p@[::1]:80/", Some("[::1]"));
        check("ftp://a", None);
        check("http://", None);
    }

    #[test]
    fn signatures_are_those_of_the_standards() {
        // RFC 4231, case 2.
        let mac = hmac_sha256(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex(&mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(sha256_hex(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(percent_encoded("a b/服~"), "a%20b%2F%E6%9C%8D~");
    }
}

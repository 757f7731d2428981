//! `webhook`: the message as JSON, by POST.
//!
//! With a `secret`, `X-Brisk-Signature: sha256=<hex>` is the HMAC-SHA256 of `<X-Brisk-Timestamp>.<body>`. The header
//! `X-Brisk-Delivery` has the delivery's id, which is the same when a delivery is repeated after a crash.

use brisk_core::connector::{TimeSpan, parse_options};
use brisk_core::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Channel, Kind, Secret, SendError};
use crate::alerts::http::{HttpClient, HttpRequest, hex, hmac_sha256};
use crate::alerts::message::Message;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WebhookOptions {
    url: String,
    /// More headers, `Name: value`, separated by `;` or line ends.
    #[serde(default)]
    headers: Secret,
    /// Signs the body.
    #[serde(default)]
    secret: Secret,
    /// How long an answer may take.
    timeout: Option<TimeSpan>,
}

struct WebhookChannel {
    url: String,
    headers: Vec<(String, String)>,
    secret: Secret,
    client: HttpClient,
}

pub fn kind() -> Kind {
    Kind {
        name: "webhook",
        open: |options| {
            let options: WebhookOptions = parse_options(options)?;
            let headers = headers(options.headers.expose())?;
            Ok(Box::new(WebhookChannel { client: HttpClient::new(&options.url, options.timeout)?, url: options.url, headers, secret: options.secret }))
        },
        schema: || schemars::schema_for!(WebhookOptions).to_value(),
        per_minute: None,
    }
}

impl Channel for WebhookChannel {
    fn send(&mut self, message: &Message, now_ms: i64) -> Result<(), SendError> {
        self.client.send(&self.request(message, now_ms)?)?.check_status().map(|_| ())
    }
}

impl WebhookChannel {
    fn request(&self, message: &Message, now_ms: i64) -> Result<HttpRequest, SendError> {
        let body = serde_json::to_string(message).map_err(|e| SendError::Rejected(e.to_string()))?;
        let mut request = HttpRequest::post_json(self.url.clone(), body).header("X-Brisk-Delivery", &message.id);
        if !self.secret.is_empty() {
            let time = now_ms.to_string();
            let signature = hex(&hmac_sha256(self.secret.expose().as_bytes(), format!("{time}.{}", request.body).as_bytes()));
            request = request.header("X-Brisk-Timestamp", &time).header("X-Brisk-Signature", &format!("sha256={signature}"));
        }
        request.headers.extend(self.headers.iter().cloned());
        Ok(request)
    }
}

fn headers(text: &str) -> Result<Vec<(String, String)>> {
    let lines = text.split([';', '\n']).map(str::trim).filter(|l| !l.is_empty());
    lines
        .map(|line| {
            line.split_once(':')
                .map(|(n, v)| (n.trim().to_owned(), v.trim().to_owned()))
                .ok_or_else(|| Error::invalid("'headers' must be 'Name: value', separated by ';'"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;
    use crate::alerts::outbox::tests::delivery;
    use crate::alerts::testing::{HttpFake, Reply};

    fn check(replies: Vec<Reply>, expected: Result<(), &str>) -> HttpFake {
        let fake = HttpFake::start(replies);
        let options =
            [("type", "webhook"), ("url", fake.url.as_str()), ("secret", "s3"), ("headers", "X-Team: ops; Authorization: Bearer t"), ("timeout", "200 ms")];
        let (mut channel, _) = open("w", &options.map(|(k, v)| (k.to_owned(), v.to_owned())).into()).expect("opens");
        match (channel.send(&delivery("7", "w", 0).message, 1_700_000_000_000), expected) {
            (Ok(()), Ok(())) => {}
            (Err(e), Err(part)) => assert!(format!("{e:?}").contains(part), "{e:?}"),
            (seen, _) => panic!("{seen:?}"),
        }
        fake
    }

    #[test]
    fn messages_are_posted_signed() {
        let fake = check(vec![Reply::ok("")], Ok(()));
        let request = fake.requests().remove(0);
        assert!(request.head.starts_with("POST / HTTP/1.1"), "{}", request.head);
        let body: Message = serde_json::from_str(&request.body).expect("the message");
        assert_eq!(body, delivery("7", "w", 0).message);
        assert_eq!((request.header("x-team"), request.header("authorization"), request.header("x-brisk-delivery")), (Some("ops"), Some("Bearer t"), Some("7")));
        let signed = hex(&hmac_sha256(b"s3", format!("1700000000000.{}", request.body).as_bytes()));
        assert_eq!(request.header("x-brisk-signature"), Some(format!("sha256={signed}").as_str()));
    }

    #[test]
    fn answers_decide_whether_it_is_tried_again() {
        check(vec![Reply::status(503, "busy")], Err("Retry { reason: \"HTTP 503: busy\""));
        check(vec![Reply::status(429, "").with("Retry-After", "7")], Err("after_ms: Some(7000)"));
        check(vec![Reply::status(404, "gone")], Err("Rejected(\"HTTP 404: gone\")"));
        check(vec![Reply::slow(2000)], Err("Retry"));
    }
}

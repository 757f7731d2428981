//! `dingtalk`: a custom robot of a DingTalk group.
//!
//! With a `secret` the address gets `timestamp` (ms) and `sign`: Base64 of the HMAC-SHA256, by the secret, of timestamp,
//! line end and secret. The robot takes 20 messages a minute; error code 130101 says that it was too many.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use brisk_core::connector::{TimeSpan, parse_options};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Channel, Kind, Secret, SendError, vendor_code};
use crate::alerts::http::{HttpClient, HttpRequest, hmac_sha256, percent_encoded};
use crate::alerts::message::{Message, shortened};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct DingtalkOptions {
    /// The robot's address, with its access token.
    url: Secret,
    /// For robots with the security setting "signature".
    #[serde(default)]
    secret: Secret,
    /// Telephone numbers to be mentioned, separated by commas; `all`: everybody.
    #[serde(default)]
    mention: String,
    timeout: Option<TimeSpan>,
}

struct DingtalkChannel {
    options: DingtalkOptions,
    client: HttpClient,
}

/// The robot takes 20,000 bytes.
const MAX_TEXT_BYTES: usize = 18_000;

pub fn kind() -> Kind {
    Kind {
        name: "dingtalk",
        open: |options| {
            let options: DingtalkOptions = parse_options(options)?;
            Ok(Box::new(DingtalkChannel { client: HttpClient::new(options.url.expose(), options.timeout)?, options }))
        },
        schema: || schemars::schema_for!(DingtalkOptions).to_value(),
        per_minute: Some(20),
    }
}

impl Channel for DingtalkChannel {
    fn send(&mut self, message: &Message, now_ms: i64) -> Result<(), SendError> {
        let answer = self.client.send(&self.request(message, now_ms))?.json()?;
        vendor_code(&answer, "errcode", "errmsg", &[130101, -1])
    }
}

impl DingtalkChannel {
    fn request(&self, message: &Message, now_ms: i64) -> HttpRequest {
        let mut url = self.options.url.expose().to_owned();
        if !self.options.secret.is_empty() {
            let sign = percent_encoded(&signature(self.options.secret.expose(), now_ms));
            url.push_str(&format!("{}timestamp={now_ms}&sign={sign}", if url.contains('?') { "&" } else { "?" }));
        }
        let mentioned: Vec<&str> = self.options.mention.split(',').map(str::trim).filter(|m| !m.is_empty() && *m != "all").collect();
        // A mention shows only where the text has it.
        let mentions: String = mentioned.iter().map(|m| format!("\n@{m}")).collect();
        let text = format!("### {}\n\n{}{mentions}", message.title, message.text.replace('\n', "\n\n"));
        let body = json!({
            "msgtype": "markdown",
            "markdown": { "title": shortened(&message.title, 120), "text": shortened(&text, MAX_TEXT_BYTES) },
            "at": { "atMobiles": mentioned, "isAtAll": self.options.mention.trim() == "all" },
        });
        HttpRequest::post_json(url, body.to_string())
    }
}

fn signature(secret: &str, now_ms: i64) -> String {
    BASE64_STANDARD.encode(hmac_sha256(secret.as_bytes(), format!("{now_ms}\n{secret}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::outbox::tests::delivery;

    fn check(options: &[(&str, &str)], url: &str, body: &str) {
        let options: DingtalkOptions = parse_options(&options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()).expect("options");
        let channel = DingtalkChannel { client: HttpClient::new(options.url.expose(), None).expect("an address"), options };
        let request = channel.request(&delivery("7", "d", 0).message, 1_577_262_236_757);
        assert_eq!(request.url, url);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&request.body).expect("JSON"), serde_json::from_str::<serde_json::Value>(body).expect("JSON"));
    }

    #[test]
    fn requests_are_signed() {
        check(
            &[("url", "https://oapi.dingtalk.com/robot/send?access_token=t"), ("secret", "this is secret"), ("mention", "13900000000")],
            "https://oapi.dingtalk.com/robot/send?access_token=t&timestamp=1577262236757&sign=hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D",
            r####"{"msgtype": "markdown", "markdown": {"title": "title 7", "text": "### title 7\n\ntext 7\n@13900000000"}, "at": {"atMobiles": ["13900000000"], "isAtAll": false}}"####,
        );
        check(
            &[("url", "https://oapi.dingtalk.com/robot/send?access_token=t"), ("mention", "all")],
            "https://oapi.dingtalk.com/robot/send?access_token=t",
            r####"{"msgtype": "markdown", "markdown": {"title": "title 7", "text": "### title 7\n\ntext 7"}, "at": {"atMobiles": [], "isAtAll": true}}"####,
        );
    }
}

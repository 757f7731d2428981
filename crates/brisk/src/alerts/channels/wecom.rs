//! `wecom`: a group robot of WeCom (Enterprise WeChat).
//!
//! The key in the address is the only secret. The robot takes 20 messages a minute and 4096 bytes of markdown; error
//! code 45009 says that it was too many.

use brisk_core::connector::{TimeSpan, parse_options};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{Channel, Kind, Secret, SendError, vendor_code};
use crate::alerts::http::{HttpClient, HttpRequest};
use crate::alerts::message::Message;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WecomOptions {
    /// The robot's address, with its key.
    url: Secret,
    /// User ids to be mentioned, separated by commas; `@all`: everybody. The message is then plain text.
    #[serde(default)]
    mention: String,
    timeout: Option<TimeSpan>,
}

struct WecomChannel {
    options: WecomOptions,
    client: HttpClient,
}

const MAX_MARKDOWN_BYTES: usize = 4096;
const MAX_TEXT_BYTES: usize = 2048;

pub fn kind() -> Kind {
    Kind {
        name: "wecom",
        open: |options| {
            let options: WecomOptions = parse_options(options)?;
            Ok(Box::new(WecomChannel { client: HttpClient::new(options.url.expose(), options.timeout)?, options }))
        },
        schema: || schemars::schema_for!(WecomOptions).to_value(),
        per_minute: Some(20),
    }
}

impl Channel for WecomChannel {
    fn send(&mut self, message: &Message, _now_ms: i64) -> Result<(), SendError> {
        let answer = self.client.send(&self.request(message))?.json()?;
        vendor_code(&answer, "errcode", "errmsg", &[45009, -1])
    }
}

impl WecomChannel {
    fn request(&self, message: &Message) -> HttpRequest {
        let mentioned: Vec<&str> = self.options.mention.split(',').map(str::trim).filter(|m| !m.is_empty()).collect();
        let body = if mentioned.is_empty() {
            let colour = if message.state == "resolved" { "info" } else { "warning" };
            let text = Message { title: format!("**<font color=\"{colour}\">{}</font>**", message.title), ..message.clone() };
            json!({ "msgtype": "markdown", "markdown": { "content": text.limited(MAX_MARKDOWN_BYTES) } })
        } else {
            json!({ "msgtype": "text", "text": { "content": message.limited(MAX_TEXT_BYTES), "mentioned_list": mentioned } })
        };
        HttpRequest::post_json(self.options.url.expose(), body.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::outbox::tests::delivery;

    fn check(mention: &str, body: &str) {
        let url = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=k";
        let options = [("url".to_owned(), url.to_owned()), ("mention".to_owned(), mention.to_owned())].into();
        let options: WecomOptions = parse_options(&options).expect("options");
        let channel = WecomChannel { client: HttpClient::new(url, None).expect("an address"), options };
        let request = channel.request(&delivery("7", "w", 0).message);
        assert_eq!(
            (request.url.as_str(), serde_json::from_str::<serde_json::Value>(&request.body).expect("JSON")),
            (url, serde_json::from_str(body).expect("JSON"))
        );
    }

    #[test]
    fn requests_are_markdown_or_mention() {
        check("", r#"{"msgtype": "markdown", "markdown": {"content": "**<font color=\"warning\">title 7</font>**\ntext 7"}}"#);
        check("li, @all", r#"{"msgtype": "text", "text": {"content": "title 7\ntext 7", "mentioned_list": ["li", "@all"]}}"#);
    }
}

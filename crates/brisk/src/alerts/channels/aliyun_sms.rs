//! `aliyun-sms`: SMS by Alibaba Cloud (SendSms, API of 2017-05-25), signed by ACS3-HMAC-SHA256.
//!
//! The text of a message is a template that Alibaba has approved; `template-param` fills it from `{{title}}`, `{{text}}`,
//! `{{severity}}`, `{{state}}` and the first alert's columns. What an alert is allowed to send is limited by the vendor
//! (`isv.BUSINESS_LIMIT_CONTROL`): such messages are tried later, together.

use std::collections::BTreeMap;

use brisk_core::connector::{TimeSpan, parse_options};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::sms::Texts;
use super::{Channel, Kind, Secret, SendError};
use crate::alerts::http::{HttpClient, HttpRequest, hex, hmac_sha256, host_of, percent_encoded, sha256_hex};
use crate::alerts::message::{Message, iso_time};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct AliyunSmsOptions {
    access_key_id: Secret,
    access_key_secret: Secret,
    /// Telephone numbers, separated by commas.
    to: String,
    /// The approved signature that messages begin with.
    sign_name: String,
    /// The approved template, such as `SMS_153055065`.
    template_code: String,
    /// Its parameters as `name={{column}}`, separated by `;`.
    #[serde(default = "default_params")]
    template_param: String,
    /// The longest value of a parameter, in characters.
    #[serde(default = "default_length")]
    param_length: usize,
    #[serde(default = "default_url")]
    url: String,
    timeout: Option<TimeSpan>,
}

struct AliyunSmsChannel {
    options: AliyunSmsOptions,
    texts: Texts,
    client: HttpClient,
}

/// What is signed.
struct Call<'a> {
    host: &'a str,
    action: &'a str,
    version: &'a str,
    date: &'a str,
    nonce: &'a str,
    query: BTreeMap<&'a str, &'a str>,
}

fn default_params() -> String {
    "title={{title}}".to_owned()
}

fn default_length() -> usize {
    35
}

fn default_url() -> String {
    "https://dysmsapi.aliyuncs.com".to_owned()
}

pub fn kind() -> Kind {
    Kind {
        name: "aliyun-sms",
        open: |options| {
            let options: AliyunSmsOptions = parse_options(options)?;
            let texts = Texts::parse_named(&options.template_param, options.param_length)?;
            Ok(Box::new(AliyunSmsChannel { client: HttpClient::new(&options.url, options.timeout)?, texts, options }))
        },
        schema: || schemars::schema_for!(AliyunSmsOptions).to_value(),
        // The vendor's usual limit for one receiver is one a minute, with one signature and template.
        per_minute: Some(1),
    }
}

impl Channel for AliyunSmsChannel {
    fn send(&mut self, message: &Message, now_ms: i64) -> Result<(), SendError> {
        // The vendor puts refusals into bodies of status 400 and of 200.
        let reply = self.client.send(&self.request(message, now_ms)?)?;
        match serde_json::from_str::<Value>(&reply.body) {
            Ok(answer) => verdict(&answer),
            Err(_) => reply.check_status().and_then(|_| Err(SendError::retry("the answer is not JSON"))),
        }
    }
}

impl AliyunSmsChannel {
    fn request(&self, message: &Message, now_ms: i64) -> Result<HttpRequest, SendError> {
        let options = &self.options;
        let param: serde_json::Map<String, Value> = self.texts.fill(message).into_iter().map(|(name, text)| (name, text.into())).collect();
        let param = Value::Object(param).to_string();
        let host = host_of(&options.url).ok_or_else(|| SendError::Rejected("'url' has no host".to_owned()))?;
        let authority = options.url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or(host);
        let date = format!("{}Z", &iso_time(now_ms)[..19]);
        // Unique for each attempt, and the same in a test.
        let nonce = sha256_hex(format!("{}\0{now_ms}", message.id).as_bytes())[..32].to_owned();
        let query = [
            ("PhoneNumbers", options.to.as_str()),
            ("SignName", options.sign_name.as_str()),
            ("TemplateCode", options.template_code.as_str()),
            ("TemplateParam", param.as_str()),
            ("OutId", message.id.as_str()),
        ];
        let call = Call { host: authority, action: "SendSms", version: "2017-05-25", date: &date, nonce: &nonce, query: query.into() };
        let authorization = call.authorization(options.access_key_id.expose(), options.access_key_secret.expose());
        let url = format!("{}/?{}", options.url.trim_end_matches('/'), call.canonical_query());
        let headers = [
            ("x-acs-action", call.action),
            ("x-acs-version", call.version),
            ("x-acs-date", call.date),
            ("x-acs-signature-nonce", call.nonce),
            ("x-acs-content-sha256", EMPTY_SHA256),
            ("Authorization", authorization.as_str()),
        ];
        Ok(HttpRequest { url, headers: headers.map(|(n, v)| (n.to_owned(), v.to_owned())).into(), body: String::new() })
    }
}

const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SIGNED_HEADERS: &str = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version";

impl Call<'_> {
    fn canonical_query(&self) -> String {
        self.query.iter().map(|(name, value)| format!("{}={}", percent_encoded(name), percent_encoded(value))).collect::<Vec<_>>().join("&")
    }

    fn authorization(&self, key: &str, secret: &str) -> String {
        let headers = format!(
            "host:{}\nx-acs-action:{}\nx-acs-content-sha256:{EMPTY_SHA256}\nx-acs-date:{}\nx-acs-signature-nonce:{}\nx-acs-version:{}\n",
            self.host, self.action, self.date, self.nonce, self.version
        );
        let canonical = format!("POST\n/\n{}\n{headers}\n{SIGNED_HEADERS}\n{EMPTY_SHA256}", self.canonical_query());
        let to_sign = format!("ACS3-HMAC-SHA256\n{}", sha256_hex(canonical.as_bytes()));
        let signature = hex(&hmac_sha256(secret.as_bytes(), to_sign.as_bytes()));
        format!("ACS3-HMAC-SHA256 Credential={key},SignedHeaders={SIGNED_HEADERS},Signature={signature}")
    }
}

fn verdict(answer: &Value) -> Result<(), SendError> {
    let code = answer["Code"].as_str().unwrap_or_default();
    let reason = || format!("{code}: {}", answer["Message"].as_str().unwrap_or_default());
    match code {
        "OK" => Ok(()),
        "isv.BUSINESS_LIMIT_CONTROL" => Err(SendError::Retry { reason: reason(), after_ms: Some(60_000) }),
        "isp.SYSTEM_ERROR" | "isp.RAM_PERMISSION_DENY" | "ServiceUnavailable" | "InternalError" | "SignatureNonceUsed" | "" => Err(SendError::retry(reason())),
        code if code.starts_with("Throttling") => Err(SendError::retry(reason())),
        _ => Err(SendError::Rejected(reason())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;
    use crate::alerts::outbox::tests::delivery;
    use crate::alerts::testing::{HttpFake, Reply};

    #[test]
    fn the_signature_is_that_of_the_documentation() {
        let query = [("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"), ("RegionId", "cn-shanghai")];
        let call = Call {
            host: "ecs.cn-shanghai.aliyuncs.com",
            action: "RunInstances",
            version: "2014-05-26",
            date: "2023-10-26T10:22:32Z",
            nonce: "3156853299f313e23d1673dc12e1703d",
            query: query.into(),
        };
        let signature = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0";
        let expected = format!("ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders={SIGNED_HEADERS},Signature={signature}");
        assert_eq!(call.authorization("YourAccessKeyId", "YourAccessKeySecret"), expected);
    }

    fn check(reply: &str, expected: Result<(), &str>) -> String {
        let fake = HttpFake::start(vec![Reply::ok(reply)]);
        let url = fake.url.trim_end_matches('/').to_owned();
        let options = [
            ("type", "aliyun-sms"),
            ("access-key-id", "i"),
            ("access-key-secret", "s"),
            ("to", "13900000000"),
            ("sign-name", "brisk"),
            ("template-code", "SMS_1"),
            ("template-param", "name={{title}}; level={{severity}}"),
            ("url", url.as_str()),
        ];
        let (mut channel, _) = open("a", &options.map(|(k, v)| (k.to_owned(), v.to_owned())).into()).expect("opens");
        match (channel.send(&delivery("7", "a", 0).message, 0), expected) {
            (Ok(()), Ok(())) => {}
            (Err(e), Err(part)) => assert!(format!("{e:?}").contains(part), "{e:?}"),
            (seen, _) => panic!("{seen:?}"),
        }
        fake.requests().remove(0).head
    }

    #[test]
    fn templates_are_filled_and_refusals_told_apart() {
        let head = check(r#"{"Code": "OK", "BizId": "1"}"#, Ok(()));
        let query = "/?OutId=7&PhoneNumbers=13900000000&SignName=brisk&TemplateCode=SMS_1&TemplateParam=%7B%22level%22%3A%22warning%22%2C%22name%22%3A%22title%207%22%7D ";
        assert!(head.contains(query), "{head}");
        check(r#"{"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "m"}"#, Err("after_ms: Some(60000)"));
        check(r#"{"Code": "isv.MOBILE_NUMBER_ILLEGAL", "Message": "m"}"#, Err("Rejected(\"isv.MOBILE_NUMBER_ILLEGAL: m\")"));
    }
}

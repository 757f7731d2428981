//! `tencent-sms`: SMS by Tencent Cloud (SendSms, API of 2021-01-11), signed by TC3-HMAC-SHA256.
//!
//! The text of a message is a template that Tencent has approved; `template-param` fills its places in order. Numbers
//! that were refused are named; the others have got the message, so it is not sent again.

use brisk_core::connector::{TimeSpan, parse_options};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::sms::Texts;
use super::{Channel, Kind, Secret, SendError};
use crate::alerts::http::{HttpClient, HttpRequest, hex, hmac_sha256, sha256_hex};
use crate::alerts::message::{Message, iso_time};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct TencentSmsOptions {
    secret_id: Secret,
    secret_key: Secret,
    /// The SMS application, such as `1400006666`.
    sdk_app_id: String,
    /// Telephone numbers with country code (`+8613900000000`), separated by commas.
    to: String,
    sign_name: String,
    template_id: String,
    /// The values of `{1}`, `{2}` .. as texts with `{{column}}`, separated by `;`.
    #[serde(default = "default_params")]
    template_param: String,
    /// The longest value, in characters.
    #[serde(default = "default_length")]
    param_length: usize,
    #[serde(default = "default_region")]
    region: String,
    #[serde(default = "default_url")]
    url: String,
    timeout: Option<TimeSpan>,
}

struct TencentSmsChannel {
    options: TencentSmsOptions,
    texts: Texts,
    client: HttpClient,
}

fn default_params() -> String {
    "{{title}}".to_owned()
}

fn default_length() -> usize {
    12
}

fn default_region() -> String {
    "ap-guangzhou".to_owned()
}

fn default_url() -> String {
    "https://sms.tencentcloudapi.com".to_owned()
}

pub fn kind() -> Kind {
    Kind {
        name: "tencent-sms",
        open: |options| {
            let options: TencentSmsOptions = parse_options(options)?;
            let texts = Texts::parse_listed(&options.template_param, options.param_length);
            Ok(Box::new(TencentSmsChannel { client: HttpClient::new(&options.url, options.timeout)?, texts, options }))
        },
        schema: || schemars::schema_for!(TencentSmsOptions).to_value(),
        // The vendor's usual limit for one number is one in 30 seconds.
        per_minute: Some(2),
    }
}

impl Channel for TencentSmsChannel {
    fn send(&mut self, message: &Message, now_ms: i64) -> Result<(), SendError> {
        verdict(&self.client.send(&self.request(message, now_ms))?.json()?["Response"])
    }
}

impl TencentSmsChannel {
    fn request(&self, message: &Message, now_ms: i64) -> HttpRequest {
        let options = &self.options;
        let numbers: Vec<&str> = options.to.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
        let params: Vec<String> = self.texts.fill(message).into_iter().map(|(_, text)| text).collect();
        let body = json!({
            "PhoneNumberSet": numbers,
            "SmsSdkAppId": options.sdk_app_id,
            "SignName": options.sign_name,
            "TemplateId": options.template_id,
            "TemplateParamSet": params,
            "SessionContext": message.id,
        });
        let body = body.to_string();
        let seconds = now_ms.div_euclid(1000);
        let host = options.url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let authorization = authorization(options.secret_id.expose(), options.secret_key.expose(), "sms", host, &body, seconds);
        HttpRequest::post_json(options.url.as_str(), body)
            .header("X-TC-Action", "SendSms")
            .header("X-TC-Version", "2021-01-11")
            .header("X-TC-Region", &options.region)
            .header("X-TC-Timestamp", &seconds.to_string())
            .header("Authorization", &authorization)
    }
}

fn authorization(id: &str, key: &str, service: &str, host: &str, body: &str, seconds: i64) -> String {
    let date = iso_time(seconds.saturating_mul(1000)).chars().take(10).collect::<String>();
    let scope = format!("{date}/{service}/tc3_request");
    let canonical = format!("POST\n/\n\ncontent-type:application/json; charset=utf-8\nhost:{host}\n\ncontent-type;host\n{}", sha256_hex(body.as_bytes()));
    let to_sign = format!("TC3-HMAC-SHA256\n{seconds}\n{scope}\n{}", sha256_hex(canonical.as_bytes()));
    let day_key = hmac_sha256(format!("TC3{key}").as_bytes(), date.as_bytes());
    let signing_key = hmac_sha256(&hmac_sha256(&day_key, service.as_bytes()), b"tc3_request");
    let signature = hex(&hmac_sha256(&signing_key, to_sign.as_bytes()));
    format!("TC3-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders=content-type;host, Signature={signature}")
}

fn verdict(response: &Value) -> Result<(), SendError> {
    if let Some(code) = response["Error"]["Code"].as_str() {
        let reason = format!("{code}: {}", response["Error"]["Message"].as_str().unwrap_or_default());
        let later = code.starts_with("RequestLimitExceeded") || code.starts_with("InternalError") || code.starts_with("LimitExceeded");
        return Err(if later { SendError::retry(reason) } else { SendError::Rejected(reason) });
    }
    let Some(statuses) = response["SendStatusSet"].as_array() else { return Err(SendError::retry("the answer has no SendStatusSet")) };
    let refused: Vec<(&str, String)> = statuses
        .iter()
        .filter_map(|s| Some((s["Code"].as_str()?, format!("{} {}", s["PhoneNumber"].as_str().unwrap_or_default(), s["Code"].as_str()?))))
        .filter(|(code, _)| *code != "Ok")
        .collect();
    let reason = || refused.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(", ");
    match refused.len() {
        0 => Ok(()),
        // Nobody got it and all may get it later.
        n if n == statuses.len() && refused.iter().all(|(code, _)| code.starts_with("LimitExceeded")) => {
            Err(SendError::Retry { reason: reason(), after_ms: Some(30_000) })
        }
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
        let body = r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        let (id, key) = ("AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE");
        let signature = "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168";
        let expected = format!("TC3-HMAC-SHA256 Credential={id}/2019-02-25/cvm/tc3_request, SignedHeaders=content-type;host, Signature={signature}");
        assert_eq!(authorization(id, key, "cvm", "cvm.tencentcloudapi.com", body, 1_551_113_065), expected);
    }

    fn check(reply: &str, expected: Result<(), &str>) -> Value {
        let fake = HttpFake::start(vec![Reply::ok(reply)]);
        let options = [
            ("type", "tencent-sms"),
            ("secret-id", "i"),
            ("secret-key", "k"),
            ("sdk-app-id", "1400006666"),
            ("to", "+8613900000000"),
            ("sign-name", "brisk"),
            ("template-id", "1"),
            ("template-param", "{{severity}}; {{title}} and more"),
            ("url", fake.url.as_str()),
        ];
        let (mut channel, _) = open("t", &options.map(|(k, v)| (k.to_owned(), v.to_owned())).into()).expect("opens");
        match (channel.send(&delivery("7", "t", 0).message, 0), expected) {
            (Ok(()), Ok(())) => {}
            (Err(e), Err(part)) => assert!(format!("{e:?}").contains(part), "{e:?}"),
            (seen, _) => panic!("{seen:?}"),
        }
        serde_json::from_str(&fake.requests().remove(0).body).expect("JSON")
    }

    #[test]
    fn templates_are_filled_and_refusals_told_apart() {
        let body = check(r#"{"Response": {"SendStatusSet": [{"Code": "Ok", "PhoneNumber": "+8613900000000"}]}}"#, Ok(()));
        assert_eq!((&body["TemplateParamSet"], &body["PhoneNumberSet"]), (&json!(["warning", "title 7 and…"]), &json!(["+8613900000000"])));
        let limited = r#"{"Response": {"SendStatusSet": [{"Code": "LimitExceeded.PhoneNumberThirtySecondLimit", "PhoneNumber": "1"}]}}"#;
        check(limited, Err("after_ms: Some(30000)"));
        check(r#"{"Response": {"Error": {"Code": "AuthFailure.SecretIdNotFound", "Message": "m"}}}"#, Err("Rejected(\"AuthFailure.SecretIdNotFound: m\")"));
        check(r#"{"Response": {"Error": {"Code": "RequestLimitExceeded", "Message": "m"}}}"#, Err("Retry"));
    }
}

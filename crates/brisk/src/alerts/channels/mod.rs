//! The channels that alerts are sent by: one a file, listed in [`kinds`].
//!
//! A channel sends one message and says what came of it; queueing, pauses and rate limits are the caller's. Channels over
//! HTTP make their request in a pure function, so that a test can hold it against the vendor's documented example.

mod aliyun_sms;
mod dingtalk;
mod feishu;
mod log;
mod sms;
mod smtp;
mod tencent_sms;
mod webhook;
mod wecom;

use std::collections::BTreeMap;
use std::fmt;

use brisk_core::connector::{TimeSpan, parse_options};
use brisk_core::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use super::delivery::Limits;
use super::message::Message;

pub trait Channel: Send {
    /// Returns when the receiver has acknowledged the message.
    fn send(&mut self, message: &Message, now_ms: i64) -> Result<(), SendError>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// It may work later; not before `after_ms` from now, if the receiver said so.
    Retry { reason: String, after_ms: Option<i64> },
    /// It would be refused again.
    Rejected(String),
}

/// A type of channel, by the name that `type` gives.
pub struct Kind {
    pub name: &'static str,
    pub open: fn(&Options) -> Result<Box<dyn Channel>>,
    pub schema: fn() -> serde_json::Value,
    /// What the vendor takes, if it says so.
    pub per_minute: Option<usize>,
}

pub type Options = BTreeMap<String, String>;

/// Options that every type has.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct CommonOptions {
    /// The most messages in a minute; beyond it, notifications wait and are sent as one.
    max_per_minute: Option<usize>,
    /// The pause after the first failure; it doubles with every further one.
    retry_pause: TimeSpan,
    retry_pause_max: TimeSpan,
    /// A message that could not be sent for so long is given up.
    give_up_after: TimeSpan,
}

/// A secret in options. It is never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

/// All types of channels.
pub fn kinds() -> Vec<Kind> {
    vec![aliyun_sms::kind(), dingtalk::kind(), feishu::kind(), log::kind(), smtp::kind(), tencent_sms::kind(), webhook::kind(), wecom::kind()]
}

/// Makes a channel from its options; `${NAME}` in them is taken from the environment.
pub fn open(name: &str, options: &Options) -> Result<(Box<dyn Channel>, Limits)> {
    let context = |e: Error| e.context(format!("alert channel '{name}'"));
    let mut options = options.iter().map(|(key, text)| Ok((key.clone(), from_environment(text)?))).collect::<Result<Options>>().map_err(context)?;
    let kind = kind_of(&options).map_err(context)?;
    options.remove("type");
    let common = ["max-per-minute", "retry-pause", "retry-pause-max", "give-up-after"];
    let common: Options = common.iter().filter_map(|key| options.remove_entry(*key)).collect();
    let common: CommonOptions = parse_options(&common).map_err(context)?;
    let channel = (kind.open)(&options).map_err(context)?;
    let ms = |span: TimeSpan| i64::try_from(span.0.as_millis()).unwrap_or(i64::MAX);
    let limits = Limits {
        per_minute: common.max_per_minute.or(kind.per_minute),
        first_pause_ms: ms(common.retry_pause).max(1),
        longest_pause_ms: ms(common.retry_pause_max).max(1),
        give_up_after_ms: ms(common.give_up_after),
    };
    Ok((channel, limits))
}

fn kind_of(options: &Options) -> Result<Kind> {
    let names = || kinds().iter().map(|k| k.name).collect::<Vec<_>>().join(", ");
    let Some(name) = options.get("type") else {
        return Err(Error::invalid("'type' is missing").with_remedy(format!("set it to one of {}", names())));
    };
    kinds()
        .into_iter()
        .find(|k| k.name == name)
        .ok_or_else(|| Error::invalid(format!("there is no channel type '{name}'")).with_remedy(format!("use one of {}", names())))
}

fn from_environment(text: &str) -> Result<String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        let value = std::env::var(name).map_err(|_| Error::invalid(format!("the environment has no variable {name}")))?;
        filled.push_str(before);
        filled.push_str(&value);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The code that vendors put into the answer: 0 is an acknowledgement, those of `later` may go away.
fn vendor_code(answer: &serde_json::Value, code: &str, text: &str, later: &[i64]) -> Result<(), SendError> {
    let reason = || format!("{}: {}", answer[code], answer[text].as_str().unwrap_or_default());
    match answer[code].as_i64() {
        Some(0) => Ok(()),
        Some(known) if !later.contains(&known) => Err(SendError::Rejected(reason())),
        _ => Err(SendError::retry(reason())),
    }
}

impl Default for CommonOptions {
    fn default() -> Self {
        let seconds = |s| TimeSpan(std::time::Duration::from_secs(s));
        Self { max_per_minute: None, retry_pause: seconds(1), retry_pause_max: seconds(60), give_up_after: seconds(24 * 3600) }
    }
}

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl SendError {
    pub fn retry(reason: impl Into<String>) -> Self {
        SendError::Retry { reason: reason.into(), after_ms: None }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Retry { reason, .. } | SendError::Rejected(reason) => f.write_str(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: &[(&str, &str)], expected: Result<(), &str>) {
        let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        match (open("c", &options).map(|_| ()), expected) {
            (Ok(()), Ok(())) => {}
            (Err(e), Err(part)) => assert!(e.to_string().contains(part), "{e}"),
            (seen, _) => panic!("{seen:?}"),
        }
    }

    #[test]
    fn options_are_checked() {
        check(&[("type", "log")], Ok(()));
        check(&[("type", "log"), ("max-per-minute", "5"), ("retry-pause", "2 s")], Ok(()));
        check(&[], Err("alert channel 'c': 'type' is missing"));
        check(&[("type", "pigeon")], Err("no channel type 'pigeon'"));
        check(&[("type", "log"), ("colour", "red")], Err("colour"));
        check(&[("type", "webhook"), ("url", "${NO_SUCH_VARIABLE_HERE}")], Err("NO_SUCH_VARIABLE_HERE"));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", Secret("abc".to_owned())), "***");
    }
}

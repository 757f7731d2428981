//! `log`: the message goes to standard error. For trying rules out.

use std::io::Write;

use brisk_core::connector::parse_options;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Channel, Kind, SendError};
use crate::alerts::message::{Message, iso_time};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogOptions {}

struct LogChannel;

pub fn kind() -> Kind {
    Kind {
        name: "log",
        open: |options| {
            let LogOptions {} = parse_options(options)?;
            Ok(Box::new(LogChannel))
        },
        schema: || schemars::schema_for!(LogOptions).to_value(),
        per_minute: None,
    }
}

impl Channel for LogChannel {
    fn send(&mut self, message: &Message, now_ms: i64) -> Result<(), SendError> {
        let text = message.text.replace('\n', "\n    ");
        writeln!(std::io::stderr(), "{} alert {}\n    {text}", iso_time(now_ms), message.title).map_err(|e| SendError::retry(e.to_string()))
    }
}

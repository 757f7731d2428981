//! `log`: the message goes to brisk's own log. For trying rules out.

use brisk_core::connector::parse_options;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Channel, Kind, SendError};
use crate::alerts::message::Message;

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
    fn send(&mut self, message: &Message, _now_ms: i64) -> Result<(), SendError> {
        tracing::info!(id = message.id, state = message.state, severity = message.severity, title = message.title, text = message.text, "alert");
        Ok(())
    }
}

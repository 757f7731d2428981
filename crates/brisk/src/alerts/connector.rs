//! The `alert` connector: options, sink, and the writer that reads alerts from the columns of rows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use brisk_core::batch::ChangelogMode;
use brisk_core::connector::{Connector, TableDescriptor, TimeSpan, parse_options};
use brisk_core::format::{Encoder, EncoderFactory, FormatSpec};
use brisk_core::operator::SubtaskContext;
use brisk_core::sink::{Guarantee, Sink, SinkWriter};
use brisk_core::{ChangelogBatch, Error, Result, RowKind, Schema};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Alerts;
use super::channels::{self, Options};
use super::columns::Columns;
use super::message::Wording;
use super::rule::{Rule, RuleInfo};
use super::state::{Policy, Row};
use super::template::Template;

pub struct AlertConnector {
    alerts: Arc<Alerts>,
}

/// Besides these, `channel.NAME.OPTION` defines a channel of the table's own.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct AlertOptions {
    /// Names of channels, separated by commas: of the settings or defined here. Without it, all that are defined here.
    channels: Option<String>,
    /// Of alerts whose row has none.
    severity: String,
    /// Columns, separated by commas: alerts that are equal in them are told together. `*`: each by itself.
    group_by: Option<String>,
    /// How long the first notification of a group waits for more.
    group_wait: TimeSpan,
    /// The least time between two notifications of a group.
    group_interval: TimeSpan,
    /// What fires on is told again after so long.
    repeat_interval: TimeSpan,
    /// An alert without a new row for so long is resolved; for streams that only grow.
    resolve_after: Option<TimeSpan>,
    /// Whether people are told that an alert is over.
    send_resolved: bool,
    /// Title of a notification, with `{{column}}` of its first alert, `{{count}}`, `{{firing}}`, `{{resolved}}`.
    title: Option<String>,
    /// Text of each alert, with `{{column}}`, `{{state}}`, `{{severity}}`, `{{summary}}`, `{{value}}`, `{{starts_at}}`.
    text: Option<String>,
    /// The most alerts that are watched at a time.
    max_alerts: usize,
}

impl Default for AlertOptions {
    fn default() -> Self {
        let seconds = |s| TimeSpan(std::time::Duration::from_secs(s));
        Self {
            channels: None,
            severity: "warning".to_owned(),
            group_by: None,
            group_wait: seconds(1),
            group_interval: seconds(10),
            repeat_interval: seconds(4 * 3600),
            resolve_after: None,
            send_resolved: true,
            title: None,
            text: None,
            max_alerts: 10_000,
        }
    }
}

impl AlertConnector {
    pub fn new(alerts: Arc<Alerts>) -> Self {
        Self { alerts }
    }
}

impl Connector for AlertConnector {
    fn name(&self) -> &'static str {
        "alert"
    }

    fn options_schema(&self) -> Value {
        let mut schema = schemars::schema_for!(AlertOptions).to_value();
        let kinds = channels::kinds().into_iter().map(|kind| (kind.name.to_owned(), (kind.schema)())).collect();
        // What may stand behind `channel.NAME.`, by the channel's type.
        schema["channelTypes"] = Value::Object(kinds);
        schema
    }

    fn sink(&self, table: &TableDescriptor) -> Result<Arc<dyn Sink>> {
        let sink = AlertSink::new(self.alerts.clone(), table).map_err(|e| e.context(format!("table `{}`", table.name)))?;
        Ok(Arc::new(sink))
    }

    fn sink_mode(&self, table: &TableDescriptor) -> ChangelogMode {
        if table.primary_key.is_empty() { ChangelogMode::Retract } else { ChangelogMode::Upsert }
    }
}

struct AlertSink {
    alerts: Arc<Alerts>,
    number: u64,
    table: String,
    policy: Policy,
    wording: Wording,
    severity: String,
    /// By the name that deliveries have.
    own_channels: BTreeMap<String, Options>,
    channels: Vec<String>,
    columns: Columns,
    encoder: Arc<dyn EncoderFactory>,
}

impl AlertSink {
    fn new(alerts: Arc<Alerts>, table: &TableDescriptor) -> Result<Self> {
        if let Some(format) = &table.format {
            return Err(Error::invalid(format!("connector 'alert' takes no format, but 'format' = '{}' is set", format.name)));
        }
        let name = table.name.rsplit('.').next().unwrap_or(&table.name).to_owned();
        let (own, rest) = own_channels(&name, &table.options)?;
        let options: AlertOptions = parse_options(&rest)?;
        let channels = chosen_channels(&alerts, &name, &own, options.channels.as_deref())?;
        for (channel, options) in &own {
            channels::open(channel, options)?;
        }
        let ms = |span: TimeSpan| i64::try_from(span.0.as_millis()).unwrap_or(i64::MAX);
        Ok(Self {
            alerts,
            number: next_sink(),
            policy: Policy {
                group_wait_ms: ms(options.group_wait),
                group_interval_ms: ms(options.group_interval),
                repeat_interval_ms: ms(options.repeat_interval).max(1),
                resolve_after_ms: options.resolve_after.map(ms),
                send_resolved: options.send_resolved,
                max_alerts: options.max_alerts.max(1),
            },
            wording: Wording { table: name.clone(), title: options.title.as_deref().map(Template::parse), text: options.text.as_deref().map(Template::parse) },
            severity: options.severity,
            own_channels: own,
            channels,
            columns: Columns::of(table, options.group_by.as_deref())?,
            encoder: encoder(&table.schema, &table.time_zone)?,
            table: name,
        })
    }
}

impl Sink for AlertSink {
    /// A message may come twice if the process dies between sending it and noting that; it has the same id then.
    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn writer(&self, context: &SubtaskContext, restored: Vec<Vec<u8>>) -> Result<Box<dyn SinkWriter>> {
        if self.alerts.only_plans {
            return Err(crate::server::needs_server(&self.table, "alert"));
        }
        for (name, options) in &self.own_channels {
            self.alerts.use_channel(name, options)?;
        }
        let info = || RuleInfo {
            id: format!("{}/{}", self.table, context.operator_id),
            table: self.table.clone(),
            policy: self.policy.clone(),
            wording: self.wording.clone(),
            channels: self.channels.clone(),
        };
        let rule = self.alerts.rule(self.number, info);
        if context.subtask_index == 0 {
            self.alerts.begin(&rule, &restored)?;
        }
        Ok(Box::new(AlertWriter {
            alerts: self.alerts.clone(),
            rule,
            subtask: context.subtask_index,
            severity: self.severity.clone(),
            columns: self.columns.clone(),
            encoder: self.encoder.create(),
            text: Vec::new(),
            withheld: BTreeMap::new(),
        }))
    }

    fn describe(&self) -> String {
        let channels = if self.channels.is_empty() { "no channels".to_owned() } else { self.channels.join(", ") };
        format!("alert({}, {channels})", self.table)
    }
}

impl Drop for AlertSink {
    fn drop(&mut self) {
        self.alerts.rule_ended(self.number);
    }
}

struct AlertWriter {
    alerts: Arc<Alerts>,
    rule: Arc<Mutex<Rule>>,
    subtask: usize,
    severity: String,
    columns: Columns,
    encoder: Box<dyn Encoder>,
    text: Vec<u8>,
    /// What `-U` took away, by key. Mostly its `+U` follows, and between the two nothing is over; where a filter dropped
    /// the `+U` it is, which shows at the flush.
    withheld: BTreeMap<String, Vec<Row>>,
}

impl SinkWriter for AlertWriter {
    fn write(&mut self, batch: &ChangelogBatch) -> Result<()> {
        self.text.clear();
        self.encoder.encode(&ChangelogBatch::append(batch.rows.clone()), &mut self.text)?;
        let now_ms = self.alerts.now_ms();
        let mut rule = self.rule.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = self.text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        for (number, line) in lines.enumerate() {
            let values: BTreeMap<String, Value> = serde_json::from_slice(line).map_err(|e| Error::internal(format!("a row of alerts: {e}")))?;
            let kind = batch.kind(number);
            let Some(row) = self.columns.row(values, kind, &self.severity) else { continue };
            if self.columns.keyed {
                self.withheld.remove(&row.key);
            }
            if kind == RowKind::UpdateBefore {
                self.withheld.entry(row.key.clone()).or_default().push(row);
            } else {
                rule.row(self.subtask, row, now_ms);
            }
        }
        drop(rule);
        self.alerts.wake();
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.withheld.is_empty() {
            return Ok(());
        }
        let now_ms = self.alerts.now_ms();
        let mut rule = self.rule.lock().unwrap_or_else(PoisonError::into_inner);
        for row in std::mem::take(&mut self.withheld).into_values().flatten() {
            rule.row(self.subtask, row, now_ms);
        }
        drop(rule);
        self.alerts.wake();
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Option<Vec<u8>>> {
        self.alerts.snapshot(&self.rule, self.subtask).map(Some)
    }
}

/// The channels that the table defines, by the name that deliveries have, and the other options.
fn own_channels(table: &str, options: &Options) -> Result<(BTreeMap<String, Options>, Options)> {
    let (mut own, mut rest) = (BTreeMap::<String, Options>::new(), Options::new());
    for (key, text) in options {
        let Some(path) = key.strip_prefix("channel.") else {
            rest.insert(key.clone(), text.clone());
            continue;
        };
        let (name, option) = path.split_once('.').ok_or_else(|| Error::invalid(format!("'{key}' is not 'channel.NAME.OPTION'")))?;
        own.entry(own_name(table, name)).or_default().insert(option.to_owned(), text.clone());
    }
    Ok((own, rest))
}

fn own_name(table: &str, name: &str) -> String {
    format!("{table}.{name}")
}

fn chosen_channels(alerts: &Alerts, table: &str, own: &BTreeMap<String, Options>, chosen: Option<&str>) -> Result<Vec<String>> {
    let Some(chosen) = chosen else { return Ok(own.keys().cloned().collect()) };
    let mut channels = Vec::new();
    for name in chosen.split(',').map(str::trim).filter(|n| !n.is_empty()) {
        let own_name = own_name(table, name);
        if own.contains_key(&own_name) {
            channels.push(own_name);
        } else if alerts.has_channel(name) {
            channels.push(name.to_owned());
        } else {
            return Err(Error::invalid(format!("'channels' names '{name}', which is not defined"))
                .with_remedy(format!("define it in brisk.yaml under `alerts.channels`, or here by 'channel.{name}.type' = '..'")));
        }
    }
    Ok(channels)
}

fn encoder(schema: &Schema, time_zone: &str) -> Result<Arc<dyn EncoderFactory>> {
    let json = brisk_formats::formats().into_iter().find(|f| f.name() == "json").ok_or_else(|| Error::internal("no format 'json'"))?;
    let options = [("timestamp-format.standard", "ISO-8601"), ("encode.decimal-as-plain-number", "true")];
    json.encoder(&FormatSpec {
        schema: schema.clone(),
        projection: (0..schema.len()).collect(),
        options: options.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        time_zone: time_zone.to_owned(),
    })
}

fn next_sink() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

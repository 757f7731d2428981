//! The options of a session: what SET wrote over the defaults that the program gave it.
//!
//! Any key may be set, as in Flink; those that brisk reads itself are checked when they are set. `table.local-time-zone`
//! is `default` until it is set, which means the zone that the program gave (UTC without one).

use std::collections::BTreeMap;

use brisk_core::connector::TimeSpan;
use brisk_core::{Error, Result};
use chrono_tz::Tz;

const TIME_ZONE: &str = "table.local-time-zone";

#[derive(Debug, Clone)]
pub struct Options {
    defaults: BTreeMap<String, String>,
    set: BTreeMap<String, String>,
    default_zone: Tz,
}

impl Default for Options {
    fn default() -> Self {
        Self::new(BTreeMap::new(), Tz::UTC)
    }
}

impl Options {
    /// `default_zone` is that of the machine, or of the server's settings.
    pub fn new(defaults: BTreeMap<String, String>, default_zone: Tz) -> Self {
        Self { defaults, set: BTreeMap::new(), default_zone }
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.set.get(key).or_else(|| self.defaults.get(key)).map(String::as_str)
    }

    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        if key == TIME_ZONE && value != "default" {
            parse_zone(value).ok_or_else(|| {
                let error = Error::invalid(format!("'{value}' is no time zone"));
                error.with_remedy("write a name such as 'Asia/Shanghai', or 'UTC' or 'GMT+08:00'")
            })?;
        }
        self.set.insert(key.to_string(), value.to_string());
        Ok(())
    }

    /// Back to the default: of one key, or of all.
    pub fn reset(&mut self, key: Option<&str>) {
        match key {
            Some(key) => {
                self.set.remove(key);
            }
            None => self.set.clear(),
        }
    }

    /// All that have a value, in order of their keys.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut all: BTreeMap<&str, &str> = self.defaults.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        all.extend(self.set.iter().map(|(k, v)| (k.as_str(), v.as_str())));
        all.into_iter()
    }

    pub fn time_zone(&self) -> Tz {
        self.get(TIME_ZONE).filter(|z| *z != "default").and_then(parse_zone).unwrap_or(self.default_zone)
    }

    /// A duration; `None` where it is not set.
    pub fn duration_ms(&self, key: &str) -> Result<Option<i64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let span: TimeSpan = text.parse().map_err(|e| Error::invalid(format!("option '{key}': {e}")))?;
        Ok(Some(span.0.as_millis() as i64))
    }

    pub fn number(&self, key: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| Error::invalid(format!("option '{key}': '{text}' is no whole number")))
    }

    pub fn flag(&self, key: &str) -> Result<Option<bool>> {
        match self.get(key).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(Error::invalid(format!("option '{key}': '{other}' is neither true nor false"))),
        }
    }
}

/// A zone by name, or by its distance in whole hours: `GMT+08:00`, `UTC-5`.
fn parse_zone(text: &str) -> Option<Tz> {
    let text = text.trim();
    if let Ok(zone) = text.parse() {
        return Some(zone);
    }
    let offset = text.strip_prefix("GMT").or_else(|| text.strip_prefix("UTC")).unwrap_or(text);
    let (sign, digits) = match offset.split_at_checked(1)? {
        ("+", digits) => ('-', digits),
        ("-", digits) => ('+', digits),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    if minutes != 0 || hours > 14 {
        return None;
    }
    // The names of these zones count towards the west.
    if hours == 0 { Some(Tz::UTC) } else { format!("Etc/GMT{sign}{hours}").parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(parse_zone(text).map(|z| z.name()), expected, "{text}");
    }

    #[test]
    fn zones_have_names_or_distances() {
        check("Asia/Shanghai", Some("Asia/Shanghai"));
        check("GMT+08:00", Some("Etc/GMT-8"));
        check("UTC-5", Some("Etc/GMT+5"));
        check("UTC", Some("UTC"));
        check("+00:00", Some("UTC"));
        check("Mars/Olympus", None);
    }

    #[test]
    fn what_is_set_hides_defaults_until_reset() {
        let mut options = Options::new(BTreeMap::from([("a".into(), "1".into())]), Tz::UTC);
        options.set("a", "2").unwrap();
        options.set("table.exec.state.ttl", "1 h").unwrap();
        assert_eq!(options.get("a"), Some("2"));
        assert_eq!(options.duration_ms("table.exec.state.ttl").unwrap(), Some(3_600_000));
        options.reset(None);
        assert_eq!(options.all().collect::<Vec<_>>(), vec![("a", "1")]);
        assert!(options.set(TIME_ZONE, "nowhere").is_err());
    }
}

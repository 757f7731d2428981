//! What SMS channels share: short values for the places of an approved template.

use std::borrow::Cow;

use brisk_core::{Error, Result};

use crate::alerts::message::Message;
use crate::alerts::template::Template;

/// Templates of the values, by name or in order.
pub struct Texts {
    texts: Vec<(String, Template)>,
    /// In characters.
    longest: usize,
}

impl Texts {
    /// `name=text; name=text`
    pub fn parse_named(list: &str, longest: usize) -> Result<Self> {
        let named = |part: &str| part.split_once('=').map(|(name, text)| (name.trim().to_owned(), Template::parse(text.trim())));
        let texts =
            parts(list).map(|part| named(part).ok_or_else(|| Error::invalid(format!("'template-param': '{part}' is not name=text")))).collect::<Result<_>>()?;
        Ok(Self { texts, longest })
    }

    /// `text; text`
    pub fn parse_listed(list: &str, longest: usize) -> Self {
        Self { texts: parts(list).map(|part| (String::new(), Template::parse(part))).collect(), longest }
    }

    pub fn fill(&self, message: &Message) -> Vec<(String, String)> {
        self.texts.iter().map(|(name, template)| (name.clone(), self.cut(template.fill(|name| field(message, name))))).collect()
    }

    /// The vendors count characters.
    fn cut(&self, text: String) -> String {
        if text.chars().count() <= self.longest {
            return text;
        }
        text.chars().take(self.longest.saturating_sub(1)).chain(['…']).collect()
    }
}

fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(';').map(str::trim).filter(|part| !part.is_empty())
}

fn field<'a>(message: &'a Message, name: &str) -> Option<Cow<'a, str>> {
    let first = message.alerts.first();
    Some(match name {
        "title" => message.title.as_str().into(),
        "text" => message.text.as_str().into(),
        "state" => message.state.as_str().into(),
        "severity" => message.severity.as_str().into(),
        "table" => message.table.as_str().into(),
        "count" => message.alerts.len().to_string().into(),
        "key" => first?.key.as_str().into(),
        "summary" | "message" if !first?.labels.contains_key(name) => first?.summary.as_str().into(),
        "value" if !first?.labels.contains_key(name) => first?.value.as_deref()?.into(),
        name => first?.labels.get(name)?.as_str().into(),
    })
}

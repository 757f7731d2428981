//! `smtp`: the message as e-mail.

use std::time::Duration;

use brisk_core::connector::{TimeSpan, parse_options};
use brisk_core::{Error, Result};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Channel, Kind, Secret, SendError};
use crate::alerts::message::Message;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct SmtpOptions {
    host: String,
    /// 465 with `tls`, 587 with `starttls`, else 25.
    port: Option<u16>,
    #[serde(default)]
    security: Security,
    username: Option<String>,
    #[serde(default)]
    password: Secret,
    /// `brisk <alerts@example.com>`
    from: String,
    /// One or more, separated by commas.
    to: String,
    #[serde(default)]
    cc: String,
    /// How long each step of the protocol may take.
    timeout: Option<TimeSpan>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Security {
    /// Unencrypted: for a mail server on this machine.
    #[default]
    None,
    /// Begins unencrypted and must change to TLS.
    Starttls,
    Tls,
}

struct SmtpChannel {
    transport: SmtpTransport,
    /// Sender and receivers.
    envelope: MessageBuilder,
    domain: String,
}

pub fn kind() -> Kind {
    Kind {
        name: "smtp",
        open: |options| Ok(Box::new(SmtpChannel::open(parse_options(options)?)?)),
        schema: || schemars::schema_for!(SmtpOptions).to_value(),
        per_minute: Some(60),
    }
}

impl SmtpChannel {
    fn open(options: SmtpOptions) -> Result<Self> {
        let from = mailbox("from", &options.from)?;
        let domain = from.email.domain().to_owned();
        let mut envelope = lettre::Message::builder().from(from);
        for to in mailboxes("to", &options.to)? {
            envelope = envelope.to(to);
        }
        for cc in mailboxes("cc", &options.cc)? {
            envelope = envelope.cc(cc);
        }
        if options.username.is_some() && options.security == Security::None && !is_local(&options.host) {
            return Err(Error::invalid("a password would be sent unencrypted").with_remedy("set 'security' to 'starttls' or 'tls'"));
        }
        let tls = || TlsParameters::new(options.host.clone()).map_err(|e| Error::invalid(format!("'host': {e}")));
        let (tls, port) = match options.security {
            Security::None => (Tls::None, 25),
            Security::Starttls => (Tls::Required(tls()?), 587),
            Security::Tls => (Tls::Wrapper(tls()?), 465),
        };
        let timeout = options.timeout.map_or(Duration::from_secs(20), |t| t.0);
        let mut transport = SmtpTransport::builder_dangerous(&options.host).port(options.port.unwrap_or(port)).tls(tls).timeout(Some(timeout));
        if let Some(user) = options.username {
            transport = transport.credentials(Credentials::new(user, options.password.expose().to_owned()));
        }
        Ok(Self { transport: transport.build(), envelope, domain })
    }

    fn mail(&self, message: &Message) -> Result<lettre::Message, SendError> {
        let title = message.title.replace(['\r', '\n'], " ");
        let mail = self.envelope.clone().subject(title).message_id(Some(format!("<{}@{}>", message.id, self.domain)));
        mail.body(format!("{}\n", message.text)).map_err(|e| SendError::Rejected(e.to_string()))
    }
}

impl Channel for SmtpChannel {
    fn send(&mut self, message: &Message, _now_ms: i64) -> Result<(), SendError> {
        let sent = self.transport.send(&self.mail(message)?);
        sent.map(|_| ()).map_err(|e| if e.is_permanent() { SendError::Rejected(e.to_string()) } else { SendError::retry(e.to_string()) })
    }
}

fn mailboxes(option: &str, text: &str) -> Result<Vec<Mailbox>> {
    text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(|t| mailbox(option, t)).collect()
}

fn mailbox(option: &str, text: &str) -> Result<Mailbox> {
    text.parse().map_err(|e| Error::invalid(format!("'{option}' = '{text}' is no address: {e}")))
}

fn is_local(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1")
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::*;
    use crate::alerts::outbox::tests::delivery;
    use crate::alerts::testing::SmtpFake;

    fn check(refuse: &'static str, expected: Result<(), &str>) -> Vec<String> {
        let fake = SmtpFake::start(refuse);
        let port = fake.port.to_string();
        let options =
            [("type", "smtp"), ("host", "127.0.0.1"), ("port", port.as_str()), ("from", "brisk <b@localhost>"), ("to", "a@example.com, c@example.com")];
        let (mut channel, _) = open("m", &options.map(|(k, v)| (k.to_owned(), v.to_owned())).into()).expect("opens");
        let mut message = delivery("7", "m", 0).message;
        message.title = "服务器 down".to_owned();
        match (channel.send(&message, 0), expected) {
            (Ok(()), Ok(())) => {}
            (Err(e), Err(part)) => assert!(format!("{e:?}").contains(part), "{e:?}"),
            (seen, _) => panic!("{seen:?}"),
        }
        fake.mails()
    }

    #[test]
    fn mails_reach_all_receivers() {
        let mails = check("", Ok(()));
        let [mail] = mails.as_slice() else { panic!("{mails:?}") };
        for part in ["RCPT TO:<a@example.com>", "RCPT TO:<c@example.com>", "Message-ID: <7@localhost>", "Subject: =?utf-8?b?", "text 7"] {
            assert!(mail.contains(part), "{mail} lacks {part}");
        }
    }

    #[test]
    fn refusals_are_told_apart() {
        check("451 later", Err("Retry"));
        check("550 no such user", Err("Rejected"));
    }

    #[test]
    fn passwords_are_not_sent_unencrypted() {
        let options =
            [("type", "smtp"), ("host", "mail.example.com"), ("from", "b@example.com"), ("to", "a@example.com"), ("username", "u"), ("password", "p")];
        let e = open("m", &options.map(|(k, v)| (k.to_owned(), v.to_owned())).into()).map(|_| ()).expect_err("refused");
        assert!(e.to_string().contains("unencrypted"), "{e}");
    }
}

//! A mailbox that takes every mail: as much of SMTP as a sender on this machine needs.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use brisk_core::Result;

use super::inbox::Inbox;

/// A sender that is silent for so long is forgotten.
const SILENCE: Duration = Duration::from_secs(60);
const MAX_MAIL_BYTES: usize = 1 << 20;

/// Takes mails on a free port, from a thread of its own.
pub fn start(inbox: Arc<Inbox>) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().name("mailbox".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let inbox = inbox.clone();
            // A mail that breaks off is the sender's to repeat.
            let take = move || drop(converse(stream, &inbox));
            if let Err(error) = std::thread::Builder::new().name("mail".to_owned()).stack_size(256 << 10).spawn(take) {
                tracing::warn!(%error, "cannot take a mail");
            }
        }
    })?;
    Ok(address)
}

fn converse(mut stream: TcpStream, inbox: &Inbox) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.write_all(b"220 localhost\r\n")?;
    let mut line = String::new();
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let verb = line.trim().split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-localhost\r\n250 8BITMIME\r\n",
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mail = Mail::parse(&read_data(&mut lines)?);
                inbox.add_mail(&mail.subject, &mail.text);
                "250 kept\r\n"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n"),
            "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 ok\r\n",
            _ => "502 not here\r\n",
        };
        stream.write_all(answer.as_bytes())?;
    }
}

/// The lines up to the one that holds a dot alone.
fn read_data(lines: &mut impl BufRead) -> std::io::Result<String> {
    let mut data = String::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 || line == b".\r\n" || data.len() > MAX_MAIL_BYTES {
            return Ok(data);
        }
        let text = String::from_utf8_lossy(&line);
        data.push_str(text.strip_prefix('.').unwrap_or(&text));
    }
}

#[derive(Debug, PartialEq)]
struct Mail {
    subject: String,
    text: String,
}

impl Mail {
    fn parse(data: &str) -> Self {
        let data = data.replace("\r\n", "\n");
        let (head, body) = data.split_once("\n\n").unwrap_or((&data, ""));
        // A header goes on in lines that begin with a blank.
        let head = head.replace("\n ", " ").replace("\n\t", " ");
        let header = |name: &str| head.lines().find_map(|l| l.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim().to_owned()));
        let encoding = header("Content-Transfer-Encoding").unwrap_or_default().to_ascii_lowercase();
        let text = match encoding.as_str() {
            "base64" => base64_text(&body.split_whitespace().collect::<String>()).unwrap_or_else(|| body.to_owned()),
            "quoted-printable" => unquoted(&body.replace("=\n", ""), '='),
            _ => body.to_owned(),
        };
        Self { subject: words(&header("Subject").unwrap_or_default()), text }
    }
}

/// A header whose words may be encoded as `=?utf-8?b?..?=` or `=?utf-8?q?..?=`.
fn words(header: &str) -> String {
    let mut out = String::new();
    let mut rest = header;
    while let Some(start) = rest.find("=?") {
        let word: Vec<&str> = rest[start + 2..].splitn(4, '?').collect();
        let &[_, kind, text, tail] = word.as_slice() else { break };
        let Some(tail) = tail.strip_prefix('=') else { break };
        let decoded = if kind.eq_ignore_ascii_case("b") { base64_text(text).unwrap_or_default() } else { unquoted(&text.replace('_', " "), '=') };
        // Blanks between encoded words are not part of the text.
        if !rest[..start].trim().is_empty() {
            out.push_str(&rest[..start]);
        }
        out.push_str(&decoded);
        rest = tail;
    }
    out + rest
}

fn base64_text(text: &str) -> Option<String> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Replaces `=C3` by its byte.
fn unquoted(text: &str, mark: char) -> String {
    let mut bytes = Vec::new();
    let mut parts = text.split(mark);
    bytes.extend_from_slice(parts.next().unwrap_or("").as_bytes());
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => bytes.extend_from_slice(part.as_bytes()),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &str, subject: &str, text: &str) {
        assert_eq!(Mail::parse(data), Mail { subject: subject.to_owned(), text: text.to_owned() });
    }

    #[test]
    fn mails_are_read_in_the_usual_encodings() {
        check("Subject: down\r\nTo: a@b\r\n\r\nhost\r\n", "down", "host\n");
        check("Subject: =?utf-8?b?5Li75py6?= down\nContent-Transfer-Encoding: base64\n\naG9z\ndA==\n", "主机 down", "host");
        check("Subject: =?UTF-8?Q?caf=C3=A9_a?=\n =?utf-8?q?b?=\nContent-Transfer-Encoding: quoted-printable\n\n80=25 o=\nver\n", "café ab", "80% over\n");
    }
}

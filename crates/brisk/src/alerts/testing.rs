//! Servers for tests: HTTP and SMTP that record what they are sent and answer as they are told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Answers of an HTTP fake, in turn; the last one is repeated.
#[derive(Clone)]
pub struct Reply {
    status: u16,
    headers: String,
    body: String,
    pause_ms: u64,
}

pub struct Request {
    /// Request line and headers.
    pub head: String,
    pub body: String,
}

pub struct HttpFake {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

pub struct SmtpFake {
    pub port: u16,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Reply {
    pub fn ok(body: &str) -> Self {
        Self::status(200, body)
    }

    pub fn status(status: u16, body: &str) -> Self {
        Self { status, headers: String::new(), body: body.to_owned(), pause_ms: 0 }
    }

    pub fn slow(pause_ms: u64) -> Self {
        Self { pause_ms, ..Self::ok("") }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|l| l.split_once(':'));
        lines.into_iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.trim())
    }
}

impl HttpFake {
    pub fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let reply = replies[number.min(replies.len() - 1)].clone();
                if let Some(request) = read_request(&stream) {
                    seen.lock().expect("not poisoned").push(request);
                }
                std::thread::sleep(Duration::from_millis(reply.pause_ms));
                let Reply { status, headers, body, .. } = reply;
                // The client may be gone already.
                let _ = (&stream)
                    .write_all(format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).as_bytes());
            }
        });
        Self { url, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.requests.lock().expect("not poisoned"))
    }

    /// The requests, once there are `count`.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        for _ in 0..1000 {
            if self.requests.lock().expect("not poisoned").len() >= count {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.requests()
    }
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut request = Request { head, body: String::new() };
    let mut body = vec![0; request.header("content-length").map_or(0, |l| l.parse().expect("a length"))];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).expect("UTF-8");
    Some(request)
}

impl SmtpFake {
    /// `refuse` is what it says to the first receiver; empty: it takes all.
    pub fn start(refuse: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let seen = mails.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that hangs up ends the talk.
                if let Ok(Some(mail)) = talk(&stream, refuse) {
                    seen.lock().expect("not poisoned").push(mail);
                }
            }
        });
        Self { port, mails }
    }

    /// Commands and data of every mail that was taken.
    pub fn mails(&self) -> Vec<String> {
        for _ in 0..20 {
            if !self.mails.lock().expect("not poisoned").is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.mails.lock().expect("not poisoned").clone()
    }
}

fn talk(stream: &TcpStream, refuse: &str) -> std::io::Result<Option<String>> {
    let say = |line: &str| (&*stream).write_all(format!("{line}\r\n").as_bytes());
    let (mut log, mut in_data, mut taken) = (String::new(), false, None);
    say("220 fake")?;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        log += &format!("{line}\n");
        match line.as_str() {
            "." if in_data => {
                in_data = false;
                taken = Some(log.clone());
                say("250 taken")?;
            }
            _ if in_data => {}
            "DATA" => {
                in_data = true;
                say("354 go on")?;
            }
            "QUIT" => {
                say("221 bye")?;
                break;
            }
            line if line.starts_with("RCPT") && !refuse.is_empty() => say(refuse)?,
            _ => say("250 ok")?,
        }
    }
    Ok(taken)
}

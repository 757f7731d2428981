//! A real `brisk server` in a directory of its own, and an HTTP client for it. Killed when dropped.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub struct Server {
    child: Child,
    pub address: String,
}

/// An answer: status, headers in small letters, body.
pub struct Answer {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

/// What a test waits for must come within this.
pub const LIMIT: Duration = Duration::from_secs(60);

impl Server {
    /// Starts a server and waits until it serves. `listen` with port 0 takes a free one.
    pub fn start(data_dir: &Path, listen: &str, scripts: &[PathBuf]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brisk"));
        command.arg("server").args(["--listen", listen]).arg("--data-dir").arg(data_dir).args(scripts);
        Self::spawn(command)
    }

    /// Starts the demo on a free port.
    pub fn start_demo(data_dir: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_brisk"));
        command.arg("demo").args(["--listen", "127.0.0.1:0"]).arg("--data-dir").arg(data_dir);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("starts");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        out.read_line(&mut line).expect("says where it serves");
        let address =
            line.split("http://").nth(1).and_then(|rest| rest.split([' ', '/', '\n']).next()).unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        // What it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::stderr()));
        Self { child, address }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.end();
    }

    pub fn get(&self, path: &str) -> Answer {
        request(&self.address, "GET", path, "", b"").expect("the server answers")
    }

    pub fn post(&self, path: &str, headers: &str, body: &[u8]) -> Answer {
        request(&self.address, "POST", path, headers, body).expect("the server answers")
    }

    /// Asks until the answer is as wanted.
    pub fn wait_for(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + LIMIT;
        loop {
            let answer = self.get(path);
            let value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
            if answer.status == 200 && wanted(&value) {
                return value;
            }
            assert!(Instant::now() < until, "{path} is still {}", answer.body);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}

/// One request on a connection of its own. `headers`: whole lines.
pub fn request(address: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let cut = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the answer was cut off");
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(cut)?;
    let length = head.to_ascii_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ").and_then(|n| n.parse::<usize>().ok()));
    if length.is_some_and(|length| length != body.len()) {
        return Err(cut());
    }
    Ok(Answer { status, headers: head.to_ascii_lowercase(), body: body.to_owned() })
}

/// Writes a script into a directory.
pub fn script(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("script.sql");
    std::fs::write(&path, text).expect("written");
    path
}

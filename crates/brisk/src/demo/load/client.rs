//! Posts events over one kept connection. What the server refuses for now is tried again; the traffic of a shop does not
//! stop because a server restarts.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::Events;

pub struct Client {
    server: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(400);
const TIMEOUT: Duration = Duration::from_secs(10);

impl Client {
    pub fn new(server: SocketAddr) -> Self {
        Self { server, connection: None }
    }

    pub fn post_all(&mut self, all: Vec<Events>) {
        for events in all.into_iter().filter(|e| !e.lines.is_empty()) {
            self.post(&events);
        }
    }

    /// Gives up after some tries: newer events matter more to the demo.
    fn post(&mut self, events: &Events) {
        for _ in 0..TRIES {
            match self.try_post(events) {
                Ok(202) => return,
                Ok(429 | 503) => {}
                // Nobody asks about these events.
                Ok(_) => return,
                Err(_) => self.connection = None,
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn try_post(&mut self, events: &Events) -> std::io::Result<u16> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let stream = TcpStream::connect_timeout(&self.server, TIMEOUT)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_nodelay(true)?;
                none.insert(BufReader::new(stream))
            }
        };
        let Events { path, lines } = events;
        let head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n", self.server, lines.len());
        let mut request = head.into_bytes();
        request.extend_from_slice(lines.as_bytes());
        connection.get_mut().write_all(&request)?;
        read_answer(connection)
    }
}

/// The status of an answer; its body is read and dropped.
fn read_answer(connection: &mut impl BufRead) -> std::io::Result<u16> {
    let broken = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
    let mut line = String::new();
    connection.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| broken("no status"))?;
    let mut length = 0;
    loop {
        line.clear();
        connection.read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Err(broken("cut off"));
        }
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().map_err(|_| broken("no length"))?;
        }
    }
    std::io::copy(&mut connection.take(length), &mut std::io::sink())?;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(mut answers: &[u8], expected: &[Option<u16>]) {
        for status in expected {
            assert_eq!(read_answer(&mut answers).ok(), *status);
        }
    }

    #[test]
    fn answers_follow_one_another() {
        let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
        check(answer, &[Some(202), Some(503), None]);
        check(b"HTTP/1.1 202 Accepted\r\ncontent", &[None]);
    }
}

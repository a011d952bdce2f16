//! As much of HTTP/1.1 as the shop needs: requests read under limits, answers written whole.
//!
//! Source: RFC 9112. Bodies come with a `Content-Length`; transfer codings are refused.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

/// A request line and its headers; browsers send about one kB.
const HEAD_BYTES: usize = 8 << 10;
/// A payment form has about 50 bytes.
const BODY_BYTES: usize = 4 << 10;
/// How long a kept connection may wait for its next request.
const IDLE: Duration = Duration::from_secs(30);
/// How long a request may take to arrive, from its first byte; a slow client holds one thread this long.
const ARRIVAL: Duration = Duration::from_secs(5);
/// How long an answer may take to leave.
const DEPARTURE: Duration = Duration::from_secs(5);
/// How much of a refused request is read so that the client sees the answer instead of a reset.
const LINGER_BYTES: usize = 64 << 10;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
    pub(crate) keep_alive: bool,
}

pub(crate) struct Response {
    pub(crate) code: u16,
    content_type: &'static str,
    allow: Option<&'static str>,
    body: String,
}

impl Response {
    fn new(code: u16, content_type: &'static str, body: String) -> Self {
        Self {
            code,
            content_type,
            allow: None,
            body,
        }
    }

    pub(crate) fn text(code: u16, sentence: &str) -> Self {
        Self::new(code, "text/plain; charset=utf-8", format!("{sentence}\n"))
    }

    pub(crate) fn html(body: String) -> Self {
        Self::new(200, "text/html; charset=utf-8", body)
    }

    pub(crate) fn json(code: u16, body: String) -> Self {
        Self::new(code, "application/json", body)
    }

    pub(crate) fn exposition(body: String) -> Self {
        Self::new(200, "text/plain; version=0.0.4; charset=utf-8", body)
    }

    pub(crate) fn not_allowed(allow: &'static str) -> Self {
        let mut response = Self::text(405, &format!("this page takes only {allow}"));
        response.allow = Some(allow);
        response
    }

    fn bytes(&self, keep_alive: bool) -> Vec<u8> {
        let Self {
            code,
            content_type,
            body,
            ..
        } = self;
        let reason = reason(*code);
        let length = body.len();
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let allow = self
            .allow
            .map(|m| format!("Allow: {m}\r\n"))
            .unwrap_or_default();
        format!(
            "HTTP/1.1 {code} {reason}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
             {allow}Connection: {connection}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        400 => "Bad Request",
        402 => "Payment Required",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        _ => "",
    }
}

/// Says why no further request comes from a connection.
pub(crate) enum End {
    /// The client is gone, or kept silent between two requests.
    Gone,
    /// The client is owed an answer before the connection closes.
    Refused(Response),
}

fn refused(code: u16, why: &str) -> End {
    End::Refused(Response::text(code, why))
}

pub(crate) struct Connection {
    stream: TcpStream,
    /// What was read and belongs to no request yet.
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> std::io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(DEPARTURE))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Waits for the next request.
    pub(crate) fn read(&mut self) -> Result<Request, End> {
        if self.buffer.is_empty() {
            self.fill(IDLE).map_err(|_| End::Gone)?;
        }
        let deadline = now() + ARRIVAL;
        let head_end = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n").filter(|end| *end <= HEAD_BYTES) {
                break end;
            }
            if self.buffer.len() > HEAD_BYTES {
                return Err(refused(431, "the headers are over 8 KiB"));
            }
            self.fill_until(deadline)?;
        };
        let (mut request, length) = parse_head(&self.buffer[..head_end])?;
        let body_start = head_end + 4;
        while self.buffer.len() < body_start + length {
            self.fill_until(deadline)?;
        }
        request.body = self.buffer[body_start..body_start + length].to_vec();
        self.buffer.drain(..body_start + length);
        Ok(request)
    }

    pub(crate) fn write(&mut self, response: &Response, keep_alive: bool) -> std::io::Result<()> {
        self.stream.write_all(&response.bytes(keep_alive))
    }

    /// Answers for the last time, and reads on a little: closing with unread bytes resets the
    /// connection, and a reset may overtake the answer.
    pub(crate) fn close_with(mut self, response: &Response) {
        let deadline = now() + Duration::from_secs(1);
        if self.write(response, false).is_err() || self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let mut unread = 0;
        while unread < LINGER_BYTES && self.fill_until(deadline).is_ok() {
            unread += self.buffer.len();
            self.buffer.clear();
        }
    }

    fn fill_until(&mut self, deadline: Instant) -> Result<(), End> {
        let left = deadline.saturating_duration_since(now());
        let timed_out = || refused(408, "the request did not arrive within 5 seconds");
        if left.is_zero() {
            return Err(timed_out());
        }
        self.fill(left).map_err(|kind| match kind {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => timed_out(),
            _ => End::Gone,
        })
    }

    fn fill(&mut self, timeout: Duration) -> Result<(), ErrorKind> {
        let mut chunk = [0; 2_048];
        let read = self
            .stream
            .set_read_timeout(Some(timeout))
            .and_then(|()| self.stream.read(&mut chunk));
        match read {
            Ok(0) => Err(ErrorKind::UnexpectedEof),
            Ok(length) => {
                self.buffer.extend_from_slice(&chunk[..length]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error.kind()),
        }
    }
}

/// Reads request line and headers; returns the request without its body, and the body's length.
fn parse_head(head: &[u8]) -> Result<(Request, usize), End> {
    let bad = |why| refused(400, why);
    let head = std::str::from_utf8(head).map_err(|_| bad("the headers are not UTF-8"))?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version @ ("HTTP/1.1" | "HTTP/1.0")), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("the request line is not METHOD PATH HTTP/1.1"));
    };
    let mut request = Request {
        method: method.to_owned(),
        target: target.to_owned(),
        body: Vec::new(),
        keep_alive: version == "HTTP/1.1",
    };
    let mut length = None;
    for line in lines {
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| bad("a header has no colon"))?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" if length.is_some() => return Err(bad("two Content-Length headers")),
            "content-length" => length = Some(content_length(value)?),
            "transfer-encoding" => return Err(refused(501, "send a Content-Length instead")),
            "connection" if value.eq_ignore_ascii_case("close") => request.keep_alive = false,
            _ => {}
        }
    }
    Ok((request, length.unwrap_or(0)))
}

fn content_length(value: &str) -> Result<usize, End> {
    if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refused(400, "Content-Length is no number"));
    }
    match value.parse() {
        Ok(length @ 0..=BODY_BYTES) => Ok(length),
        _ => Err(refused(413, "the body is over 4 KiB")),
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

/// Reads the clock, for time-outs and latencies only.
#[expect(
    clippy::disallowed_methods,
    reason = "the shop is a program of its own and has no other clock"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

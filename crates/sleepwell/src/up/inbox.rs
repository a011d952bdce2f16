//! The demo's own inbox: a mail server and a webhook receiver on loopback that keep what they get.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The largest message it takes; the demo's are a few kB.
const MESSAGE_BYTES: usize = 1 << 20;

/// Is what came in, and where it is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Inbox {
    pub(super) smtp: SocketAddr,
    pub(super) http: SocketAddr,
    received: Arc<Mutex<Received>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Received {
    /// Whole messages with their headers.
    pub(super) mails: Vec<String>,
    /// Bodies.
    pub(super) webhooks: Vec<String>,
}

impl Inbox {
    /// Opens both doors on free ports of the loopback.
    pub(super) async fn open() -> Result<Self> {
        let smtp = TcpListener::bind("127.0.0.1:0").await?;
        let http = TcpListener::bind("127.0.0.1:0").await?;
        let inbox = Self {
            smtp: smtp.local_addr()?,
            http: http.local_addr()?,
            received: Arc::default(),
        };
        let (mails, webhooks) = (inbox.clone(), inbox.clone());
        tokio::spawn(async move { mails.take_mails(smtp).await });
        tokio::spawn(async move { webhooks.take_webhooks(http).await });
        Ok(inbox)
    }

    pub(super) fn received(&self) -> Received {
        self.received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn keep(&self, change: impl FnOnce(&mut Received)) {
        change(&mut self.received.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn take_mails(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let inbox = self.clone();
            // A session that breaks off has delivered nothing, and the sender tries again.
            tokio::spawn(async move { inbox.smtp_session(stream).await.ok() });
        }
    }

    /// Speaks as much SMTP (RFC 5321) as a sender of plain mail needs.
    async fn smtp_session(&self, stream: TcpStream) -> Result<()> {
        let mut stream = BufReader::new(stream);
        stream.get_mut().write_all(b"220 demo inbox\r\n").await?;
        loop {
            let mut line = String::new();
            if (&mut stream).take(4_096).read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let answer: &[u8] = match verb.as_str() {
                "EHLO" | "HELO" => b"250 demo inbox\r\n",
                "DATA" => {
                    stream
                        .get_mut()
                        .write_all(b"354 go on, end with a dot\r\n")
                        .await?;
                    let mail = read_mail(&mut stream).await?;
                    self.keep(|received| received.mails.push(mail));
                    b"250 kept\r\n"
                }
                "QUIT" => {
                    stream.get_mut().write_all(b"221 bye\r\n").await?;
                    return Ok(());
                }
                "MAIL" | "RCPT" | "RSET" | "NOOP" => b"250 ok\r\n",
                _ => b"502 not understood\r\n",
            };
            stream.get_mut().write_all(answer).await?;
        }
    }

    async fn take_webhooks(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let inbox = self.clone();
            tokio::spawn(async move { inbox.http_request(stream).await.ok() });
        }
    }

    async fn http_request(&self, stream: TcpStream) -> Result<()> {
        let mut stream = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            (&mut stream).take(8_192).read_line(&mut line).await?;
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value
                    .trim()
                    .parse::<usize>()
                    .unwrap_or(0)
                    .min(MESSAGE_BYTES);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        self.keep(|received| {
            received
                .webhooks
                .push(String::from_utf8_lossy(&body).into_owned())
        });
        stream
            .get_mut()
            .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
            .await?;
        Ok(())
    }
}

async fn read_mail(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        let n = stream
            .take(MESSAGE_BYTES as u64)
            .read_line(&mut line)
            .await?;
        if n == 0 || mail.len() > MESSAGE_BYTES {
            anyhow::bail!("the mail broke off");
        }
        if line.trim_end() == "." {
            return Ok(mail);
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

/// Returns the subject and the plain text of a mail as we send it: multipart, quoted-printable or plain.
pub(super) fn readable(mail: &str) -> (String, String) {
    let mail = mail.replace("\r\n", "\n");
    let (head, body) = mail.split_once("\n\n").unwrap_or((&mail, ""));
    let subject = head.replace("\n ", " ");
    let subject = subject
        .lines()
        .find_map(|line| line.strip_prefix("Subject: "))
        .unwrap_or_default();
    let part = body
        .split("\n--")
        .find(|part| part.contains("text/plain"))
        .unwrap_or(body);
    let (part_head, text) = part.split_once("\n\n").unwrap_or(("", part));
    let text = if part_head.to_ascii_lowercase().contains("quoted-printable") {
        unquote(text)
    } else {
        text.to_owned()
    };
    (subject.to_owned(), text.trim().to_owned())
}

/// Decodes quoted-printable (RFC 2045, 6.7).
fn unquote(text: &str) -> String {
    let text = text.replace("=\n", "");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail
            .get(..2)
            .and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, code) {
            (b'=', Some(code)) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_back() {
        let mail = "Subject: shop 1.1\r\n was undone\r\nContent-Type: multipart/alternative; boundary=\"x\"\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nerrors: 25 =25, na=C3=AFve li=\r\nne\r\n\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>\r\n--x--\r\n";
        let (subject, text) = readable(mail);
        assert_eq!(subject, "shop 1.1 was undone");
        assert_eq!(text, "errors: 25 %, naïve line");
    }

    #[tokio::test]
    async fn a_mail_and_a_webhook_are_kept() {
        let inbox = Inbox::open().await.unwrap();
        let mut smtp = TcpStream::connect(inbox.smtp).await.unwrap();
        let talk = "EHLO x\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nSubject: hi\r\n\r\n..dot\r\n.\r\nQUIT\r\n";
        smtp.write_all(talk.as_bytes()).await.unwrap();
        let mut answers = String::new();
        smtp.read_to_string(&mut answers).await.unwrap();
        assert!(answers.ends_with("250 kept\r\n221 bye\r\n"), "{answers}");
        let mut http = TcpStream::connect(inbox.http).await.unwrap();
        http.write_all(b"POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
            .await
            .unwrap();
        http.read_to_string(&mut answers).await.unwrap();
        let received = inbox.received();
        assert_eq!(received.mails, ["Subject: hi\r\n\r\n.dot\r\n"]);
        assert_eq!(received.webhooks, ["{}"]);
    }
}

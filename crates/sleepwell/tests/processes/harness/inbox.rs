//! A mail server and a webhook receiver on loopback that keep what they get.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Is what came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inbox {
    mails: Arc<Mutex<Vec<String>>>,
    webhooks: Arc<Mutex<Vec<String>>>,
    is_mute: Arc<AtomicBool>,
}

/// Is where it is to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doors {
    pub(crate) smtp: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Inbox {
    /// Opens both doors; they stay open as long as the tests run.
    pub(crate) fn open() -> (Self, Doors) {
        let inbox = Self::default();
        let (mails, webhooks) = (inbox.clone(), inbox.clone());
        let smtp = serve(move |stream| mails.take_mail(stream));
        let http = serve(move |stream| webhooks.take_webhook(stream));
        (inbox, Doors { smtp, http })
    }

    pub(crate) fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }

    pub(crate) fn webhooks(&self) -> Vec<String> {
        self.webhooks.lock().unwrap().clone()
    }

    /// Takes webhooks from now on and answers none, as long as their sender waits.
    pub(crate) fn answer_no_webhook(&self) {
        self.is_mute.store(true, Ordering::SeqCst);
    }

    /// Answers what comes from now on.
    pub(crate) fn answer_webhooks(&self) {
        self.is_mute.store(false, Ordering::SeqCst);
    }

    /// Speaks as much SMTP as a sender of plain mail needs.
    fn take_mail(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut answers = stream.try_clone()?;
        let mut lines = BufReader::new(stream).lines();
        answers.write_all(b"220 inbox\r\n")?;
        while let Some(line) = lines.next().transpose()? {
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "DATA" => {
                    answers.write_all(b"354 end with a dot\r\n")?;
                    let mail: Vec<String> = lines
                        .by_ref()
                        .map_while(Result::ok)
                        .take_while(|line| line != ".")
                        .collect();
                    self.mails.lock().unwrap().push(mail.join("\n"));
                    answers.write_all(b"250 kept\r\n")?;
                }
                "QUIT" => return answers.write_all(b"221 bye\r\n"),
                _ => answers.write_all(b"250 ok\r\n")?,
            }
        }
        Ok(())
    }

    fn take_webhook(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut answers = stream.try_clone()?;
        let mut stream = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        self.webhooks.lock().unwrap().push(body);
        if self.is_mute.load(Ordering::SeqCst) {
            return stream.read_to_end(&mut vec![]).map(drop);
        }
        answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    }
}

fn serve(
    session: impl Fn(TcpStream) -> std::io::Result<()> + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let session = session.clone();
            // A session that breaks off has delivered nothing, and the sender tries again.
            std::thread::spawn(move || session(stream));
        }
    });
    address
}

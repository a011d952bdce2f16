//! The tool as a webhook: the same documents by signed POST; what runs is observed by signed GET.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use client::Client;
use model::{Secret, ServiceName, limit};
use wire::hmac::hmac_sha256;

use super::contract::{Request, Verb};
use super::tool::Fault;

/// `sha256=<hex>` of the HMAC over the body; of a GET over what follows the host in its address.
const SIGNATURE: &str = "x-sleepwell-signature";

pub(super) struct Webhook {
    client: Client,
    secret: Secret,
    /// What the other side calls its last run of each service.
    references: Mutex<BTreeMap<ServiceName, String>>,
}

impl Webhook {
    pub(super) fn new(client: Client, secret: Secret) -> Self {
        Self {
            client,
            secret,
            references: Mutex::default(),
        }
    }

    pub(super) fn remember(&self, service: &ServiceName, reference: String) {
        let mut references = self
            .references
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        references.insert(service.clone(), reference);
    }

    pub(super) fn call(&self, request: &Request, limit: Duration) -> Result<Vec<u8>, Fault> {
        let client = self.client.with_timeout(limit);
        let answer = match request.verb {
            Verb::Observe => {
                let query = self.query(request);
                let signed = format!("{}{query}", path_of(client.base_url()));
                let signature = self.signature(signed.as_bytes());
                let headers = [(SIGNATURE, signature.as_str())];
                client.raw("GET", &query, &headers, None, limit::ADAPTER_ANSWER_BYTES)
            }
            Verb::Plan | Verb::Apply | Verb::Rollback => {
                let body = serde_json::to_vec(request).expect("requests have string keys");
                let signature = self.signature(&body);
                let headers = [(SIGNATURE, signature.as_str())];
                client.raw(
                    "POST",
                    "",
                    &headers,
                    Some(&body),
                    limit::ADAPTER_ANSWER_BYTES,
                )
            }
        };
        answer.map_err(|e| fault(request.verb, &e))
    }

    fn signature(&self, bytes: &[u8]) -> String {
        let code = hmac_sha256(self.secret.reveal().as_bytes(), bytes);
        format!("sha256={}", model::digest::hex(&code))
    }

    /// Returns `?verb=observe&service=…`; every part is a name, and names need no escaping, but for what the
    /// other side calls its run.
    fn query(&self, request: &Request) -> String {
        let hosts: Vec<&str> = request.targets.iter().map(|t| t.host.as_str()).collect();
        let references = self
            .references
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let reference = match references.get(&request.service) {
            Some(reference) => format!("&ref={}", client::escaped(reference)),
            None => String::new(),
        };
        format!(
            "?verb=observe&service={}&environment={}&hosts={}{reference}",
            request.service,
            request.environment,
            hosts.join(",")
        )
    }
}

/// Returns what follows the host in an address.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| &rest[at..])
}

fn fault(verb: Verb, error: &client::Error) -> Fault {
    let why = format!("{verb}: {}", crate::install::chain(error));
    match error.status() {
        None | Some(408 | 425 | 429 | 502..=504) => Fault::Again(why),
        Some(_) => Fault::Failed(why),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc;

    use super::*;
    use crate::adapter::contract::CONTRACT;

    /// Is what came in: the first line, the signature, the body.
    type Heard = (String, String, String);

    /// Answers one call after the other with these statuses.
    fn listen(statuses: &'static [u16]) -> (String, mpsc::Receiver<Heard>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/deploy", listener.local_addr().unwrap());
        let (send, heard) = mpsc::channel();
        std::thread::spawn(move || {
            for status in statuses {
                let (stream, _) = listener.accept().unwrap();
                let mut answers = stream.try_clone().unwrap();
                send.send(read(stream)).unwrap();
                let body = r#"{"accepted":true,"ref":"run 17","targets":[]}"#;
                write!(
                    answers,
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        });
        (url, heard)
    }

    fn read(stream: std::net::TcpStream) -> Heard {
        let mut stream = BufReader::new(stream);
        let (mut first, mut signature, mut length) = (String::new(), String::new(), 0);
        stream.read_line(&mut first).unwrap();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            match line.trim().split_once(": ") {
                Some((SIGNATURE, value)) => value.clone_into(&mut signature),
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        (first, signature, String::from_utf8(body).unwrap())
    }

    fn request(verb: Verb) -> Request {
        let target = crate::adapter::contract::Target {
            host: "web-1".parse().unwrap(),
            labels: model::Labels::default(),
            previous: None,
        };
        Request {
            contract: CONTRACT,
            verb,
            idem_key: "key".into(),
            fence: 1,
            service: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
            release: None,
            slot: None,
            targets: vec![target],
            params: serde_json::Map::default(),
        }
    }

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn a_change_is_a_signed_post_and_a_look_a_signed_get_with_the_reference() {
        let (url, heard) = listen(&[202, 200]);
        let webhook = Webhook::new(Client::new(&url, None), Secret::new("key"));
        let sign = |text: &str| {
            let code = hmac_sha256(b"key", text.as_bytes());
            format!("sha256={}", model::digest::hex(&code))
        };
        webhook.call(&request(Verb::Apply), PATIENCE).unwrap();
        let (first, signature, body) = heard.recv().unwrap();
        assert!(first.starts_with("POST /deploy "), "{first}");
        assert_eq!(signature, sign(&body));

        webhook.remember(&"shop".parse().unwrap(), "run 17".into());
        webhook.call(&request(Verb::Observe), PATIENCE).unwrap();
        let (first, signature, _) = heard.recv().unwrap();
        let asked =
            "/deploy?verb=observe&service=shop&environment=production&hosts=web-1&ref=run%2017";
        assert_eq!(first.trim_end(), format!("GET {asked} HTTP/1.1"));
        assert_eq!(signature, sign(asked));
    }

    #[test]
    fn busy_is_asked_again_and_no_is_no() {
        let (url, _heard) = listen(&[503, 429, 422]);
        let webhook = Webhook::new(Client::new(&url, None), Secret::new("key"));
        let call = || {
            webhook
                .call(&request(Verb::Rollback), PATIENCE)
                .unwrap_err()
        };
        assert!(matches!(call(), Fault::Again(_)));
        assert!(matches!(call(), Fault::Again(_)));
        assert!(matches!(call(), Fault::Failed(_)));
    }

    #[test]
    fn a_receiver_that_is_not_there_is_asked_again() {
        let (url, _) = listen(&[]);
        let webhook = Webhook::new(Client::new(&url, None), Secret::new("key"));
        // Nobody takes the connection any more, or it is refused.
        let fault = webhook.call(&request(Verb::Plan), Duration::from_millis(200));
        assert!(matches!(fault, Err(Fault::Again(_))), "{fault:?}");
    }

    #[test]
    fn the_path_is_what_follows_the_host() {
        assert_eq!(path_of("https://ops.example.test/deploy/x"), "/deploy/x");
        assert_eq!(path_of("https://ops.example.test"), "");
    }
}

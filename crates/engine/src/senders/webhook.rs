//! Webhooks: one JSON document by POST, in the manner of Standard Webhooks (without a signature while
//! no secret is configured).

use std::io::Read;
use std::net::ToSocketAddrs;
use std::time::Duration;

use act::outbox::Failure;
use model::act::{OutboxRow, Urgency};
use model::limit;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::{Guard, SendError};

const CONNECT: Duration = Duration::from_secs(3);
/// As many addresses of one name as the client library takes; the first that answers is used.
const ADDRESSES: usize = 16;
const TOTAL: Duration = Duration::from_secs(10);

/// Posts messages to URLs, through the guard.
#[derive(Clone, Debug)]
pub struct Webhook {
    agent: ureq::Agent,
}

impl Webhook {
    pub fn new(guard: Guard) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(TOTAL))
            .max_redirects(0)
            .http_status_as_error(false)
            .proxy(None)
            .user_agent("sleepwell")
            .build();
        let agent = ureq::Agent::with_parts(config, DefaultConnector::new(), Guarded(guard));
        Self { agent }
    }

    /// Makes one attempt; only 2xx is success.
    pub(crate) fn send(&self, url: &str, row: &OutboxRow) -> Result<(), SendError> {
        self.post(url, row, "application/json", &document(row))
    }

    /// Makes one attempt to hand on an event, which is the message's data as it is.
    pub(crate) fn send_event(&self, url: &str, row: &OutboxRow) -> Result<(), SendError> {
        let content_type = "application/cloudevents+json";
        self.post(url, row, content_type, &row.message.data)
    }

    fn post(
        &self,
        url: &str,
        row: &OutboxRow,
        content_type: &str,
        body: &serde_json::Value,
    ) -> Result<(), SendError> {
        let body = serde_json::to_vec(body)
            .map_err(|e| SendError::new(Failure::Forbidden, e.to_string()))?;
        let response = self
            .agent
            .post(url)
            .header("content-type", content_type)
            .header("webhook-id", row.id.to_string())
            .header("idempotency-key", row.id.to_string())
            .header(
                "webhook-timestamp",
                (row.created_at.as_micros() / 1_000_000).to_string(),
            )
            .send(&body[..]);
        match response {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(refused(response)),
            Err(ureq::Error::Io(e)) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(SendError::new(Failure::Forbidden, e.to_string()))
            }
            Err(ureq::Error::BadUri(_)) => Err(unusable()),
            Err(error) => Err(SendError::new(Failure::Unreachable, error.to_string())),
        }
    }
}

/// The URL may hold a key, so it is not repeated.
fn unusable() -> SendError {
    SendError::new(Failure::Forbidden, "the webhook's URL cannot be used")
}

fn refused(mut response: ureq::http::Response<ureq::Body>) -> SendError {
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get("retry-after")
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let mut answer = String::new();
    // What the receiver says is only shown; a broken answer is as good as none.
    let _ = response
        .body_mut()
        .as_reader()
        .take(limit::ANSWER_BYTES as u64)
        .read_to_string(&mut answer);
    let first: String = answer
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect();
    SendError::new(
        Failure::Http {
            status,
            retry_after,
        },
        format!("status {status} {first}").trim_end(),
    )
}

fn document(row: &OutboxRow) -> serde_json::Value {
    serde_json::json!({
        "version": 1,
        "id": row.id,
        "at": row.created_at,
        "attempt": row.attempt,
        "may_be_repeat": row.attempt > 1,
        "urgency": row.message.urgency,
        "woken": row.message.urgency == Urgency::High,
        "title": row.message.title,
        "text": row.message.text,
        "change": row.message.change,
        "data": row.message.data,
    })
}

/// Resolves a name once and hands on only addresses the guard let through.
#[derive(Debug)]
struct Guarded(Guard);

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &ureq::config::Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let forbidden = |why: String| {
            ureq::Error::Io(std::io::Error::new(
                std::io::ErrorKind::PermissionDenied,
                why,
            ))
        };
        let host = uri
            .host()
            .ok_or_else(|| ureq::Error::BadUri(uri.to_string()))?;
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<_> = (bare, port).to_socket_addrs()?.collect();
        self.0.check(host, &addresses).map_err(forbidden)?;
        if !secure && !addresses.iter().all(|address| self.0.allows(*address)) {
            return Err(forbidden(format!(
                "`{host}` is asked for without TLS; use https, or let its address through with `outbound_allow` in server.yaml"
            )));
        }
        let mut resolved = self.empty();
        for address in addresses.into_iter().take(ADDRESSES) {
            resolved.push(address);
        }
        Ok(resolved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    use model::act::{Destination, Message, OutboxState};
    use model::{EntryId, PageId, Timestamp};

    fn row() -> OutboxRow {
        let at = Timestamp::from_millis(1_700_000_000_000);
        OutboxRow {
            id: PageId::new(at, 1),
            destination: Destination::Webhook(String::new()),
            message: Message {
                urgency: Urgency::Low,
                title: "a title".into(),
                text: vec!["a text".into()],
                change: None,
                incident: None,
                data: serde_json::Value::Null,
            },
            state: OutboxState::Queued,
            attempt: 1,
            due_at: at,
            created_at: at,
            cause: EntryId::new(at, 1),
        }
    }

    /// Answers one request with `answer` and returns what was asked.
    fn receiver(answer: &'static str) -> (std::net::SocketAddr, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            while !request.ends_with(b"}") {
                let n = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..n]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        (address, thread)
    }

    #[test]
    fn a_message_arrives_with_its_id() {
        let (address, thread) = receiver("HTTP/1.1 204 No Content\r\n\r\n");
        let webhook = Webhook::new(Guard::new([address]));
        webhook
            .send(&format!("http://{address}/hook"), &row())
            .unwrap();
        let request = thread.join().unwrap();
        assert!(request.starts_with("POST /hook HTTP/1.1"), "{request}");
        assert!(
            request.contains(&format!("webhook-id: {}", row().id)),
            "{request}"
        );
        assert!(request.contains(r#""title":"a title""#), "{request}");
    }

    #[test]
    fn an_event_arrives_as_it_is() {
        let (address, thread) = receiver("HTTP/1.1 202 Accepted\r\n\r\n");
        let webhook = Webhook::new(Guard::new([address]));
        let mut row = row();
        row.message.data = serde_json::json!({ "specversion": "1.0" });
        let url = format!("http://{address}/events");
        webhook.send_event(&url, &row).unwrap();
        let request = thread.join().unwrap();
        let content_type = "content-type: application/cloudevents+json\r\n";
        assert!(request.contains(content_type), "{request}");
        assert!(request.ends_with(r#"{"specversion":"1.0"}"#), "{request}");
    }

    #[test]
    fn a_refusal_names_status_and_pause() {
        let answer = "HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 4\r\n\r\nlate";
        let (address, thread) = receiver(answer);
        let error = Webhook::new(Guard::new([address])).send(&format!("http://{address}/"), &row());
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "status 429 late");
        let retry_after = Some(Duration::from_secs(7));
        assert_eq!(
            error.failure,
            Failure::Http {
                status: 429,
                retry_after
            }
        );
        thread.join().unwrap();
    }

    #[test]
    fn a_redirect_is_not_followed() {
        let answer =
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        let (address, thread) = receiver(answer);
        let error = Webhook::new(Guard::new([address])).send(&format!("http://{address}/"), &row());
        assert_eq!(
            error.unwrap_err().failure,
            Failure::Http {
                status: 302,
                retry_after: None
            }
        );
        thread.join().unwrap();
    }

    #[test]
    fn an_address_inside_is_never_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let webhook = Webhook::new(Guard::default());
        for url in [
            format!("http://{address}/"),
            format!("http://localhost:{}/", address.port()),
        ] {
            let error = webhook.send(&url, &row()).unwrap_err();
            assert_eq!(error.failure, Failure::Forbidden, "{error}");
        }
        assert!(listener.accept().is_err(), "nobody came");
    }
}

//! One HTTP client for one server: time-outs, the bearer token, and how answers become errors.

use std::fmt;
use std::io::{Read, Write};
use std::time::Duration;

use model::{KeyPin, Secret};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::Response;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector};
use ureq::{Agent, Body, RequestBuilder};

use crate::tls::Tls;
use crate::{Distrust, Error};

/// Of a server that does not answer at all.
const CONNECT: Duration = Duration::from_secs(3);
/// Of one call, unless [`Client::with_timeout`] says otherwise.
const TOTAL: Duration = Duration::from_secs(20);
/// A transfer slower than this is given up: a stalled one must not hold its caller for ever.
const SLOWEST_BYTES_PER_S: u64 = 256 << 10;
/// The largest answer that is read into memory.
const ANSWER_BYTES: u64 = 64 << 20;
/// How much of a refusal is read.
const PROBLEM_BYTES: u64 = 64 << 10;

/// Calls one server. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Client {
    base: String,
    token: Option<Secret>,
    pin: Option<KeyPin>,
    timeout: Duration,
    agent: Agent,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.base)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Makes a client of the server at `base_url`, such as `http://127.0.0.1:7700`. Connects to nothing.
    ///
    /// A server at `https://` has to show a certificate for its name that leads to a signer this machine trusts.
    pub fn new(base_url: &str, token: Option<Secret>) -> Self {
        Self::pinned(base_url, token, None)
    }

    /// Makes a client that speaks with the server that has the key of `pin`, where there is one, and with no other.
    pub fn pinned(base_url: &str, token: Option<Secret>, pin: Option<KeyPin>) -> Self {
        let base = base_url.trim_end_matches('/').to_owned();
        let agent = agent(&base, pin);
        Self {
            base,
            token,
            pin,
            timeout: TOTAL,
            agent,
        }
    }

    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// Returns the key the server has to have; none where a signer vouches for it, or nothing does.
    pub fn pin(&self) -> Option<KeyPin> {
        self.pin
    }

    /// Returns the same client with another limit on each call as a whole.
    #[must_use]
    pub fn with_timeout(&self, total: Duration) -> Self {
        let mut client = self.clone();
        client.timeout = total;
        client
    }

    /// Returns the same client with another token.
    #[must_use]
    pub fn with_token(&self, token: Secret) -> Self {
        let mut client = self.clone();
        client.token = Some(token);
        client
    }

    /// Reads `path`; `query` is escaped here.
    ///
    /// # Errors
    /// See [`Error`]; so for all calls.
    pub fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Error> {
        let request = self.agent.get(self.url(path));
        let request = request.query_pairs(query.iter().copied());
        let response = self.ready(request, self.timeout).call();
        self.json(path, self.accepted(path, response)?)
    }

    /// Reads `path` as it is; more than `limit_bytes` are a [`Error::BadAnswer`].
    pub fn get_bytes(&self, path: &str, limit_bytes: usize) -> Result<Vec<u8>, Error> {
        let request = self.ready(self.agent.get(self.url(path)), self.timeout);
        let response = self.accepted(path, request.call())?;
        self.read(path, response, limit_bytes)
    }

    fn read(
        &self,
        path: &str,
        mut response: Response<Body>,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, Error> {
        let limit = u64::try_from(limit_bytes).unwrap_or(u64::MAX);
        let source = response.body_mut().with_config().limit(u64::MAX).reader();
        let mut bytes = Vec::new();
        source
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|e| self.unreachable(path, e))?;
        if bytes.len() > limit_bytes {
            return Err(self.bad(path, format!("it is over {limit_bytes} bytes")));
        }
        Ok(bytes)
    }

    /// Sends any request, with a JSON body where there is one, and returns the answer as it is.
    pub fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, Error> {
        let mut builder = ureq::http::Request::builder()
            .method(method)
            .uri(self.url(path));
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let builder = match &self.token {
            Some(token) => builder.header("authorization", format!("Bearer {}", token.reveal())),
            None => builder,
        };
        let builder = match body {
            Some(_) => builder.header("content-type", "application/json"),
            None => builder,
        };
        let request = builder
            .body(body.unwrap_or_default())
            .map_err(|e| self.bad(path, e.to_string()))?;
        let configured = self.agent.configure_request(request);
        let request = configured.timeout_global(Some(self.timeout)).build();
        let response = self.accepted(path, self.agent.run(request))?;
        self.read(path, response, limit_bytes)
    }

    pub fn post_json<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Error> {
        let response = self.post(path, body)?;
        self.json(path, response)
    }

    /// Posts where the answer has no content of interest.
    pub fn post_only<B: Serialize>(&self, path: &str, body: &B) -> Result<(), Error> {
        self.post(path, body).map(drop)
    }

    /// Posts bytes as they are, with their headers; the answer's content is of no interest.
    pub fn post_bytes(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(), Error> {
        let mut request = self.ready(self.agent.post(self.url(path)), self.timeout);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.accepted(path, request.send(body)).map(drop)
    }

    pub fn delete(&self, path: &str) -> Result<(), Error> {
        let request = self.ready(self.agent.delete(self.url(path)), self.timeout);
        self.accepted(path, request.call()).map(drop)
    }

    /// Asks whether something stands at `path`: `false` is 404.
    pub fn head(&self, path: &str) -> Result<bool, Error> {
        let request = self.ready(self.agent.head(self.url(path)), self.timeout);
        match self.accepted(path, request.call()) {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Uploads `size_bytes` bytes without holding them in memory.
    pub fn put_file(
        &self,
        path: &str,
        query: &[(&str, &str)],
        source: &mut dyn Read,
        size_bytes: u64,
    ) -> Result<(), Error> {
        let request = self.agent.put(self.url(path));
        let request = request.query_pairs(query.iter().copied());
        let request = self
            .ready(request, transfer_timeout(size_bytes))
            .header("content-type", "application/octet-stream")
            .header("content-length", size_bytes.to_string());
        let body = ureq::SendBody::from_reader(source);
        self.accepted(path, request.send(body)).map(drop)
    }

    /// Begins a download of `size_bytes` bytes of which the first `from` are here already. A server that
    /// knows no ranges sends the whole: see [`Download::starts_at`].
    pub fn download(&self, path: &str, from: u64, size_bytes: u64) -> Result<Download<'_>, Error> {
        let request = self.ready(self.agent.get(self.url(path)), transfer_timeout(size_bytes));
        let request = match from {
            0 => request,
            from => request.header("range", format!("bytes={from}-")),
        };
        let response = self.accepted(path, request.call())?;
        let starts_at = match response.status().as_u16() {
            206 => self.start_of_range(path, &response, from)?,
            _ => 0,
        };
        Ok(Download {
            client: self,
            path: path.to_owned(),
            starts_at,
            size_bytes,
            response,
        })
    }

    /// Checks that a part of the bytes is the one that was asked for.
    fn start_of_range(
        &self,
        path: &str,
        response: &Response<Body>,
        from: u64,
    ) -> Result<u64, Error> {
        let range = response.headers().get("content-range");
        let range = range.and_then(|range| range.to_str().ok()).unwrap_or("");
        if range.starts_with(&format!("bytes {from}-")) {
            return Ok(from);
        }
        let why = format!(
            "it sends the range `{}`, not from byte {from}",
            range.escape_debug()
        );
        Err(self.bad(path, why))
    }
    pub(crate) fn post<B: Serialize>(&self, path: &str, body: &B) -> Result<Response<Body>, Error> {
        let body =
            serde_json::to_vec(body).expect("our bodies have string keys and no failing parts");
        let request = self
            .ready(self.agent.post(self.url(path)), self.timeout)
            .header("content-type", "application/json");
        self.accepted(path, request.send(&body))
    }

    pub(crate) fn json<T: DeserializeOwned>(
        &self,
        path: &str,
        mut response: Response<Body>,
    ) -> Result<T, Error> {
        let config = response.body_mut().with_config().limit(ANSWER_BYTES);
        let bytes = config
            .read_to_vec()
            .map_err(|e| self.unreachable(path, e))?;
        serde_json::from_slice(&bytes).map_err(|e| self.bad(path, e.to_string()))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn ready<Any>(&self, request: RequestBuilder<Any>, timeout: Duration) -> RequestBuilder<Any> {
        let request = request.config().timeout_global(Some(timeout)).build();
        match &self.token {
            Some(token) => request.header("authorization", format!("Bearer {}", token.reveal())),
            None => request,
        }
    }

    /// Lets 2xx and 304 through.
    fn accepted(
        &self,
        path: &str,
        response: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, Error> {
        let mut response = response.map_err(|e| self.unanswered(path, e))?;
        let status = response.status().as_u16();
        if (200..300).contains(&status) || status == 304 {
            return Ok(response);
        }
        if (300..400).contains(&status) {
            return Err(self.bad(path, format!("it redirects (status {status})")));
        }
        let mut body = Vec::new();
        let reader = response.body_mut().as_reader();
        // A refusal cut short is still a refusal.
        let _ = reader.take(PROBLEM_BYTES).read_to_end(&mut body);
        Err(Error::problem(status, &body))
    }

    fn unanswered(&self, path: &str, error: ureq::Error) -> Error {
        let url = || self.base.clone();
        match error {
            ureq::Error::Other(inner) => match inner.downcast::<Distrust>() {
                Ok(why) => Error::Untrusted {
                    url: url(),
                    why: *why,
                },
                Err(inner) => self.unreachable(path, ureq::Error::Other(inner)),
            },
            other => self.unreachable(path, other),
        }
    }

    fn unreachable<E>(&self, path: &str, source: E) -> Error
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        Error::Unreachable {
            url: self.url(path),
            source: Box::new(source),
        }
    }

    fn bad(&self, path: &str, why: String) -> Error {
        Error::BadAnswer {
            url: self.url(path),
            why,
        }
    }
}

/// Is a download whose bytes are on their way.
#[derive(Debug)]
pub struct Download<'a> {
    client: &'a Client,
    path: String,
    starts_at: u64,
    size_bytes: u64,
    response: Response<Body>,
}

impl Download<'_> {
    /// Returns how many bytes come before those that are on their way: as many as were here, or none.
    pub fn starts_at(&self) -> u64 {
        self.starts_at
    }

    /// Copies exactly what is missing into `sink`; more or fewer bytes are a [`Error::BadAnswer`].
    ///
    /// # Errors
    /// What came until then is in `sink`.
    pub fn copy_to(mut self, sink: &mut dyn Write) -> Result<(), Error> {
        let missing = self.size_bytes.saturating_sub(self.starts_at);
        let source = self.response.body_mut().with_config().limit(u64::MAX);
        let mut source = source.reader().take(missing.saturating_add(1));
        let copied = std::io::copy(&mut source, sink);
        let copied = copied.map_err(|e| self.client.unreachable(&self.path, e))?;
        if copied == missing {
            return Ok(());
        }
        let much = if copied > missing {
            "more than"
        } else {
            "only"
        };
        let shown = copied.min(missing);
        Err(self.client.bad(
            &self.path,
            format!("{much} {shown} bytes came where {missing} were expected"),
        ))
    }
}

fn transfer_timeout(size_bytes: u64) -> Duration {
    TOTAL + Duration::from_secs(size_bytes / SLOWEST_BYTES_PER_S)
}

fn agent(base: &str, pin: Option<KeyPin>) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT))
        .user_agent(concat!("sleepwell/", env!("CARGO_PKG_VERSION")));
    let config = if is_loopback(base) {
        config.proxy(None) // a proxy from the environment never reaches our own machine
    } else {
        config
    };
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(Tls::new(base, pin));
    Agent::with_parts(config.build(), connector, DefaultResolver::default())
}

/// Tells whether an address leads to this machine, by the way it is written.
pub fn is_loopback(base_url: &str) -> bool {
    let rest = base_url
        .split_once("://")
        .map_or(base_url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let place = authority.rsplit('@').next().unwrap_or(authority);
    let host = match place.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => place.split(':').next(),
    };
    let host = host.unwrap_or_default();
    let ip = host.parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_this_machine() {
        for here in [
            "http://127.0.0.1:7700",
            "https://127.8.9.1/x",
            "http://localhost",
            "http://LOCALHOST:1",
            "http://[::1]:7700",
            "127.0.0.1",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for there in [
            "http://127.0.0.1.example.com",
            "http://127.example.com",
            "http://localhost.example.com:7700",
            "http://localhost@example.com",
            "http://10.0.0.5/localhost",
            "http://0.0.0.0:7700",
            "http://[::2]",
            "",
        ] {
            assert!(!is_loopback(there), "{there}");
        }
    }
}

//! Artifacts in a bucket of an object store that speaks S3, behind the folder of [`crate::Blobs`].
//!
//! Requests are signed in their address; the bytes are believed by their digest alone, here as everywhere.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runtime::Clock;
use rusty_s3::actions::{GetObject, HeadObject, PutObject, S3Action};
use rusty_s3::{Bucket, Credentials, UrlStyle};
use ureq::http::Response;
use ureq::{Agent, Body};

/// Of a store that does not answer at all.
const CONNECT: Duration = Duration::from_secs(5);
/// Of a call that moves nothing.
const TOTAL: Duration = Duration::from_secs(20);
/// A transfer slower than this is given up.
const SLOWEST_BYTES_PER_S: u64 = 256 << 10;
/// How long a signed address is good: longer than any call, not much longer.
const SIGNED_FOR: Duration = Duration::from_secs(3 * 3600);
/// How much of a refusal is read.
const REFUSAL_BYTES: u64 = 8 << 10;

/// Is a bucket, or a folder in one. Cloning is cheap.
#[derive(Clone)]
pub struct ObjectStore(Arc<Inner>);

struct Inner {
    bucket: Bucket,
    credentials: Credentials,
    /// Before every name; empty or ends with `/`.
    prefix: String,
    agent: Agent,
    clock: Clock,
}

impl fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStore")
            .field("bucket", &self.0.bucket.name())
            .field("prefix", &self.0.prefix)
            .finish_non_exhaustive()
    }
}

impl ObjectStore {
    /// Reads `s3://BUCKET/PREFIX?endpoint=URL&region=NAME`. The keys, and what the address does not say, come
    /// from the environment under the names every S3 client knows: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_ENDPOINT_URL`, `AWS_REGION`.
    ///
    /// # Errors
    /// A sentence with what is missing or wrong.
    pub fn open(
        address: &str,
        env: impl Fn(&str) -> Option<String>,
        clock: Clock,
    ) -> Result<Self, String> {
        let rest = address
            .strip_prefix("s3://")
            .ok_or_else(|| format!("`{address}` is not an address such as s3://bucket/folder"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        if bucket.is_empty() {
            return Err(format!(
                "`{address}` names no bucket; write s3://bucket/folder"
            ));
        }
        let asked = Asked::read(query)?;
        let region = asked
            .region
            .or_else(|| env("AWS_REGION"))
            .unwrap_or_else(|| "us-east-1".to_owned());
        let endpoint = asked.endpoint.or_else(|| env("AWS_ENDPOINT_URL"));
        let agent = agent(endpoint.as_deref());
        Ok(Self(Arc::new(Inner {
            bucket: self::bucket(bucket, endpoint, region)?,
            credentials: credentials(env)?,
            prefix: match prefix.trim_matches('/') {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            },
            agent,
            clock,
        })))
    }

    /// Returns the size of an object, nothing when there is none of that name.
    pub(crate) async fn size(&self, name: &str) -> io::Result<Option<u64>> {
        let (store, name) = (self.clone(), name.to_owned());
        blocking(move || store.0.size(&name)).await
    }

    /// Stores a file under a name; durable when it returns.
    pub(crate) async fn put(&self, name: &str, file: PathBuf) -> io::Result<()> {
        let (store, name) = (self.clone(), name.to_owned());
        blocking(move || store.0.put(&name, File::open(file)?)).await
    }

    /// Copies an object of `size` bytes into a file and flushes it; more bytes are not taken.
    pub(crate) async fn fetch(&self, name: &str, size: u64, file: PathBuf) -> io::Result<()> {
        let (store, name) = (self.clone(), name.to_owned());
        blocking(move || store.0.fetch(&name, size, File::create(file)?)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|e| Err(io::Error::other(e)))
}

/// Is what an address says after its `?`.
#[derive(Default)]
struct Asked {
    endpoint: Option<String>,
    region: Option<String>,
}

impl Asked {
    fn read(query: &str) -> Result<Self, String> {
        let mut asked = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("endpoint", value)) => asked.endpoint = Some(value.to_owned()),
                Some(("region", value)) => asked.region = Some(value.to_owned()),
                _ => {
                    return Err(format!(
                        "`{pair}` is not known here; after `?` stand endpoint=URL and region=NAME"
                    ));
                }
            }
        }
        Ok(asked)
    }
}

/// A named endpoint is asked by path, as those people run themselves want it; Amazon's by host.
fn bucket(name: &str, endpoint: Option<String>, region: String) -> Result<Bucket, String> {
    let style = match endpoint {
        Some(_) => UrlStyle::Path,
        None => UrlStyle::VirtualHost,
    };
    let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
    let url = endpoint
        .parse()
        .map_err(|e| format!("the endpoint `{endpoint}` is no URL: {e}"))?;
    Bucket::new(url, style, name.to_owned(), region)
        .map_err(|e| format!("the endpoint `{endpoint}` cannot be used: {e}"))
}

fn credentials(env: impl Fn(&str) -> Option<String>) -> Result<Credentials, String> {
    let needed = |name: &str| {
        let value = env(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| format!("{name} is not set; artifacts in an object store need it"))
    };
    let (key, secret) = (
        needed("AWS_ACCESS_KEY_ID")?,
        needed("AWS_SECRET_ACCESS_KEY")?,
    );
    Ok(match env("AWS_SESSION_TOKEN") {
        Some(token) => Credentials::new_with_token(key, secret, token),
        None => Credentials::new(key, secret),
    })
}

fn agent(endpoint: Option<&str>) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT))
        .user_agent(concat!("sleepwell/", env!("CARGO_PKG_VERSION")));
    let is_local = endpoint.is_some_and(|url| {
        ["http://127.", "http://localhost", "http://[::1]"]
            .iter()
            .any(|local| url.starts_with(local))
    });
    // A proxy from the environment never reaches our own machine.
    let config = if is_local { config.proxy(None) } else { config };
    config.build().new_agent()
}

impl Inner {
    fn size(&self, name: &str) -> io::Result<Option<u64>> {
        let name = self.name(name);
        let action = HeadObject::new(&self.bucket, Some(&self.credentials), &name);
        let request = self.agent.head(self.signed(&action));
        let response = request.config().timeout_global(Some(TOTAL)).build().call();
        let response = response.map_err(|e| unreachable(&e))?;
        match response.status().as_u16() {
            404 => Ok(None),
            200 => {
                let length = response.headers().get("content-length");
                let size = length.and_then(|length| length.to_str().ok()?.parse().ok());
                let unsaid = || io::Error::other("the object store does not say how long it is");
                size.map(Some).ok_or_else(unsaid)
            }
            _ => Err(refused(response)),
        }
    }

    fn put(&self, name: &str, file: File) -> io::Result<()> {
        let size = file.metadata()?.len();
        let name = self.name(name);
        let action = PutObject::new(&self.bucket, Some(&self.credentials), &name);
        let request = self.agent.put(self.signed(&action));
        let request = request
            .config()
            .timeout_global(Some(patience(size)))
            .build();
        let response = request
            .header("content-length", size.to_string())
            .send(ureq::SendBody::from_owned_reader(file))
            .map_err(|e| unreachable(&e))?;
        match response.status().as_u16() {
            200 | 201 | 204 => Ok(()),
            _ => Err(refused(response)),
        }
    }

    fn fetch(&self, name: &str, size: u64, mut file: File) -> io::Result<()> {
        let name = self.name(name);
        let action = GetObject::new(&self.bucket, Some(&self.credentials), &name);
        let request = self.agent.get(self.signed(&action));
        let request = request
            .config()
            .timeout_global(Some(patience(size)))
            .build();
        let mut response = request.call().map_err(|e| unreachable(&e))?;
        if response.status().as_u16() != 200 {
            return Err(refused(response));
        }
        let source = response.body_mut().with_config().limit(u64::MAX).reader();
        io::copy(&mut source.take(size), &mut file)?;
        file.sync_all()
    }

    fn name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Returns an address that may be called for a while. It is a secret for as long.
    fn signed<'a>(&self, action: &impl S3Action<'a>) -> String {
        let seconds = self.clock.now().as_micros().div_euclid(1_000_000);
        let now = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        action.sign_with_time(SIGNED_FOR, &now).into()
    }
}

fn patience(size: u64) -> Duration {
    TOTAL + Duration::from_secs(size / SLOWEST_BYTES_PER_S)
}

/// Leaves the address out of what is said: it is signed.
fn unreachable(error: &ureq::Error) -> io::Error {
    io::Error::other(format!("the object store cannot be reached: {error}"))
}

fn refused(mut response: Response<Body>) -> io::Error {
    let mut text = String::new();
    let reader = response.body_mut().as_reader();
    // A refusal cut short is still one.
    let _ = reader.take(REFUSAL_BYTES).read_to_string(&mut text);
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"))
        .map(|(code, _)| {
            code.chars()
                .filter(|c| c.is_ascii_alphanumeric())
                .take(60)
                .collect()
        })
        .filter(|code: &String| !code.is_empty());
    let status = response.status();
    io::Error::other(match code {
        Some(code) => format!("the object store refuses: {code} ({status})"),
        None => format!("the object store refuses: {status}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    fn open(address: &str, keys: bool) -> Result<ObjectStore, String> {
        let env = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" if keys => Some("k".to_owned()),
            _ => None,
        };
        ObjectStore::open(address, env, Clock::manual(Timestamp::from_millis(0)))
    }

    fn address_of(store: &ObjectStore, name: &str) -> String {
        let name = store.0.name(name);
        let action = GetObject::new(&store.0.bucket, Some(&store.0.credentials), &name);
        store.0.signed(&action)
    }

    #[test]
    fn an_endpoint_is_asked_by_path_and_amazon_by_host() {
        let own = open("s3://releases/shop/?endpoint=http://127.0.0.1:9000", true).unwrap();
        let address = address_of(&own, "sha256-ab");
        assert!(
            address.starts_with("http://127.0.0.1:9000/releases/shop/sha256-ab?"),
            "{address}"
        );
        assert!(address.contains("X-Amz-Date=19700101T000000Z"), "{address}");
        let amazon = open("s3://releases?region=eu-central-1", true).unwrap();
        let address = address_of(&amazon, "sha256-ab");
        assert!(
            address.starts_with("https://releases.s3.eu-central-1.amazonaws.com/sha256-ab?"),
            "{address}"
        );
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        for (address, keys, part) in [
            ("s3://", true, "names no bucket"),
            ("gs://a", true, "is not an address"),
            ("s3://a?colour=red", true, "`colour=red` is not known"),
            ("s3://a?endpoint=nowhere", true, "the endpoint `nowhere`"),
            ("s3://a", false, "AWS_ACCESS_KEY_ID is not set"),
        ] {
            let why = open(address, keys).unwrap_err();
            assert!(why.contains(part), "{address}: {why}");
        }
    }

    #[test]
    fn keys_are_not_printed() {
        let store = open("s3://releases", true).unwrap();
        assert!(!format!("{store:?}").contains("\"k\""));
    }
}

//! Who is believed to be the server, against servers of a few lines that speak TLS or do not.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use client::{Client, Distrust, Error};
use model::{KeyPin, Secret};
use rcgen::{CertificateParams, KeyPair, PublicKeyData, date_time_ymd};
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion, version};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// Is a server's key with a certificate for it that nobody signed.
struct Own {
    key: KeyPair,
    certificate: CertificateDer<'static>,
}

impl Own {
    /// Makes one for another name than any test asks for.
    fn new() -> Self {
        Self::valid_until(2999)
    }

    fn valid_until(year: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["somebody.example".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { key, certificate }
    }

    fn pin(&self) -> KeyPin {
        KeyPin::of_public_key(&self.key.subject_public_key_info())
    }
}

/// Shows a certificate, and signs with a key that need not be the certificate's.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Answers one connection, and returns what it was sent behind the handshake.
fn server(
    certificate: &CertificateDer<'static>,
    key: &KeyPair,
    version: &'static SupportedProtocolVersion,
) -> (String, JoinHandle<String>) {
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let shown = CertifiedKey::new(vec![certificate.clone()], any_supported_type(&key).unwrap());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shows(Arc::new(shown))));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut came = Vec::new();
        let mut piece = [0; 4_096];
        while let Ok(length @ 1..) = stream.read(&mut piece) {
            came.extend_from_slice(&piece[..length]);
            if came.ends_with(b"\r\n\r\n") {
                stream.write_all(ANSWER).unwrap();
            }
        }
        String::from_utf8(came).unwrap()
    });
    (url, thread)
}

/// Calls the server and hangs up.
fn call(url: &str, pin: Option<KeyPin>) -> Result<serde_json::Value, Error> {
    let client = Client::pinned(url, Some(Secret::new("s3cret")), pin);
    client.get_json("/", &[])
}

fn distrust(error: Error) -> Distrust {
    match error {
        Error::Untrusted { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_server_with_the_pinned_key_is_believed_whatever_its_certificate_says() {
    for version in [&version::TLS12, &version::TLS13] {
        let own = Own::valid_until(2001);
        let (url, thread) = server(&own.certificate, &own.key, version);
        call(&url, Some(own.pin())).unwrap();
        let came = thread.join().unwrap();
        assert!(came.contains("authorization: Bearer s3cret"), "{came}");
    }
}

#[test]
fn a_server_with_another_key_is_sent_nothing_and_both_keys_are_named() {
    let (own, other) = (Own::new(), Own::new());
    let (url, thread) = server(&other.certificate, &other.key, &version::TLS13);
    let error = call(&url, Some(own.pin())).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot trust the server at {url}")
    );
    let (pinned, shown) = (own.pin(), other.pin());
    assert_eq!(distrust(error), Distrust::OtherKey { pinned, shown });
    assert_eq!(thread.join().unwrap(), "");
}

#[test]
fn whoever_shows_the_certificate_without_having_its_key_is_sent_nothing() {
    for version in [&version::TLS12, &version::TLS13] {
        let (own, thief) = (Own::new(), Own::new());
        let (url, thread) = server(&own.certificate, &thief.key, version);
        let why = distrust(call(&url, Some(own.pin())).unwrap_err());
        assert!(matches!(&why, Distrust::Refused(_)), "{why}");
        assert_eq!(thread.join().unwrap(), "");
    }
}

#[test]
fn a_certificate_nobody_signed_is_not_believed_without_a_pin() {
    let own = Own::new();
    let (url, thread) = server(&own.certificate, &own.key, &version::TLS13);
    let why = distrust(call(&url, None).unwrap_err());
    assert_eq!(why, Distrust::UnknownSigner { shown: own.pin() });
    assert_eq!(thread.join().unwrap(), "");
}

#[test]
fn a_pinned_server_is_never_spoken_to_in_the_clear() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let pin = Own::new().pin();
    let error = call(&format!("http://{address}"), Some(pin)).unwrap_err();
    assert_eq!(distrust(error), Distrust::NotAsked);
    let (mut stream, _) = listener.accept().unwrap();
    let mut came = Vec::new();
    stream.read_to_end(&mut came).unwrap();
    assert!(came.is_empty(), "{came:?}");
}

#[test]
fn a_server_that_speaks_no_tls_is_named_as_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 16];
        stream.read_exact(&mut hello).unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
    });
    let error = call(&format!("https://{address}"), None).unwrap_err();
    assert_eq!(distrust(error), Distrust::NoTls);
    thread.join().unwrap();
}

//! TLS of the server's own: the certificate it shows, and how a connection begins.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use model::{KeyPin, limit};
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of every TLS handshake (RFC 8446, 5.1); no HTTP begins with it.
const HANDSHAKE: u8 = 22;

/// Is the certificate a server shows and the key behind it; cheap to clone, and all clones show the same.
#[derive(Clone)]
pub struct Tls {
    shown: Arc<Shown>,
    acceptor: TlsAcceptor,
}

/// Says why a certificate and a key cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("there is no certificate in it: {0}")]
    NoCertificate(pem::Error),
    #[error("there is no private key in it: {0}")]
    NoKey(pem::Error),
    #[error("the certificate cannot be read: {0}")]
    BadCertificate(rustls::Error),
    #[error("the key is not the one the certificate is for, or of a kind that is not known: {0}")]
    BadKey(rustls::Error),
}

impl Tls {
    /// Reads a certificate, with those that lead from it to its signer behind it, and its private key, both in PEM.
    ///
    /// # Errors
    /// Either cannot be read, or they do not belong together.
    pub fn new(certificate_pem: &[u8], key_pem: &[u8]) -> Result<Self, TlsError> {
        let certified = certified(certificate_pem, key_pem)?;
        let shown = Arc::new(Shown(RwLock::new(Arc::new(certified))));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows both versions");
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { shown, acceptor })
    }

    /// Shows another certificate to whoever connects from now on.
    ///
    /// # Errors
    /// As [`Tls::new`]; the one before goes on being shown.
    pub fn replace(&self, certificate_pem: &[u8], key_pem: &[u8]) -> Result<(), TlsError> {
        let certified = Arc::new(certified(certificate_pem, key_pem)?);
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }

    /// Returns the name of the key in use.
    pub fn pin(&self) -> KeyPin {
        self.read(|certificate| KeyPin::of_public_key(&certificate.subject_public_key_info()))
    }

    /// Tells whether the certificate is for a name or an address.
    pub fn is_for(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name.to_owned()) else {
            return false;
        };
        self.read(|certificate| verify_server_name(certificate, &name).is_ok())
    }

    fn read<T>(&self, look: impl FnOnce(&ParsedCertificate<'_>) -> T) -> T {
        let shown = self.shown.get();
        let certificate = shown.end_entity_cert().ok();
        let parsed = certificate.and_then(|one| ParsedCertificate::try_from(one).ok());
        look(&parsed.expect("`certified` has read it"))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("pin", &self.pin()).finish()
    }
}

#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl Shown {
    fn get(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

fn certified(certificate_pem: &[u8], key_pem: &[u8]) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_slice_iter(certificate_pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(TlsError::NoCertificate)?;
    let first = chain
        .first()
        .ok_or(TlsError::NoCertificate(pem::Error::NoItemsFound))?;
    ParsedCertificate::try_from(first).map_err(TlsError::BadCertificate)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(TlsError::NoKey)?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(TlsError::BadKey)
}

/// Is a connection that speaks.
pub(crate) enum Greeted {
    Encrypted(Box<TlsStream<TcpStream>>),
    /// It begins a request where a handshake was due.
    InTheClear(TcpStream),
}

/// Says how a connection ended that never came to a request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unmet {
    #[error("it said nothing, or did not end its handshake in time")]
    Slow,
    #[error("it hung up before it said anything")]
    Gone,
    #[error("its handshake failed: {0}")]
    Failed(io::Error),
}

/// Begins a connection, within [`limit::HANDSHAKE_TIME`]. Nothing is set up for a caller that says nothing.
pub(crate) async fn greet(stream: TcpStream, tls: &Tls) -> Result<Greeted, Unmet> {
    let greeted = tokio::time::timeout(limit::HANDSHAKE_TIME, async {
        let mut first = [0];
        match stream.peek(&mut first).await.map_err(Unmet::Failed)? {
            0 => Err(Unmet::Gone),
            _ if first == [HANDSHAKE] => {
                let encrypted = tls.acceptor.accept(stream).await;
                let encrypted = encrypted.map_err(Unmet::Failed)?;
                Ok(Greeted::Encrypted(Box::new(encrypted)))
            }
            _ => Ok(Greeted::InTheClear(stream)),
        }
    });
    greeted.await.unwrap_or(Err(Unmet::Slow))
}

/// Notes a connection that came to nothing: the caller's business, and often just a look at the port.
pub(crate) fn note(from: SocketAddr, why: &Unmet) {
    tracing::debug!(client.address = %from, "a connection from {from} came to nothing: {why}");
}

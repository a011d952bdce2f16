//! Which server is believed: the one with the key that was named, or one with a certificate that leads to a
//! signer this machine trusts. Nothing in between, and no way to switch it off.

use std::sync::Arc;

use model::KeyPin;
use rustls::CertificateError::{
    Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
    NotValidYetContext, UnknownIssuer,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

/// Says why a server is not believed to be the one that was meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    #[error("it shows the key {shown}, and has to have the key {pinned}")]
    OtherKey { pinned: KeyPin, shown: KeyPin },
    #[error("its certificate is signed by nobody this machine trusts; its key is {shown}")]
    UnknownSigner { shown: KeyPin },
    #[error("its certificate has expired, or is not valid yet; its key is {shown}")]
    OutOfDate { shown: KeyPin },
    #[error("its certificate is not for `{asked}`; its key is {shown}")]
    OtherName { asked: String, shown: KeyPin },
    #[error("its certificate is refused: {0}")]
    Refused(String),
    /// Something else listens there, or the server itself without TLS.
    #[error("it does not speak TLS")]
    NoTls,
    /// Whoever names a key wants to speak with nobody else.
    #[error("its key was named, and an address that begins with http:// proves none")]
    NotAsked,
}

/// Is asked by the handshake whether to go on.
#[derive(Debug)]
pub(super) struct Verifier {
    known_by: KnownBy,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum KnownBy {
    /// Names, dates and signers do not count: the key says it all, and a clock that is wrong keeps no host from
    /// its server.
    Key(KeyPin),
    /// None where this machine trusts nobody.
    Signer(Option<Arc<WebPkiServerVerifier>>),
}

impl Verifier {
    pub(super) fn new(pin: Option<KeyPin>, provider: Arc<CryptoProvider>) -> Self {
        let known_by = match pin {
            Some(pin) => KnownBy::Key(pin),
            None => KnownBy::Signer(signers(&provider)),
        };
        Self { known_by, provider }
    }

    fn judge(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Distrust> {
        let shown = pin_of(certificate)?;
        match &self.known_by {
            KnownBy::Key(pinned) if *pinned == shown => Ok(()),
            KnownBy::Key(pinned) => Err(Distrust::OtherKey {
                pinned: *pinned,
                shown,
            }),
            KnownBy::Signer(None) => Err(Distrust::UnknownSigner { shown }),
            KnownBy::Signer(Some(signers)) => {
                let verified = signers.verify_server_cert(certificate, between, name, ocsp, now);
                verified.map(drop).map_err(|why| distrust(why, name, shown))
            }
        }
    }
}

/// Returns the check against the signers this machine trusts: its own list (`SSL_CERT_FILE` and `SSL_CERT_DIR`, else
/// where the system keeps it), and where it has none the one browsers share.
fn signers(provider: &Arc<CryptoProvider>) -> Option<Arc<WebPkiServerVerifier>> {
    let own = rustls_native_certs::load_native_certs().certs;
    let named = |name| std::env::var_os(name).is_some();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(own);
    // Whoever names a list does not want another one because of a slip in its name.
    if roots.is_empty() && !named("SSL_CERT_FILE") && !named("SSL_CERT_DIR") {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .ok()
}

/// Returns the pin of a certificate's key.
fn pin_of(certificate: &CertificateDer<'_>) -> Result<KeyPin, Distrust> {
    let parsed = ParsedCertificate::try_from(certificate);
    let parsed = parsed.map_err(|why| Distrust::Refused(why.to_string()))?;
    Ok(KeyPin::of_public_key(&parsed.subject_public_key_info()))
}

fn distrust(why: rustls::Error, name: &ServerName<'_>, shown: KeyPin) -> Distrust {
    let rustls::Error::InvalidCertificate(why) = why else {
        return Distrust::Refused(why.to_string());
    };
    match why {
        UnknownIssuer => Distrust::UnknownSigner { shown },
        Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } => {
            Distrust::OutOfDate { shown }
        }
        NotValidForName | NotValidForNameContext { .. } => Distrust::OtherName {
            asked: name.to_str().into_owned(),
            shown,
        },
        other => Distrust::Refused(rustls::Error::InvalidCertificate(other).to_string()),
    }
}

/// Finds our own word in what the handshake ended with.
pub(super) fn found_in(error: &rustls::Error) -> Option<Distrust> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(why))) => {
            why.downcast_ref::<Distrust>().cloned()
        }
        rustls::Error::InvalidCertificate(_) => Some(Distrust::Refused(error.to_string())),
        rustls::Error::InvalidMessage(_) => Some(Distrust::NoTls),
        _ => None,
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.judge(certificate, between, name, ocsp, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(why) => Err(CertificateError::Other(OtherError(Arc::new(why))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

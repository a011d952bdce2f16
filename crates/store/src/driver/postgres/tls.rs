//! TLS towards the database, as `sslmode` and `sslrootcert` of its address ask for it.
//!
//! The words mean what they mean to every PostgreSQL client: `disable`, `prefer` (the default), `require` and
//! `verify-full`. Only the last one proves who answers.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::Error;

/// Splits what is ours off an address: returns the address as the library reads it, and how to connect.
///
/// # Errors
/// A word that is not known, or certificates that cannot be read.
pub(super) fn read(address: &str) -> Result<(String, MakeRustlsConnect), Error> {
    let (base, query) = address.split_once('?').unwrap_or((address, ""));
    let (mut kept, mut verify, mut root) = (vec![], false, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("sslrootcert", path)) => root = Some(path),
            Some(("sslmode", "verify-full")) => {
                verify = true;
                kept.push("sslmode=require");
            }
            Some(("sslmode", "verify-ca")) => {
                return Err(unusable(
                    "sslmode=verify-ca is not known here; write verify-full",
                ));
            }
            _ => kept.push(pair),
        }
    }
    if root.is_some() && !verify {
        return Err(unusable(
            "sslrootcert proves nothing without sslmode=verify-full; add it",
        ));
    }
    let address = match kept.as_slice() {
        [] => base.to_owned(),
        kept => format!("{base}?{}", kept.join("&")),
    };
    let config = if verify {
        verified(root)?
    } else {
        unverified()?
    };
    Ok((address, MakeRustlsConnect::new(config)))
}

fn unusable(why: &str) -> Error {
    Error::Unavailable(format!("the database's address: {why}"))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Believes certificates that lead to one of the file, or without a file to one browsers believe.
fn verified(root: Option<&str>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    match root {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unread = |e: &dyn std::fmt::Display| unusable(&format!("sslrootcert {path}: {e}"));
            let found = CertificateDer::pem_file_iter(path).map_err(|e| unread(&e))?;
            for certificate in found {
                let certificate = certificate.map_err(|e| unread(&e))?;
                roots.add(certificate).map_err(|e| unread(&e))?;
            }
            if roots.is_empty() {
                return Err(unread(&"there is no certificate in it"));
            }
        }
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(&e.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Encrypts, and believes whoever answers: what `require` and `prefer` mean.
fn unverified() -> Result<ClientConfig, Error> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(&e.to_string()))?;
    let anybody = Arc::new(Anybody(provider()));
    Ok(config
        .dangerous()
        .with_custom_certificate_verifier(anybody)
        .with_no_client_auth())
}

/// Believes every certificate, and checks that whoever shows it has its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(address: &str) -> Result<String, String> {
        read(address)
            .map(|(address, _)| address)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn what_the_library_knows_is_left_to_it() {
        for (written, handed_on) in [
            ("postgres://a@b/c", "postgres://a@b/c"),
            (
                "postgres://a@b/c?sslmode=require",
                "postgres://a@b/c?sslmode=require",
            ),
            (
                "postgres://a@b/c?sslmode=verify-full&connect_timeout=3",
                "postgres://a@b/c?sslmode=require&connect_timeout=3",
            ),
        ] {
            assert_eq!(address(written).unwrap(), handed_on);
        }
    }

    #[test]
    fn what_would_prove_nothing_is_refused() {
        for (written, part) in [
            ("postgres://a@b/c?sslmode=verify-ca", "write verify-full"),
            (
                "postgres://a@b/c?sslrootcert=/x",
                "without sslmode=verify-full",
            ),
            (
                "postgres://a@b/c?sslmode=verify-full&sslrootcert=/nowhere",
                "sslrootcert /nowhere",
            ),
        ] {
            let why = address(written).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }
}

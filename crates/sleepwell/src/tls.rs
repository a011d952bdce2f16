//! The server's certificate: read from files that may be renewed, or made by itself for a key it keeps.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use model::{KeyPin, Timestamp};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use runtime::{Loop, Turn};
use web::Tls;

use crate::config::{Files, ServerConfig, TlsConfig};
use crate::data::{self, Data};

/// Between two looks whether a certificate was renewed.
const LOOK: Duration = Duration::from_secs(10);

/// Is how connections are encrypted while the server runs.
#[derive(Debug, Default)]
pub(crate) struct Encryption {
    /// None where they are not.
    pub(crate) tls: Option<Tls>,
    /// Is looked at for a renewed certificate.
    pub(crate) renewal: Option<Renewal>,
    /// The key callers have to know the server by; none where a signer vouches for it.
    pub(crate) pin: Option<KeyPin>,
}

/// Opens what the settings name, or what a server outside loopback needs where they name nothing.
///
/// # Errors
/// A file that cannot be read or does not hold what it should, by its name.
pub(crate) fn open(config: &ServerConfig, data: &Data, listen: SocketAddr) -> Result<Encryption> {
    let is_here = listen.ip().to_canonical().is_loopback();
    let wanted = match &config.tls {
        Some(tls) => tls.clone(),
        None if is_here => TlsConfig::Off,
        None => TlsConfig::SelfSigned,
    };
    match wanted {
        TlsConfig::Off => {
            if !is_here {
                tracing::warn!(
                    "connections to {listen} are not encrypted: anybody on the way can read tokens and releases; \
                     keep it behind a proxy with TLS, or take `tls: off` out of the settings"
                );
            }
            Ok(Encryption::default())
        }
        TlsConfig::SelfSigned => {
            let tls = self_signed(data, &names(config, listen))?;
            Ok(Encryption {
                pin: Some(tls.pin()),
                tls: Some(tls),
                renewal: None,
            })
        }
        TlsConfig::Files(files) => {
            let read = Read::of(&files)?;
            let tls = read.tls(&files)?;
            Ok(Encryption {
                pin: files.pin.then(|| tls.pin()),
                renewal: Some(Renewal::new(files, tls.clone(), read)),
                tls: Some(tls),
            })
        }
    }
}

/// Returns the names a certificate of our own is for. Whoever pins the key asks for none; a browser does.
fn names(config: &ServerConfig, listen: SocketAddr) -> Vec<String> {
    let mut names = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    if !listen.ip().is_unspecified() {
        names.push(listen.ip().to_string());
    }
    let own = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let public = config.public_url.as_deref().map(host_of);
    names.extend(public.into_iter().chain([own]).filter(|name| is_name(name)));
    names.sort();
    names.dedup();
    names
}

/// Returns the host an address names.
fn host_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next(),
        None => authority.split(':').next(),
    };
    host.unwrap_or_default().to_owned()
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.is_ascii() && CertificateParams::new([name.to_owned()]).is_ok()
}

/// Returns the certificate of a key this server made once. The key is what agents know the server by, so it is never
/// made anew while it is there; a certificate is, when it is not for the names it should be for.
fn self_signed(data: &Data, names: &[String]) -> Result<Tls> {
    let folder = data.join("tls");
    data::create_private_folder(&folder)?;
    let (key_path, path) = (folder.join("key.pem"), folder.join("certificate.pem"));
    let key = own_key(&key_path)?;
    let known = std::fs::read(&path).unwrap_or_default();
    if let Ok(tls) = Tls::new(&known, key.as_bytes())
        && names.iter().all(|name| tls.is_for(name))
    {
        return Ok(tls);
    }
    let pair = KeyPair::from_pem(&key).with_context(|| damaged(&key_path))?;
    let certificate = certificate(&pair, names)?;
    data::write_private(&path, &certificate)?;
    Tls::new(certificate.as_bytes(), key.as_bytes()).with_context(|| damaged(&key_path))
}

fn damaged(path: &Path) -> String {
    format!(
        "{} is damaged; hosts know this server by this key: bring it back from a backup, or remove it and let each host join again",
        path.display()
    )
}

/// Returns the key in that file, in PEM, and makes it when there is none.
fn own_key(path: &Path) -> Result<String> {
    match std::fs::read_to_string(path) {
        Ok(key) => Ok(key),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let key = KeyPair::generate()
                .context("cannot make a key")?
                .serialize_pem();
            data::write_private(path, &key)?;
            Ok(key)
        }
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Makes a certificate without an end (RFC 5280, 4.1.2.5): what is trusted is the key.
fn certificate(key: &KeyPair, names: &[String]) -> Result<String> {
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Sleepwell");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31);
    Ok(params.self_signed(key)?.pem())
}

/// Is what stood in the two files.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Read {
    fn of(files: &Files) -> Result<Self> {
        let read = |path: &PathBuf| {
            std::fs::read(path).with_context(|| format!("tls: cannot read {}", path.display()))
        };
        Ok(Self {
            certificate: read(&files.certificate)?,
            key: read(&files.key)?,
        })
    }

    fn tls(&self, files: &Files) -> Result<Tls> {
        Tls::new(&self.certificate, &self.key).with_context(|| named(files))
    }
}

fn named(files: &Files) -> String {
    format!(
        "tls: {} with {} cannot be used",
        files.certificate.display(),
        files.key.display()
    )
}

/// Shows a certificate that was renewed, without a restart.
#[derive(Debug)]
pub(crate) struct Renewal {
    files: Files,
    tls: Tls,
    shown: Read,
    /// What was wrong at the last look; said once.
    trouble: Option<String>,
}

impl Renewal {
    fn new(files: Files, tls: Tls, shown: Read) -> Self {
        Self {
            files,
            tls,
            shown,
            trouble: None,
        }
    }

    fn look(&mut self) -> Result<()> {
        let read = Read::of(&self.files)?;
        if read == self.shown {
            return Ok(());
        }
        let pinned = self.files.pin.then(|| self.tls.pin());
        let renewed = read.tls(&self.files)?.pin();
        if let Some(pinned) = pinned.filter(|pinned| *pinned != renewed) {
            anyhow::bail!(
                "the new certificate is for the key {renewed}, and hosts know this server by {pinned}: renew it for \
                 the same key, or set `pin: false` and let each host join again"
            );
        }
        let replaced = self.tls.replace(&read.certificate, &read.key);
        replaced.with_context(|| named(&self.files))?;
        self.shown = read;
        tracing::info!(
            "shows the certificate that was renewed in {}",
            self.files.certificate.display()
        );
        Ok(())
    }
}

impl Loop for Renewal {
    fn name(&self) -> &'static str {
        "server.certificate"
    }

    fn period(&self) -> Duration {
        LOOK
    }

    /// What is wrong with the files is said and harms nobody yet: the certificate before goes on being shown.
    async fn turn(&mut self, _: Timestamp) -> Result<Turn> {
        let trouble = self.look().err().map(|why| format!("{why:#}"));
        if let Some(why) = trouble.as_ref().filter(|_| trouble != self.trouble) {
            tracing::error!("the certificate that is shown stays as it is: {why}");
        }
        self.trouble = trouble;
        Ok(Turn::Idle)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Args;

    fn pem(key: &KeyPair) -> String {
        certificate(key, &["shop.example".to_owned()]).unwrap()
    }

    fn files(folder: &Path, pin: bool) -> Files {
        Files {
            certificate: folder.join("crt"),
            key: folder.join("key"),
            pin,
        }
    }

    fn write(files: &Files, certificate: &str, key: &KeyPair) {
        std::fs::write(&files.certificate, certificate).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
    }

    fn opened(files: &Files) -> Renewal {
        let read = Read::of(files).unwrap();
        Renewal::new(files.clone(), read.tls(files).unwrap(), read)
    }

    #[test]
    fn a_renewed_certificate_is_shown_and_a_pinned_key_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let files = files(folder.path(), true);
        write(&files, &pem(&key), &key);
        let mut renewal = opened(&files);
        let pin = renewal.tls.pin();

        write(&files, &pem(&key), &key);
        assert_ne!(renewal.shown, Read::of(&files).unwrap());
        renewal.look().unwrap();
        assert_eq!(renewal.shown, Read::of(&files).unwrap());

        write(&files, &pem(&other), &other);
        let why = renewal.look().unwrap_err().to_string();
        assert!(why.contains(&pin.to_string()), "{why}");
        assert_eq!(renewal.tls.pin(), pin);
    }

    #[test]
    fn without_a_pin_the_key_may_change_and_what_is_broken_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let files = files(folder.path(), false);
        write(&files, &pem(&key), &key);
        let mut renewal = opened(&files);
        let before = renewal.tls.pin();

        // The key is written before the certificate; a look in between finds two that do not belong together.
        write(&files, &pem(&key), &other);
        let why = format!("{:#}", renewal.look().unwrap_err());
        assert!(why.contains("not the one the certificate is for"), "{why}");
        assert_eq!(renewal.tls.pin(), before);

        write(&files, &pem(&other), &other);
        renewal.look().unwrap();
        assert_ne!(renewal.tls.pin(), before);
    }

    fn opened_at(folder: &Path, listen: &str, tls: Option<TlsConfig>) -> Encryption {
        let words = ["sleepwell", "--data", folder.to_str().unwrap(), "doctor"];
        let data = Data::new(&Args::parse_from(words).global).unwrap();
        let config = ServerConfig {
            tls,
            public_url: Some("https://sleepwell.example:8443/x".into()),
            ..ServerConfig::default()
        };
        open(&config, &data, listen.parse().unwrap()).unwrap()
    }

    #[test]
    fn outside_loopback_a_server_encrypts_unless_it_is_told_not_to() {
        let folder = tempfile::tempdir().unwrap();
        let opened = |listen, tls| opened_at(folder.path(), listen, tls);
        assert!(opened("127.0.0.1:1", None).tls.is_none());
        assert!(opened("[::ffff:127.0.0.1]:1", None).tls.is_none());
        assert!(opened("10.0.0.5:1", Some(TlsConfig::Off)).tls.is_none());
        let elsewhere = opened("10.0.0.5:1", None);
        let tls = elsewhere.tls.unwrap();
        assert_eq!(elsewhere.pin, Some(tls.pin()));
        for name in ["10.0.0.5", "localhost", "::1", "sleepwell.example"] {
            assert!(tls.is_for(name), "{name}");
        }
        assert!(!tls.is_for("10.0.0.6"));
    }

    #[test]
    fn a_key_is_made_once_and_a_certificate_whenever_its_names_change() {
        let folder = tempfile::tempdir().unwrap();
        let opened = |listen| opened_at(folder.path(), listen, None).tls.unwrap();
        let certificate = || std::fs::read(folder.path().join("tls/certificate.pem")).unwrap();
        let first = opened("10.0.0.5:1").pin();
        let before = certificate();
        assert_eq!(opened("10.0.0.5:2").pin(), first);
        assert_eq!(certificate(), before);
        let moved = opened("10.0.0.6:1");
        assert_eq!(moved.pin(), first);
        assert!(moved.is_for("10.0.0.6"));
        assert_ne!(certificate(), before);
    }

    #[test]
    fn a_key_that_was_damaged_is_not_replaced_behind_anybodys_back() {
        let folder = tempfile::tempdir().unwrap();
        opened_at(folder.path(), "10.0.0.5:1", None);
        let path = folder.path().join("tls/key.pem");
        std::fs::write(&path, "-----BEGIN PRIVATE KEY-----").unwrap();
        let data = Args::parse_from([
            "sleepwell",
            "--data",
            folder.path().to_str().unwrap(),
            "doctor",
        ]);
        let data = Data::new(&data.global).unwrap();
        let why = open(
            &ServerConfig::default(),
            &data,
            "10.0.0.5:1".parse().unwrap(),
        );
        let why = why.unwrap_err().to_string();
        assert!(why.contains("key.pem is damaged"), "{why}");
    }

    #[test]
    fn what_stands_between_the_signs_of_an_address_is_its_host() {
        for (url, host) in [
            ("https://sleepwell.example.com", "sleepwell.example.com"),
            ("https://10.0.0.5:7700/x", "10.0.0.5"),
            ("https://[fd00::1]:7700", "fd00::1"),
            ("https://a.example/x", "a.example"),
            ("https://", ""),
        ] {
            assert_eq!(host_of(url), host);
        }
    }
}

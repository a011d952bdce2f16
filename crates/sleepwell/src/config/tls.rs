//! `tls` of `server.yaml`: how connections to the server are encrypted.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Says how connections are encrypted; where nothing is said, they are unless the server listens on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsConfig {
    /// Not at all: something in front of the server does it.
    Off,
    /// With a key the server makes and keeps; whoever connects has to know it.
    SelfSigned,
    Files(Files),
}

/// `tls: {certificate: …, key: …}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Files {
    /// In PEM, with those that lead from it to its signer behind it.
    pub(crate) certificate: PathBuf,
    /// In PEM.
    pub(crate) key: PathBuf,
    /// Hosts that join know the server by this key, whoever signed; so the next certificate needs it too.
    #[serde(default)]
    pub(crate) pin: bool,
}

const WANTED: &str =
    "`self_signed`, `off`, or a certificate with its key: {certificate: FILE, key: FILE}";

impl TlsConfig {
    /// Reads what stands for all of it in one word.
    pub(crate) fn of_word(word: &str) -> Result<Self, String> {
        match word.trim() {
            "self_signed" => Ok(Self::SelfSigned),
            "off" => Ok(Self::Off),
            other => Err(format!(
                "unknown `{}`; write {WANTED}",
                other.escape_debug()
            )),
        }
    }

    /// Reads what the environment says over what the file said; nothing where it is silent.
    pub(crate) fn of_environment(
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let certificate = env("SLEEPWELL_TLS_CERTIFICATE").map(PathBuf::from);
        let key = env("SLEEPWELL_TLS_KEY").map(PathBuf::from);
        match (env("SLEEPWELL_TLS"), certificate, key) {
            (None, None, None) => Ok(None),
            (Some(word), None, None) => Self::of_word(&word)
                .map(Some)
                .map_err(|why| format!("SLEEPWELL_TLS: {why}")),
            (None, Some(certificate), Some(key)) => {
                let pin = env("SLEEPWELL_TLS_PIN").is_some_and(|pin| pin == "true");
                Ok(Some(Self::Files(Files {
                    certificate,
                    key,
                    pin,
                })))
            }
            _ => Err("SLEEPWELL_TLS_CERTIFICATE and SLEEPWELL_TLS_KEY go together, and not with SLEEPWELL_TLS".into()),
        }
    }
}

impl<'de> Deserialize<'de> for TlsConfig {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OfYaml)
    }
}

struct OfYaml;

impl<'de> Visitor<'de> for OfYaml {
    type Value = TlsConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(WANTED)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<TlsConfig, E> {
        TlsConfig::of_word(word).map_err(E::custom)
    }

    /// YAML before 1.2 knew `off` as another word for `false`, and so do its readers.
    fn visit_bool<E: de::Error>(self, is_on: bool) -> Result<TlsConfig, E> {
        TlsConfig::of_word(if is_on { "on" } else { "off" }).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TlsConfig, A::Error> {
        Files::deserialize(MapAccessDeserializer::new(map)).map(TlsConfig::Files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Around {
        tls: TlsConfig,
    }

    fn read(yaml: &str) -> Result<TlsConfig, String> {
        let around: Result<Around, _> = serde_saphyr::from_str(yaml);
        around.map(|around| around.tls).map_err(|e| e.to_string())
    }

    fn files(pin: bool) -> TlsConfig {
        TlsConfig::Files(Files {
            certificate: "a".into(),
            key: "b".into(),
            pin,
        })
    }

    #[test]
    fn it_is_one_word_or_two_files() {
        assert_eq!(read("tls: off").unwrap(), TlsConfig::Off);
        assert_eq!(read("tls: self_signed").unwrap(), TlsConfig::SelfSigned);
        assert_eq!(read("tls: {certificate: a, key: b}").unwrap(), files(false));
        let pinned = read("tls: {certificate: a, key: b, pin: true}").unwrap();
        assert_eq!(pinned, files(true));
    }

    #[test]
    fn anything_else_is_refused_with_what_can_be_written() {
        for bad in ["tls: on", "tls: selfsigned", "tls: 1", "tls: [a]"] {
            let why = read(bad).unwrap_err();
            assert!(why.contains("self_signed"), "{bad}: {why}");
        }
        assert!(read("tls: {certificate: a}").unwrap_err().contains("key"));
        let misspelt = read("tls: {certificate: a, key: b, pins: true}").unwrap_err();
        assert!(misspelt.contains("pins"), "{misspelt}");
    }

    #[test]
    fn the_environment_says_the_same() {
        let read = |pairs: &[(&str, &str)]| {
            TlsConfig::of_environment(|name| {
                let found = pairs.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let two = [
            ("SLEEPWELL_TLS_CERTIFICATE", "a"),
            ("SLEEPWELL_TLS_KEY", "b"),
            ("SLEEPWELL_TLS_PIN", "true"),
        ];
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&two).unwrap(), Some(files(true)));
        assert_eq!(read(&two[..2]).unwrap(), Some(files(false)));
        let off = read(&[("SLEEPWELL_TLS", "off")]).unwrap();
        assert_eq!(off, Some(TlsConfig::Off));
        assert!(read(&two[..1]).is_err());
        assert!(read(&[("SLEEPWELL_TLS", "on")]).is_err());
        assert!(read(&[("SLEEPWELL_TLS", "off"), two[0], two[1]]).is_err());
    }
}

//! `server.yaml`: every key also as `SLEEPWELL_<KEY>` in the environment, which wins.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result};
use model::Secret;
use model::deliver::GitHost;
use serde::{Deserialize, Deserializer, de};

use super::TlsConfig;

/// Is everything a server can be told in a file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerConfig {
    /// Where it listens; by default 127.0.0.1:7700.
    pub(crate) listen: Option<SocketAddr>,
    /// How people reach it; by default `http://`, or `https://` with TLS of its own, and the address it listens on.
    pub(crate) public_url: Option<String>,
    /// How connections are encrypted; by default not on loopback, and elsewhere with a key of its own.
    pub(crate) tls: Option<TlsConfig>,
    /// `postgres://user:password@host/name`, which several servers may share; by default SQLite in the data
    /// folder.
    pub(crate) database: Option<Secret>,
    /// Where artifacts are kept: a folder, by default in the data folder, or `s3://bucket/folder`. Servers
    /// that share a database share it too.
    pub(crate) artifacts: Option<String>,
    /// How mail goes out; without it none does.
    pub(crate) smtp: Option<Smtp>,
    /// Addresses with ports inside the network that messages may go to.
    #[serde(default)]
    pub(crate) outbound_allow: Vec<SocketAddr>,
    /// The git hosts whose webhooks are taken: `hooks: {github: {secret: …}}`.
    #[serde(default)]
    pub(crate) hooks: BTreeMap<GitHost, Hook>,
    /// Who is told of alerts whose service names no owner: `receiver: {mail: …, webhook: …}`.
    pub(crate) receiver: Option<Receiver>,
    /// Who is told by CDEvents what happens here; without it nobody is.
    pub(crate) cdevents: Option<CdeventsConfig>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Receiver {
    /// `ops@example.com`.
    pub(crate) mail: Option<String>,
    /// Takes each message by POST; may hold a key.
    pub(crate) webhook: Option<Secret>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CdeventsConfig {
    /// Takes each event by POST; may hold a key.
    pub(crate) sink: Secret,
    /// What this server calls itself in them; by default its public address.
    pub(crate) source: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hook {
    /// The one that was set at the host; not empty.
    #[serde(deserialize_with = "secret")]
    pub(crate) secret: Secret,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() {
        return Err(de::Error::custom(
            "an empty secret keeps nobody out; set one or leave the host out",
        ));
    }
    Ok(Secret::new(text))
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Smtp {
    /// `smtp://user:password@host:587?tls=required`, `smtps://…`, or `smtp://127.0.0.1:25`.
    pub(crate) url: Secret,
    /// `Sleepwell <sleepwell@example.com>`.
    pub(crate) from: String,
}

impl ServerConfig {
    /// Reads the file, if it is there or was named, and the environment over it.
    ///
    /// # Errors
    /// A file that cannot be read or says something unknown, with its line.
    pub(crate) fn read(
        path: &Path,
        named: bool,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !named => String::new(),
            Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
        };
        let config = if text.trim().is_empty() {
            Self::default()
        } else {
            serde_saphyr::from_str(&text).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?
        };
        config.with_env(env)
    }

    fn with_env(mut self, env: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let address = |key: &str, text: &str| -> Result<SocketAddr> {
            text.trim().parse().with_context(|| {
                format!("{key}: `{text}` is not an address such as 127.0.0.1:7700")
            })
        };
        if let Some(listen) = env("SLEEPWELL_LISTEN") {
            self.listen = Some(address("SLEEPWELL_LISTEN", &listen)?);
        }
        if let Some(url) = env("SLEEPWELL_PUBLIC_URL") {
            self.public_url = Some(url);
        }
        let tls = TlsConfig::of_environment(&env).map_err(anyhow::Error::msg)?;
        self.tls = tls.or(self.tls);
        if let Some(url) = env("SLEEPWELL_DATABASE") {
            self.database = Some(Secret::new(url));
        }
        if let Some(folder) = env("SLEEPWELL_ARTIFACTS") {
            self.artifacts = Some(folder);
        }
        if let Some(list) = env("SLEEPWELL_OUTBOUND_ALLOW") {
            let parts = list.split(',').filter(|part| !part.trim().is_empty());
            self.outbound_allow = parts
                .map(|part| address("SLEEPWELL_OUTBOUND_ALLOW", part))
                .collect::<Result<_>>()?;
        }
        for host in GitHost::ALL {
            let key = format!("SLEEPWELL_HOOKS_{}_SECRET", host.to_string().to_uppercase());
            if let Some(secret) = env(&key).filter(|secret| !secret.is_empty()) {
                let secret = Secret::new(secret);
                self.hooks.insert(host, Hook { secret });
            }
        }
        if let Some(mail) = env("SLEEPWELL_RECEIVER_MAIL") {
            self.receiver.get_or_insert_default().mail = Some(mail);
        }
        if let Some(url) = env("SLEEPWELL_RECEIVER_WEBHOOK") {
            self.receiver.get_or_insert_default().webhook = Some(Secret::new(url));
        }
        if let Some(sink) = env("SLEEPWELL_CDEVENTS_SINK") {
            let source = self.cdevents.take().and_then(|known| known.source);
            let sink = Secret::new(sink);
            self.cdevents = Some(CdeventsConfig { sink, source });
        }
        if let Some(source) = env("SLEEPWELL_CDEVENTS_SOURCE") {
            let known = self.cdevents.as_mut();
            known
                .context("SLEEPWELL_CDEVENTS_SOURCE needs a sink")?
                .source = Some(source);
        }
        match (env("SLEEPWELL_SMTP_URL"), env("SLEEPWELL_SMTP_FROM")) {
            (None, None) => {}
            (url, from) => {
                let known = self.smtp.take();
                let missing = "SLEEPWELL_SMTP_URL and SLEEPWELL_SMTP_FROM go together";
                self.smtp = Some(Smtp {
                    url: url
                        .map(Secret::new)
                        .or(known.as_ref().map(|s| s.url.clone()))
                        .context(missing)?,
                    from: from.or(known.map(|s| s.from)).context(missing)?,
                });
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, env: &[(&str, &str)]) -> Result<ServerConfig> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.yaml");
        std::fs::write(&path, text).unwrap();
        let env: Vec<(String, String)> = env
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        ServerConfig::read(&path, true, move |key| {
            env.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone())
        })
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let text = "listen: 127.0.0.1:1\nsmtp: {url: 'smtp://a', from: a@example.test}\n";
        let env = [
            ("SLEEPWELL_LISTEN", "127.0.0.1:2"),
            ("SLEEPWELL_SMTP_URL", "smtp://b"),
        ];
        let config = read(text, &env).unwrap();
        assert_eq!(config.listen.unwrap().port(), 2);
        assert_eq!(config.smtp.unwrap().url.reveal(), "smtp://b");
    }

    #[test]
    fn an_unknown_key_ends_the_start_with_its_line() {
        let error = read("listen: 127.0.0.1:1\nlissen: x\n", &[]).unwrap_err();
        assert!(error.to_string().contains("lissen"), "{error}");
        assert!(read("", &[("SLEEPWELL_LISTEN", "nowhere")]).is_err());
    }

    #[test]
    fn a_hook_has_a_secret_that_is_never_shown() {
        let text = "hooks: {github: {secret: one}, gitea: {secret: two}}\n";
        let env = [("SLEEPWELL_HOOKS_GITEA_SECRET", "three")];
        let config = read(text, &env).unwrap();
        assert_eq!(config.hooks[&GitHost::Github].secret.reveal(), "one");
        assert_eq!(config.hooks[&GitHost::Gitea].secret.reveal(), "three");
        assert!(!format!("{config:?}").contains("three"));
        for bad in [
            "hooks: {github: {secret: ''}}",
            "hooks: {github: {}}",
            "hooks: {svn: {secret: x}}",
        ] {
            assert!(read(bad, &[]).is_err(), "{bad}");
        }
    }

    #[test]
    fn events_have_a_sink_and_perhaps_a_source() {
        let text = "cdevents: {sink: 'https://a.example.test/key'}\n";
        let config = read(text, &[("SLEEPWELL_CDEVENTS_SOURCE", "/prod")]).unwrap();
        assert!(!format!("{config:?}").contains("key"));
        let events = config.cdevents.unwrap();
        assert_eq!(events.sink.reveal(), "https://a.example.test/key");
        assert_eq!(events.source.as_deref(), Some("/prod"));
        assert!(read("", &[("SLEEPWELL_CDEVENTS_SOURCE", "/prod")]).is_err());
    }

    #[test]
    fn the_receiver_of_last_resort_may_have_a_mail_and_a_webhook() {
        let text = "receiver: {mail: ops@example.test}\n";
        let env = [(
            "SLEEPWELL_RECEIVER_WEBHOOK",
            "https://chat.example.test/key",
        )];
        let config = read(text, &env).unwrap();
        assert!(!format!("{config:?}").contains("key"));
        let receiver = config.receiver.unwrap();
        assert_eq!(receiver.mail.as_deref(), Some("ops@example.test"));
        let webhook = receiver.webhook.unwrap();
        assert_eq!(webhook.reveal(), "https://chat.example.test/key");
        assert!(read("receiver: {phone: 1}", &[]).is_err());
        assert!(read("", &[]).unwrap().receiver.is_none());
    }

    #[test]
    fn no_file_is_fine_unless_it_was_named() {
        let missing = Path::new("/nonexistent/server.yaml");
        assert!(ServerConfig::read(missing, false, |_| None).is_ok());
        assert!(ServerConfig::read(missing, true, |_| None).is_err());
    }
}

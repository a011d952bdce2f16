//! What an adapter has to be told, in a file of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use model::time::parse_duration;
use model::{HostName, Labels, Secret, limit};
use serde::Deserialize;

/// Is the file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// Called as `COMMAND plan|apply|observe|rollback`.
    exec: Option<Vec<String>>,
    /// Called by POST, and by GET to observe.
    webhook: Option<RawWebhook>,
    /// Handed to the tool as they stand.
    #[serde(default)]
    params: serde_json::Map<String, serde_json::Value>,
    /// Between two looks in quiet times; by default 10s.
    observe_every: Option<String>,
    #[serde(default)]
    timeouts: RawTimeouts,
    /// A plan the tool calls irreversible is carried out; by default it waits for a person.
    #[serde(default)]
    allow_irreversible: bool,
    targets: Vec<RawTarget>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawWebhook {
    url: String,
    /// The file that holds the secret calls are signed with.
    secret_file: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTimeouts {
    plan: Option<String>,
    apply: Option<String>,
    observe: Option<String>,
    rollback: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTarget {
    host: HostName,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Is an adapter's settings, checked.
#[derive(Debug)]
pub struct Adapter {
    pub(super) call: Call,
    pub(super) params: serde_json::Map<String, serde_json::Value>,
    pub(super) observe_every: Duration,
    pub(super) timeouts: Timeouts,
    pub(super) allow_irreversible: bool,
    pub(super) targets: Vec<(HostName, Labels)>,
}

/// Is how the tool is called.
#[derive(Debug)]
pub(super) enum Call {
    /// The program and its first arguments; never empty.
    Exec(Vec<String>),
    Webhook {
        url: String,
        secret: Secret,
    },
}

/// Is how long each verb may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) plan: Duration,
    pub(super) apply: Duration,
    pub(super) observe: Duration,
    pub(super) rollback: Duration,
}

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_secs(30);
const OBSERVE_EVERY: Duration = Duration::from_secs(10);
const SECRET_BYTES: u64 = 4 << 10;

impl Raw {
    /// Checks what was written; `folder` is where the file lies, and where commands and files are looked for.
    ///
    /// # Errors
    /// A sentence with the key that is wrong and what would help.
    pub fn checked(self, folder: &std::path::Path) -> Result<Adapter, String> {
        let call = match (self.exec, self.webhook) {
            (Some(exec), None) => command(exec, folder)?,
            (None, Some(webhook)) => webhook.checked(folder)?,
            (None, None) => {
                return Err("no tool is named; write `exec: [\"./deploy\"]` or `webhook: { url: …, secret_file: … }`".into());
            }
            (Some(_), Some(_)) => {
                return Err("`exec` and `webhook` are both there; leave one out".into());
            }
        };
        Ok(Adapter {
            call,
            params: self.params,
            observe_every: time(
                "observe_every",
                self.observe_every.as_deref(),
                OBSERVE_EVERY,
            )?,
            timeouts: self.timeouts.checked()?,
            allow_irreversible: self.allow_irreversible,
            targets: targets(self.targets)?,
        })
    }
}

impl RawWebhook {
    fn checked(self, folder: &std::path::Path) -> Result<Call, String> {
        let is_http = self.url.starts_with("http://") || self.url.starts_with("https://");
        if !is_http {
            return Err(
                "webhook.url: write an address that begins with https:// or http://".into(),
            );
        }
        let path = folder.join(&self.secret_file);
        let unread = |why: String| format!("webhook.secret_file: {}: {why}", path.display());
        let size = std::fs::metadata(&path)
            .map_err(|e| unread(e.to_string()))?
            .len();
        if size > SECRET_BYTES {
            return Err(unread(format!("it is longer than {SECRET_BYTES} bytes")));
        }
        let text = std::fs::read_to_string(&path).map_err(|e| unread(e.to_string()))?;
        let secret = text.trim();
        if secret.is_empty() {
            return Err(unread(
                "it is empty, and an empty secret signs nothing".into(),
            ));
        }
        Ok(Call::Webhook {
            url: self.url,
            secret: Secret::new(secret.to_owned()),
        })
    }
}

impl RawTimeouts {
    fn checked(&self) -> Result<Timeouts, String> {
        Ok(Timeouts {
            plan: time("timeouts.plan", self.plan.as_deref(), LONG)?,
            apply: time("timeouts.apply", self.apply.as_deref(), LONG)?,
            observe: time("timeouts.observe", self.observe.as_deref(), SHORT)?,
            rollback: time("timeouts.rollback", self.rollback.as_deref(), LONG)?,
        })
    }
}

/// Takes a program that is named with a `/` from the folder of the file, any other from the PATH.
fn command(mut exec: Vec<String>, folder: &std::path::Path) -> Result<Call, String> {
    let Some(program) = exec.first_mut().filter(|program| !program.is_empty()) else {
        return Err("exec: the command is empty; write `exec: [\"./deploy\"]`".into());
    };
    if program.contains('/') {
        let path = folder.join(&*program);
        *program = path
            .to_str()
            .ok_or("exec: the path of the command is not UTF-8")?
            .to_owned();
    }
    Ok(Call::Exec(exec))
}

fn time(key: &str, written: Option<&str>, otherwise: Duration) -> Result<Duration, String> {
    let Some(text) = written else {
        return Ok(otherwise);
    };
    match parse_duration(text) {
        Ok(time) if !time.is_zero() => Ok(time),
        _ => Err(format!("{key}: `{text}` is not a time such as 10s or 5m")),
    }
}

fn targets(raw: Vec<RawTarget>) -> Result<Vec<(HostName, Labels)>, String> {
    if raw.is_empty() {
        return Err(
            "targets: none is named; write `- { host: web-1, labels: { role: shop } }`".into(),
        );
    }
    if raw.len() > limit::ADAPTER_TARGETS {
        return Err(format!(
            "targets: {} are more than the {} one adapter looks after; run a second one",
            raw.len(),
            limit::ADAPTER_TARGETS
        ));
    }
    let mut targets: Vec<(HostName, Labels)> = Vec::with_capacity(raw.len());
    for RawTarget { host, labels } in raw {
        if targets.iter().any(|(other, _)| *other == host) {
            return Err(format!("targets: {host} is named twice"));
        }
        let labels = Labels::new(labels).map_err(|why| format!("targets: {host}: {why}"))?;
        targets.push((host, labels));
    }
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn checked(text: &str) -> Result<Adapter, String> {
        let raw: Raw = serde_json::from_str(text).map_err(|e| e.to_string())?;
        raw.checked(Path::new("/etc/sleepwell"))
    }

    #[test]
    fn a_command_with_a_slash_is_looked_for_beside_the_file() {
        let targets = r#""targets": [{"host": "web-1", "labels": {"role": "shop"}}]"#;
        let here = checked(&format!(r#"{{"exec": ["./deploy", "now"], {targets}}}"#)).unwrap();
        let Call::Exec(command) = here.call else {
            panic!("{:?}", here.call)
        };
        assert_eq!(command, ["/etc/sleepwell/./deploy", "now"]);
        let path = checked(&format!(r#"{{"exec": ["deploy"], {targets}}}"#)).unwrap();
        assert!(matches!(path.call, Call::Exec(command) if command == ["deploy"]));
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_key() {
        let target = r#"[{"host": "web-1"}]"#;
        for (text, part) in [
            (format!(r#"{{"targets": {target}}}"#), "no tool is named"),
            (
                format!(r#"{{"exec": [], "targets": {target}}}"#),
                "exec: the command is empty",
            ),
            (
                r#"{"exec": ["a"], "targets": []}"#.to_owned(),
                "targets: none is named",
            ),
            (
                r#"{"exec": ["a"], "targets": [{"host": "a"}, {"host": "a"}]}"#.to_owned(),
                "named twice",
            ),
            (
                format!(r#"{{"exec": ["a"], "observe_every": "0s", "targets": {target}}}"#),
                "observe_every: `0s`",
            ),
            (
                format!(
                    r#"{{"exec": ["a"], "timeouts": {{"apply": "soon"}}, "targets": {target}}}"#
                ),
                "timeouts.apply",
            ),
            (
                format!(
                    r#"{{"webhook": {{"url": "ftp://a", "secret_file": "s"}}, "targets": {target}}}"#
                ),
                "webhook.url",
            ),
            (
                format!(
                    r#"{{"webhook": {{"url": "https://a", "secret_file": "s"}}, "targets": {target}}}"#
                ),
                "webhook.secret_file",
            ),
            (
                format!(r#"{{"exec": ["a"], "colour": "red", "targets": {target}}}"#),
                "colour",
            ),
        ] {
            let why = checked(&text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}

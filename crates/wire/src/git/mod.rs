//! Webhooks of git hosts: whether one is genuine, and what it says in the model's words.
//!
//! Four hosts, two dialects: GitHub's, which Gitea and Forgejo speak as well, and GitLab's. Nothing here
//! knows HTTP; a caller brings a way to look up a header, and the raw bytes.
//!
//! What was checked against captured bodies stands in the tests. Forgejo's own headers and Gitea's
//! `X-Hub-Signature-256` were not seen on a real host yet; all the forms the documentation names are taken.

mod body;
mod github;
mod gitlab;
mod signature;
#[cfg(test)]
mod tests;

use model::deliver::{GitEvent, GitEventKind, GitHost};
use model::{Digest, limit};
use serde_json::Value;

pub use body::{NotJson, read_body};
pub use signature::is_genuine;

/// Looks up a header by its name in lower case; nothing when it is absent or no plain text.
pub type Header<'f, 'v> = &'f (dyn Fn(&str) -> Option<&'v str> + 'f);

/// Returns the host's name of the event: `push`, `Merge Request Hook`.
pub fn event_name<'v>(host: GitHost, header: Header<'_, 'v>) -> Option<&'v str> {
    // Gitea and Forgejo send GitHub's header as well, for receivers that know only that one.
    let names: &[&str] = match host {
        GitHost::Github => &["x-github-event"],
        GitHost::Gitlab => &["x-gitlab-event"],
        GitHost::Gitea => &["x-gitea-event", "x-github-event"],
        GitHost::Forgejo => &["x-forgejo-event", "x-gitea-event", "x-github-event"],
    };
    first(names, header)
}

/// Is how a repeat is told from something new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryKey {
    /// The host numbers what it sends, and numbers a repeat the same.
    Numbered(String),
    /// It does not; all there is are the bytes.
    Digest(Digest),
}

/// Returns what a repeat of this delivery would have in common with it.
pub fn delivery_key(host: GitHost, header: Header<'_, '_>, body: &[u8]) -> DeliveryKey {
    let names: &[&str] = match host {
        GitHost::Github => &["x-github-delivery"],
        GitHost::Gitlab => &["idempotency-key"],
        GitHost::Gitea => &["x-gitea-delivery", "x-github-delivery"],
        GitHost::Forgejo => &[
            "x-forgejo-delivery",
            "x-gitea-delivery",
            "x-github-delivery",
        ],
    };
    match first(names, header) {
        Some(id) if id.len() <= limit::FOREIGN_NAME_BYTES => DeliveryKey::Numbered(id.to_owned()),
        _ => DeliveryKey::Digest(Digest::of(body)),
    }
}

/// Returns the first of several headers that is there and not empty.
fn first<'v>(names: &[&str], header: Header<'_, 'v>) -> Option<&'v str> {
    let mut found = names.iter().filter_map(|name| header(name));
    found.find(|value| !value.is_empty())
}

/// Says what an event tells. Of a body that is not what its name promises, the parts that are.
pub fn read(host: GitHost, name: &str, body: &Value) -> GitEvent {
    match host {
        GitHost::Github | GitHost::Gitea | GitHost::Forgejo => github::read(name, body),
        GitHost::Gitlab => gitlab::read(name, body),
    }
}

/// Tells whether the event says enough to be of use: its kind is one we know, and unless the host only
/// tries the line it names its repository.
pub fn is_understood(event: &GitEvent) -> bool {
    match event.kind {
        GitEventKind::Other(_) => false,
        GitEventKind::Ping => true,
        _ => event.repo.is_some(),
    }
}

/// Keeps a host's name of an event within bounds, and apart from the words we read: it goes into the
/// journal, where it must not come back as something else.
fn other(name: &str) -> GitEventKind {
    let fits = !name.is_empty() && name.len() <= limit::NAME_BYTES;
    let name = if fits { name } else { "unnamed" };
    match GitEventKind::from(name.to_owned()) {
        GitEventKind::Other(name) => GitEventKind::Other(name),
        ours => GitEventKind::Other(format!("another {ours}")),
    }
}

/// Returns the commit at a path of keys; zeros name none.
fn commit(body: &Value, path: &[&str]) -> Option<String> {
    text(body, path).filter(|sha| !is_no_commit(sha))
}

/// Returns the text at a path of keys. One that is too long to be a
/// name, or holds control characters, is as good as none.
fn text(body: &Value, path: &[&str]) -> Option<String> {
    let text = at(body, path)?.as_str()?;
    let short = !text.is_empty() && text.len() <= limit::FOREIGN_NAME_BYTES;
    let fits = short && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}

fn number(body: &Value, path: &[&str]) -> Option<u64> {
    at(body, path)?.as_u64()
}

fn at<'v>(body: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(body, |value, key| value.get(*key))
}

fn count(body: &Value, key: &str) -> Option<u64> {
    Some(body.get(key)?.as_array()?.len() as u64)
}

/// Tells whether this is the commit that hosts name where there is none: all zeros.
fn is_no_commit(sha: &str) -> bool {
    !sha.is_empty() && sha.bytes().all(|byte| byte == b'0')
}

/// Writes a bare name as the whole reference that pushes carry.
fn full_reference(folder: &str, name: &str) -> String {
    let bare = !name.starts_with("refs/");
    if bare {
        format!("refs/{folder}/{name}")
    } else {
        name.to_owned()
    }
}

/// Tells a tag from a branch by its reference.
fn pushed(reference: Option<&str>) -> GitEventKind {
    let tag = reference.is_some_and(|name| name.starts_with("refs/tags/"));
    if tag {
        GitEventKind::Tag
    } else {
        GitEventKind::Push
    }
}

//! Whether a webhook comes from who holds the secret.

use model::deliver::GitHost;
use model::digest::hex;

use super::{Header, first};
use crate::hmac::{hmac_sha256, same};

/// Tells whether the host that knows `secret` sent these bytes; it takes as long for a wrong answer as
/// for a right one. An empty secret makes nothing genuine.
///
/// GitLab sends the secret itself, which says nothing about the bytes: whoever reads one delivery can
/// write another.
pub fn is_genuine(host: GitHost, secret: &[u8], header: Header<'_, '_>, body: &[u8]) -> bool {
    let names: &[&str] = match host {
        GitHost::Github => &["x-hub-signature-256"],
        GitHost::Gitlab => &["x-gitlab-token"],
        GitHost::Gitea => &["x-gitea-signature", "x-hub-signature-256"],
        GitHost::Forgejo => &[
            "x-forgejo-signature",
            "x-gitea-signature",
            "x-hub-signature-256",
        ],
    };
    let Some(shown) = first(names, header) else {
        return false;
    };
    if secret.is_empty() {
        return false;
    }
    match host {
        GitHost::Gitlab => same(shown.as_bytes(), secret),
        GitHost::Github => shown
            .strip_prefix("sha256=")
            .is_some_and(|code| is_code(code, secret, body)),
        GitHost::Gitea | GitHost::Forgejo => {
            let code = shown.strip_prefix("sha256=").unwrap_or(shown);
            is_code(code, secret, body)
        }
    }
}

fn is_code(shown: &str, secret: &[u8], body: &[u8]) -> bool {
    let code = hex(&hmac_sha256(secret, body));
    same(shown.to_ascii_lowercase().as_bytes(), code.as_bytes())
}

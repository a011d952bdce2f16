//! What a git host tells by a webhook, in one form for all of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Is a program that keeps repositories and calls us when something happens in one.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum GitHost {
    Github,
    Gitlab,
    Gitea,
    Forgejo,
}

impl GitHost {
    pub const ALL: [GitHost; 4] = [
        GitHost::Github,
        GitHost::Gitlab,
        GitHost::Gitea,
        GitHost::Forgejo,
    ];
}

impl fmt::Display for GitHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            GitHost::Github => "github",
            GitHost::Gitlab => "gitlab",
            GitHost::Gitea => "gitea",
            GitHost::Forgejo => "forgejo",
        })
    }
}

impl FromStr for GitHost {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let found = GitHost::ALL.into_iter().find(|host| host.to_string() == s);
        found.ok_or_else(|| {
            format!(
                "unknown git host `{}`; known: github, gitlab, gitea, forgejo",
                s.escape_debug()
            )
        })
    }
}

/// Is what happened. A name we know nothing about stays as the host sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitEventKind {
    /// A branch moved, came or went.
    Push,
    /// A tag came, moved or went.
    Tag,
    BranchCreated,
    PullRequest,
    Release,
    Deployment,
    DeploymentStatus,
    CommitStatus,
    WorkflowRun,
    /// The host tries whether we answer.
    Ping,
    Other(String),
}

impl GitEventKind {
    const KNOWN: [GitEventKind; 10] = [
        GitEventKind::Push,
        GitEventKind::Tag,
        GitEventKind::BranchCreated,
        GitEventKind::PullRequest,
        GitEventKind::Release,
        GitEventKind::Deployment,
        GitEventKind::DeploymentStatus,
        GitEventKind::CommitStatus,
        GitEventKind::WorkflowRun,
        GitEventKind::Ping,
    ];

    pub fn as_str(&self) -> &str {
        match self {
            GitEventKind::Push => "push",
            GitEventKind::Tag => "tag",
            GitEventKind::BranchCreated => "branch_created",
            GitEventKind::PullRequest => "pull_request",
            GitEventKind::Release => "release",
            GitEventKind::Deployment => "deployment",
            GitEventKind::DeploymentStatus => "deployment_status",
            GitEventKind::CommitStatus => "commit_status",
            GitEventKind::WorkflowRun => "workflow_run",
            GitEventKind::Ping => "ping",
            GitEventKind::Other(name) => name,
        }
    }
}

/// Reads our own words; anything else is another's.
impl From<String> for GitEventKind {
    fn from(name: String) -> Self {
        let known = Self::KNOWN.into_iter().find(|kind| kind.as_str() == name);
        known.unwrap_or(GitEventKind::Other(name))
    }
}

impl fmt::Display for GitEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for GitEventKind {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for GitEventKind {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        if text.is_empty() {
            return Err(de::Error::custom("a git event has a kind"));
        }
        Ok(text.into_owned().into())
    }
}

/// Is one event of a repository; what the host did not say is absent.
///
/// A deleted branch or tag is a push or a tag that is `deleted` and has no `sha`: nothing can be built
/// of it. Only `sha` and `head_sha` name commits; `after` of an annotated tag names the tag itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GitEvent {
    pub kind: GitEventKind,
    /// With its owner: `octo/hello-world`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_branch: Option<String>,
    /// The account at the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// In full: `refs/heads/main`, `refs/tags/v1`.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The commit to build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
    /// The branch was moved to a commit that does not follow from the one before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    /// Commits listed; hosts leave some out of a long list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<u64>,
    /// Commits there were, where the host says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits_total: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// The host's own word, unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_sha: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_ref: Option<String>,
    /// The pull request comes from another repository: whoever wrote it need not be trusted here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_fork: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<u64>,
}

impl GitEvent {
    /// Returns an event that says nothing but its kind.
    pub fn of(kind: GitEventKind) -> Self {
        Self {
            kind,
            repo: None,
            default_branch: None,
            actor: None,
            reference: None,
            before: None,
            after: None,
            sha: None,
            deleted: None,
            forced: false,
            commits: None,
            commits_total: None,
            number: None,
            action: None,
            head_sha: None,
            base_ref: None,
            head_ref: None,
            from_fork: false,
            tag: None,
            environment: None,
            state: None,
            conclusion: None,
            context: None,
            deployment_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_it_is_read_also_one_we_do_not_know() {
        for name in [
            "push",
            "commit_status",
            "branch_created",
            "registry_package",
        ] {
            let kind: GitEventKind = serde_json::from_value(name.into()).unwrap();
            assert_eq!(serde_json::to_value(&kind).unwrap(), name);
            assert_eq!(
                matches!(kind, GitEventKind::Other(_)),
                name == "registry_package"
            );
        }
        assert!(serde_json::from_value::<GitEventKind>("".into()).is_err());
    }

    #[test]
    fn what_was_not_said_is_not_written() {
        let event = GitEvent::of(GitEventKind::Ping);
        assert_eq!(
            serde_json::to_value(event).unwrap(),
            serde_json::json!({ "kind": "ping" })
        );
    }
}

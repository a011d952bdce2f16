//! What a host is asked to run: the whole wish, never a command, so that lost, repeated or reordered
//! answers do no harm.

use serde::{Deserialize, Serialize};

use super::{ArtifactFormat, Health, ReleaseNumber, Run, Scrape, Slot};
use crate::{ChangeId, Digest, EnvironmentName, RingName, ServiceName, Version};

/// Is what one host should run of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Desired {
    pub service: ServiceName,
    pub environment: EnvironmentName,
    pub ring: RingName,
    /// Counts up per host and service; a lower one than seen before is refused by the host.
    pub generation: u64,
    pub priority: Priority,
    pub state: DesiredState,
    pub release: DesiredRelease,
    pub run: Run,
    pub health: Option<Health>,
    pub metrics: Option<Scrape>,
    /// Releases kept on disk beside the running and the last proved-good one.
    pub keep: u32,
    /// Set for a router, which runs nothing itself: the slot it is to send everything to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DesiredRelease {
    pub number: ReleaseNumber,
    pub version: Version,
    pub digest: Digest,
    pub size_bytes: u64,
    pub format: ArtifactFormat,
    /// What a `file` artifact is called in the release folder.
    pub file_name: String,
    /// Names how it is run; a release folder belongs to one pair of digests.
    pub config_digest: Digest,
    /// The redeploy it is unpacked and started anew for. An agent older than redeploys does not read it, and
    /// does not report it either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeploy: Option<ChangeId>,
}

impl DesiredRelease {
    /// Returns the name of the release's folder on a host: `<digest12>-<config12>`, and for a redeploy
    /// `<digest12>-<config12>-<change>`. So a redeploy never touches what runs, nor what it would go back to.
    pub fn folder(&self) -> String {
        let content = self.content();
        match self.redeploy {
            None => content,
            Some(change) => format!("{content}-{change}"),
        }
    }

    /// Returns what a release's folders have in common, whichever redeploy unpacked them.
    pub fn content(&self) -> String {
        format!("{}-{}", self.digest.short(), self.config_digest.short())
    }
}

/// Returns what is left of a folder's name without the redeploy that unpacked it, see [`DesiredRelease::content`].
pub fn content_of(folder: &str) -> &str {
    match folder.match_indices('-').nth(1) {
        Some((end, _)) => &folder[..end],
        None => folder,
    }
}

/// Orders a host's work: a rollback before a rollout, always.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Rollout,
    Rollback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DesiredState {
    Running,
    /// Nothing of the service runs here (the undo of a first release).
    Stopped,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redeploy_has_a_folder_of_its_own_with_the_content_of_the_first() {
        let first = DesiredRelease {
            number: ReleaseNumber(1),
            version: "1.0".parse().unwrap(),
            digest: Digest::of(b"1.0"),
            size_bytes: 1,
            format: ArtifactFormat::File,
            file_name: "shop".to_owned(),
            config_digest: Digest::of(b"config"),
            redeploy: None,
        };
        let again = DesiredRelease {
            redeploy: Some(ChangeId(42)),
            ..first.clone()
        };
        assert_eq!(again.folder(), format!("{}-chg-42", first.folder()));
        assert_eq!(content_of(&again.folder()), first.folder());
        assert_eq!(content_of(&first.folder()), first.folder());
        assert_eq!(content_of("by-hand"), "by-hand");
    }
}

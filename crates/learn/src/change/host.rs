//! One host as it is known now.

use model::api::change::HostLine;
use model::deliver::rollout::RingHost;
use model::deliver::{Proof, ReleaseRef, Reported};
use model::words::{line, moment, names};
use model::{HostName, Timestamp};

use super::ViewInput;

/// Is what is known of a host and one service now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostNow {
    pub name: HostName,
    /// Set while the host is silent; then nothing it said counts.
    pub unknown_since: Option<Timestamp>,
    /// Its last word about the service, if it ever said one.
    pub reported: Option<Reported>,
    /// What it was asked to run.
    pub wanted: Option<ReleaseRef>,
    /// Which release its processes were proved to be, when it is one of ours.
    pub running: Option<ReleaseRef>,
}

impl HostNow {
    /// Returns what the host proves now: a silent host proves nothing, whatever it said last.
    pub fn proof(&self) -> Proof {
        match (&self.reported, self.unknown_since) {
            (Some(reported), None) => reported.proof,
            (_, Some(_)) | (None, None) => Proof::Unknown,
        }
    }

    /// Tells whether the host proves that it runs `release`; with none, that it runs nothing.
    ///
    /// What was asked of the host is not looked at: its proof may be about an order before that.
    pub fn proves(&self, release: Option<&ReleaseRef>) -> bool {
        match release {
            Some(release) => {
                let reported = self
                    .reported
                    .as_ref()
                    .and_then(|reported| reported.redeploy);
                self.proof() == Proof::Converged
                    && (release.redeploy.is_none() || reported == release.redeploy)
                    && self.running.as_ref().map(|r| r.number) == Some(release.number)
            }
            None => self.proof() == Proof::Stopped,
        }
    }

    /// Tells whether the host runs something else than it should, or cannot be seen to. A host that
    /// is on its way does not count.
    pub(super) fn is_off(&self) -> bool {
        match self.proof() {
            Proof::Reverted | Proof::Drifted | Proof::Blocked => true,
            // A host that was only just asked has said nothing yet.
            Proof::Unknown => self.unknown_since.is_some() || self.reported.is_some(),
            Proof::Pending | Proof::Converged | Proof::Stopped => false,
        }
    }

    pub(super) fn line(&self, now: Timestamp) -> HostLine {
        HostLine {
            host: self.name.clone(),
            running: self.running.as_ref().map(|r| r.version.clone()),
            digest: self.running.as_ref().map(|r| r.digest),
            proof: self.proof(),
            why: self.why(now),
            unknown_since: self.unknown_since,
        }
    }

    /// Returns what stands in the way, as a clause; empty when nothing does.
    fn why(&self, now: Timestamp) -> String {
        match (&self.reported, self.unknown_since) {
            (_, Some(since)) => format!("silent since {}", moment(since, now)),
            (Some(reported), None) => line(&reported.why),
            (None, None) => "no report yet".to_owned(),
        }
    }

    /// Returns the part of [`HostNow::why`] that a person would act on.
    fn trouble(&self, now: Timestamp) -> Option<String> {
        match self.proof() {
            Proof::Unknown => Some(self.why(now)).filter(|why| !why.is_empty()),
            proof @ (Proof::Reverted | Proof::Drifted | Proof::Blocked) => {
                Some(match self.why(now).as_str() {
                    "" => proof.to_string(),
                    why => format!("{proof}, {why}"),
                })
            }
            Proof::Converged | Proof::Pending | Proof::Stopped => None,
        }
    }
}

/// Returns the line of a host of a ring; one that is no longer enrolled is unknown.
pub(super) fn line_of(input: &ViewInput<'_>, host: &RingHost) -> HostLine {
    match input.host(host.id) {
        Some(now) => now.line(input.now),
        None => HostLine {
            host: host.name.clone(),
            running: None,
            digest: None,
            proof: Proof::Unknown,
            why: RETIRED.to_owned(),
            unknown_since: None,
        },
    }
}

const RETIRED: &str = "no longer enrolled";

/// Names hosts that are waited for, each with what is wrong with it: `web-8, silent since 14:01:07
/// UTC`, `web-7 and web-8 (silent since 14:01:07 UTC)`.
pub(super) fn named<'a>(
    input: &ViewInput<'_>,
    hosts: impl Iterator<Item = &'a HostName>,
) -> String {
    let hosts: Vec<&HostName> = hosts.collect();
    match hosts.as_slice() {
        [] => "no host".to_owned(),
        [host] => match trouble(input, host) {
            Some(trouble) => format!("{host}, {trouble}"),
            None => host.to_string(),
        },
        hosts => {
            // Only the first few of a long list are spelt out, so only they are looked up.
            let described = hosts
                .iter()
                .take(DESCRIBED)
                .map(|host| match trouble(input, host) {
                    Some(trouble) => format!("{host} ({trouble})"),
                    None => host.to_string(),
                });
            let rest = hosts.iter().skip(DESCRIBED).map(ToString::to_string);
            names(&described.chain(rest).collect::<Vec<_>>())
        }
    }
}

const DESCRIBED: usize = 5;

fn trouble(input: &ViewInput<'_>, name: &HostName) -> Option<String> {
    match input.hosts.values().find(|host| host.name == *name) {
        Some(host) => host.trouble(input.now),
        None => Some(RETIRED.to_owned()),
    }
}

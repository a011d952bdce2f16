//! Tells whether a host has seen newer orders than its server knows of, as after a restore from an old
//! backup (delivery specification, 2.8).
//!
//! A server gives every generation itself, so a host can never have seen a higher one than the server has
//! given. One that has was told so by a server this one knows nothing of.

use model::deliver::desired::content_of;
use model::deliver::{Ahead, Desired, Proof, Refused, Reported};
use model::limit;

/// Returns the signs, the epoch first, then by service in the order of `desired`.
///
/// `reported` and `refused` are the host's newest words; `epoch` and `desired` are what it is asked now.
/// A refusal of an answer that was overtaken on its way is no sign: what it was offered is not what it is
/// asked now.
pub fn ahead(
    epoch: u64,
    desired: &[Desired],
    reported: &[Reported],
    refused: &[Refused],
) -> Vec<Ahead> {
    let by_epoch = refused.iter().filter(|one| one.kind == "epoch");
    let by_epoch = by_epoch.map(|one| one.seen).max();
    let by_epoch = by_epoch.filter(|seen| leads(*seen, epoch));
    let of_epoch = by_epoch.map(|seen| Ahead {
        service: None,
        seen,
        ours: epoch,
    });
    let of_services = desired.iter().filter_map(|one| {
        let seen = seen_of(one, reported, refused)?;
        Some(Ahead {
            service: Some(one.service.clone()),
            seen,
            ours: one.generation,
        })
    });
    of_epoch.into_iter().chain(of_services).collect()
}

/// Tells whether `seen` is ahead of `ours`, and not so far that it is a lie or a damaged file.
fn leads(seen: u64, ours: u64) -> bool {
    seen > ours && is_plausible(seen, ours)
}

/// Tells whether what a host says it has seen may be counted on from.
pub fn is_plausible(seen: u64, ours: u64) -> bool {
    seen <= ours.saturating_add(limit::GENERATION_LEAD)
}

/// Returns the generation a host has seen of a service when that is another order than the one it is asked.
fn seen_of(desired: &Desired, reported: &[Reported], refused: &[Refused]) -> Option<u64> {
    let ours = desired.generation;
    let told = reported.iter().find(|one| one.service == desired.service);
    let refusals = refused.iter().filter(|one| {
        one.kind == "generation"
            && one.service.as_ref() == Some(&desired.service)
            && one.offered == ours
            && one.seen >= ours
    });
    let refusals = refusals.map(|one| one.seen);
    let higher = told.map(|one| one.generation_seen);
    let higher =
        higher.filter(|seen| *seen > ours || told.is_some_and(|one| is_other(desired, one)));
    let seen = higher.into_iter().chain(refusals).max()?;
    is_plausible(seen, ours).then_some(seen)
}

/// Tells whether a host proves another release under the very number it is asked: a number that was given
/// twice.
fn is_other(desired: &Desired, reported: &Reported) -> bool {
    // Which redeploy unpacked it is no sign: an agent from before there were redeploys knows none.
    let content = desired.release.content();
    reported.proof == Proof::Converged
        && reported.generation_applied == desired.generation
        && reported
            .processes
            .iter()
            .filter_map(|process| process.release_from_env.as_ref())
            .any(|release| content_of(release) != content)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::deliver::desired::DesiredRelease;
    use model::deliver::{ArtifactFormat, DesiredState, Priority, Process, ReleaseNumber, Run};
    use model::{Digest, Timestamp};

    use super::*;

    fn desired(generation: u64) -> Desired {
        Desired {
            service: "shop".parse().unwrap(),
            environment: "production".parse().unwrap(),
            ring: "staff".parse().unwrap(),
            generation,
            priority: Priority::Rollout,
            state: DesiredState::Running,
            release: DesiredRelease {
                number: ReleaseNumber(1),
                version: "1.0".parse().unwrap(),
                digest: Digest::of(b"1.0"),
                size_bytes: 1,
                format: ArtifactFormat::File,
                file_name: "shop".to_owned(),
                config_digest: Digest::of(b"config"),
                redeploy: None,
            },
            run: Run {
                exec: vec!["./shop".to_owned()],
                env: Default::default(),
                ports: vec![],
                stop_timeout: Duration::from_secs(1),
                hooks: Default::default(),
                drain: None,
            },
            health: None,
            metrics: None,
            keep: 1,
            slot: None,
        }
    }

    fn reported(seen: u64, release: &str) -> Reported {
        Reported {
            service: "shop".parse().unwrap(),
            generation_seen: seen,
            generation_applied: seen,
            symlink_release: None,
            processes: vec![Process {
                pid: 7,
                starttime: 1,
                exe_sha256: None,
                exe_deleted: false,
                release_from_exe: None,
                release_from_cwd: None,
                release_from_env: Some(release.to_owned()),
            }],
            port: None,
            healthy: Some(true),
            proof: Proof::Converged,
            why: String::new(),
            since: Timestamp::UNIX_EPOCH,
            started_at: None,
            unexpected_exits: 0,
            failed_checks: 0,
            observed: None,
            redeploy: None,
            slot: None,
        }
    }

    fn refused(kind: &str, seen: u64, offered: u64) -> Refused {
        Refused {
            kind: kind.to_owned(),
            service: (kind == "generation").then(|| "shop".parse().unwrap()),
            seen,
            offered,
        }
    }

    fn of_shop(seen: u64, ours: u64) -> Vec<Ahead> {
        let service = Some("shop".parse().unwrap());
        vec![Ahead {
            service,
            seen,
            ours,
        }]
    }

    #[test]
    fn a_host_that_has_seen_a_newer_order_is_ahead_whether_it_refused_or_not() {
        let (ours, own) = ([desired(5)], desired(5).release.folder());
        assert_eq!(ahead(1, &ours, &[reported(7, &own)], &[]), of_shop(7, 5));
        let refusal = [refused("generation", 7, 5)];
        assert_eq!(ahead(1, &ours, &[], &refusal), of_shop(7, 5));
        assert_eq!(ahead(1, &ours, &[reported(5, &own)], &[]), []);
        assert_eq!(ahead(1, &ours, &[reported(4, &own)], &[]), []);
    }

    #[test]
    fn a_number_given_twice_is_a_sign_by_refusal_and_by_proof() {
        let ours = [desired(5)];
        let refusal = [refused("generation", 5, 5)];
        assert_eq!(ahead(1, &ours, &[], &refusal), of_shop(5, 5));
        let other = [reported(5, "aaaa-bbbb")];
        assert_eq!(ahead(1, &ours, &other, &[]), of_shop(5, 5));
    }

    #[test]
    fn an_answer_that_was_overtaken_is_no_sign() {
        let own = desired(9).release.folder();
        let overtaken = [refused("generation", 9, 8)];
        assert_eq!(
            ahead(1, &[desired(9)], &[reported(9, &own)], &overtaken),
            []
        );
        assert_eq!(ahead(7, &[], &[], &[refused("epoch", 7, 6)]), []);
    }

    #[test]
    fn an_epoch_above_ours_is_a_sign_and_an_absurd_number_is_none() {
        let epoch = Ahead {
            service: None,
            seen: 9,
            ours: 4,
        };
        assert_eq!(ahead(4, &[], &[], &[refused("epoch", 9, 4)]), [epoch]);
        let absurd = u64::MAX - 1;
        assert_eq!(ahead(4, &[], &[], &[refused("epoch", absurd, 4)]), []);
        let own = desired(5).release.folder();
        assert_eq!(ahead(4, &[desired(5)], &[reported(absurd, &own)], &[]), []);
    }

    #[test]
    fn what_this_server_never_asked_for_is_no_sign() {
        assert_eq!(ahead(4, &[], &[reported(3, "a-b")], &[]), []);
    }
}

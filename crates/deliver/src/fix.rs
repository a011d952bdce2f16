//! A person has a host try again what it could not do, or went back from.

use model::ServiceName;
use model::deliver::{Desired, Proof, Reported};

/// Is why a host is not asked to try again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FixRefusal {
    #[error("nothing is asked of it")]
    AskedForNothing,
    #[error("it is not asked for `{0}`")]
    NotAsked(ServiceName),
    /// What it says is about an order before.
    #[error("it has not taken its newest order for `{0}` yet")]
    NotHeard(ServiceName),
    #[error("it proves what it is asked for, or is on its way to it")]
    NothingWrong,
}

impl FixRefusal {
    /// Returns what would help, as a sentence without full stop.
    pub fn hint(&self) -> &'static str {
        match self {
            FixRefusal::AskedForNothing | FixRefusal::NotAsked(_) => {
                "ship a release to it first: `sleepwell ship`"
            }
            FixRefusal::NotHeard(_) => "look whether its agent runs; it tries by itself",
            FixRefusal::NothingWrong => "`sleepwell hosts` shows what each host says",
        }
    }
}

/// Returns what a host is to try again, with what it says of each: what it is blocked at, went back from, or runs
/// otherwise than it was proved. With `only` no other service is looked at.
///
/// `desired` is what it is asked for and `reported` what it said last; both at most once per service.
///
/// # Errors
/// There is nothing to try again.
pub fn to_fix<'a>(
    desired: &'a [Desired],
    reported: &'a [Reported],
    only: Option<&ServiceName>,
) -> Result<Vec<(&'a Desired, &'a Reported)>, FixRefusal> {
    let mut asked = desired.iter();
    let asked: Vec<&Desired> = match only {
        None => asked.collect(),
        Some(only) => {
            let one = asked.find(|one| one.service == *only);
            vec![one.ok_or_else(|| FixRefusal::NotAsked(only.clone()))?]
        }
    };
    if asked.is_empty() {
        return Err(FixRefusal::AskedForNothing);
    }
    let (mut found, mut unheard) = (vec![], None);
    for one in asked {
        let told = reported.iter().find(|told| told.service == one.service);
        match told {
            Some(told) if told.generation_seen >= one.generation => {
                found.extend(is_wrong(told.proof).then_some((one, told)));
            }
            _ => unheard = Some(&one.service),
        }
    }
    match (found.is_empty(), unheard) {
        (false, _) => Ok(found),
        (true, Some(service)) => Err(FixRefusal::NotHeard(service.clone())),
        (true, None) => Err(FixRefusal::NothingWrong),
    }
}

/// Tells whether a host waits for a person. One that cannot tell what runs needs a right, and not another try.
fn is_wrong(proof: Proof) -> bool {
    match proof {
        Proof::Blocked | Proof::Reverted | Proof::Drifted => true,
        Proof::Converged | Proof::Pending | Proof::Stopped | Proof::Unknown => false,
    }
}

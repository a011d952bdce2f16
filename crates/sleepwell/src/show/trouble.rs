//! What is wrong with a host itself, and what to do about it.

use std::time::Duration;

use model::api::deliver::{HostTrouble, HostView};
use model::{Digest, words};

/// Says what is wrong, as the second part of a sentence whose first is the host's name.
pub(crate) fn what(trouble: &HostTrouble) -> String {
    match trouble {
        HostTrouble::LockedOut { since } => {
            format!("is not heard: its token was revoked at {since}")
        }
        HostTrouble::Doubled {
            since,
            heard_boot,
            other_boots,
        } => {
            let machines = match other_boots.iter().any(|boot| boot != heard_boot) {
                true => "on more than one machine",
                false => "on one machine",
            };
            let boot: String = heard_boot.chars().take(8).collect();
            format!(
                "is spoken for by several agents {machines} since {since}; the one of boot {boot} is heard"
            )
        }
        HostTrouble::ClockOff { since, ahead_ms } => {
            let by = words::duration(Duration::from_millis(ahead_ms.unsigned_abs()));
            let way = if *ahead_ms < 0 { "behind" } else { "ahead of" };
            format!("has a clock {by} {way} the server's since {since}")
        }
        HostTrouble::UpdateFailed {
            since,
            digest,
            version,
            why,
        } => format!(
            "goes on with the agent it had since {since}, because {} failed: {why}",
            program(version, *digest)
        ),
    }
}

/// Says what helps.
pub(crate) fn remedy(host: &HostView, trouble: &HostTrouble) -> String {
    let name = &host.name;
    match trouble {
        HostTrouble::LockedOut { .. } => format!(
            "let it back in: `sleepwell agent token --host {name}`; or, if it is gone for good: `sleepwell hosts retire {name}`"
        ),
        HostTrouble::Doubled { .. } => {
            "stop the agent on the copy, and let it in under a name of its own: `sleepwell agent token --host NAME`"
                .to_owned()
        }
        HostTrouble::ClockOff { .. } => {
            "set it right, as with NTP; no verdict and no deadline hangs on it".to_owned()
        }
        HostTrouble::UpdateFailed { .. } => format!(
            "its services are looked after; see its log, then ask again: `sleepwell agent update {name}`"
        ),
    }
}

/// Tells whether the host cannot be counted on while it lasts.
pub(crate) fn is_serious(trouble: &HostTrouble) -> bool {
    match trouble {
        HostTrouble::LockedOut { .. } | HostTrouble::Doubled { .. } => true,
        HostTrouble::ClockOff { .. } | HostTrouble::UpdateFailed { .. } => false,
    }
}

/// Names a program by what somebody said it is, and by its digest, which decides.
pub(crate) fn program(version: &str, digest: Digest) -> String {
    match version {
        "" => digest.short(),
        version => format!("{version} ({})", digest.short()),
    }
}

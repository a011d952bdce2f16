//! Which agent speaks as a host, and whether its clock is right: told once when it changes.

use deliver::clock::{self, ClockNews};
use deliver::speakers::{self, Hearing};
use model::api::Problem;
use model::api::agent::Sync;
use model::deliver::Host;
use model::{Fact, HostName, Kind, Timestamp};

use crate::error::Failure;

/// Notes who calls; tells whether it is heard, and what is news about that.
pub(super) fn hear(
    host: &mut Host,
    request: &Sync,
    now: Timestamp,
) -> (bool, Option<(Kind, Fact)>) {
    let caller = (request.boot_id.as_str(), request.run_id.as_str());
    let (speakers, hearing) = speakers::hear(&host.speakers, caller, now);
    host.speakers = speakers;
    let signal = |fact| Some((Kind::Signal, fact));
    match hearing {
        Hearing::Heard => (true, None),
        Hearing::TurnedAway => (false, None),
        Hearing::Doubled => (true, signal(doubled(host))),
        Hearing::Alone(doubled_since) => {
            let host = host.name.clone();
            let fact = Fact::HostAlone {
                host,
                doubled_since,
            };
            (true, signal(fact))
        }
    }
}

fn doubled(host: &Host) -> Fact {
    let boot = |one: &model::deliver::Speaker| one.boot_id.clone();
    Fact::HostDoubled {
        host: host.name.clone(),
        heard_boot: host.speakers.heard.as_ref().map(boot).unwrap_or_default(),
        other_boots: host.speakers.others.iter().map(boot).collect(),
    }
}

/// Says why a call changes nothing.
pub(super) fn another_agent(host: &HostName) -> Failure {
    let title = format!("another agent speaks as `{host}`, and that one is heard");
    let hint =
        "a copy of a machine joins under a name of its own: sleepwell agent token --host NAME";
    Problem::new(409, "another_agent", title)
        .at("run_id")
        .hint(hint)
        .into()
}

/// Compares the host's clock with ours; returns what is news.
pub(super) fn compare_clocks(
    host: &mut Host,
    host_now: Timestamp,
    now: Timestamp,
) -> Option<(Kind, Fact)> {
    let (off, news) = clock::look(host.clock_off, host_now, now);
    host.clock_off = off;
    let host = host.name.clone();
    let fact = match news? {
        ClockNews::Off(off) => Fact::HostClockOff {
            host,
            ahead_ms: off.ahead_ms,
        },
        ClockNews::Right(off_since) => Fact::HostClockRight { host, off_since },
    };
    Some((Kind::Signal, fact))
}

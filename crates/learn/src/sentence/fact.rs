//! One sentence per fact; this table is the journal's voice.

use std::time::Duration;

use model::deliver::{
    Adoption, Command, DesiredState, HeldReason, MigrationKind, Overdue, Part, Priority, Proof,
    Slot, WarmEnd, WatchEnd,
};
use model::words::{are_back, counted, duration, line, moment, names, times, way_back};
use model::{Entry, EnvironmentName, Fact, HostName, RingName, ServiceName, Timestamp};

use super::{alert, evidence, foreign, host};

/// Is an entry in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The fact's name, for programs: `ring_started`; `unknown` when the body names none.
    pub event: String,
    /// One sentence, never empty, one line.
    pub text: String,
    /// Paragraphs below it: the evidence of a verdict, the failure of a message.
    pub detail: Vec<String>,
}

/// Tells what an entry says.
///
/// A body that cannot be read (a newer program wrote it, or it was damaged) is told as exactly that.
pub fn of(entry: &Entry) -> Told {
    let name = entry.body.get("fact").and_then(|name| name.as_str());
    let event = line(name.unwrap_or("unknown"));
    match Fact::from_body(&entry.body) {
        Ok(fact) => Told {
            event,
            text: text(&fact, entry),
            detail: detail(&fact, entry.at),
        },
        Err(why) => Told {
            text: match name {
                Some(_) => format!("Something this version cannot read happened: `{event}`."),
                None => "An entry this version cannot read.".to_owned(),
            },
            event,
            detail: vec![format!("Its body could not be read: {}.", line(&why))],
        },
    }
}

/// Is a table, one arm per fact, so that a new fact does not compile without its sentence.
fn text(fact: &Fact, entry: &Entry) -> String {
    let now = entry.at;
    match fact {
        Fact::ServerStarted { version } => {
            format!("The server started, version {}.", line(version))
        }
        Fact::TokenCreated {
            name,
            role,
            expires_at,
        } => {
            let end = match expires_at {
                Some(at) => format!("it ends at {}", moment(*at, now)),
                None => "it does not end by itself".to_owned(),
            };
            format!("Token `{}` was created as {role}; {end}.", line(name))
        }
        Fact::TokenRevoked { name } => format!("Token `{}` was revoked.", line(name)),
        Fact::HostEnrolledAgain { host } => format!(
            "{host} was enrolled again, since it had never reported; the identity it was given first is void."
        ),
        Fact::HostLetBackIn { host } => format!(
            "{host} was let in again with a token made for it; the identity it had before is void."
        ),
        Fact::HostSharesMachine { host, with } => format!(
            "{host} was enrolled with the machine id of {with}, as the token made for it allows."
        ),
        Fact::HostEnrolled { host } => {
            format!("{host} was enrolled and is expected to report from now on.")
        }
        Fact::HostExcluded { host, reason } => format!(
            "{} excluded {host}{}; it gets the release when it is back.",
            who(&entry.actor),
            colon(reason)
        ),
        Fact::HostTriesAgain {
            host,
            service,
            proof,
            why,
            reason,
        } => format!(
            "{} had {host} try {service} again{}; it was {proof}{}.",
            who(&entry.actor),
            colon(reason),
            colon(why)
        ),
        Fact::HostRetired { host, reason } => format!(
            "{} retired {host}{}; it is expected no longer, and its token is void.",
            who(&entry.actor),
            colon(reason)
        ),
        Fact::BehindFleet {
            host,
            service,
            seen,
            ours,
        } => behind_fleet(host, service.as_ref(), *seen, *ours),
        Fact::SetAside { row, why } => format!(
            "The stored row of {} cannot be read and was set aside{}.",
            line(row),
            colon(why)
        ),
        Fact::FleetAdopted {
            how,
            orders,
            reason,
        } => fleet_adopted(&entry.actor, *how, *orders, reason),
        Fact::HostSilent { host, since } => {
            format!("{host} has been silent since {}.", moment(*since, now))
        }
        Fact::HostBack { host, silent_since } => format!(
            "{host} reports again after {} of silence.",
            duration(now.since(*silent_since))
        ),
        Fact::HostDoubled {
            host,
            heard_boot,
            other_boots,
        } => host::doubled(host, heard_boot, other_boots),
        Fact::HostAlone {
            host,
            doubled_since,
        } => format!(
            "One agent speaks as {host} again, after {}.",
            duration(now.since(*doubled_since))
        ),
        Fact::HostClockOff { host, ahead_ms } => host::clock_off(host, *ahead_ms),
        Fact::HostClockRight { host, off_since } => format!(
            "The clock of {host} is right again, after {}.",
            duration(now.since(*off_since))
        ),
        Fact::AgentAsked {
            host,
            digest,
            version,
            reason,
        } => format!(
            "{} asked the agent of {host} to become {}{}.",
            who(&entry.actor),
            host::program(version, *digest),
            colon(reason)
        ),
        Fact::AgentUpdated {
            host,
            digest,
            version,
        } => format!(
            "The agent of {host} has become {} and was heard as it.",
            host::program(version, *digest)
        ),
        Fact::AgentUpdateFailed {
            host,
            digest,
            version,
            why,
        } => format!(
            "The agent of {host} gave {} up and goes on with the program it had{}.",
            host::program(version, *digest),
            colon(why)
        ),
        Fact::AgentReplaced { host, digest, was } => format!(
            "The agent of {host} runs {} now, as nobody asked here, and no longer {}.",
            digest.short(),
            was.short()
        ),
        Fact::HostProof {
            host,
            service,
            proof,
            version,
            why,
        } => {
            let what = match version {
                Some(version) => format!("{service} {version}"),
                None => service.to_string(),
            };
            format!(
                "{}{}.",
                host_proof(host.as_str(), &what, *proof),
                colon(why)
            )
        }
        Fact::HostExit {
            host,
            service,
            exits,
            why,
        } => format!(
            "{service} ended on {host} without being asked, {} so far{}.",
            counted((*exits).into(), "time"),
            colon(why)
        ),
        Fact::HostUnhealthy {
            host,
            service,
            failed_checks,
        } => format!(
            "{service} on {host} failed {} in a row.",
            counted((*failed_checks).into(), "health check")
        ),
        Fact::HostRefused {
            host,
            kind,
            seen,
            offered,
        } => format!(
            "{host} refused an order that is older than what it has recorded ({} {offered}, it knows {seen}).",
            line(kind)
        ),
        Fact::HostAsked {
            host,
            service,
            version,
            generation,
            priority,
            state,
        } => {
            let to = match (state, priority) {
                (DesiredState::Stopped, _) => "stop",
                (DesiredState::Running, Priority::Rollout) => "run",
                (DesiredState::Running, Priority::Rollback) => "go back to",
            };
            format!("{host} was asked to {to} {service} {version} (generation {generation}).")
        }
        Fact::ReleaseCreated { service, release } => format!(
            "{service} {} was stored as release {}, digest {}.",
            release.version,
            release.number,
            release.digest.short()
        ),
        Fact::RolloutPlanned {
            service,
            environment,
            release,
            previous,
            rings,
        } => {
            let instead = match previous {
                Some(previous)
                    if release.redeploy != previous.redeploy
                        && release.number == previous.number =>
                {
                    "anew".to_owned()
                }
                Some(previous) => format!("in place of {}", previous.version),
                None => "where nothing was proved before".to_owned(),
            };
            format!(
                "{service} {} is to reach {environment} {instead}, ring by ring: {}.",
                release.version,
                planned_rings(rings)
            )
        }
        Fact::RingStarted { ring, hosts } => {
            format!("Ring {ring} started on {}.", some_hosts(hosts))
        }
        Fact::RingProved { ring, hosts } => match hosts {
            1 => format!("The host of ring {ring} proved it from its running process."),
            n => format!("All {n} hosts of ring {ring} proved it from their running processes."),
        },
        Fact::RingPassed { ring, how } => format!("Ring {ring} passed{}.", colon(&passed(how))),
        Fact::RolloutHeld { reason } => format!("Held: {}.", held(reason)),
        Fact::RolloutResumed { ring } => format!("It goes on with ring {ring}."),
        Fact::UndoStarted { to, hosts } => {
            format!("The undo began: {}.", way_back(*hosts, to.as_ref()))
        }
        Fact::RolloutUndone {
            to,
            hosts,
            after_ms,
        } => {
            let back = are_back(*hosts, *hosts, to.as_ref());
            let after = millis(*after_ms);
            format!("Undone after {after}; {back}, checked by digest.")
        }
        Fact::RolloutStuck { hosts } => format!(
            "The undo did not reach {} in time; it goes on trying.",
            some_hosts(hosts)
        ),
        Fact::RolloutDone { hosts, after_ms } => format!(
            "Live on {hosts} of {hosts} hosts after {}, each proved from its running process.",
            millis(*after_ms)
        ),
        Fact::RedeployOrdered {
            service,
            environment,
            version,
            overdue,
        } => {
            let why = match overdue {
                None => String::new(),
                Some(Overdue { every_ms, since }) => format!(
                    ": that is wanted every {}, and they were deployed to last at {}",
                    millis(*every_ms),
                    moment(*since, now)
                ),
            };
            format!(
                "Every host of {service} in {environment} is to be set up anew with {version}{why}."
            )
        }
        Fact::RedeployNotBegun {
            service,
            environment,
            why,
        } => format!(
            "A redeploy of {service} in {environment} is due and cannot begin{}.",
            colon(why)
        ),
        Fact::RolloutQueued {
            service,
            environment,
            release,
            behind,
        } => format!(
            "{service} {} is to reach {environment} and waits for the end of {behind}.",
            release.version
        ),
        Fact::RolloutNotBegun { why } => format!("It cannot begin yet: {}.", line(why)),
        Fact::RolloutSuperseded { by } => {
            format!("{by} takes over; this change ends where it is.")
        }
        Fact::WatchEnded { how } => match how {
            WatchEnd::Quiet => "The watch is over; no bad verdict came.".to_owned(),
            WatchEnd::Failed { .. } => {
                "The watch is over: what it saw after the last ring is bad.".to_owned()
            }
            WatchEnd::Undone => "The watch is over, because the change is undone.".to_owned(),
            WatchEnd::Replaced { by } => {
                format!("The watch is over, because {by} brings another release.")
            }
        },
        Fact::SlotChosen { idle, live } => match live {
            Some(live) => format!("It goes to {idle}, while {live} serves."),
            None => format!("It goes to {idle}; no slot serves yet."),
        },
        Fact::Swapped { to, from } => {
            let instead = match from {
                Some(from) => format!(" instead of {from}"),
                None => String::new(),
            };
            format!("Swapped: everything goes to {to}{instead}, as the routers proved.")
        }
        Fact::SwappedBack { to, after_ms } => {
            let now = match to {
                Some(to) => format!("everything goes to {to} again"),
                None => "nothing goes to any slot".to_owned(),
            };
            let after = millis(*after_ms);
            format!("Swapped back after {after}: {now}, as the routers proved.")
        }
        Fact::WarmEnded { slot, how } => warm_ended(*slot, how),
        Fact::ShippedTogether { parts } => {
            let parts: Vec<String> = parts.iter().map(part).collect();
            format!("Shipped as one, in this order: {}.", parts.join(", "))
        }
        Fact::PartBegun { needs } => {
            let needs: Vec<String> = needs.iter().map(ToString::to_string).collect();
            format!(
                "It begins: what it depends on is live ({}).",
                needs.join(", ")
            )
        }
        Fact::UndoneTogether {
            with,
            service,
            version,
        } => format!("It goes back with {service} {version} ({with}), with which it was shipped."),
        Fact::PartStays {
            change,
            service,
            why,
        } => format!(
            "{service} ({change}), which was shipped with it, stays as it is{}.",
            colon(why)
        ),
        Fact::FreezeSet {
            freeze,
            environment,
            service,
            when,
            reason,
        } => {
            let what = match service {
                Some(service) => service.to_string(),
                None => "every service".to_owned(),
            };
            let place = match environment {
                Some(environment) => format!(" in {environment}"),
                None => String::new(),
            };
            format!(
                "{} froze {what}{place} {}, rule {freeze}{}.",
                who(&entry.actor),
                line(when),
                colon(reason)
            )
        }
        Fact::FreezeLifted { freeze, reason } => format!(
            "{} lifted the freeze {freeze}{}.",
            who(&entry.actor),
            colon(reason)
        ),
        Fact::FreezeOverridden { reason, until } => format!(
            "{} let it go on in spite of freezes until {}{}.",
            who(&entry.actor),
            moment(*until, now),
            colon(reason)
        ),
        Fact::SchemaBegun {
            service,
            environment,
            from,
            to,
            kind,
            reason,
        } => format!(
            "{} began to migrate the schema of {service} in {environment} from {from} to {to} ({kind}){}.",
            who(&entry.actor),
            colon(reason)
        ),
        Fact::SchemaSet {
            service,
            environment,
            from,
            to,
            kind,
            reason,
        } => schema_set(entry, (service, environment), (*from, *to), *kind, reason),
        Fact::UndoRefused { why } => format!("The undo did not begin{}.", colon(why)),
        Fact::VerdictGiven { verdict } => evidence::verdict(verdict),
        Fact::Ordered { command, reason } => {
            let wish = match command {
                Command::Undo => "asked to undo it",
                Command::Hold => "asked to hold it",
                Command::Go => "asked to go on",
            };
            format!("{} {wish}{}.", who(&entry.actor), colon(reason))
        }
        Fact::ActionTaken {
            procedure, what, ..
        } => format!(
            "Procedure `{}` follows from the verdict: {}.",
            line(procedure),
            action(what)
        ),
        Fact::ActionFailed {
            procedure,
            what,
            why,
            ..
        } => format!(
            "Procedure `{}` failed at this step: {}{}.",
            line(procedure),
            action(what),
            aside(why)
        ),
        Fact::MessageQueued { to, title, .. } => {
            format!("Told by {}{}.", line(to), colon(title))
        }
        Fact::MessageAccepted { to, attempt, .. } => format!(
            "The receiver took the message, {}, {}.",
            line(to),
            match attempt {
                0 | 1 => "at the first attempt".to_owned(),
                n => format!("at attempt {n}"),
            }
        ),
        Fact::MessageFailed { to, attempts, .. } => format!(
            "A message could not be delivered, {}, after {}.",
            line(to),
            counted((*attempts).into(), "attempt")
        ),
        Fact::AlertFired { .. }
        | Fact::AlertResolved { .. }
        | Fact::AlertsRefused { .. }
        | Fact::IncidentOpened { .. }
        | Fact::IncidentJoined { .. }
        | Fact::IncidentReopened { .. }
        | Fact::IncidentResolved { .. }
        | Fact::NobodyTold { .. } => alert::of(fact, now).unwrap_or_default(),
        Fact::HookReceived {
            host,
            delivery: _,
            event,
            outcome,
        } => foreign::hook(*host, event, *outcome),
        Fact::CdeventReceived {
            source,
            id: _,
            event_type,
            about,
            environment,
            artifact,
            outcome,
        } => foreign::cdevent(&foreign::Cdevent {
            source,
            event_type,
            about: about.as_deref(),
            environment: environment.as_deref(),
            artifact: artifact.as_deref(),
            outcome: *outcome,
        }),
    }
}

fn detail(fact: &Fact, now: Timestamp) -> Vec<String> {
    match fact {
        Fact::VerdictGiven { verdict } => evidence::paragraphs(verdict, now),
        Fact::MessageFailed { why, .. } if !line(why).is_empty() => {
            vec![format!("The last attempt ended with: {}.", line(why))]
        }
        Fact::AlertFired { summary, .. } => alert::detail(summary),
        _ => Vec::new(),
    }
}

/// Tells what somebody said a schema is: where a step led, or how it was found.
fn schema_set(
    entry: &Entry,
    (service, environment): (&ServiceName, &EnvironmentName),
    (from, to): (Option<u64>, u64),
    kind: Option<MigrationKind>,
    reason: &str,
) -> String {
    let how = match (from, kind) {
        (None, _) => "it was not known before".to_owned(),
        (Some(from), Some(kind)) => format!("{kind} from {from}"),
        (Some(from), None) if from == to => "the migration was given up".to_owned(),
        (Some(from), None) => format!("found to be so, it was taken for {from}"),
    };
    format!(
        "{} said that the schema of {service} in {environment} is {to} ({how}){}.",
        who(&entry.actor),
        colon(reason)
    )
}

/// Says why a change is held, as a clause without a full stop.
pub fn held(reason: &HeldReason) -> String {
    match reason {
        HeldReason::Person { by } => format!("{} said hold", line(by)),
        HeldReason::WaitingFor { hosts, proved, of } => {
            let proved = format!("{proved} of {of} hosts proved");
            match hosts.as_slice() {
                [] => proved,
                hosts => format!("{proved}; waiting for {}", names(hosts)),
            }
        }
        HeldReason::Blocked { host, why } => {
            format!("{host} cannot run it until a person acts{}", colon(why))
        }
        HeldReason::Incompatible { why } => line(why),
        HeldReason::NoWayBack { why } => {
            format!("the verdict is fail, and {}", line(why))
        }
        HeldReason::Frozen { rule, until } => {
            let until = moment(*until, Timestamp::UNIX_EPOCH);
            format!("frozen until {until}, rule {rule}")
        }
        HeldReason::Verdict { state, reason } => {
            let (state, reason) = (line(state), line(reason).replace('_', " "));
            match reason.as_str() {
                "" => format!("the verdict is {state} and asks a person"),
                reason => format!("the verdict is {state} ({reason}) and asks a person"),
            }
        }
    }
}

/// Says how a ring passed, from the word the rollout keeps: `pass`, `unjudged`, `not excluded: 2`,
/// `by jonas`. A clause without a full stop, empty for an empty word.
pub(crate) fn passed(how: &str) -> String {
    let how = line(how);
    if let Some(odds) = how.strip_prefix("not excluded") {
        let odds = odds.trim_start_matches(':').trim().parse::<f64>();
        return match odds {
            Ok(odds) if odds.is_finite() => format!(
                "no sign of harm by its deadline, but {} as likely is not excluded",
                times(odds)
            ),
            _ => "no sign of harm by its deadline, but harm is not excluded".to_owned(),
        };
    }
    match how.as_str() {
        "pass" => "harm beyond the margin is excluded".to_owned(),
        "unjudged" => "unjudged, nothing to compare it with".to_owned(),
        "unjudged, no control" => "unjudged, no host was left to compare with".to_owned(),
        "unjudged, no signals" => "unjudged, no signals to judge it by".to_owned(),
        "unjudged, by proof" => "unjudged, proof is enough here".to_owned(),
        "swapped" => "everything goes to it".to_owned(),
        _ => how,
    }
}

/// Names a part of what was shipped together: `shop 1.1 (chg-8)`.
pub(crate) fn part(part: &Part) -> String {
    format!("{} {} ({})", part.service, part.version, part.change)
}

fn behind_fleet(host: &HostName, service: Option<&ServiceName>, seen: u64, ours: u64) -> String {
    let what = match service {
        Some(service) => format!("order {seen} for {service} and this server knows {ours}"),
        None => format!("epoch {seen} of its server and this one is at {ours}"),
    };
    format!(
        "The server is behind its fleet: {host} has seen {what}; nothing is shipped until a person adopts the fleet."
    )
}

fn fleet_adopted(actor: &str, how: Adoption, orders: usize, reason: &str) -> String {
    let (what, go, stay) = match orders {
        1 => (
            "1 service on its host that is ahead".to_owned(),
            "goes",
            "stays",
        ),
        n => (
            format!("{n} services on their hosts that are ahead"),
            "go",
            "stay",
        ),
    };
    let then = match how {
        _ if orders == 0 => "orders are believed again".to_owned(),
        Adoption::Keep => format!("{what} {stay} until something is shipped to them"),
        Adoption::Follow => format!("{what} {go} back to what this server knows"),
    };
    format!("{} adopted the fleet{}; {then}.", who(actor), colon(reason))
}

fn host_proof(host: &str, what: &str, proof: Proof) -> String {
    match proof {
        Proof::Converged => format!("{host} proved that it runs {what}"),
        Proof::Pending => format!("{host} is not there yet with {what}"),
        Proof::Reverted => {
            format!("{host} went back by itself to its last proved release; it runs {what}")
        }
        Proof::Drifted => {
            format!("{host} no longer runs what it proved before; it runs {what}")
        }
        Proof::Stopped => format!("{host} proved that nothing of {what} runs on it"),
        Proof::Blocked => format!("{host} is blocked with {what} until a person acts"),
        Proof::Unknown => format!("{host} cannot tell what it runs of {what}"),
    }
}

fn warm_ended(slot: Slot, how: &WarmEnd) -> String {
    let slot = match slot {
        Slot::Blue => "Blue",
        Slot::Green => "Green",
    };
    match how {
        WarmEnd::Stopped => {
            format!("{slot} was kept running long enough, and its hosts are asked to stop.")
        }
        WarmEnd::Undone => format!("{slot} is not idle any more, because the change is undone."),
        WarmEnd::Replaced { by } => format!(
            "{slot} is not kept running for this change any more, because {by} brings another release."
        ),
    }
}

fn planned_rings(rings: &[(RingName, usize)]) -> String {
    let rings: Vec<String> = rings
        .iter()
        .map(|(name, hosts)| format!("{name} ({})", counted(*hosts as u64, "host")))
        .collect();
    if rings.is_empty() {
        return "no ring has a host".to_owned();
    }
    rings.join(", ")
}

fn some_hosts(hosts: &[model::HostName]) -> String {
    match hosts {
        [] => "no host".to_owned(),
        hosts => names(hosts),
    }
}

/// Puts an action's word into a clause.
fn action(what: &str) -> String {
    match line(what).as_str() {
        "undo" => "undo the change".to_owned(),
        "hold" => "hold the change".to_owned(),
        "notify" => "tell the owner, nobody is woken".to_owned(),
        "page" => "wake the owner".to_owned(),
        "webhook" => "call the webhook".to_owned(),
        other => other.to_owned(),
    }
}

/// Names an actor at the head of a sentence; people keep the spelling of their names.
fn who(actor: &str) -> String {
    let actor = line(actor);
    match actor.split_once(' ') {
        Some(("procedure", name)) => format!("Procedure `{name}`"),
        _ if actor.is_empty() => "Somebody".to_owned(),
        _ => actor,
    }
}

fn colon(why: &str) -> String {
    match line(why).as_str() {
        "" => String::new(),
        why => format!(": {why}"),
    }
}

fn aside(why: &str) -> String {
    match line(why).as_str() {
        "" => String::new(),
        why => format!(" ({why})"),
    }
}

fn millis(ms: u64) -> String {
    duration(Duration::from_millis(ms))
}

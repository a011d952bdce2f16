//! The story for a pipe: one line per event, `14:03:31 ring_started ring=canary hosts=2`.

use std::fmt::Display;
use std::time::Duration;

use model::api::change::TimelineItem;
use model::deliver::{Adoption, Command, HeldReason, Proof, Slot, WarmEnd, WatchEnd};
use model::judge::{Reason, Verdict};
use model::time::short;
use model::{Fact, ServiceName, Version};

use super::text::plain;

/// Is a name and its value; an empty value is left out of the line.
type Field = (&'static str, String);

/// Returns the event as one line, nothing for one a watcher need not know.
///
/// Times are UTC. A value with a space or a quotation mark in it is quoted; nothing in the line
/// steers a terminal. An event of a newer server keeps its words: `text="…"`.
pub(crate) fn of(item: &TimelineItem) -> Option<String> {
    let fields = match Fact::from_body(&item.body) {
        Ok(fact) => fields(&fact, item)?,
        Err(_) => vec![field("text", &item.text)],
    };
    let mut line = format!("{} {}", item.at.time_of_day(), word(&item.event));
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        line += &format!(" {name}={}", word(value));
    }
    Some(line)
}

fn field(name: &'static str, value: impl Display) -> Field {
    (name, value.to_string())
}

/// Returns the text as one word: quoted when it would not be one, and safe for a terminal.
fn word(text: &str) -> String {
    let is_plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '=' | '\\');
    if !text.is_empty() && text.chars().all(is_plain) {
        return plain(text);
    }
    let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", plain(&quoted))
}

fn adoption(how: Adoption) -> &'static str {
    match how {
        Adoption::Keep => "keep",
        Adoption::Follow => "follow",
    }
}

/// Returns what there is to say about a fact that moves a change, explains why it does not move, or
/// is somebody's act; nothing for any other.
fn fields(fact: &Fact, item: &TimelineItem) -> Option<Vec<Field>> {
    Some(match fact {
        Fact::ServerStarted { .. }
        | Fact::TokenCreated { .. }
        | Fact::TokenRevoked { .. }
        | Fact::HostEnrolled { .. }
        | Fact::HostEnrolledAgain { .. }
        | Fact::HostLetBackIn { .. }
        | Fact::HostSharesMachine { .. }
        | Fact::HostDoubled { .. }
        | Fact::HostAlone { .. }
        | Fact::HostClockOff { .. }
        | Fact::HostClockRight { .. }
        | Fact::AgentAsked { .. }
        | Fact::AgentUpdated { .. }
        | Fact::AgentUpdateFailed { .. }
        | Fact::AgentReplaced { .. }
        | Fact::HostAsked { .. }
        | Fact::ReleaseCreated { .. }
        | Fact::FreezeSet { .. }
        | Fact::SchemaBegun { .. }
        | Fact::SchemaSet { .. }
        | Fact::FreezeLifted { .. }
        | Fact::MessageQueued { .. }
        | Fact::AlertFired { .. }
        | Fact::AlertResolved { .. }
        | Fact::AlertsRefused { .. }
        | Fact::IncidentOpened { .. }
        | Fact::IncidentJoined { .. }
        | Fact::IncidentReopened { .. }
        | Fact::IncidentResolved { .. }
        | Fact::NobodyTold { .. }
        | Fact::HookReceived { .. }
        | Fact::CdeventReceived { .. } => return None,
        Fact::HostProof { proof, .. } if *proof == Proof::Pending => return None,

        Fact::FreezeOverridden { reason, until } => vec![
            field("until", until),
            field("by", &item.actor),
            field("reason", reason),
        ],
        Fact::HostExcluded { host, reason } | Fact::HostRetired { host, reason } => vec![
            field("host", host),
            field("by", &item.actor),
            field("reason", reason),
        ],
        Fact::HostTriesAgain {
            host,
            service,
            proof,
            why,
            reason,
        } => vec![
            field("host", host),
            field("service", service),
            field("was", proof),
            field("why", why),
            field("by", &item.actor),
            field("reason", reason),
        ],
        Fact::BehindFleet {
            host,
            service,
            seen,
            ours,
        } => vec![
            field("host", host),
            field("service", service.as_ref().map_or("", ServiceName::as_str)),
            field("seen", seen),
            field("ours", ours),
        ],
        Fact::SetAside { row, why } => vec![field("row", row), field("why", why)],
        Fact::FleetAdopted {
            how,
            orders,
            reason,
        } => vec![
            field("how", adoption(*how)),
            field("orders", orders),
            field("by", &item.actor),
            field("reason", reason),
        ],
        Fact::HostSilent { host, since } => {
            vec![field("host", host), field("since", since.time_of_day())]
        }
        Fact::HostBack { host, silent_since } => vec![
            field("host", host),
            field("after", short(item.at.since(*silent_since))),
        ],
        Fact::HostProof {
            host,
            service: _,
            proof,
            version,
            why,
        } => vec![
            field("host", host),
            field("proof", proof),
            field("runs", name(version.as_ref())),
            field("why", why),
        ],
        Fact::HostExit {
            host,
            service: _,
            exits,
            why,
        } => vec![
            field("host", host),
            field("exits", exits),
            field("why", why),
        ],
        Fact::HostUnhealthy {
            host,
            service: _,
            failed_checks,
        } => vec![field("host", host), field("failed_checks", failed_checks)],
        Fact::HostRefused {
            host,
            kind,
            seen,
            offered,
        } => vec![
            field("host", host),
            field("kind", kind),
            field("seen", seen),
            field("offered", offered),
        ],

        Fact::RolloutPlanned {
            service,
            environment,
            release,
            previous,
            rings,
        } => vec![
            field("service", service),
            field("environment", environment),
            field("release", &release.version),
            field("previous", name(previous.as_ref().map(|r| &r.version))),
            field(
                "rings",
                list(rings.iter().map(|(ring, n)| format!("{ring}:{n}"))),
            ),
        ],
        Fact::RingStarted { ring, hosts } => {
            vec![field("ring", ring), field("hosts", hosts.len())]
        }
        Fact::RingProved { ring, hosts } => vec![field("ring", ring), field("hosts", hosts)],
        Fact::RingPassed { ring, how } => vec![field("ring", ring), field("how", how)],
        Fact::RolloutHeld { reason } => held(reason),
        Fact::RolloutResumed { ring } => vec![field("ring", ring)],
        Fact::UndoStarted { to, hosts } => {
            vec![field("to", name(to.as_ref())), field("hosts", hosts)]
        }
        Fact::RolloutUndone {
            to,
            hosts,
            after_ms,
        } => vec![
            field("to", name(to.as_ref())),
            field("hosts", hosts),
            field("after", after(*after_ms)),
        ],
        Fact::UndoRefused { why } => vec![field("why", why)],
        Fact::RolloutStuck { hosts } => vec![field("hosts", list(hosts))],
        Fact::RolloutDone { hosts, after_ms } => {
            vec![field("hosts", hosts), field("after", after(*after_ms))]
        }
        Fact::RedeployOrdered {
            service,
            environment,
            version,
            overdue,
        } => {
            let mut fields = vec![
                field("service", service),
                field("environment", environment),
                field("release", version),
            ];
            if let Some(overdue) = overdue {
                fields.push(field("every", after(overdue.every_ms)));
                fields.push(field("since", overdue.since));
            }
            fields
        }
        Fact::RedeployNotBegun {
            service,
            environment,
            why,
        } => vec![
            field("service", service),
            field("environment", environment),
            field("why", why),
        ],
        Fact::RolloutQueued {
            service: _,
            environment: _,
            release,
            behind,
        } => vec![field("release", &release.version), field("behind", behind)],
        Fact::RolloutNotBegun { why } => vec![field("why", why)],
        Fact::RolloutSuperseded { by } => vec![field("by", by)],
        Fact::SlotChosen { idle, live } => {
            vec![field("idle", idle), field("live", slot(*live))]
        }
        Fact::Swapped { to, from } => vec![field("to", to), field("from", slot(*from))],
        Fact::SwappedBack { to, after_ms } => {
            vec![field("to", slot(*to)), field("after", after(*after_ms))]
        }
        Fact::WarmEnded { slot, how } => {
            let mut fields = vec![field("slot", slot)];
            fields.extend(match how {
                WarmEnd::Stopped => vec![field("how", "stopped")],
                WarmEnd::Undone => vec![field("how", "undone")],
                WarmEnd::Replaced { by } => vec![field("how", "replaced"), field("by", by)],
            });
            fields
        }
        Fact::ShippedTogether { parts } => vec![field(
            "parts",
            list(
                parts
                    .iter()
                    .map(|part| format!("{}:{}={}", part.change, part.service, part.version)),
            ),
        )],
        Fact::PartBegun { needs } => vec![field("needs", list(needs))],
        Fact::UndoneTogether {
            with,
            service,
            version,
        } => vec![
            field("with", with),
            field("service", service),
            field("version", version),
        ],
        Fact::PartStays {
            change,
            service,
            why,
        } => vec![
            field("part", change),
            field("service", service),
            field("why", why),
        ],
        Fact::WatchEnded { how } => match how {
            WatchEnd::Quiet => vec![field("how", "quiet")],
            WatchEnd::Failed { verdict } => {
                vec![field("how", "failed"), field("verdict", verdict)]
            }
            WatchEnd::Undone => vec![field("how", "undone")],
            WatchEnd::Replaced { by } => vec![field("how", "replaced"), field("by", by)],
        },

        Fact::VerdictGiven { verdict } => given(verdict),
        Fact::Ordered { command, reason } => vec![
            field("command", order(*command)),
            field("by", &item.actor),
            field("reason", reason),
        ],
        Fact::ActionTaken {
            action: _,
            procedure,
            what,
            verdict: _,
        } => vec![field("procedure", procedure), field("what", what)],
        Fact::ActionFailed {
            action: _,
            procedure,
            what,
            why,
        } => vec![
            field("procedure", procedure),
            field("what", what),
            field("why", why),
        ],
        Fact::MessageAccepted {
            page: _,
            to,
            attempt,
        } => vec![field("to", to), field("attempt", attempt)],
        Fact::MessageFailed {
            page: _,
            to,
            attempts,
            why,
        } => vec![
            field("to", to),
            field("attempts", attempts),
            field("why", why),
        ],
    })
}

fn after(ms: u64) -> String {
    short(Duration::from_millis(ms))
}

fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    names.join(",")
}

fn name(version: Option<&Version>) -> &str {
    version.map_or("nothing", Version::as_str)
}

fn slot(slot: Option<Slot>) -> &'static str {
    slot.map_or("none", Slot::word)
}

fn order(command: Command) -> &'static str {
    match command {
        Command::Undo => "undo",
        Command::Hold => "hold",
        Command::Go => "go",
    }
}

fn held(reason: &HeldReason) -> Vec<Field> {
    match reason {
        HeldReason::Person { by } => vec![field("by", by)],
        HeldReason::WaitingFor { hosts, proved, of } => vec![
            field("proved", format!("{proved}/{of}")),
            field("waiting_for", list(hosts)),
        ],
        HeldReason::Blocked { host, why } => vec![field("blocked", host), field("why", why)],
        HeldReason::Incompatible { why } | HeldReason::NoWayBack { why } => {
            vec![field("why", why)]
        }
        HeldReason::Frozen { rule, until } => vec![field("rule", rule), field("until", until)],
        HeldReason::Verdict { state, reason } => {
            vec![field("verdict", state), field("reason", reason)]
        }
    }
}

fn given(verdict: &Verdict) -> Vec<Field> {
    let mut fields = vec![
        field("state", verdict.state),
        field("reason", verdict.reason.word()),
    ];
    match &verdict.reason {
        Reason::Crashing { host, exits } => {
            fields.extend([field("host", host), field("exits", exits)]);
        }
        Reason::Unhealthy {
            host,
            failed_checks,
        } => fields.extend([field("host", host), field("failed_checks", failed_checks)]),
        Reason::NotExcluded {
            odds_at_most: Some(odds),
        } => fields.push(field("odds_at_most", odds.0)),
        _ => {}
    }
    let watched = verdict.at.since(verdict.evidence.started);
    fields.push(field("after", short(watched)));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_is_no_word_is_quoted() {
        assert_eq!(word("canary"), "canary");
        assert_eq!(word("disk full"), "\"disk full\"");
        assert_eq!(word(""), "\"\"");
        assert_eq!(word("a=b"), "\"a=b\"");
        assert_eq!(word("say \"no\""), "\"say \\\"no\\\"\"");
        assert_eq!(word("a\nb\x1b[1m"), "\"a b\\u{1b}[1m\"");
    }
}

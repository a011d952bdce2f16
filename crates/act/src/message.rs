//! What the owner is told about a change.
//!
//! Every message says, in this order: what happened to what, why, since when, what was done about it,
//! what to do next, and where to read more. It must be understood at night, on a phone, by somebody
//! who has not seen the change.

use std::time::Duration;

use model::act::{Destination, Message, Urgency};
use model::deliver::{HeldReason, Owner, Swap};
use model::judge::{Verdict, VerdictState};
use model::words::{are_back, counted, duration, line, moment, names, way_back};
use model::{ChangeId, EnvironmentName, HostName, ServiceName, Timestamp, Version};
use serde_json::{Value, json};

/// Is the change a message is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub change: ChangeId,
    pub service: &'a ServiceName,
    pub environment: &'a EnvironmentName,
    pub version: &'a Version,
    /// The release an undo goes to; none for the first one of a service.
    pub previous: Option<&'a Version>,
    /// Where two slots take turns.
    pub swap: Option<&'a Swap>,
    pub by: &'a str,
    pub started_at: Timestamp,
    /// The address of the change's page.
    pub page: &'a str,
    /// How the program is called on the server's machine, so that the lines below can be pasted there.
    pub command: &'a str,
}

/// Is what happened. `because` is a clause without a full stop, as `learn` words it: in the present
/// tense for what is going on, in the past for what is over.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The judge came to a verdict a procedure asked to be told of.
    Judged {
        verdict: &'a Verdict,
        because: &'a str,
        answer: Answer,
    },
    Undone {
        hosts: usize,
        of: usize,
        after: Duration,
        because: &'a str,
    },
    Held {
        reason: &'a HeldReason,
        because: &'a str,
    },
    /// The undo did not reach these hosts in time.
    Stuck {
        hosts: &'a [HostName],
    },
    /// It is bad, and the undo that was ordered could not begin.
    NoWayBack {
        why: &'a str,
    },
    Done {
        hosts: usize,
        after: Duration,
    },
    /// A host has seen newer orders than the server knows of; nothing is shipped any more.
    BehindFleet {
        host: &'a HostName,
    },
}

/// Is what was done about a verdict by the time it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The undo began on this many hosts.
    Undoing {
        hosts: usize,
    },
    Held,
    /// Nothing: it goes on as planned, or as it is.
    Nothing,
}

/// Writes the message about `event`, as read at `now`.
///
/// `urgency` is the procedure's choice where a procedure asked; otherwise [`Event::urgency`].
pub fn write(about: &About<'_>, event: &Event<'_>, urgency: Urgency, now: Timestamp) -> Message {
    let mut text = vec![what_happened(about, event)];
    text.extend(why(event));
    text.push(since_when(about, event, now));
    text.push(what_was_done(about, event));
    text.extend(what_next(about, event));
    text.push(format!(
        "Read more: {}\nThe chain of causes: {} why {}",
        about.page, about.command, about.change
    ));
    Message {
        urgency,
        title: title(about, event),
        text,
        change: Some(about.change),
        incident: None,
        data: data(about, event),
    }
}

/// Returns everybody who is to be told: each contact the owner has.
pub fn recipients(owner: &Owner) -> Vec<Destination> {
    let mail = owner.mail.iter().cloned().map(Destination::Mail);
    let webhook = owner.webhook.iter().cloned().map(Destination::Webhook);
    mail.chain(webhook).collect()
}

impl Event<'_> {
    /// Returns how urgent the event is by itself: only an undo that does not end, or does not begin, wakes
    /// somebody.
    pub fn urgency(&self) -> Urgency {
        match self {
            Event::Stuck { .. } | Event::NoWayBack { .. } | Event::BehindFleet { .. } => {
                Urgency::High
            }
            Event::Judged { .. }
            | Event::Undone { .. }
            | Event::Held { .. }
            | Event::Done { .. } => Urgency::Low,
        }
    }

    /// Returns the event's name, for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Event::Judged { .. } => "judged",
            Event::Undone { .. } => "undone",
            Event::Held { .. } => "held",
            Event::Stuck { .. } => "stuck",
            Event::NoWayBack { .. } => "no_way_back",
            Event::Done { .. } => "done",
            Event::BehindFleet { .. } => "behind_fleet",
        }
    }
}

fn title(about: &About<'_>, event: &Event<'_>) -> String {
    let what = about.what();
    match event {
        Event::Judged {
            verdict,
            because,
            answer,
        } => {
            let state = match (verdict.state, answer) {
                (_, Answer::Undoing { .. }) => "is being undone",
                (_, Answer::Held) => "is held",
                (VerdictState::Fail, Answer::Nothing) => "is bad and still runs",
                (VerdictState::Marginal, Answer::Nothing) => "may be bad",
                (VerdictState::Undecided, Answer::Nothing) => "cannot be judged",
                (VerdictState::Pass, Answer::Nothing) => "shows no harm so far",
            };
            format!("{what} {state}: {}", line(because))
        }
        Event::Undone { after, .. } => format!("{what} was undone after {}", duration(*after)),
        Event::Held { because, .. } => format!("{what} is held: {}", line(because)),
        Event::Stuck { hosts } => format!("{what} is not undone on {}", names(hosts)),
        Event::NoWayBack { .. } => format!("{what} is not undone: there is no way back"),
        Event::Done { hosts, .. } => format!("{what} is live on {hosts} of {hosts} hosts"),
        Event::BehindFleet { host } => {
            format!("The server is behind its fleet: {host} has seen newer orders")
        }
    }
}

fn what_happened(about: &About<'_>, event: &Event<'_>) -> String {
    let what = about.what();
    match event {
        Event::Judged { verdict, .. } => {
            let state = match verdict.state {
                VerdictState::Fail => "is bad",
                VerdictState::Marginal => "may be bad",
                VerdictState::Undecided => "could not be judged",
                VerdictState::Pass => "shows no sign of harm so far",
            };
            format!("{what} {state} in {}.", about.environment)
        }
        Event::Undone {
            hosts, of, after, ..
        } => format!(
            "{what} was undone after {}; {}, checked by digest.",
            duration(*after),
            about.are_back(*hosts, *of)
        ),
        Event::Held { .. } => format!("{what} is held on its way to {}.", about.environment),
        Event::Stuck { hosts } => format!(
            "{what} is being undone, but {} did not go back in time and may still run it.",
            names(hosts)
        ),
        Event::NoWayBack { .. } => format!(
            "{what} was to be undone in {}, and the undo did not begin.",
            about.environment
        ),
        Event::Done { hosts, after } => format!(
            "{what} is live in {} on {hosts} of {hosts} hosts after {}, each proved from its running process.",
            about.environment,
            duration(*after)
        ),
        Event::BehindFleet { host } => format!(
            "{host} has seen newer orders than the server knows of: it was restored from an old backup. The newest release of {} it knows in {} is {}.",
            about.service, about.environment, about.version
        ),
    }
}

fn why(event: &Event<'_>) -> Option<String> {
    let because = match event {
        Event::Judged { because, .. }
        | Event::Undone { because, .. }
        | Event::Held { because, .. }
        | Event::NoWayBack { why: because } => line(because),
        Event::Stuck { .. } | Event::Done { .. } | Event::BehindFleet { .. } => String::new(),
    };
    (!because.is_empty()).then(|| format!("Why: {because}."))
}

fn since_when(about: &About<'_>, event: &Event<'_>, now: Timestamp) -> String {
    let shipped = format!(
        "Shipped at {} by {}",
        moment(about.started_at, now),
        line(about.by)
    );
    match event {
        Event::Judged { verdict, .. } => format!(
            "{shipped}; judged at {} after {}.",
            moment(verdict.at, now),
            counted(verdict.evidence.looks, "look")
        ),
        Event::Undone { .. }
        | Event::Held { .. }
        | Event::Stuck { .. }
        | Event::NoWayBack { .. }
        | Event::Done { .. }
        | Event::BehindFleet { .. } => format!("{shipped}."),
    }
}

fn what_was_done(about: &About<'_>, event: &Event<'_>) -> String {
    match event {
        Event::Judged { answer, .. } => match answer {
            Answer::Undoing { hosts } => format!(
                "Done about it: {}. You will be told when every host is back, and woken if one is not.",
                about.way_back(*hosts)
            ),
            Answer::Held => format!("Done about it: it is held; {}.", about.who_runs_what()),
            Answer::Nothing => "Done about it: nothing.".to_owned(),
        },
        Event::Undone { hosts, of, .. } if hosts < of => {
            "Done about it: the missing hosts are asked again until they are back.".to_owned()
        }
        Event::Undone { .. } => {
            "Done about it: it was undone on every host that had it.".to_owned()
        }
        Event::Held { .. } => format!("Done about it: {}.", about.who_runs_what()),
        Event::NoWayBack { .. } => {
            "Done about it: no further host is asked for it; those that have it keep it.".to_owned()
        }
        Event::Stuck { hosts } => {
            let they_are = if hosts.len() == 1 {
                "it is"
            } else {
                "they are"
            };
            format!("Done about it: {they_are} asked again and again until {they_are} back.")
        }
        Event::Done { .. } => "Every ring passed; nothing is left to do.".to_owned(),
        Event::BehindFleet { .. } => {
            "Done about it: hosts keep what they run, and nothing is shipped or undone.".to_owned()
        }
    }
}

fn what_next(about: &About<'_>, event: &Event<'_>) -> Vec<String> {
    let change = about.change;
    let command = about.command;
    let undo = format!("To take it back: {command} undo {change}");
    let go = format!("To go on: {command} go {change}");
    match event {
        Event::Judged {
            answer, verdict, ..
        } => match (answer, verdict.state) {
            (Answer::Undoing { .. }, _) => {
                vec!["What to do: nothing now; no person is needed for the undo.".to_owned()]
            }
            (Answer::Nothing, VerdictState::Pass) => Vec::new(),
            (Answer::Held, _) => vec![
                "What to do: look at the evidence and decide.".to_owned(),
                go,
                undo,
            ],
            (Answer::Nothing, _) => vec![
                "What to do: look at the evidence and decide.".to_owned(),
                undo,
            ],
        },
        Event::Undone { .. } => {
            vec!["What to do: repair it and ship it under a new version.".to_owned()]
        }
        Event::Held { reason, .. } => vec![needed(about, reason), go, undo],
        Event::Stuck { .. } => vec![format!(
            "What to do: keep the named hosts out of traffic and look at what each one says: {command} hosts {}",
            about.service
        )],
        Event::NoWayBack { .. } => vec![
            format!("What to do: see what is safe: {command} undo {change} --forward"),
            "Then mend it and ship a new version.".to_owned(),
        ],
        Event::Done { .. } => vec![undo],
        Event::BehindFleet { .. } => vec![format!(
            "What to do: see what differs and say how to go on: {command} hosts adopt"
        )],
    }
}

/// Says what a held change needs of a person.
fn needed(about: &About<'_>, reason: &HeldReason) -> String {
    match reason {
        HeldReason::Person { .. } => {
            "What to do: a person held it and a person lets it go.".to_owned()
        }
        HeldReason::WaitingFor { .. } => format!(
            "What to do: bring the missing hosts back ({} hosts {}); it goes on by itself as soon as they prove it.",
            about.command, about.service
        ),
        HeldReason::Blocked { host, .. } => {
            format!("What to do: remove what blocks {host}, then let it go on.")
        }
        HeldReason::Frozen { .. } => {
            "What to do: nothing; it goes on by itself when the freeze ends.".to_owned()
        }
        HeldReason::Incompatible { .. } => {
            "What to do: make the two fit; it goes on by itself as soon as they do.".to_owned()
        }
        HeldReason::NoWayBack { .. } => {
            "What to do: mend it and ship a new version; an undo would do more harm.".to_owned()
        }
        HeldReason::Verdict { .. } => "What to do: look at the evidence and decide.".to_owned(),
    }
}

impl About<'_> {
    /// Returns `shop 1.1`.
    fn what(&self) -> String {
        format!("{} {}", self.service, self.version)
    }

    fn are_back(&self, hosts: usize, of: usize) -> String {
        let Some(swap) = self.swap else {
            return are_back(hosts, of, self.previous);
        };
        let routers = match (swap.is_back, swap.from, self.previous) {
            (true, Some(from), Some(previous)) => {
                format!("everything goes to {from} again, which runs {previous}")
            }
            (false, Some(from), Some(previous)) => {
                format!("everything went to {from} all the time, which runs {previous}")
            }
            (_, None, _) | (_, _, None) => "nothing goes to any slot".to_owned(),
        };
        format!("{routers}, and {} is stopped", swap.to)
    }

    fn way_back(&self, hosts: usize) -> String {
        match self.swap {
            Some(Swap {
                to,
                from: Some(from),
                ..
            }) => {
                format!("everything goes to {from}, then {to} stops")
            }
            Some(Swap { to, from: None, .. }) => {
                format!("nothing goes to {to} any more, then it stops")
            }
            None => way_back(hosts, self.previous),
        }
    }

    fn who_runs_what(&self) -> String {
        match self.previous {
            Some(previous) => format!(
                "hosts that have {} keep it, the others keep {previous}",
                self.version
            ),
            None => format!(
                "hosts that have {} keep it, the others run nothing of {}",
                self.version, self.service
            ),
        }
    }
}

fn data(about: &About<'_>, event: &Event<'_>) -> Value {
    let detail = match event {
        Event::Judged {
            verdict, answer, ..
        } => {
            let answer = match answer {
                Answer::Undoing { .. } => "undoing",
                Answer::Held => "held",
                Answer::Nothing => "nothing",
            };
            json!({ "verdict": verdict, "answer": answer })
        }
        Event::Undone {
            hosts, of, after, ..
        } => json!({ "hosts": hosts, "of": of, "after_ms": millis(*after) }),
        Event::Held { reason, .. } => json!({ "reason": reason }),
        Event::Stuck { hosts } => json!({ "hosts": hosts }),
        Event::NoWayBack { why } => json!({ "why": why }),
        Event::Done { hosts, after } => json!({ "hosts": hosts, "after_ms": millis(*after) }),
        Event::BehindFleet { host } => json!({ "host": host }),
    };
    json!({
        "event": event.word(),
        "change": about.change,
        "service": about.service,
        "environment": about.environment,
        "version": about.version,
        "previous": about.previous,
        "by": about.by,
        "started_at": about.started_at,
        "page": about.page,
        "detail": detail,
    })
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

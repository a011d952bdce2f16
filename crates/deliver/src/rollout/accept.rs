//! Whether an order may be left at a rollout.

use model::deliver::{Command, HeldReason, Order, Queued, Rollout, RolloutState};
use model::{ChangeId, FreezeName, HostName, Timestamp};

use super::{UndoRefusal, undo_of_finished, waits_for};

/// Is why an order is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    #[error(transparent)]
    Undo(#[from] UndoRefusal),
    #[error("{change} is over; there is nothing to {}", .command.word())]
    Over { change: ChangeId, command: Command },
    #[error("{change} is being undone; there is nothing to {}", .command.word())]
    Undoing { change: ChangeId, command: Command },
    #[error("{change} has not begun; it waits for {}", waits_for(.queued))]
    Queued { change: ChangeId, queued: Queued },
    #[error("{change} is not held")]
    NotHeld { change: ChangeId },
    #[error(
        "{change} waits for {} ({proved} of {of} hosts proved the release), and no word stands in for a proof",
        named(.hosts)
    )]
    Waiting {
        change: ChangeId,
        hosts: Vec<HostName>,
        proved: usize,
        of: usize,
    },
    #[error("{change} is frozen until {until} by `{rule}`")]
    Frozen {
        change: ChangeId,
        rule: FreezeName,
        until: Timestamp,
    },
    #[error("{change} does not fit what it would meet: {why}")]
    Incompatible { change: ChangeId, why: String },
    #[error("{change} waits until {host} can run the release{}", colon(.why))]
    Blocked {
        change: ChangeId,
        host: HostName,
        why: String,
    },
}

/// Hosts named in a refusal; the others are counted.
const NAMED: usize = 5;

fn named(hosts: &[HostName]) -> String {
    let first: Vec<String> = hosts.iter().take(NAMED).map(HostName::to_string).collect();
    match hosts.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn colon(why: &str) -> String {
    match why.trim_end_matches('.') {
        "" => String::new(),
        why => format!(": {why}"),
    }
}

impl OrderRefusal {
    /// Returns what would help, as a sentence without full stop.
    pub fn hint(&self) -> String {
        match self {
            OrderRefusal::Undo(refusal) => refusal.hint(),
            OrderRefusal::Over { change, .. } | OrderRefusal::Undoing { change, .. } => {
                format!("see where it stands: `sleepwell watch {change}`")
            }
            OrderRefusal::Queued { change, .. } => {
                format!("it begins by itself; to take it back: `sleepwell undo {change}`")
            }
            OrderRefusal::NotHeld { change } => {
                format!("it goes on by itself: `sleepwell watch {change}`")
            }
            OrderRefusal::Waiting { change, .. } => format!(
                "it goes on by itself when they prove it, see `sleepwell hosts`; to take it back: `sleepwell undo {change}`"
            ),
            OrderRefusal::Frozen { change, .. } => format!(
                "it goes on by itself then; if it cannot wait: `sleepwell freeze override {change} --reason TEXT`"
            ),
            OrderRefusal::Incompatible { change, .. } => format!(
                "it goes on by itself when that fits; to take it back: `sleepwell undo {change}`"
            ),
            OrderRefusal::Blocked { change, host, .. } => format!(
                "mend that on {host} and it goes on by itself; to take it back: `sleepwell undo {change}`"
            ),
        }
    }
}

/// Leaves `order` at the rollout, to be carried out by its next plan.
///
/// A newer order replaces one that was not carried out yet, except an undo. `newest` is the newest rollout of the same
/// service and environment that was not undone.
///
/// # Errors
/// An order nothing would follow from, so that whoever gives it learns so at once.
pub fn accept_order(
    rollout: &Rollout,
    order: Order,
    newest: ChangeId,
) -> Result<Rollout, OrderRefusal> {
    let (change, command) = (rollout.change, order.command);
    if let Some(Order {
        command: Command::Undo,
        ..
    }) = &rollout.order
    {
        // An undo that was taken is carried out whatever comes after it.
        return match command {
            Command::Undo => Ok(rollout.clone()),
            Command::Hold | Command::Go => Err(OrderRefusal::Undoing { change, command }),
        };
    }
    if let (Command::Hold | Command::Go, Some(queued)) = (command, &rollout.queued) {
        let queued = queued.clone();
        return Err(OrderRefusal::Queued { change, queued });
    }
    match (command, &rollout.state) {
        (Command::Undo, _) => undo_of_finished(rollout, newest)?,
        (
            Command::Hold | Command::Go,
            RolloutState::Undone { .. }
            | RolloutState::Superseded { .. }
            | RolloutState::Done { .. },
        ) => return Err(OrderRefusal::Over { change, command }),
        (
            Command::Hold | Command::Go,
            RolloutState::Undoing { .. } | RolloutState::Stuck { .. },
        ) => {
            return Err(OrderRefusal::Undoing { change, command });
        }
        (Command::Go, RolloutState::Planned | RolloutState::Ring { .. }) => {
            return Err(OrderRefusal::NotHeld { change });
        }
        (Command::Go, RolloutState::Held { reason, .. }) => refuse_go(rollout, reason)?,
        (
            Command::Hold,
            RolloutState::Planned | RolloutState::Ring { .. } | RolloutState::Held { .. },
        ) => {}
    }
    Ok(Rollout {
        order: Some(order),
        ..rollout.clone()
    })
}

/// Refuses a `go` that nothing would follow from: a hold for hosts ends by itself, and by nothing else.
fn refuse_go(rollout: &Rollout, reason: &HeldReason) -> Result<(), OrderRefusal> {
    let change = rollout.change;
    // A hold that was not carried out yet is taken back by it.
    if rollout.order.is_some() {
        return Ok(());
    }
    match reason {
        HeldReason::Person { .. } | HeldReason::Verdict { .. } | HeldReason::NoWayBack { .. } => {
            Ok(())
        }
        HeldReason::Incompatible { why } => Err(OrderRefusal::Incompatible {
            change,
            why: why.clone(),
        }),
        HeldReason::WaitingFor { hosts, proved, of } => Err(OrderRefusal::Waiting {
            change,
            hosts: hosts.clone(),
            proved: *proved,
            of: *of,
        }),
        HeldReason::Frozen { rule, until } => Err(OrderRefusal::Frozen {
            change,
            rule: rule.clone(),
            until: *until,
        }),
        HeldReason::Blocked { host, why } => Err(OrderRefusal::Blocked {
            change,
            host: host.clone(),
            why: why.clone(),
        }),
    }
}

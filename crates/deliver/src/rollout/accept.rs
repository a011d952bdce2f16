//! Whether an order may be left at a rollout.

use model::ChangeId;
use model::deliver::{Command, Order, Rollout, RolloutState};

use super::{UndoRefusal, undo_of_finished};

/// Is why an order is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    #[error(transparent)]
    Undo(#[from] UndoRefusal),
    #[error("{change} is over; there is nothing to {}", .command.word())]
    Over { change: ChangeId, command: Command },
    #[error("{change} is being undone; there is nothing to {}", .command.word())]
    Undoing { change: ChangeId, command: Command },
    #[error("{change} is not held")]
    NotHeld { change: ChangeId },
}

impl OrderRefusal {
    /// Returns what would help, as a sentence without full stop.
    pub fn hint(&self) -> String {
        match self {
            OrderRefusal::Undo(refusal) => refusal.hint(),
            OrderRefusal::Over { change, .. } | OrderRefusal::Undoing { change, .. } => {
                format!("see where it stands: `sleepwell watch {change}`")
            }
            OrderRefusal::NotHeld { change } => {
                format!("it goes on by itself: `sleepwell watch {change}`")
            }
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
        (Command::Go, RolloutState::Held { .. })
        | (
            Command::Hold,
            RolloutState::Planned | RolloutState::Ring { .. } | RolloutState::Held { .. },
        ) => {}
    }
    Ok(Rollout {
        order: Some(order),
        ..rollout.clone()
    })
}

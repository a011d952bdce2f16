//! Queues a message to everybody an owner named, in the transaction of what it is about.

use act::message::{About, Event, recipients, write};
use model::act::{Destination, Message, OutboxRow, OutboxState, Urgency};
use model::deliver::{Owner, Rollout};
use model::{EntryId, Fact, Kind, Timestamp};
use store::{Error, Tx};

use crate::Context;

/// Queues the owner's message about `event`, except to those who were `told`; false when the owner named no
/// contact.
pub(super) fn owner(
    tx: &mut Tx<'_>,
    context: &Context,
    rollout: &Rollout,
    (owner, told): (&Owner, &[Destination]),
    (event, urgency): (&Event<'_>, Urgency),
    cause: EntryId,
    now: Timestamp,
) -> Result<bool, Error> {
    let message = message(context, rollout, event, urgency, now);
    let recipients = recipients(owner);
    for destination in recipients.iter().filter(|to| !told.contains(to)) {
        queue(
            tx,
            context,
            rollout,
            destination.clone(),
            message.clone(),
            cause,
            now,
        )?;
    }
    Ok(!recipients.is_empty())
}

pub(super) fn message(
    context: &Context,
    rollout: &Rollout,
    event: &Event<'_>,
    urgency: Urgency,
    now: Timestamp,
) -> Message {
    let page = context.page(rollout.change);
    let about = About {
        change: rollout.change,
        service: &rollout.service,
        environment: &rollout.environment,
        version: &rollout.release.version,
        previous: rollout.previous.as_ref().map(|previous| &previous.version),
        swap: rollout.swap.as_ref(),
        by: &rollout.started_by,
        started_at: rollout.started_at,
        page: &page,
        command: &context.addresses.command,
    };
    write(&about, event, urgency, now)
}

/// Queues one message with its entry.
pub(super) fn queue(
    tx: &mut Tx<'_>,
    context: &Context,
    rollout: &Rollout,
    destination: Destination,
    message: Message,
    cause: EntryId,
    now: Timestamp,
) -> Result<(), Error> {
    let page = context.ids.page(now);
    let fact = Fact::MessageQueued {
        page,
        to: destination.to_string(),
        title: message.title.clone(),
    };
    let entry = context.entry(
        now,
        rollout.change,
        (Kind::Action, &fact),
        "sleepwell",
        vec![cause],
    );
    store::journal::append(tx, &entry)?;
    store::outbox::enqueue(
        tx,
        &OutboxRow {
            id: page,
            destination,
            message,
            state: OutboxState::Queued,
            attempt: 0,
            due_at: now,
            created_at: now,
            cause: entry.id,
        },
    )
}

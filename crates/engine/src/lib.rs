//! The shell around the decisions: loops that load, decide, save with the journal entry in one
//! transaction, and then do.
//!
//! **Invariant.** A turn takes no input but the time and may be repeated: what it does outside is asked
//! for by a row it wrote before, and every row ends in one named outcome.
//!
//! **Must not know** HTTP coming in: `web` writes rows and nudges, and never calls a loop.

mod act;
mod attempts;
mod context;
mod deliver;
mod journal;
mod judge;
mod senders;
mod take_over;

pub use act::{CdeventSink, Cdevents, Incidents, Notices, Outbox, Procedures};
pub use context::{Addresses, Context, Mandates};
pub use deliver::{Hosts, Redeploys, Rollouts};
pub use journal::Sealer;
pub use judge::{Alerts, Dispersions, Verdicts};
pub use senders::{Guard, Inbox, Mail, SendMoment, SendWatch, Senders, SmtpServer, Webhook};
pub use take_over::{TakenOver, take_over};

use model::deliver::Owner;
use runtime::Supervisor;

/// Starts every loop; `receiver` is told of the alerts no owner is known for.
pub fn start(context: &Context, senders: Senders, receiver: Owner, supervisor: &Supervisor) {
    let wakes = &context.wakes;
    supervisor.spawn(Rollouts::new(context.clone()), &wakes.rollouts);
    supervisor.spawn(Hosts::new(context.clone()), &wakes.rollouts);
    supervisor.spawn(Redeploys::new(context.clone()), &wakes.rollouts);
    // A crash a host reports is looked at before the planner counts the ring as passed.
    supervisor.spawn(Verdicts::new(context.clone()), &wakes.rollouts);
    supervisor.spawn(Dispersions::new(context.clone()), &wakes.verdicts);
    supervisor.spawn(Procedures::new(context.clone()), &wakes.verdicts);
    supervisor.spawn(Alerts::new(context.clone()), &wakes.alerts);
    supervisor.spawn(Incidents::new(context.clone(), receiver), &wakes.alerts);
    supervisor.spawn(Notices::new(context.clone()), &wakes.sealed);
    supervisor.spawn(Outbox::new(context.clone(), senders), &wakes.outbox);
    supervisor.spawn(Sealer::new(context.clone()), &wakes.journal);
}

/// Starts the loop that tells another tool what happens here.
pub fn tell_cdevents(context: &Context, sink: CdeventSink, supervisor: &Supervisor) {
    let cdevents = Cdevents::new(context.clone(), sink);
    supervisor.spawn(cdevents, &context.wakes.journal);
}

//! Which program a host's agent runs from, as it says itself; what comes of a wish is told once.

use deliver::program::{ProgramNews, look};
use model::api::agent::Sync;
use model::deliver::{Host, ProgramUpdate};
use model::{Digest, EntryId, Fact, HostName, Kind, Timestamp};

use super::check_id;
use crate::error::{Result, cut};

/// Refuses what no agent sends and cuts what is too long to be kept.
pub(super) fn check(request: &mut Sync) -> Result<()> {
    let Some(said) = &mut request.program else {
        return Ok(());
    };
    check_id("platform", &said.platform)?;
    match &mut said.update {
        ProgramUpdate::Preparing { why }
        | ProgramUpdate::Failed { why, .. }
        | ProgramUpdate::Unable { why } => cut(why),
        ProgramUpdate::Settled | ProgramUpdate::Trying => {}
    }
    Ok(())
}

/// Takes what the agent says; returns what is news about it.
pub(super) fn take(host: &mut Host, request: &Sync, now: Timestamp) -> Option<(Kind, Fact)> {
    let (program, news) = look(&host.program, request.program.as_ref(), now);
    host.program = program;
    let (name, news) = (host.name.clone(), news?);
    let order = host.program.order.as_ref()?;
    Some(told(
        name,
        (order.wish.digest, order.wish.version.clone()),
        news,
    ))
}

fn told(host: HostName, (wanted, version): (Digest, String), news: ProgramNews) -> (Kind, Fact) {
    match news {
        ProgramNews::Updated => {
            let fact = Fact::AgentUpdated {
                host,
                digest: wanted,
                version,
            };
            (Kind::Outcome, fact)
        }
        ProgramNews::Failed { why } => {
            let fact = Fact::AgentUpdateFailed {
                host,
                digest: wanted,
                version,
                why,
            };
            (Kind::Outcome, fact)
        }
        ProgramNews::Replaced { digest } => {
            let fact = Fact::AgentReplaced {
                host,
                digest,
                was: wanted,
            };
            (Kind::Signal, fact)
        }
    }
}

/// Returns the wish a fact follows from; none for other facts.
pub(super) fn cause(host: &Host, fact: &Fact) -> Option<EntryId> {
    match fact {
        Fact::AgentUpdated { .. } | Fact::AgentUpdateFailed { .. } | Fact::AgentReplaced { .. } => {
            Some(host.program.order.as_ref()?.entry)
        }
        _ => None,
    }
}

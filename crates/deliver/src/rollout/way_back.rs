//! How far several services that were shipped as one go back, when not all of them can.
//!
//! What was shipped as one was tried as one: half of it back is a mixture nobody has run. So the whole goes back,
//! or what is left behind is known to fit: a part that has a way back goes only if it fits those that have none,
//! and of two parts that need each other that has to be said. If the bad part itself is left, nothing goes back:
//! taking back what did no harm cures nothing.

use std::collections::BTreeMap;

use model::ChangeId;
use model::deliver::{GateFacts, RingHost, Rollout};

use crate::gate::{self, NoWayBack};

/// Is a part when an undo of all is due.
#[derive(Clone, Copy, Debug)]
pub struct PartBack<'a> {
    pub rollout: &'a Rollout,
    /// None where neither the service nor anything that calls it says what it can live with.
    pub facts: Option<&'a GateFacts>,
}

/// Is how far they go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WayBack {
    /// All do but these, each with the reason.
    Begins { stays: BTreeMap<ChangeId, String> },
    /// None does, because the bad one does not.
    None { why: String },
}

/// Returns why a rollout has no way back; one that changed no host has nothing to take back.
pub fn no_way_back(rollout: &Rollout, facts: Option<&GateFacts>) -> Option<NoWayBack> {
    let has_changed = rollout.hosts().any(RingHost::is_changed);
    gate::back(facts.filter(|_| has_changed)?)
}

/// Decides which of `parts` go back because `bad`, one of them, is bad. Those that went back before are not
/// among them.
pub fn way_back_together(parts: &[PartBack<'_>], bad: ChangeId) -> WayBack {
    let mut stays: BTreeMap<ChangeId, String> = BTreeMap::new();
    for part in parts {
        if let Some(refusal) = no_way_back(part.rollout, part.facts) {
            stays.insert(part.rollout.change, refusal.to_string());
        }
    }
    // Whoever does not fit what stays, stays, which may leave out another one.
    while let Some((change, why)) = parts.iter().find_map(|part| misfit(part, parts, &stays)) {
        stays.insert(change, why);
    }
    match stays.remove(&bad) {
        Some(why) => WayBack::None { why },
        None => WayBack::Begins { stays },
    }
}

/// Tells why a part that would go back does not fit those that stay.
fn misfit(
    part: &PartBack<'_>,
    parts: &[PartBack<'_>],
    stays: &BTreeMap<ChangeId, String>,
) -> Option<(ChangeId, String)> {
    let change = part.rollout.change;
    if stays.contains_key(&change) || !part.rollout.hosts().any(RingHost::is_changed) {
        return None;
    }
    let stayers = parts
        .iter()
        .filter(|one| stays.contains_key(&one.rollout.change));
    let unsaid = stayers.clone().find(|stayer| !is_said(part, stayer));
    let why = match unsaid {
        Some(stayer) => {
            let (to, stays_at) = (back_to(part.rollout), &stayer.rollout.release.version);
            let (service, stayer) = (&part.rollout.service, stayer.rollout);
            format!(
                "nothing says that {service} {to} works with {} {stays_at}, and that one stays: {}",
                stayer.service, stays[&stayer.change]
            )
        }
        None => {
            let services: Vec<_> = stayers.map(|one| &one.rollout.service).collect();
            let mut facts = part.facts?.clone();
            facts
                .parts
                .retain(|(service, _)| !services.contains(&service));
            gate::back(&facts)?.to_string()
        }
    };
    Some((change, why))
}

/// Tells whether the gate can compare what a part goes back to with one that stays: neither needs the other, or
/// whichever calls says how.
fn is_said(part: &PartBack<'_>, stayer: &PartBack<'_>) -> bool {
    let needs = |caller: &Rollout, callee: &Rollout| {
        let together = caller.together.as_ref();
        together.is_some_and(|t| t.needs(caller.change).contains(&callee.change))
    };
    let calls = |facts: Option<&GateFacts>, callee: &Rollout, is_back: bool| {
        facts.is_some_and(|facts| match (is_back, &facts.previous) {
            (true, Some(previous)) => previous.compatibility.calls(&callee.service).is_some(),
            // Nothing of it is left that calls anybody.
            (true, None) => true,
            (false, _) => facts.new.compatibility.calls(&callee.service).is_some(),
        })
    };
    if needs(part.rollout, stayer.rollout) {
        return calls(part.facts, stayer.rollout, true);
    }
    if needs(stayer.rollout, part.rollout) {
        let is_left = part.rollout.previous.is_some();
        return is_left && calls(stayer.facts, part.rollout, false);
    }
    true
}

fn back_to(rollout: &Rollout) -> String {
    let previous = rollout.previous.as_ref();
    previous.map_or("before its first release".to_owned(), |p| {
        p.version.to_string()
    })
}

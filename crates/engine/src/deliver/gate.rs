//! What the compatibility gate of a rollout looks at.

use deliver::gate::back;
use model::deliver::{GateFacts, Rollout};
use store::{Error, Tx};

/// Reads it; none where nothing there says what it can live with.
pub(super) fn gate_facts(tx: &mut Tx<'_>, rollout: &Rollout) -> Result<Option<GateFacts>, Error> {
    let mut facts = store::surroundings::gate_facts(tx, rollout, None)?;
    if let Some(facts) = &mut facts
        && back(facts).is_some()
    {
        facts.live = store::surroundings::live(tx, &rollout.service, &rollout.environment)?;
    }
    Ok(facts)
}

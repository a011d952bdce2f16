//! What other tools send in their own protocols.

pub(crate) mod alerts;

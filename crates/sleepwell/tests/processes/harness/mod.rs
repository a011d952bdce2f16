//! What the tests start, ask and clean up.

pub(crate) mod archive;
pub(crate) mod definition;
pub(crate) mod front;
pub(crate) mod inbox;
pub(crate) mod load;
pub(crate) mod process;
pub(crate) mod shop;
pub(crate) mod wait;
pub(crate) mod world;

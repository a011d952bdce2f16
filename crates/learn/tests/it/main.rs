//! What `learn` says, word for word. The sentences are the product's voice: a change here is a change
//! for everybody who reads them.

mod agents;
mod change;
mod facts;
mod fixture;
mod kinds;
mod random;
mod story;
mod swaps;
mod unreadable;
mod variant;
mod verdicts;

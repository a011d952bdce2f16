//! The loops, each turned by hand on a store of its own.

mod cdevents;
mod damaged;
mod dispersion;
mod incidents;
mod leases;
mod notices;
mod outbox;
mod support;

//! The loops, each turned by hand on a store of its own.

mod cdevents;
mod damaged;
mod leases;
mod notices;
mod support;

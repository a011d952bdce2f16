//! The whole API as its callers meet it: in process, through the router, over a real store.

mod support;

mod access;
mod agents;
mod alerts;
mod artifacts;
mod cdevents;
mod conforms;
mod connections;
mod enrolment;
mod errors;
mod events;
mod fleet;
mod freezes;
mod garbage;
mod hooks;
mod hosts;
mod many;
mod object_store;
mod orders;
mod pages;
mod presence;
mod program;
mod refused;
mod rehearsals;
mod releases;
mod reports;
mod rollouts;
mod samples;
mod schemas;
mod secrets;
mod slow;
mod streams;
mod together;
mod tokens;

//! The program as its users meet it: the real binary as processes of their own, killed, starved and
//! misled while a rollout is under way.
//!
//! Every test has its own data folder and ports and ends what it started, however it ends itself.
//! Nothing waits for a fixed time: a condition is polled until its deadline.

mod harness;

mod adapters;
mod agent_killed;
mod agent_update;
mod alerts_killed;
mod asking;
mod bad_releases;
mod demo;
mod exit_codes;
mod hosts;
mod orders;
mod promql_scripts;
mod redeploys;
mod restored;
mod server_killed;
mod several_servers;
mod shipping;
mod slots;
mod stopping;
mod tls;
mod together;
mod up;

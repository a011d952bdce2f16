//! The binary: server, agent and command line in one program.
//!
//! **Invariant.** Everything is wired here, top to bottom, and decided elsewhere. A bad argument or
//! setting ends the program with a readable message before a port is bound.

mod args;
mod commands;
mod complete;
mod config;
mod data;
mod log;
mod serve;
mod show;
mod tls;
mod up;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser;

fn main() -> ExitCode {
    complete::answer_the_shell();
    let args = Args::parse();
    match run(&args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => commands::fail(&error),
    }
}

fn run(args: &Args) -> anyhow::Result<u8> {
    let global = &args.global;
    match &args.command {
        Command::Up(up) => up::run(global, up),
        Command::Serve(serve) => serve::run(global, serve),
        Command::Agent(agent) => commands::agent::run(global, agent),
        Command::Adapter(adapter) => commands::adapter::run(global, adapter),
        Command::Ship(ship) => commands::ship::run(global, ship),
        Command::Redeploy(redeploy) => commands::redeploy::run(global, redeploy),
        Command::Watch(watch) => commands::watch::run(global, watch.change),
        Command::Undo(undo) => commands::order::undo(global, undo),
        Command::Hold(order) => commands::order::run(global, order, model::deliver::Command::Hold),
        Command::Go(order) => commands::order::run(global, order, model::deliver::Command::Go),
        Command::Why(why) => commands::why::run(global, why),
        Command::Changes(changes) => commands::changes::run(global, changes),
        Command::Hosts(hosts) => commands::hosts::run(global, hosts),
        Command::Alerts(alerts) => commands::alerts::run(global, alerts),
        Command::Freeze(freeze) => commands::freeze::run(global, freeze),
        Command::Schema(schema) => commands::schema::run(global, schema),
        Command::Check(check) => commands::check::run(global, check),
        Command::Test(test) => commands::test::run(global, test),
        Command::Doctor => commands::doctor::run(global),
        Command::Api(api) => commands::api::run(global, api),
        Command::Completions(completions) => commands::completions::run(completions),
        Command::ExitCodes => commands::exit_codes(),
    }
}

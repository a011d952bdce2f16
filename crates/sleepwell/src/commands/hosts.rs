//! `sleepwell hosts [SERVICE]`.

use anyhow::Result;
use client::Client;
use model::ServiceName;
use model::api::Problem;
use model::deliver::Proof;
use runtime::Clock;

use super::connect::connect;
use super::{Failed, print, print_json, style};
use crate::args::{Global, Hosts};
use crate::show;

/// Exits with 11 when a host does not run what it should, so that a script can ask.
pub(crate) fn run(global: &Global, args: &Hosts) -> Result<u8> {
    let service = args.service.as_ref().map(ToString::to_string);
    let drifted = args.drifted.then(|| "true".to_owned());
    let query: Vec<(&str, &str)> = [("service", &service), ("drifted", &drifted)]
        .into_iter()
        .filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
        .collect();
    let client = connect(global)?;
    let hosts = client.hosts(&query)?;
    if let Some(service) = &args.service
        && hosts.is_empty()
    {
        known(&client, service)?;
    }
    if global.json.is_some() {
        print_json(&hosts)?;
    } else {
        print(&show::hosts::table(
            &hosts,
            Clock::System.now(),
            style(global),
        ))?;
    }
    let off = |proof| !matches!(proof, Proof::Converged | Proof::Stopped);
    let any_off = hosts.iter().any(|host| {
        host.unknown_since.is_some() || host.services.iter().any(|service| off(service.proof))
    });
    Ok(if any_off { 11 } else { 0 })
}

/// Fails when nothing of this name was ever released: an empty list would look like good news.
fn known(client: &Client, service: &ServiceName) -> Result<()> {
    let services: Vec<ServiceName> = client.get_json("/api/v1/deliver/services", &[])?;
    if services.contains(service) {
        return Ok(());
    }
    let known: Vec<String> = services.iter().map(|s| format!("`{s}`")).collect();
    let hint = match known.as_slice() {
        [] => "nothing was released yet: sleepwell ship SERVICE VERSION".to_owned(),
        known => format!("known: {}", known.join(", ")),
    };
    let title = format!("unknown service `{service}`");
    let problem = Problem::new(404, "unknown_service", title).hint(hint);
    Err(Failed { problem, code: 5 }.into())
}

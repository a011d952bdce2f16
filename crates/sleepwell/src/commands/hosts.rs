//! `sleepwell hosts [SERVICE]`, what is said of one host: `hosts exclude | fix | retire HOST`, and of
//! all: `hosts adopt`.

use anyhow::Result;
use client::Client;
use model::api::Problem;
use model::api::deliver::{Adopt, Fix, HostView, TriedAgain};
use model::deliver::{Adoption, Proof};
use model::{HostName, ServiceName, words};
use runtime::Clock;

use super::connect::connect;
use super::{Failed, print, print_json, style};
use crate::args::{AdoptFleet, FixHost, Global, HostOrder, Hosts, HostsCommand};
use crate::show;

pub(crate) fn run(global: &Global, args: &Hosts) -> Result<u8> {
    match &args.command {
        None => list(global, args),
        Some(HostsCommand::Exclude(order)) => exclude(global, order),
        Some(HostsCommand::Fix(order)) => fix(global, order),
        Some(HostsCommand::Retire(order)) => retire(global, order),
        Some(HostsCommand::Adopt(order)) => adopt(global, order),
    }
}

/// Shows which hosts are ahead of the server and ends with 12 when a person has to say how to go on; says it
/// when told how.
fn adopt(global: &Global, order: &AdoptFleet) -> Result<u8> {
    let client = connect(global)?;
    let fleet = client.fleet()?;
    let how = match (order.keep, order.follow) {
        (true, _) => Some(Adoption::Keep),
        (_, true) => Some(Adoption::Follow),
        _ => None,
    };
    if let Some(how) = how {
        let reason = order.because.reason.clone();
        client.adopt_fleet(&Adopt { how, reason })?;
    }
    if global.json.is_some() {
        print_json(&fleet)?;
    } else {
        print(&show::adopt::text(&fleet, how, style(global)))?;
    }
    let waits = how.is_none() && !fleet.ahead.is_empty();
    Ok(if waits {
        show::exit::Exit::Held.code()
    } else {
        0
    })
}

/// Exits with 11 when a host does not run what it should, so that a script can ask.
fn list(global: &Global, args: &Hosts) -> Result<u8> {
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
        let is_serious = host.troubles.iter().any(show::trouble::is_serious);
        is_serious
            || host.unknown_since.is_some()
            || host.services.iter().any(|service| off(service.proof))
    });
    Ok(if any_off { 11 } else { 0 })
}

fn exclude(global: &Global, order: &HostOrder) -> Result<u8> {
    let client = connect(global)?;
    let host = find(&client, &order.host)?;
    let excluded = client.exclude_host(host.id, &body(order))?;
    if global.json.is_some() {
        print_json(&excluded)?;
        return Ok(0);
    }
    let changes: Vec<String> = excluded.changes.iter().map(ToString::to_string).collect();
    let (changes, verb) = match changes.as_slice() {
        [one] => (one.clone(), "waits"),
        more => (words::names(more), "wait"),
    };
    print(&format!(
        "{changes} {verb} no longer for {}; it is brought to the release when it is back\n",
        host.name
    ))?;
    Ok(0)
}

fn fix(global: &Global, order: &FixHost) -> Result<u8> {
    let client = connect(global)?;
    let host = find(&client, &order.host)?;
    let fixed = client.fix_host(
        host.id,
        &Fix {
            service: order.service.clone(),
            reason: order.because.reason.clone(),
        },
    )?;
    if global.json.is_some() {
        print_json(&fixed)?;
        return Ok(0);
    }
    for tried in &fixed.tries {
        print(&again(&host, tried))?;
    }
    Ok(0)
}

fn again(host: &HostView, tried: &TriedAgain) -> String {
    let TriedAgain {
        service,
        version,
        proof,
        why,
    } = tried;
    let when = match host.unknown_since {
        Some(_) => " when it is back",
        None => "",
    };
    let mut text = format!(
        "{} tries {service} {version} again{when}; it was {proof}: {why}\n",
        host.name
    );
    if *proof == Proof::Drifted {
        text.push_str("A process its agent did not start stays; end that one on the host.\n");
    }
    text
}

fn retire(global: &Global, order: &HostOrder) -> Result<u8> {
    let client = connect(global)?;
    let host = find(&client, &order.host)?;
    client.retire_host(host.id, &body(order))?;
    print(&format!(
        "{} is retired: it is expected no longer, and its token is void\n",
        host.name
    ))?;
    Ok(0)
}

fn body(order: &HostOrder) -> model::api::deliver::HostOrder {
    model::api::deliver::HostOrder {
        reason: order.because.reason.clone(),
    }
}

/// Finds an expected host by its name.
pub(super) fn find(client: &Client, name: &HostName) -> Result<HostView> {
    if let Some(host) = client.host(name)? {
        return Ok(host);
    }
    let title = format!("no host named `{name}` is expected");
    let problem = Problem::new(404, "unknown_host", title).hint("sleepwell hosts lists them");
    Err(Failed { problem, code: 5 }.into())
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

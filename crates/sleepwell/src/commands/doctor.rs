//! `sleepwell doctor`: what is missing, with the command that fixes it.

use anyhow::Result;
use client::Client;
use model::Role;
use model::api::deliver::{HostTrouble, HostView};
use model::api::journal::JournalCheck;
use model::deliver::Proof;

use super::connect::{self, connect};
use super::{print, print_json, style};
use crate::args::Global;
use crate::show::doctor::{Finding, lines};
use crate::show::trouble;

/// Clocks this close to each other agree.
const SAME_CLOCK_MS: u64 = 10_000;

/// Asks one thing after the other; what an answer before makes pointless is not asked.
pub(crate) fn run(global: &Global) -> Result<u8> {
    let client = connect(global)?;
    let findings = findings(&client);
    if global.json.is_some() {
        print_json(&findings)?;
    } else {
        print(&lines(&findings, style(global)))?;
    }
    Ok(u8::from(findings.iter().any(|finding| !finding.is_well)))
}

fn findings(client: &Client) -> Vec<Finding> {
    let url = client.base_url();
    if let Err(error) = client.raw("GET", "/-/healthy", &[], None, 1_000) {
        return vec![no_server(url, &error)];
    }
    let mut findings = vec![Finding::well(format!("a server answers at {url}"))];
    findings.extend(connection(client));
    findings.extend(readiness(&client.raw("GET", "/-/ready", &[], None, 1_000)));
    let role = match client.me() {
        Ok(me) => {
            findings.push(Finding::well(format!(
                "your token `{}` is a good {}",
                me.name, me.role
            )));
            me.role
        }
        Err(error) => {
            let hint = "set SLEEPWELL_TOKEN, or name the server's data folder with --data";
            findings.push(Finding::bad(
                format!("your token is not taken: {error}"),
                hint,
            ));
            return findings;
        }
    };
    if role == Role::Admin {
        findings.push(journal(client));
    }
    match client.hosts(&[]) {
        Ok(hosts) => findings.extend(of_hosts(&hosts)),
        Err(error) => findings.push(Finding::bad(
            format!("hosts cannot be listed: {error}"),
            "try again",
        )),
    }
    findings
}

/// A server that is ready says in further lines what somebody should look at all the same.
fn readiness(answer: &Result<Vec<u8>, client::Error>) -> Vec<Finding> {
    let answer = match answer {
        Ok(answer) => String::from_utf8_lossy(answer),
        Err(error) => return vec![Finding::bad(error.to_string(), "read the server's log")],
    };
    let well = Finding::well("its store and every loop work");
    let aside = answer.lines().skip(1).map(|line| {
        let hint =
            "find it in the journal (`set_aside`), and who or what spoilt it: an edit, a disk";
        Finding::bad(line, hint)
    });
    std::iter::once(well).chain(aside).collect()
}

fn no_server(url: &str, error: &client::Error) -> Finding {
    if let client::Error::Untrusted { why, .. } = error {
        let what = format!("whoever answers at {url} is not believed to be the server: {why}");
        return Finding::bad(what, connect::advice(why));
    }
    let hint =
        "start it with `sleepwell up` or `sleepwell serve`, or name another one with --server";
    Finding::bad(format!("no server answers at {url}: {error}"), hint)
}

/// Says who could read what is said to the server; nothing where it does not leave this machine.
fn connection(client: &Client) -> Option<Finding> {
    let url = client.base_url();
    match client.pin() {
        Some(pin) => Some(Finding::well(format!(
            "the connection is encrypted, and the server is known by its key {pin} (SLEEPWELL_PIN on other machines)"
        ))),
        None if url.starts_with("https://") => Some(Finding::well(
            "the connection is encrypted, and a signer this machine trusts vouches for the server",
        )),
        None if connect::is_private(url) => None,
        None => Some(Finding::bad(
            "the connection is not encrypted: anybody on the way can read your token",
            "reach the server by https://: take `tls: off` out of its settings, or name the proxy in front of it",
        )),
    }
}

fn journal(client: &Client) -> Finding {
    let check = client.get_json::<JournalCheck>("/api/v1/learn/journal/check", &[]);
    match check {
        Ok(JournalCheck {
            broken: Some(broken),
            ..
        }) => Finding::bad(
            format!(
                "the journal was changed at entry {}: {}",
                broken.seq, broken.why
            ),
            "restore the database from a backup, and find out who wrote to it",
        ),
        Ok(check) => Finding::well(format!(
            "the journal is whole: {} entries sealed, {} wait for the sealer",
            check.sealed, check.unsealed
        )),
        Err(error) => Finding::bad(
            format!("the journal cannot be checked: {error}"),
            "try again",
        ),
    }
}

/// Where all hosts that are heard agree with each other and not with the server, the server's clock is wrong.
fn ours_is_wrong(hosts: &[HostView]) -> bool {
    let heard = || hosts.iter().filter(|host| host.unknown_since.is_none());
    let off = |host: &HostView| {
        host.troubles.iter().find_map(|one| match one {
            HostTrouble::ClockOff { ahead_ms, .. } => Some(*ahead_ms),
            HostTrouble::LockedOut { .. }
            | HostTrouble::Doubled { .. }
            | HostTrouble::UpdateFailed { .. } => None,
        })
    };
    let all: Option<Vec<i64>> = heard().map(off).collect();
    let all = all.unwrap_or_default();
    let (least, most) = (all.iter().min(), all.iter().max());
    all.len() > 1
        && least
            .zip(most)
            .is_some_and(|(least, most)| most.abs_diff(*least) <= SAME_CLOCK_MS)
}

fn of_clocks(hosts: &[HostView]) -> Vec<Finding> {
    if !ours_is_wrong(hosts) {
        return vec![];
    }
    let many = model::words::counted(hosts.len() as u64, "host");
    vec![Finding::bad(
        format!("the server's clock is wrong, or that of all {many}: they agree with each other"),
        "compare it with a clock you trust, and set it right",
    )]
}

fn of_hosts(hosts: &[HostView]) -> Vec<Finding> {
    if hosts.is_empty() {
        let hint = "run `sleepwell agent token` and paste what it prints on a host";
        return vec![Finding::bad("no host has joined", hint)];
    }
    let mut findings = of_clocks(hosts);
    for host in hosts {
        for one in &host.troubles {
            let clock = matches!(one, HostTrouble::ClockOff { .. });
            if !(clock && ours_is_wrong(hosts)) {
                let what = format!("{} {}", host.name, trouble::what(one));
                findings.push(Finding::bad(what, trouble::remedy(host, one)));
            }
        }
        if host
            .troubles
            .iter()
            .any(|one| matches!(one, HostTrouble::LockedOut { .. }))
        {
            continue;
        }
        if let Some(since) = host.unknown_since {
            findings.push(Finding::bad(
                format!("{} is silent since {since}", host.name),
                "look whether its agent runs: `sleepwell agent run` on that host",
            ));
            continue;
        }
        let off = |proof| !matches!(proof, Proof::Converged | Proof::Stopped);
        for service in host.services.iter().filter(|service| off(service.proof)) {
            findings.push(Finding::bad(
                format!(
                    "{} on {} is {}: {}",
                    service.service, host.name, service.proof, service.why
                ),
                format!("sleepwell hosts {}", service.service),
            ));
        }
    }
    if findings.is_empty() {
        let many = model::words::counted(hosts.len() as u64, "host");
        findings.push(Finding::well(format!(
            "{many}: each reports, and runs what it should"
        )));
    }
    findings
}

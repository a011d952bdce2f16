//! What each host really runs.

use std::collections::BTreeMap;

use model::Timestamp;
use model::api::deliver::{HostService, HostView};
use model::deliver::{DesiredState, ProgramOutcome, ProgramUpdate, Proof};

use super::Style;
use super::ink::{Ink, Line};
use super::mark::{Mark, runs, silence, standing};
use super::table::{self, Cell, Column};
use super::text::{counted, wrap};
use super::trouble;

/// Hosts in trouble that are named in the sentence; the table below has them all.
const NAMED_HOSTS: usize = 5;
/// The column of the agent's version.
const AGENT: usize = 1;

/// Returns a sentence and one line per host and service, in the order given.
///
/// `now` is the server's clock. A silent host is unknown, whatever it proved before.
pub(crate) fn table(hosts: &[HostView], now: Timestamp, style: Style) -> String {
    if hosts.is_empty() {
        return "No hosts to show. Add one: sleepwell agent join URL TOKEN\n".to_owned();
    }
    let mut out = String::new();
    for text in wrap(&summary(hosts), style.width) {
        let mut line = Line::new(style);
        line.add(Ink::Strong, &text);
        line.end(&mut out);
    }
    out.push('\n');
    let mut columns = vec![
        Column::new("host", 24),
        Column::new("agent", 14).leaves(1),
        Column::new("service", 20).leaves(5),
        Column::new("ring", 16).leaves(4),
        Column::new("runs", 20),
        Column::new("should", 20).leaves(6),
        Column::new("digest", 12).leaves(2),
        Column::new("state", 32),
        Column::new("why", 80).squeezed_to(16).leaves(3),
    ];
    let by_digest = differ_in_digest(hosts);
    let agents: Vec<Cell> = hosts.iter().map(|host| agent(host, by_digest)).collect();
    let mut rows: Vec<Vec<Cell>> = hosts
        .iter()
        .zip(&agents)
        .flat_map(|(host, agent)| rows(host, agent, now))
        .collect();
    // Where all are the same, the room is the reasons'.
    let is_quiet = hosts.iter().all(|host| host.program.pending().is_none());
    if is_quiet && agents.iter().all(|agent| *agent == agents[0]) {
        columns.remove(AGENT);
        rows.iter_mut().for_each(|row| drop(row.remove(AGENT)));
    }
    table::write(&columns, &rows, style, &mut out);
    troubles(hosts, style, &mut out);
    out
}

/// Writes below the table what the agents of hosts are to become, what is wrong with hosts themselves, and what helps.
fn troubles(hosts: &[HostView], style: Style, out: &mut String) {
    for host in hosts {
        if let Some(text) = becoming(host) {
            out.push('\n');
            for text in wrap(&text, style.width) {
                let mut line = Line::new(style);
                line.add(Ink::Plain, &text);
                line.end(out);
            }
        }
        for one in &host.troubles {
            out.push('\n');
            let name = &host.name;
            let text = format!(
                "{name} {}. {}.",
                trouble::what(one),
                capital(&trouble::remedy(host, one))
            );
            for text in wrap(&text, style.width) {
                let mut line = Line::new(style);
                line.add(Ink::Warn, &text);
                line.end(out);
            }
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn summary(hosts: &[HostView]) -> String {
    let troubled: Vec<&str> = hosts
        .iter()
        .filter(|host| !is_fine(host))
        .map(|host| host.name.as_str())
        .collect();
    let all = counted(hosts.len(), "host");
    if troubled.is_empty() && hosts.iter().all(|host| host.services.is_empty()) {
        return format!("{all} in touch; nothing was shipped to them yet.");
    }
    if troubled.is_empty() {
        return match hosts.len() {
            1 => "The host is proved to run what it should.".to_owned(),
            _ => format!("All {all} are proved to run what they should."),
        };
    }
    let named = troubled.iter().take(NAMED_HOSTS).copied();
    let mut names = named.collect::<Vec<_>>().join(", ");
    if troubled.len() > NAMED_HOSTS {
        names += &format!(" and {} more", troubled.len() - NAMED_HOSTS);
    }
    let fine = hosts.len() - troubled.len();
    format!("{fine} of {all} are proved to run what they should. Not proved: {names}.")
}

fn is_fine(host: &HostView) -> bool {
    let is_right = |service: &HostService| match service.proof {
        Proof::Stopped => true,
        Proof::Converged => service.running.as_ref() == Some(&service.wanted),
        Proof::Pending | Proof::Reverted | Proof::Drifted | Proof::Blocked | Proof::Unknown => {
            false
        }
    };
    let is_serious = host.troubles.iter().any(trouble::is_serious);
    host.unknown_since.is_none() && !is_serious && host.services.iter().all(is_right)
}

/// Tells whether agents of one version and for one kind of machine are not the same bytes.
fn differ_in_digest(hosts: &[HostView]) -> bool {
    let mut known = BTreeMap::new();
    hosts.iter().any(|host| {
        let said = host.program.reported.as_ref();
        let Some((platform, digest)) = said.and_then(|said| Some((&said.platform, said.digest?)))
        else {
            return false;
        };
        *known
            .entry((&host.agent_version, platform))
            .or_insert(digest)
            != digest
    })
}

/// Names the agent's program in a few letters, or says that it is becoming another one.
fn agent(host: &HostView, by_digest: bool) -> Cell {
    if host.program.pending().is_some() {
        return (Ink::Plain, "updating".to_owned());
    }
    let order = host.program.order.as_ref();
    if let Some(ProgramOutcome::Failed { .. }) = order.map(|order| &order.outcome) {
        return (Ink::Warn, "update failed".to_owned());
    }
    let said = host.program.reported.as_ref();
    let digest = said.and_then(|said| said.digest).filter(|_| by_digest);
    let name = digest.map_or_else(|| host.agent_version.clone(), |digest| digest.short());
    (Ink::Dim, name)
}

/// Says what the agent of a host is to become, and what is in its way; nothing where it is to become nothing.
fn becoming(host: &HostView) -> Option<String> {
    let wish = host.program.pending()?;
    let order = host.program.order.as_ref()?;
    let why = match host.program.reported.as_ref().map(|said| &said.update) {
        Some(ProgramUpdate::Preparing { why }) if !why.is_empty() => format!(": {why}"),
        _ => String::new(),
    };
    Some(format!(
        "The agent of {} is to become {} since {}{why}.",
        host.name,
        trouble::program(&wish.version, wish.digest),
        order.asked_at
    ))
}

fn rows(host: &HostView, agent: &Cell, now: Timestamp) -> Vec<Vec<Cell>> {
    if host.services.is_empty() {
        return vec![row_without_service(host, agent, now)];
    }
    let services = host.services.iter();
    services
        .map(|service| row(host, agent, service, now))
        .collect()
}

fn row(host: &HostView, agent: &Cell, service: &HostService, now: Timestamp) -> Vec<Cell> {
    let standing = standing(service.proof, silence(host.unknown_since, now));
    let running = service.running.as_ref();
    let differs = running.is_some_and(|version| *version != service.wanted);
    let digest = service.running_digest.map(|digest| digest.short());
    vec![
        (Ink::Plain, host.name.to_string()),
        agent.clone(),
        (Ink::Plain, service.service.to_string()),
        (Ink::Plain, service.ring.to_string()),
        (
            if differs { Ink::Warn } else { Ink::Plain },
            runs(running, service.proof, host.unknown_since.is_some()),
        ),
        (Ink::Dim, should(service)),
        (Ink::Dim, digest.unwrap_or_else(|| "-".to_owned())),
        state(standing.mark, &standing.words),
        (Ink::Dim, service.why.clone()),
    ]
}

fn should(service: &HostService) -> String {
    match service.wanted_state {
        DesiredState::Running => service.wanted.to_string(),
        DesiredState::Stopped => "nothing".to_owned(),
    }
}

fn row_without_service(host: &HostView, agent: &Cell, now: Timestamp) -> Vec<Cell> {
    let (mark, words) = match silence(host.unknown_since, now) {
        silent @ Some(_) => {
            let standing = standing(Proof::Unknown, silent);
            (standing.mark, standing.words)
        }
        None => (Mark::Skipped, "nothing to run".to_owned()),
    };
    let empty = || (Ink::Dim, "-".to_owned());
    vec![
        (Ink::Plain, host.name.to_string()),
        agent.clone(),
        empty(),
        empty(),
        empty(),
        empty(),
        empty(),
        state(mark, &words),
        (Ink::Plain, String::new()),
    ]
}

fn state(mark: Mark, words: &str) -> Cell {
    (mark.ink(), format!("{} {words}", mark.sign()))
}

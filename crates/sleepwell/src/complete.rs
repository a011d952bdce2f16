//! Completion in the shell: commands and options of this program, and the names its server knows.
//!
//! The script of `completions` has the shell call this program again with [`VARIABLE`] set and the words typed so far.
//! A server that does not answer at once completes nothing and says nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{CompleteEnv, Shells};
use client::Client;
use model::EnvironmentName;

use crate::args::{Args, Global};
use crate::commands::connect::connect_quietly;

/// Names the shell that asks.
const VARIABLE: &str = "SLEEPWELL_COMPLETE";
/// Who presses a key does not wait longer.
const PATIENCE: Duration = Duration::from_millis(300);
/// As many as fit on a screen.
const NEWEST: usize = 40;

/// Answers a shell that asks for completions, and ends the program then.
pub(crate) fn answer_the_shell() {
    CompleteEnv::with_factory(Args::command)
        .var(VARIABLE)
        .complete();
}

/// Returns the script that has a shell ask this program.
///
/// # Errors
/// A shell the engine has no script for.
pub(crate) fn script(shell: Shell) -> Result<Vec<u8>> {
    let name = shell.to_string();
    let shells = Shells::builtins();
    let completer = shells.completer(&name);
    let completer = completer.with_context(|| format!("there is no script for {name}"))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, "sleepwell", "sleepwell", &program(), &mut script)?;
    Ok(script)
}

/// Returns how the shell finds this program: by its name where it was called so, else by its path.
fn program() -> String {
    let called = PathBuf::from(std::env::args_os().next().unwrap_or_default());
    if called.components().count() == 1 {
        return called.to_string_lossy().into_owned();
    }
    let here = std::env::current_exe().unwrap_or(called);
    here.to_string_lossy().into_owned()
}

/// Is a value that can stand here, and a few words on it.
type Named = (String, String);

pub(crate) fn services() -> ArgValueCandidates {
    from_server(|client, _| Ok(plain(client.services()?)))
}

/// Completes a service, and behind a service on its own its versions.
pub(crate) fn what_to_ship() -> ArgValueCandidates {
    from_server(|client, words| {
        // The last word is the one being typed.
        let before = words.split_last().map_or(words, |(_, before)| before);
        let named = before.iter().skip_while(|word| *word != "ship").skip(1);
        let mut named = named.filter(|word| !word.starts_with('-'));
        match named.next() {
            Some(service) if !service.contains('=') => {
                let newest = client.releases(service)?.into_iter().take(NEWEST);
                let by = |by: String| format!("by {by}");
                let versions = newest.map(|one| (one.version.to_string(), by(one.created_by)));
                Ok(versions.collect())
            }
            _ => Ok(plain(client.services()?)),
        }
    })
}

pub(crate) fn environments() -> ArgValueCandidates {
    from_server(|client, _| {
        let changes = client.changes(&[])?;
        let environments: BTreeSet<EnvironmentName> = changes
            .into_iter()
            .map(|change| change.environment)
            .collect();
        Ok(plain(environments))
    })
}

/// Completes the newest changes, with what they bring and how they stand.
pub(crate) fn changes() -> ArgValueCandidates {
    from_server(|client, _| {
        let changes = client.changes(&[])?.into_iter().take(NEWEST);
        let named =
            changes.map(|one| (one.id.to_string(), format!("{} · {}", one.title, one.state)));
        Ok(named.collect())
    })
}

pub(crate) fn hosts() -> ArgValueCandidates {
    from_server(|client, _| Ok(plain(client.hosts(&[])?.into_iter().map(|host| host.name))))
}

pub(crate) fn freezes() -> ArgValueCandidates {
    from_server(|client, _| {
        Ok(plain(
            client.freezes()?.into_iter().map(|freeze| freeze.rule.name),
        ))
    })
}

fn plain(names: impl IntoIterator<Item = impl ToString>) -> Vec<Named> {
    names
        .into_iter()
        .map(|name| (name.to_string(), String::new()))
        .collect()
}

/// Asks the server the typed words mean, and waits no longer than somebody at a keyboard would.
fn from_server(
    ask: impl Fn(&Client, &[String]) -> Result<Vec<Named>> + Clone + Send + Sync + 'static,
) -> ArgValueCandidates {
    ArgValueCandidates::new(move || {
        let (ask, (send, answer)) = (ask.clone(), mpsc::channel());
        std::thread::spawn(move || {
            let words = typed();
            let found = client_of(&words).and_then(|client| ask(&client, &words));
            // Nobody listens any more when it took too long.
            let _ = send.send(found.unwrap_or_default());
        });
        let named = answer.recv_timeout(PATIENCE).unwrap_or_default();
        named.into_iter().map(candidate).collect()
    })
}

fn candidate((value, help): Named) -> CompletionCandidate {
    let help = (!help.is_empty()).then(|| help.into());
    CompletionCandidate::new(value).help(help)
}

/// Returns the words that stand on the shell's line, this program's name left out.
fn typed() -> Vec<String> {
    let words = std::env::args().skip_while(|word| word != "--").skip(2);
    words.collect()
}

fn client_of(words: &[String]) -> Result<Client> {
    let named = |option: &str| {
        let joined = format!("{option}=");
        let after = words.iter().skip_while(|word| *word != option).nth(1);
        let inside = || words.iter().find_map(|word| word.strip_prefix(&joined));
        let typed = after.map(String::as_str).or_else(inside).map(str::to_owned);
        typed.filter(|value| !value.is_empty())
    };
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let pin = named("--pin").or_else(|| set("SLEEPWELL_PIN"));
    let global = Global {
        data: named("--data")
            .or_else(|| set("SLEEPWELL_DATA"))
            .map(PathBuf::from),
        server: named("--server").or_else(|| set("SLEEPWELL_SERVER")),
        pin: pin.and_then(|pin| pin.parse().ok()),
        ..Global::default()
    };
    Ok(connect_quietly(&global)?.with_timeout(PATIENCE))
}

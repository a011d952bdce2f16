//! One file per command; what they share stands here.

pub(crate) mod adapter;
pub(crate) mod agent;
pub(crate) mod alerts;
pub(crate) mod api;
pub(crate) mod changes;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod connect;
pub(crate) mod doctor;
pub(crate) mod follow;
pub(crate) mod freeze;
pub(crate) mod hosts;
pub(crate) mod order;
pub(crate) mod redeploy;
pub(crate) mod schema;
pub(crate) mod ship;
pub(crate) mod test;
pub(crate) mod update;
pub(crate) mod watch;
pub(crate) mod why;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use model::api::Problem;

use crate::args::Global;
use crate::show::Style;

/// Prints to standard output; a reader that has gone away ends the program quietly.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// Prints what may be no text.
pub(crate) fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

pub(crate) fn print_json<T: serde::Serialize>(value: &T) -> anyhow::Result<()> {
    print(&crate::show::json::document(value)?)
}

/// Returns how the terminal wants to be written to.
pub(crate) fn style(global: &Global) -> Style {
    let terminal = std::io::stdout().is_terminal();
    let no_color = global.no_color || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let width = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| size.ws_col);
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| "C.UTF-8".to_owned());
    Style {
        color: terminal && !no_color,
        width: if width == 0 { 100 } else { usize::from(width) },
        unicode: locale.to_ascii_uppercase().contains("UTF"),
    }
}

/// Is a failure that has an exit code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{problem}")]
pub(crate) struct Failed {
    pub(crate) problem: Problem,
    pub(crate) code: u8,
}

/// Says something beside the answer, where it is in no script's way; nothing for an empty text.
#[expect(clippy::print_stderr, reason = "standard output is the answer's")]
pub(crate) fn note(text: &str) {
    if !text.is_empty() {
        eprintln!("{text}");
    }
}

/// Prints an error in three lines (what, where, what to try) and returns its exit code.
#[expect(clippy::print_stderr, reason = "this is where errors are shown")]
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    let (problem, code) = describe(error);
    eprint!("{}", crate::show::problem::text(&problem));
    ExitCode::from(code)
}

fn describe(error: &anyhow::Error) -> (Problem, u8) {
    if let Some(failed) = error.downcast_ref::<Failed>() {
        return (failed.problem.clone(), failed.code);
    }
    let refused = error
        .chain()
        .find_map(|e| e.downcast_ref::<client::Error>());
    if let Some(client::Error::Problem(problem)) = refused {
        return ((**problem).clone(), crate::show::exit::of_problem(problem));
    }
    let mut problem = Problem::new(500, "", error.to_string());
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    if !causes.is_empty() {
        problem = problem.at(causes.join("\n"));
    }
    match refused {
        Some(client::Error::Unreachable { .. }) => (
            problem.hint("start it with `sleepwell up` or `sleepwell serve`, or name another one with --server"),
            1,
        ),
        Some(client::Error::Untrusted { why, .. }) => (problem.hint(connect::advice(why)), 1),
        _ => (problem, 1),
    }
}

pub(crate) fn exit_codes() -> anyhow::Result<u8> {
    print(&crate::show::exit::help())?;
    Ok(0)
}

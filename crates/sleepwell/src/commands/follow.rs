//! Follows a change until nothing more happens by itself: live on a terminal, a line per event into a
//! pipe.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use client::{Client, Error};
use model::api::Problem;
use model::api::change::ChangeView;
use model::observe::ChangeState;
use model::{ChangeId, EntryId, Timestamp};
use runtime::Clock;

use super::{Failed, print, print_json, style};
use crate::args::{Global, Json};
use crate::show;

/// Between two looks at the server.
const LOOK: Duration = Duration::from_millis(200);
/// A server that restarts is away for less than this.
const PATIENCE: Duration = Duration::from_secs(15);

/// Is a change being followed.
pub(crate) struct Follow<'a> {
    pub(crate) client: &'a Client,
    pub(crate) global: &'a Global,
    /// How this program is called so that it finds this server, for the lines people paste.
    pub(crate) command: String,
}

/// Is how a follower shows what it sees.
enum Output {
    Live(show::live::Screen),
    Lines,
    JsonLines,
    /// Nothing before the end.
    Quiet,
}

impl Follow<'_> {
    /// Follows the change until its end or Ctrl-C; what a change does goes on without its follower.
    pub(crate) fn run(&self, change: ChangeId) -> Result<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let code = runtime.block_on(async {
            tokio::select! {
                code = self.to_its_end(change) => code,
                _ = tokio::signal::ctrl_c() => self.leave(change),
            }
        });
        // A call the server has not answered yet is not waited for.
        runtime.shutdown_background();
        code
    }

    /// Shows the change until it is over or held, and returns the exit code that says how it ended.
    pub(crate) async fn to_its_end(&self, change: ChangeId) -> Result<u8> {
        let started = Clock::System.now();
        let (mut output, mut told, mut last_answer) = (self.output(), BTreeSet::new(), started);
        loop {
            let now = Clock::System.now();
            let client = self.client.clone();
            match tokio::task::spawn_blocking(move || look(&client, change)).await? {
                Ok((view, settled)) => {
                    last_answer = now;
                    self.show(&mut output, &view, &mut told, now)?;
                    if settled {
                        return self.finish(output, &view);
                    }
                }
                Err(Error::Unreachable { .. }) if now.since(last_answer) < PATIENCE => {}
                Err(error) => return Err(error.into()),
            }
            if self
                .global
                .timeout
                .is_some_and(|limit| now.since(started) >= limit)
            {
                return Err(out_of_time(change));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn leave(&self, change: ChangeId) -> Result<u8> {
        print(&format!(
            "\n{change} goes on. Follow it again: {} watch {change}\n",
            self.command
        ))?;
        Ok(130)
    }

    fn output(&self) -> Output {
        match self.global.json {
            Some(Json::Lines) => Output::JsonLines,
            Some(Json::Document) => Output::Quiet,
            None if self.global.quiet => Output::Quiet,
            None if std::io::stdout().is_terminal() => {
                Output::Live(show::live::Screen::new(terminal_rows()))
            }
            None => Output::Lines,
        }
    }

    fn show(
        &self,
        output: &mut Output,
        view: &ChangeView,
        told: &mut BTreeSet<EntryId>,
        now: Timestamp,
    ) -> Result<()> {
        if let Output::Live(screen) = output {
            screen.resize(terminal_rows());
            let frame = show::tree::frame(view, style(self.global));
            return screen
                .draw(&frame, now)
                .map_or(Ok(()), |bytes| print(&bytes));
        }
        for item in view.timeline.iter().filter(|item| told.insert(item.id)) {
            let line = match output {
                Output::JsonLines => Some(show::json::line(view.change.id, item)),
                Output::Lines => show::lines::of(item),
                Output::Quiet | Output::Live(_) => None,
            };
            if let Some(line) = line {
                print(&format!("{line}\n"))?;
            }
        }
        Ok(())
    }

    fn finish(&self, output: Output, view: &ChangeView) -> Result<u8> {
        let style = style(self.global);
        let why = format!("{} why {}", self.command, view.change.id);
        let url = format!("{}/c/{}", self.client.base_url(), view.change.id.0);
        let result = || show::tree::result(view, style, &why, &url);
        match output {
            Output::Live(screen) => {
                print(&screen.end(&show::tree::frame(view, style)))?;
                print(&result())?;
            }
            Output::Quiet if self.global.json.is_some() => print_json(view)?,
            Output::Quiet => print(&format!("{}\n", view.sentence))?,
            Output::Lines => print(&result())?,
            Output::JsonLines => {}
        }
        Ok(show::exit::code(view))
    }
}

/// Returns the change and whether it is settled, which it is not while an order that was taken has still
/// to be carried out, or something it was shipped with is under way. Where that waits for a person, or is
/// stuck, it is returned instead: it is what there is to look at.
fn look(client: &Client, change: ChangeId) -> Result<(ChangeView, bool), Error> {
    let (view, settled) = look_at(client, change)?;
    let waits = settled || view.change.state == ChangeState::Planned;
    let others = view.parts.iter().filter(|part| part.part.change != change);
    let (mut in_trouble, mut under_way, mut waiting) = (None, false, false);
    for part in others {
        match part.state {
            ChangeState::Held | ChangeState::Stuck => in_trouble = Some(part.part.change),
            ChangeState::Running | ChangeState::Undoing => under_way = true,
            ChangeState::Planned => waiting = true,
            ChangeState::Done | ChangeState::Undone | ChangeState::Superseded => {}
        }
    }
    match in_trouble {
        Some(part) if waits && !under_way => look_at(client, part),
        _ => Ok((view, settled && !under_way && !waiting)),
    }
}

fn look_at(client: &Client, change: ChangeId) -> Result<(ChangeView, bool), Error> {
    let view = client.change(change)?;
    if !is_settled(&view) || client.rollout(change)?.order.is_some() {
        return Ok((view, false));
    }
    // The order may have been carried out between the two answers.
    let view = client.change(change)?;
    let settled = is_settled(&view);
    Ok((view, settled))
}

/// Returns the height of the terminal; a terminal that does not tell is taken to be an old one.
fn terminal_rows() -> usize {
    let rows = rustix::termios::tcgetwinsize(std::io::stdout()).map_or(0, |size| size.ws_row);
    if rows == 0 { 24 } else { usize::from(rows) }
}

/// Tells whether nothing more happens before a person acts.
fn is_settled(view: &ChangeView) -> bool {
    let silent = || {
        view.rings
            .iter()
            .flat_map(|ring| &ring.hosts)
            .any(|h| h.unknown_since.is_some())
    };
    match view.change.state {
        ChangeState::Done | ChangeState::Undone | ChangeState::Superseded | ChangeState::Stuck => {
            true
        }
        // A rollout that waits for a silent host goes on by itself when the host comes back.
        ChangeState::Held => !silent(),
        ChangeState::Planned | ChangeState::Running | ChangeState::Undoing => false,
    }
}

fn out_of_time(change: ChangeId) -> anyhow::Error {
    let problem = Problem::new(504, "timeout", format!("{change} was not over in time"))
        .at("--timeout")
        .hint(format!(
            "it goes on; follow it again: sleepwell watch {change}"
        ));
    Failed { problem, code: 3 }.into()
}

//! What stands under the last frame: the end in one sentence, what each host runs, who was told, and
//! where to read on.

use model::api::change::{ChangeView, HostLine, SignalState};
use model::deliver::HeldReason;
use model::observe::ChangeState;

use super::Style;
use super::facts::{
    Undoer, asked_back, expected, held_reason, is_back, is_stopped, is_there, strays, told, took,
    undoer, undone_with,
};
use super::ink::{Ink, Line, safe};
use super::mark::{Mark, silence, standing};
use super::text::{clock, counted, width, wrap};

/// Hosts that are named one by one; the command on the line after them shows the rest.
const NAMED_HOSTS: usize = 8;

/// Returns the end of a change, or that it goes on when `view` has not ended.
///
/// Lines are broken at spaces; a command or an address that is wider than the line stays whole.
pub(crate) fn result(view: &ChangeView, style: Style, why_command: &str, url: &str) -> String {
    let mut page = Page {
        style,
        out: String::new(),
    };
    let mark = headline_mark(view);
    page.add(mark.ink(), &format!("{} ", mark.sign()), &headline(view));
    if let Some(text) = where_hosts_are(view) {
        page.say(&text);
    }
    write_strays(view, &mut page);
    write_told(view, &mut page);
    if view.change.state == ChangeState::Held {
        let id = view.change.id;
        page.pair(
            &format!("Go on: sleepwell go {id}"),
            &format!("Undo: sleepwell undo {id}"),
        );
    }
    page.pair(&format!("Why: {why_command}"), url);
    page.out
}

struct Page {
    style: Style,
    out: String,
}

impl Page {
    /// Writes a paragraph behind a sign.
    fn add(&mut self, ink: Ink, sign: &str, text: &str) {
        let indent = width(sign);
        let text = safe(text, self.style);
        let lines = wrap(&text, self.style.width.saturating_sub(indent));
        for (i, text) in lines.iter().enumerate() {
            // A word that is wider than the terminal is for the terminal to wrap.
            let mut line = Line::new(Style {
                width: usize::MAX,
                ..self.style
            });
            if i == 0 {
                line.add(ink, sign);
            }
            line.pad_to(indent).add(Ink::Plain, text);
            line.end(&mut self.out);
        }
    }

    fn say(&mut self, text: &str) {
        self.add(Ink::Plain, "  ", text);
    }

    /// Writes two texts side by side, or below each other when they do not fit.
    fn pair(&mut self, left: &str, right: &str) {
        let both = format!("{left}   {right}");
        if 2 + width(&safe(&both, self.style)) > self.style.width {
            self.say(left);
            self.say(right);
            return;
        }
        let mut line = Line::new(self.style);
        line.add(Ink::Plain, "  ").add(Ink::Plain, &both);
        line.end(&mut self.out);
    }
}

fn headline_mark(view: &ChangeView) -> Mark {
    match view.change.state {
        ChangeState::Done if !strays(view).is_empty() => Mark::Drift,
        state => Mark::of_change(state),
    }
}

fn headline(view: &ChangeView) -> String {
    let took = clock(took(view));
    match view.change.state {
        ChangeState::Done => match strays(view).len() {
            0 => format!("Done after {took}.{}", watched(view)),
            off => {
                let hosts = counted(off, "host");
                format!(
                    "Done after {took}, but {hosts} {} not on it.",
                    is_or_are(off)
                )
            }
        },
        ChangeState::Undone if undone_with(view).is_some() => format!(
            "Undone after {took}, together with {}.",
            undone_with(view).unwrap_or_default()
        ),
        ChangeState::Undone => match undoer(view) {
            Undoer::Person(who) => format!("Undone after {took}, ordered by {who}."),
            Undoer::Itself => format!("Rolled back by itself after {took}.{}", evidence(view)),
        },
        ChangeState::Stuck => {
            "Stuck: the undo has not reached every host. It goes on trying.".into()
        }
        ChangeState::Held => held(view),
        ChangeState::Superseded => "Superseded: a newer change took over.".into(),
        ChangeState::Planned | ChangeState::Running => "Not over yet; the rollout goes on.".into(),
        ChangeState::Undoing => "Not over yet; the undo goes on.".into(),
    }
}

/// Says that nobody has to watch it: it stays watched.
fn watched(view: &ChangeView) -> String {
    match view.watched_until {
        Some(until) => format!(" It stays watched for {}.", clock(until.since(view.now))),
        None => String::new(),
    }
}

fn is_or_are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// Returns how many signals were bad, or the verdict's own words when it stands on something else.
fn evidence(view: &ChangeView) -> String {
    let states = view.signals.iter().map(|signal| signal.state);
    let bad = states.filter(|state| *state == SignalState::Bad).count();
    let signals = counted(view.signals.len(), "signal");
    match (bad, &view.verdict) {
        (0, Some(verdict)) => format!(" {}", verdict.sentence),
        (0, None) => String::new(),
        (1, _) => format!(" 1 of {signals} says it was worse."),
        _ => format!(" {bad} of {signals} agree it was worse."),
    }
}

fn held(view: &ChangeView) -> String {
    let reason = held_reason(view);
    match reason {
        Some(HeldReason::Person { by }) => format!("Held by {by}."),
        Some(HeldReason::WaitingFor { hosts, proved, of }) => {
            let who = match hosts.as_slice() {
                [host] => host.to_string(),
                hosts => format!("the other {}", hosts.len()),
            };
            let verb = if hosts.len() == 1 { "does" } else { "do" };
            format!(
                "Held: {proved} of {of} hosts proved it. It goes on by itself when {who} {verb}."
            )
        }
        Some(HeldReason::Blocked { host, why }) => {
            format!("Held: {host} cannot do it: {}.", why.trim_end_matches('.'))
        }
        Some(HeldReason::Incompatible { why }) => {
            format!("Held: {why}. It goes on by itself when that fits.")
        }
        Some(HeldReason::NoWayBack { why }) => format!(
            "Held: the verdict is bad, and {why}. See what is safe: sleepwell undo {} --forward",
            view.change.id
        ),
        Some(HeldReason::Frozen { rule, until }) => {
            format!("Held: frozen until {until}, rule {rule}. It goes on by itself then.")
        }
        Some(HeldReason::Verdict { state, reason }) => {
            format!(
                "Held: the verdict is {state} ({}).",
                reason.replace('_', " ")
            )
        }
        None => "Held: it waits for a person.".to_owned(),
    }
}

/// Returns how many hosts are where they should be, by what their processes prove.
fn where_hosts_are(view: &ChangeView) -> Option<String> {
    let previous = view.previous.as_ref();
    let (there, of, what) = match view.change.state {
        ChangeState::Done => {
            let hosts = || view.rings.iter().flat_map(|ring| &ring.hosts);
            let there = hosts().filter(|h| is_there(h, &view.release)).count();
            let of = hosts().count();
            let what = format!("in its rings {} on {}", is_or_are(of), view.release);
            (there, of, what + ", checked by digest")
        }
        ChangeState::Undone | ChangeState::Stuck => {
            let back = asked_back(view).filter(|h| is_back(h, previous)).count();
            let of = asked_back(view).count();
            let stopped = asked_back(view).filter(|h| is_stopped(h)).count();
            let what = match previous {
                Some(version) if stopped > 0 => {
                    let running = back - stopped;
                    format!(
                        "back where they were: {running} on {version}, {stopped} stopped, checked by digest"
                    )
                }
                Some(version) => format!("back on {version}, checked by digest"),
                None => "stopped; there was no release before".to_owned(),
            };
            (back, of, format!("{} {what}", is_or_are(of)))
        }
        _ => return None,
    };
    (of > 0).then(|| format!("{there} of {} {what}.", counted(of, "host")))
}

fn write_strays(view: &ChangeView, page: &mut Page) {
    let strays = strays(view);
    for host in strays.iter().take(NAMED_HOSTS) {
        let mark = if host.unknown_since.is_some() {
            Mark::Unknown
        } else {
            Mark::Drift
        };
        page.add(
            mark.ink(),
            &format!("  {} ", mark.sign()),
            &stray(view, host),
        );
    }
    let hidden = strays.len().saturating_sub(NAMED_HOSTS);
    if hidden > 0 {
        page.say(&format!("… and {} more", counted(hidden, "host")));
    }
    if !strays.is_empty() {
        page.say(&format!("See: sleepwell hosts {}", view.change.service));
    }
}

/// Returns what a host runs instead, and why as far as it is known.
fn stray(view: &ChangeView, host: &HostLine) -> String {
    let name = &host.host;
    if let Some(silence) = silence(host.unknown_since, view.now) {
        let last = match &host.running {
            Some(version) => format!("it last reported {version}"),
            None => "what it runs is not known".to_owned(),
        };
        return format!("{name} has been silent for {}; {last}.", clock(silence));
    }
    let what = match (&host.running, expected(view)) {
        (Some(version), Some(wanted)) if version != wanted => {
            format!("{name} runs {version}, not {wanted}")
        }
        (Some(version), None) => format!("{name} still runs {version}"),
        (Some(version), Some(_)) => {
            let state = standing(host.proof, None).words;
            format!("{name} runs {version}, but is not proved ({state})")
        }
        (None, _) => format!("{name} runs no release it can prove"),
    };
    match host.why.trim_end_matches('.') {
        "" => format!("{what}."),
        why => format!("{what}: {why}."),
    }
}

fn write_told(view: &ChangeView, page: &mut Page) {
    let told = told(view);
    if !told.accepted.is_empty() {
        page.say(&format!("Told: {}.", told.accepted.join(", ")));
    }
    for (to, why) in &told.failed {
        let mark = Mark::Drift;
        page.add(
            mark.ink(),
            &format!("  {} ", mark.sign()),
            &format!("Could not tell {to}: {}.", why.trim_end_matches('.')),
        );
    }
}

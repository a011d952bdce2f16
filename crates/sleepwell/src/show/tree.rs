//! The live picture of a rollout: its rings, the hosts of the ones at work, the evidence.

use model::api::change::{ChangeView, HostLine, PartView, RingState, RingView};
use model::deliver::Part;
use model::observe::ChangeState;
use model::{Digest, Timestamp};

use super::Style;
use super::facts::{is_back, watched};
use super::ink::{Ink, Line, bar, safe};
use super::mark::{Mark, runs, silence, standing};
pub(crate) use super::result::result;
use super::signals;
use super::text::{clock, counted, cut, width, wrap};

/// Host lines under one ring; a screen has to hold them with everything else.
const HOST_LINES: usize = 8;
/// The widest a ring's name is shown.
const RING_NAME: usize = 16;
/// The widest a host's name is shown.
const HOST_NAME: usize = 24;

/// Returns the rollout as it stands, for a screen that is drawn again and again.
///
/// Its height changes only when a ring begins or ends its work, and at the end of the rollout.
pub(crate) fn frame(view: &ChangeView, style: Style) -> String {
    let mut out = String::new();
    header(view, style, &mut out);
    write_parts(view, style, &mut out);
    out.push('\n');
    let layout = Layout::of(view, style);
    for ring in &view.rings {
        write_ring(view, ring, &layout, style, &mut out);
        if is_at_work(ring.state) {
            write_hosts(view, ring, style, &mut out);
        }
    }
    // The first release has nothing to be compared with, so nothing was counted.
    if view
        .signals
        .iter()
        .any(|signal| signal.canary.total + signal.control.total > 0)
    {
        out.push('\n');
        signals::write(&view.signals, style, &mut out);
    }
    if has_ended(view.change.state) {
        out.push('\n');
        for text in wrap(&safe(&view.sentence, style), style.width) {
            let mut line = Line::new(style);
            line.add(Ink::Plain, &text);
            line.end(&mut out);
        }
    }
    out
}

/// Tells whether the change waits for nothing that happens by itself soon.
fn has_ended(state: ChangeState) -> bool {
    use ChangeState::{Done, Held, Planned, Running, Stuck, Superseded, Undoing, Undone};
    match state {
        Held | Undone | Done | Stuck | Superseded => true,
        Planned | Running | Undoing => false,
    }
}

fn header(view: &ChangeView, style: Style, out: &mut String) {
    let change = &view.change;
    let mut line = Line::new(style);
    line.add(Ink::Strong, &format!("{} {}", change.service, view.release));
    line.add(Ink::Plain, &format!(" -> {}", change.environment));
    line.add(Ink::Accent, &format!("   {}", change.id));
    line.add(Ink::Dim, &format!("   sha256:{}", start(view.digest)));
    line.add(Ink::Plain, &format!(" by {}", change.by));
    line.end(out);
}

/// Writes a line for each service that was shipped as one with this, in the order they go out.
fn write_parts(view: &ChangeView, style: Style, out: &mut String) {
    let name = |part: &Part| format!("{} {}", part.service, part.version);
    let names = view.parts.iter().map(|view| width(&name(&view.part)));
    let ids = view
        .parts
        .iter()
        .map(|view| width(&view.part.change.to_string()));
    let id_at = 3 + names.max().unwrap_or(0).min(HOST_NAME) + 2;
    let state_at = id_at + ids.max().unwrap_or(0) + 2;
    for PartView { part, state } in &view.parts {
        let mark = Mark::of_change(*state);
        let mut line = Line::new(style);
        line.add(mark.ink(), mark.sign()).pad_to(3);
        line.add(Ink::Plain, &cut(&name(part), HOST_NAME));
        line.pad_to(id_at)
            .add(Ink::Accent, &part.change.to_string());
        line.pad_to(state_at).add(mark.ink(), &state.to_string());
        line.add(Ink::Dim, &needs(view, part));
        line.end(out);
    }
}

/// Returns `, needs ledger and mailer`.
fn needs(view: &ChangeView, part: &Part) -> String {
    let needed = |one: &&PartView| part.needs.contains(&one.part.change);
    let needed = view.parts.iter().filter(needed);
    let names: Vec<&str> = needed.map(|one| one.part.service.as_str()).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!(", needs {}", names.join(" and ")),
    }
}

/// Returns the first digits of a digest, enough to compare two at a glance.
fn start(digest: Digest) -> String {
    format!("{}…", &digest.hex()[..4])
}

/// Is where the parts of a ring's line begin, the same for all rings.
struct Layout {
    hosts_at: usize,
    bar_at: usize,
    bar_cells: usize,
    words_at: usize,
}

impl Layout {
    fn of(view: &ChangeView, style: Style) -> Self {
        let names = view.rings.iter().map(|ring| width(ring.name.as_str()));
        let hosts = view.rings.iter().map(|ring| width(&proved(view, ring)));
        let bar_cells = match style.width {
            96.. => 20,
            56.. => 10,
            _ => 0,
        };
        let hosts_at = 3 + names.max().unwrap_or(0).min(RING_NAME) + 2;
        let bar_at = hosts_at + hosts.max().unwrap_or(0) + 2;
        let gap = if bar_cells == 0 { 0 } else { 2 };
        Self {
            hosts_at,
            bar_at,
            bar_cells,
            words_at: bar_at + bar_cells + gap,
        }
    }
}

fn write_ring(view: &ChangeView, ring: &RingView, layout: &Layout, style: Style, out: &mut String) {
    let mark = mark(view, ring);
    let (share, words) = progress(view, ring);
    let mut line = Line::new(style);
    line.add(mark.ink(), mark.sign()).pad_to(3);
    line.add(Ink::Plain, &cut(ring.name.as_str(), RING_NAME));
    line.pad_to(layout.hosts_at);
    line.add(Ink::Plain, &proved(view, ring));
    if let Some(share) = share.filter(|_| layout.bar_cells > 0) {
        let (done, open) = bar(share, layout.bar_cells);
        line.pad_to(layout.bar_at);
        line.add(mark.ink(), &done).add(Ink::Dim, &open);
    }
    line.pad_to(layout.words_at).add(mark.ink(), words.state);
    line.add(Ink::Plain, &words.more);
    line.end(out);
}

fn mark(view: &ChangeView, ring: &RingView) -> Mark {
    match ring.state {
        RingState::Waiting => Mark::Waiting,
        RingState::Releasing | RingState::Proving | RingState::Baking | RingState::Judging => {
            Mark::Running
        }
        RingState::Held => Mark::Held,
        RingState::Passed => Mark::Passed,
        RingState::Undoing if is_stuck(view, ring) => Mark::Failed,
        RingState::Undoing => Mark::Running,
        RingState::Undone => Mark::Undone,
        RingState::Skipped => Mark::Skipped,
    }
}

/// Tells whether an undo gave up waiting for a host of this ring.
fn is_stuck(view: &ChangeView, ring: &RingView) -> bool {
    view.change.state == ChangeState::Stuck && back(view, ring) < ring.hosts.len()
}

fn back(view: &ChangeView, ring: &RingView) -> usize {
    let previous = view.previous.as_ref();
    let hosts = ring.hosts.iter();
    hosts.filter(|host| is_back(host, previous)).count()
}

/// Returns `2/3 hosts`: those that prove the release, or the one before when it is being undone.
fn proved(view: &ChangeView, ring: &RingView) -> String {
    let hosts = counted(ring.hosts.len(), "host");
    match ring.state {
        RingState::Waiting | RingState::Skipped => hosts,
        RingState::Undoing | RingState::Undone => format!("{}/{hosts}", back(view, ring)),
        _ => format!("{}/{hosts}", ring.proved),
    }
}

/// Is what a ring does, in words; the first of them carries the state.
struct Words {
    state: &'static str,
    more: String,
}

/// Returns how far the ring is, nothing when there is nothing to measure, and the words beside it.
fn progress(view: &ChangeView, ring: &RingView) -> (Option<f64>, Words) {
    let elapsed = ring.proved_at.map_or(0, |at| millis(view.now, at));
    let of_hosts = |count| Some(ratio(count as u64, ring.hosts.len() as u64));
    let (share, state, more) = match ring.state {
        RingState::Waiting => (None, "waiting", String::new()),
        RingState::Releasing => (of_hosts(ring.proved), "releasing", String::new()),
        RingState::Proving => (of_hosts(ring.proved), "waiting for proof", String::new()),
        RingState::Baking => {
            let more = timed(elapsed, ring.bake_ms);
            (Some(ratio(elapsed, ring.bake_ms)), "watching", more)
        }
        RingState::Judging => {
            let more = timed(elapsed, ring.deadline_ms);
            (Some(ratio(elapsed, ring.deadline_ms)), "judging", more)
        }
        RingState::Held => (of_hosts(ring.proved), "held", String::new()),
        RingState::Passed => {
            let watched = watched(view, ring).map(clock);
            let more = watched.map_or_else(String::new, |time| format!(" after {time}"));
            (Some(1.0), "passed", more)
        }
        RingState::Undoing if is_stuck(view, ring) => (
            of_hosts(back(view, ring)),
            "stuck",
            " on the way back".into(),
        ),
        RingState::Undoing => (of_hosts(back(view, ring)), "undoing", String::new()),
        RingState::Undone => (of_hosts(back(view, ring)), "undone", String::new()),
        RingState::Skipped => (None, "not reached", String::new()),
    };
    let note = Some(&ring.note).filter(|note| !note.is_empty());
    let note = note.map_or_else(String::new, |note| format!(", {note}"));
    let more = more + &note;
    (share, Words { state, more })
}

fn timed(elapsed_ms: u64, of_ms: u64) -> String {
    let clock = |ms| clock(std::time::Duration::from_millis(ms));
    format!(" {} of {}", clock(elapsed_ms), clock(of_ms))
}

fn millis(now: Timestamp, since: Timestamp) -> u64 {
    u64::try_from(now.since(since).as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a share for a bar of 20 cells")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        1.0
    } else {
        part as f64 / whole as f64
    }
}

fn is_at_work(state: RingState) -> bool {
    use RingState::{
        Baking, Held, Judging, Passed, Proving, Releasing, Skipped, Undoing, Undone, Waiting,
    };
    match state {
        Releasing | Proving | Baking | Judging | Held | Undoing | Undone => true,
        Waiting | Passed | Skipped => false,
    }
}

fn write_hosts(view: &ChangeView, ring: &RingView, style: Style, out: &mut String) {
    let shown = worth_showing(view, &ring.hosts);
    let hidden = ring.hosts.len() - shown.len();
    let names = shown.iter().map(|host| width(host.host.as_str()));
    let version_at = 5 + names.max().unwrap_or(0).min(HOST_NAME) + 2;
    let versions = shown.iter().map(|host| width(&running(host)));
    let state_at = version_at + versions.max().unwrap_or(0) + 1;
    for (i, host) in shown.iter().enumerate() {
        let mut line = Line::new(style);
        line.add(Ink::Dim, branch(i + 1 == shown.len() && hidden == 0));
        line.add(Ink::Plain, &cut(host.host.as_str(), HOST_NAME));
        line.pad_to(version_at).add(Ink::Plain, &running(host));
        line.pad_to(state_at);
        write_standing(view, host, &mut line);
        line.end(out);
    }
    if hidden > 0 {
        let mut line = Line::new(style);
        line.add(Ink::Dim, branch(true));
        line.add(Ink::Dim, &format!("… and {} more", counted(hidden, "host")));
        line.end(out);
    }
}

fn branch(last: bool) -> &'static str {
    if last { "│  └ " } else { "│  ├ " }
}

/// Returns what the host runs, with a question mark when it has been silent since it said so.
fn running(host: &HostLine) -> String {
    runs(
        host.running.as_ref(),
        host.proof,
        host.unknown_since.is_some(),
    )
}

fn write_standing(view: &ChangeView, host: &HostLine, line: &mut Line) {
    let standing = standing(host.proof, silence(host.unknown_since, view.now));
    let words = match host.digest {
        Some(digest) if standing.mark == Mark::Passed => format!("digest {}", start(digest)),
        _ => standing.words,
    };
    line.add(standing.mark.ink(), standing.mark.sign());
    line.add(Ink::Plain, &format!(" {words}"));
    if !host.why.is_empty() {
        line.add(Ink::Dim, &format!("  {}", host.why));
    }
}

/// Returns the hosts that get a line, in their order; those in trouble come before those that are
/// fine when there are too many.
fn worth_showing<'a>(view: &ChangeView, hosts: &'a [HostLine]) -> Vec<&'a HostLine> {
    if hosts.len() <= HOST_LINES {
        return hosts.iter().collect();
    }
    let is_fine = |host: &HostLine| {
        standing(host.proof, silence(host.unknown_since, view.now)).mark == Mark::Passed
    };
    let mut places: Vec<usize> = (0..hosts.len()).collect();
    places.sort_by_key(|&i| is_fine(&hosts[i]));
    places.truncate(HOST_LINES - 1);
    places.sort_unstable();
    places.into_iter().map(|i| &hosts[i]).collect()
}

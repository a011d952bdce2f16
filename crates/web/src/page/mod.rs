//! The plain page: the last changes and why, made on the server, readable without script.

mod band;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};
use model::api::change::{
    ChangeView, HostLine, RingState, RingView, SignalView, TimelineItem, Why,
};
use model::deliver::Proof;
use model::observe::{Change, ChangeState};
use model::{ChangeId, Timestamp, time, words};

use crate::App;
use crate::api::Path;
use crate::error::{Result, unknown};
use crate::load::{self, Fleet};

/// Changes shown on the first page.
const CHANGES: usize = 30;
/// Hosts named in one list of a page; nobody reads more, and the page is made anew every few seconds.
const HOSTS: usize = 200;

pub(crate) async fn home(State(app): State<App>) -> Result<Html<String>> {
    let now = app.clock.now();
    let (changes, stories) = app
        .store
        .read(move |tx| {
            let changes = store::change::list(tx, &store::change::Filter::default(), CHANGES)?;
            let (mut stories, mut fleet) = (Vec::new(), Fleet::default());
            for change in &changes {
                stories.push(load::why_of_change(tx, &mut fleet, change.id, now)?);
            }
            Ok::<_, store::Error>((changes, stories))
        })
        .await?;
    let rows: Vec<(Change, Option<Why>)> = changes.into_iter().zip(stories).collect();
    Ok(layout(
        "Changes",
        &headline(&rows),
        &list(&rows, &app.command, now),
        now,
    ))
}

pub(crate) async fn change(
    State(app): State<App>,
    Path(id): Path<ChangeId>,
) -> Result<Html<String>> {
    let now = app.clock.now();
    let read = app
        .store
        .read(move |tx| {
            let mut fleet = Fleet::default();
            Ok::<_, store::Error>((
                load::change(tx, &mut fleet, id, now)?,
                load::why_of_change(tx, &mut fleet, id, now)?,
            ))
        })
        .await?;
    let (Some(view), Some(why)) = read else {
        return Err(unknown("change", id, "the first page lists them"));
    };
    let title = format!("{} to {}", view.change.title, view.change.environment);
    Ok(layout(
        &title,
        &view.sentence,
        &detail(&view, &why, &app.command),
        now,
    ))
}

/// Sends the style sheet; the page holds no style of its own, so that its policy can forbid any.
pub(crate) async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "max-age=3600"),
    ];
    (headers, include_str!("plain.css")).into_response()
}

fn layout(title: &str, sentence: &str, body: &Markup, now: Timestamp) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="refresh" content="5";
                title { (title) " · Sleepwell" }
                link rel="stylesheet" href="/_app/plain.css";
            }
            body {
                header { a class="brand" href="/" { "Sleepwell" } span class="dim" { "all times UTC · " (now.time_of_day()) } }
                main {
                    h1 { (sentence) }
                    (body)
                }
            }
        }
    };
    Html(page.into_string())
}

fn headline(rows: &[(Change, Option<Why>)]) -> String {
    let Some((newest, _)) = rows.first() else {
        return "Nothing was shipped yet.".to_owned();
    };
    let trouble = rows.iter().find(|(change, _)| {
        matches!(
            change.state,
            ChangeState::Stuck | ChangeState::Held | ChangeState::Undoing
        )
    });
    match trouble {
        Some((change, _)) => format!("{} needs a look: it is {}.", change.title, change.state),
        None if newest.state == ChangeState::Running => format!("{} is on its way.", newest.title),
        None => "Nothing needs you.".to_owned(),
    }
}

fn list(rows: &[(Change, Option<Why>)], command: &str, now: Timestamp) -> Markup {
    html! {
        @if rows.is_empty() {
            p { "Ship something: " code { (command) " ship SERVICE VERSION" } }
        }
        ol class="changes" {
            @for (change, why) in rows {
                li {
                    (mark(change.state))
                    div {
                        a class="title" href={ "/c/" (change.id.0) } { (change.title) " to " (change.environment) }
                        span class="dim" { (change.id) " by " (change.by) ", " (time::short(now.since(change.started_at))) " ago" }
                        @if let Some(why) = why { p { (why.sentence) } }
                    }
                }
            }
        }
    }
}

fn mark(state: ChangeState) -> Markup {
    let (class, sign) = match state {
        ChangeState::Done => ("ok", "✓"),
        ChangeState::Undone => ("bad", "↩"),
        ChangeState::Undoing => ("bad", "↩"),
        ChangeState::Stuck => ("bad", "✗"),
        ChangeState::Held => ("warn", "‖"),
        ChangeState::Planned | ChangeState::Running => ("accent", "◐"),
        ChangeState::Superseded => ("dim", "-"),
    };
    html! { span class={ "mark " (class) } { span aria-hidden="true" { (sign) } " " (state) } }
}

fn detail(view: &ChangeView, why: &Why, command: &str) -> Markup {
    html! {
        p class="facts" {
            (mark(view.change.state)) " "
            (view.change.id) " · by " (view.change.by) " · " span class="mono" { (view.digest.short()) "…" }
            @if let Some(previous) = &view.previous { " · before: " (previous) }
        }
        @if !view.parts.is_empty() {
            section aria-label="Shipped together" {
                ol class="changes" {
                    @for part in &view.parts {
                        li {
                            (mark(part.state))
                            div {
                                a class="title" href={ "/c/" (part.part.change.0) } { (part.part.service) " " (part.part.version) }
                                span class="dim" { (part.part.change) }
                            }
                        }
                    }
                }
            }
        }
        section aria-label="Rings" {
            h2 { "Rings" }
            @for ring in &view.rings { (ring_row(ring)) }
        }
        @if view.signals.iter().any(|signal| signal.canary.total + signal.control.total > 0) { (signals(&view.signals)) }
        (band::pictures(&view.signals))
        @if !view.drifted.is_empty() {
            section { h2 { "Not where they should be" } (hosts(&view.drifted)) }
        }
        section {
            h2 { "Why" }
            (chain(&why.chain))
            p class="dim" { "The same in a terminal: " code { (command) " why " (view.change.id) } }
        }
    }
}

fn ring_row(ring: &RingView) -> Markup {
    let (class, word) = match ring.state {
        RingState::Waiting => ("dim", "waiting"),
        RingState::Releasing => ("accent", "releasing"),
        RingState::Proving => ("accent", "waiting for proof"),
        RingState::Baking => ("accent", "watched"),
        RingState::Judging => ("accent", "judged"),
        RingState::Held => ("warn", "held"),
        RingState::Passed => ("ok", "passed"),
        RingState::Undoing => ("bad", "being undone"),
        RingState::Undone => ("bad", "undone"),
        RingState::Skipped => ("dim", "never began"),
    };
    html! {
        details open[!matches!(ring.state, RingState::Waiting | RingState::Skipped)] {
            summary {
                strong { (ring.name) } " "
                span class=(class) { (word) } " "
                span class="dim" { (ring_hosts(ring)) @if !ring.note.is_empty() { " · " (ring.note) } }
            }
            (hosts(&ring.hosts))
        }
    }
}

/// Lists hosts, of very many those first that need a look; the others are counted.
fn hosts(hosts: &[HostLine]) -> Markup {
    let mut lines: Vec<&HostLine> = hosts.iter().collect();
    let more = lines.len().saturating_sub(HOSTS);
    if more > 0 {
        // Those alike stay in their order.
        lines.sort_by_key(|host| is_as_it_should(host.proof));
        lines.truncate(HOSTS);
    }
    html! {
        ul {
            @for host in lines { (host_line(host)) }
            @if more > 0 { li class="dim" { "and " (words::counted(more as u64, "more host")) } }
        }
    }
}

fn is_as_it_should(proof: Proof) -> bool {
    match proof {
        Proof::Converged | Proof::Stopped => true,
        Proof::Pending | Proof::Reverted | Proof::Drifted | Proof::Blocked | Proof::Unknown => {
            false
        }
    }
}

fn ring_hosts(ring: &RingView) -> String {
    let hosts = ring.hosts.len() as u64;
    match ring.state {
        RingState::Waiting | RingState::Skipped => words::counted(hosts, "host"),
        _ => format!(
            "{} of {} proved",
            ring.proved,
            words::counted(hosts, "host")
        ),
    }
}

fn host_line(host: &HostLine) -> Markup {
    let class = match host.proof {
        Proof::Converged => "ok",
        Proof::Pending | Proof::Stopped => "dim",
        Proof::Reverted | Proof::Drifted | Proof::Unknown => "warn",
        Proof::Blocked => "bad",
    };
    html! {
        li {
            strong { (host.host) } " "
            @if let Some(version) = &host.running { (version) " " }
            span class=(class) { (proof_word(host.proof)) }
            @if let Some(digest) = &host.digest { " " span class="mono dim" { (digest.short()) "…" } }
            @if !host.why.is_empty() { " " span class="dim" { (host.why) } }
        }
    }
}

fn proof_word(proof: Proof) -> &'static str {
    match proof {
        Proof::Converged => "proved",
        Proof::Pending => "under way",
        Proof::Reverted => "went back by itself",
        Proof::Drifted => "runs something else",
        Proof::Stopped => "stopped",
        Proof::Blocked => "blocked",
        Proof::Unknown => "not known",
    }
}

fn signals(signals: &[SignalView]) -> Markup {
    let share = |counts: model::judge::Counts| match counts.share() {
        Some(share) => format!(
            "{} of {}",
            words::percent(share),
            words::count(counts.total)
        ),
        None => "no requests".to_owned(),
    };
    let value = |mean: Option<f64>| match mean {
        Some(mean) => format!("{} on average", words::decimal(mean, 3)),
        None => "no events".to_owned(),
    };
    html! {
        section {
            h2 { "Evidence" }
            table {
                thead { tr { th { "signal" } th { "control" } th { "canary" } th { "odds at least" } th { "state" } } }
                tbody {
                    @for signal in signals {
                        tr {
                            th scope="row" { (signal.name) @if let Some(time) = &signal.slower_than { ", slower than " (time) } }
                            td { @if let Some(mean) = &signal.mean { (value(mean.control)) } @else { (share(signal.control)) } }
                            td { @if let Some(mean) = &signal.mean { (value(mean.canary)) } @else { (share(signal.canary)) } }
                            td { @if signal.mean.is_some() { "has none" } @else if let Some(odds) = signal.odds_at_least { (odds) " times" } @else { "not shown" } }
                            td { (state_word(signal)) }
                        }
                    }
                }
            }
        }
    }
}

fn state_word(signal: &SignalView) -> Markup {
    use model::api::change::SignalState::{Bad, Cleared, Collecting, NoTraffic, Suspicious};
    let (class, word) = match signal.state {
        Bad => ("bad", "✗ worse"),
        Suspicious => ("warn", "perhaps worse"),
        Cleared => ("ok", "✓ fine"),
        Collecting => ("dim", "too few requests yet"),
        NoTraffic => ("dim", "no requests"),
    };
    html! { span class=(class) { (word) } }
}

fn chain(items: &[TimelineItem]) -> Markup {
    html! {
        ol class="chain" {
            @for item in items {
                li {
                    time datetime=(item.at) { (item.at.time_of_day()) }
                    div {
                        span { (item.text) } " " span class="dim" { (item.kind) " by " (item.actor) }
                        @for line in &item.detail { p class="detail" { (line) } }
                    }
                }
            }
        }
    }
}

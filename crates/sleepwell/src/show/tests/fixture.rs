//! Changes of an invented shop, in the states people meet them in.

use model::api::change::{
    ChangeView, HostLine, PartView, RingState, RingView, SignalState, SignalView, TimelineItem,
    VerdictView,
};
use model::api::deliver::{HostService, HostTrouble, HostView};
use model::api::freeze::{FreezeSource, FreezeView};
use model::api::rehearsal::{Obstacle, Rehearsal, RehearsedHost, RehearsedRing};
use model::api::schema::{SchemaRun, SchemaView, WayBack};
use model::deliver::freeze::Window;
use model::deliver::{
    AtDeadline, Command, FreezeRule, HeldReason, Migration, MigrationKind, Part, Program,
    ProgramOrder, ProgramOutcome, ProgramReport, ProgramUpdate, ProgramWish, Proof, ReleaseNumber,
    ReleaseRef, Schema,
};
use model::judge::{Counts, VerdictState};
use model::observe::{Change, ChangeKind, ChangeState, Level};
use model::{
    ActionId, ChangeId, Digest, EntryId, Fact, HostId, Kind, Labels, PageId, Timestamp, VerdictId,
};

use crate::show::Style;

pub(super) const WIDE: Style = Style {
    color: false,
    width: 110,
    unicode: true,
};
pub(super) const NARROW: Style = Style { width: 60, ..WIDE };
pub(super) const ASCII: Style = Style {
    unicode: false,
    ..WIDE
};

/// Returns a time of day, `14:03:31`, of the one day all stories are about.
pub(super) fn at(time: &str) -> Timestamp {
    format!("2026-11-19T{time}Z").parse().unwrap()
}

fn parsed<T: std::str::FromStr<Err = String>>(text: &str) -> T {
    text.parse().unwrap()
}

fn old() -> Digest {
    Digest::of(b"shop 1.0")
}

fn new() -> Digest {
    Digest::of(b"shop 1.1")
}

fn host(name: &str, version: &str, proof: Proof) -> HostLine {
    HostLine {
        host: parsed(name),
        running: Some(parsed(version)),
        digest: Some(if version == "1.1" { new() } else { old() }),
        proof,
        why: String::new(),
        unknown_since: None,
    }
}

fn silent(name: &str, since: Timestamp) -> HostLine {
    HostLine {
        unknown_since: Some(since),
        ..host(name, "1.0", Proof::Unknown)
    }
}

fn ring(name: &str, state: RingState, hosts: Vec<HostLine>) -> RingView {
    RingView {
        name: parsed(name),
        state,
        proved: hosts.iter().filter(|h| h.proof == Proof::Converged).count(),
        hosts,
        proved_at: None,
        bake_ms: 60_000,
        deadline_ms: 600_000,
        note: String::new(),
    }
}

fn web(from: usize, to: usize, version: &str) -> Vec<HostLine> {
    (from..=to)
        .map(|n| host(&format!("web-{n}"), version, Proof::Converged))
        .collect()
}

fn signal(name: &str, canary: (u64, u64), control: (u64, u64), state: SignalState) -> SignalView {
    let counts = |(bad, total)| Counts { bad, total };
    SignalView {
        name: name.to_owned(),
        level: Level::Business,
        critical: false,
        canary: counts(canary),
        control: counts(control),
        odds_ratio: None,
        odds_at_least: None,
        odds_at_most: None,
        harm: 0.0,
        state,
        slower_than: None,
        picture: None,
        mean: None,
    }
}

fn signals() -> Vec<SignalView> {
    vec![
        SignalView {
            harm: 0.42,
            odds_ratio: Some(1.6),
            ..signal(
                "failed payments",
                (9, 610),
                (14, 1_420),
                SignalState::Collecting,
            )
        },
        SignalView {
            odds_at_least: Some(0.6),
            odds_at_most: Some(1.2),
            ..signal("5xx answers", (1, 2_900), (4, 8_800), SignalState::Cleared)
        },
        signal(
            "searches without a hit",
            (0, 0),
            (3, 40),
            SignalState::NoTraffic,
        ),
    ]
}

/// Returns the journal in words; each entry follows from the one before.
fn story(facts: Vec<(&str, Kind, &str, &str, Fact)>) -> Vec<TimelineItem> {
    let id = |n: usize| EntryId::new(at("14:00:00"), n as u128);
    facts
        .into_iter()
        .enumerate()
        .map(|(n, (time, kind, actor, text, fact))| {
            let body = fact.to_body();
            TimelineItem {
                id: id(n),
                at: at(time),
                kind,
                actor: actor.to_owned(),
                event: body["fact"].as_str().unwrap().to_owned(),
                text: text.to_owned(),
                detail: vec![],
                causes: n.checked_sub(1).map(id).into_iter().collect(),
                depth: n,
                body,
            }
        })
        .collect()
}

fn release(number: u64, version: &str, digest: Digest) -> ReleaseRef {
    ReleaseRef {
        number: ReleaseNumber(number),
        version: parsed(version),
        digest,
        redeploy: None,
    }
}

fn planned() -> Fact {
    Fact::RolloutPlanned {
        service: parsed("shop"),
        environment: parsed("production"),
        release: release(2, "1.1", new()),
        previous: Some(release(1, "1.0", old())),
        rings: vec![(parsed("canary"), 2), (parsed("everyone"), 6)],
    }
}

fn began() -> Vec<(&'static str, Kind, &'static str, &'static str, Fact)> {
    vec![
        (
            "14:03:12",
            Kind::Change,
            "jonas",
            "jonas ships shop 1.1 to production, 8 hosts in 2 rings",
            planned(),
        ),
        (
            "14:03:31",
            Kind::Action,
            "sleepwell",
            "ring canary begins: web-1, web-2",
            Fact::RingStarted {
                ring: parsed("canary"),
                hosts: vec![parsed("web-1"), parsed("web-2")],
            },
        ),
    ]
}

/// Is the canary being judged.
pub(super) fn judging() -> ChangeView {
    ChangeView {
        change: Change {
            id: ChangeId(2),
            kind: ChangeKind::Deploy,
            service: parsed("shop"),
            environment: parsed("production"),
            title: "shop 1.1".to_owned(),
            by: "jonas".to_owned(),
            state: ChangeState::Running,
            started_at: at("14:03:12"),
            updated_at: at("14:03:12"),
        },
        sentence: "The canary is being judged: 42 % of the way to a bad verdict.".to_owned(),
        release: parsed("1.1"),
        digest: new(),
        previous: Some(parsed("1.0")),
        rings: vec![
            RingView {
                proved_at: Some(at("14:03:41")),
                ..ring("canary", RingState::Judging, web(1, 2, "1.1"))
            },
            ring("everyone", RingState::Waiting, web(3, 8, "1.0")),
        ],
        verdict: None,
        signals: signals(),
        drifted: vec![],
        watched_until: None,
        parts: vec![],
        timeline: story(began()),
        now: at("14:06:11"),
    }
}

/// Is the canary of one of three services that were shipped as one.
pub(super) fn together() -> ChangeView {
    let part = |change, service, version, needs: &[u64], state| PartView {
        part: Part {
            change: ChangeId(change),
            service: parsed(service),
            version: parsed(version),
            needs: needs.iter().map(|&need| ChangeId(need)).collect(),
        },
        state,
    };
    let mut view = judging();
    view.parts = vec![
        part(1, "ledger", "12.0", &[], ChangeState::Done),
        part(2, "shop", "1.1", &[1], ChangeState::Running),
        part(3, "storefront", "2026.11", &[1, 2], ChangeState::Planned),
    ];
    view
}

/// Is what went back because of another part.
pub(super) fn undone_together() -> ChangeView {
    let mut view = undone();
    view.parts = together().parts;
    view.parts[0].state = ChangeState::Undone;
    view.parts[1].state = ChangeState::Undone;
    view.parts[2].state = ChangeState::Undone;
    view.verdict = None;
    view.signals.clear();
    let at = view
        .timeline
        .iter()
        .position(|item| item.event == "undo_started");
    let mut item = view.timeline[at.unwrap()].clone();
    let fact = Fact::UndoneTogether {
        with: ChangeId(3),
        service: parsed("storefront"),
        version: parsed("2026.11"),
    };
    item.event = "undone_together".to_owned();
    item.body = fact.to_body();
    item.actor = "procedure undo".to_owned();
    view.timeline.insert(at.unwrap(), item);
    view
}

/// Is a canary whose hosts are at work; one of them has trouble.
pub(super) fn proving() -> ChangeView {
    let mut view = judging();
    view.rings[0].state = RingState::Proving;
    view.rings[0].proved = 1;
    view.rings[0].proved_at = None;
    view.rings[0].hosts[1] = HostLine {
        why: "no space left on device: 12 MB free, 80 MB needed in /var/lib/sleepwell".to_owned(),
        ..host("web-2", "1.0", Proof::Blocked)
    };
    view.signals.clear();
    view
}

/// Is three in the morning: a bad canary that undid itself.
pub(super) fn undone() -> ChangeView {
    let mut view = judging();
    let mut facts = began();
    facts.push((
        "14:04:02",
        Kind::Action,
        "procedure undo",
        "procedure undo takes shop 1.1 back",
        Fact::ActionTaken {
            action: ActionId::new(at("14:04:02"), 1),
            procedure: "undo".to_owned(),
            what: "undo".to_owned(),
            verdict: VerdictId::new(at("14:04:02"), 1),
        },
    ));
    facts.extend([
        ordered("procedure undo"),
        undo_started(),
        undo_done(),
        told(),
    ]);
    view.timeline = story(facts);
    view.change.state = ChangeState::Undone;
    view.change.updated_at = at("14:04:09");
    view.now = at("14:04:10");
    view.sentence = "Payments failed 4.1 to 9.8 times as often on the canary as on the other \
                     hosts, so shop 1.1 was undone after 38 s."
        .to_owned();
    view.rings[0] = RingView {
        proved_at: Some(at("14:03:41")),
        ..ring("canary", RingState::Undone, web(1, 2, "1.0"))
    };
    view.rings[1].state = RingState::Skipped;
    view.signals[0] = SignalView {
        odds_at_least: Some(4.1),
        odds_at_most: Some(9.8),
        harm: 1.1,
        ..signal("failed payments", (61, 610), (14, 1_420), SignalState::Bad)
    };
    view.verdict = Some(VerdictView {
        id: VerdictId::new(at("14:04:02"), 1),
        state: VerdictState::Fail,
        reason: "harm".to_owned(),
        at: at("14:04:02"),
        sentence: "Payments fail more often on the canary.".to_owned(),
    });
    view
}

fn ordered(by: &'static str) -> (&'static str, Kind, &'static str, &'static str, Fact) {
    let fact = Fact::Ordered {
        command: Command::Undo,
        reason: String::new(),
    };
    ("14:04:02", Kind::Action, by, "undo was ordered", fact)
}

fn undo_started() -> (&'static str, Kind, &'static str, &'static str, Fact) {
    let fact = Fact::UndoStarted {
        to: Some(parsed("1.0")),
        hosts: 2,
    };
    (
        "14:04:03",
        Kind::Action,
        "sleepwell",
        "2 hosts go back to 1.0",
        fact,
    )
}

fn undo_done() -> (&'static str, Kind, &'static str, &'static str, Fact) {
    let fact = Fact::RolloutUndone {
        to: Some(parsed("1.0")),
        hosts: 2,
        after_ms: 38_000,
    };
    let text = "2 of 2 hosts prove 1.0 again, 38s after the canary began";
    ("14:04:09", Kind::Outcome, "sleepwell", text, fact)
}

fn told() -> (&'static str, Kind, &'static str, &'static str, Fact) {
    let fact = Fact::MessageAccepted {
        page: PageId::new(at("14:04:10"), 1),
        to: "mail to shop@example.org".to_owned(),
        attempt: 1,
    };
    let text = "shop@example.org was told";
    ("14:04:10", Kind::Outcome, "sleepwell", text, fact)
}

/// Is the same end, wished for by a person.
pub(super) fn undone_by_a_person() -> ChangeView {
    let mut view = undone();
    let mut facts = began();
    facts.extend([ordered("amara"), undo_started(), undo_done()]);
    view.timeline = story(facts);
    view
}

/// Is an undo that one host does not hear of.
pub(super) fn stuck() -> ChangeView {
    let mut view = undone();
    view.change.state = ChangeState::Stuck;
    view.sentence =
        "1 of 2 hosts is back on 1.0; web-2 has not answered since 14:03:50.".to_owned();
    view.rings[0].state = RingState::Undoing;
    view.rings[0].hosts[1] = HostLine {
        running: Some(parsed("1.1")),
        ..silent("web-2", at("14:03:50"))
    };
    view
}

/// Is the eighth server: seven proved, one silent.
pub(super) fn held() -> ChangeView {
    let mut view = judging();
    let mut facts = began();
    facts.push((
        "14:04:45",
        Kind::Outcome,
        "sleepwell",
        "ring canary passed",
        Fact::RingPassed {
            ring: parsed("canary"),
            how: "pass".to_owned(),
        },
    ));
    facts.push((
        "14:09:45",
        Kind::Action,
        "sleepwell",
        "held: 7 of 8 hosts proved 1.1",
        Fact::RolloutHeld {
            reason: HeldReason::WaitingFor {
                hosts: vec![parsed("web-8")],
                proved: 7,
                of: 8,
            },
        },
    ));
    view.timeline = story(facts);
    view.change.state = ChangeState::Held;
    view.now = at("14:12:00");
    view.sentence = "7 of 8 hosts proved 1.1; web-8 has been silent since 14:01:07.".to_owned();
    let mut rest = web(3, 7, "1.1");
    rest.push(silent("web-8", at("14:01:07")));
    view.rings = vec![
        RingView {
            proved_at: Some(at("14:03:41")),
            ..ring("canary", RingState::Passed, web(1, 2, "1.1"))
        },
        RingView {
            note: "waits for web-8".to_owned(),
            ..ring("everyone", RingState::Held, rest)
        },
    ];
    view.signals = vec![signals().remove(1)];
    view
}

/// Is a change that went through.
pub(super) fn done() -> ChangeView {
    let mut view = held();
    view.change.state = ChangeState::Done;
    view.change.updated_at = at("14:09:30");
    view.now = at("14:09:31");
    view.sentence = "8 of 8 hosts prove 1.1.".to_owned();
    view.rings[1] = RingView {
        note: "not excluded: 2".to_owned(),
        ..ring("everyone", RingState::Passed, web(3, 8, "1.1"))
    };
    view
}

/// Is a change that went through, and a host that was forgotten.
pub(super) fn done_with_drift() -> ChangeView {
    let mut view = done();
    view.drifted = vec![
        HostLine {
            why: "started by hand, pid 4121".to_owned(),
            ..host("web-9", "0.9", Proof::Drifted)
        },
        silent("web-10", at("12:00:00")),
    ];
    view
}

fn service(version: &str, proof: Proof, why: &str) -> HostService {
    HostService {
        service: parsed("shop"),
        environment: parsed("production"),
        ring: parsed("everyone"),
        wanted: parsed("1.1"),
        wanted_release: ReleaseNumber(2),
        wanted_state: model::deliver::DesiredState::Running,
        running: Some(parsed(version)),
        running_digest: Some(if version == "1.1" { new() } else { old() }),
        proof,
        why: why.to_owned(),
        since: at("14:00:00"),
        reported: None,
    }
}

pub(super) fn hosts() -> Vec<HostView> {
    let view = |name: &str, unknown_since: Option<Timestamp>, services| HostView {
        id: HostId::new(at("10:00:00"), 1),
        name: parsed(name),
        labels: Labels::default(),
        agent_version: "0.4.1".to_owned(),
        program: Default::default(),
        last_seen: unknown_since.unwrap_or(at("14:12:00")),
        unknown_since,
        troubles: vec![],
        services,
    };
    let fine = || service("1.1", Proof::Converged, "");
    let by_hand = "started by hand, pid 4121, from /opt/old/shop";
    vec![
        view("web-1", None, vec![fine()]),
        view("web-2", None, vec![service("1.0", Proof::Pending, "")]),
        view("web-3", None, vec![service("0.9", Proof::Drifted, by_hand)]),
        view("web-8", Some(at("14:01:07")), vec![fine()]),
        view("db-1", None, vec![]),
    ]
}

/// Returns programs of agents: one that stands, one that becomes another, one that could not, one that is other bytes.
pub(super) fn programs() -> Vec<Program> {
    let reported = |bytes: &[u8]| ProgramReport {
        digest: Some(Digest::of(bytes)),
        platform: "linux-x86_64".to_owned(),
        number_seen: 1,
        update: ProgramUpdate::Settled,
    };
    let order = |outcome| ProgramOrder {
        wish: ProgramWish {
            number: 1,
            digest: Digest::of(b"new"),
            size_bytes: 3,
            version: "0.5.0".to_owned(),
        },
        asked_at: at("14:01:07"),
        entry: EntryId::new(at("14:01:07"), 1),
        outcome,
    };
    let of = |bytes: &[u8], outcome: Option<ProgramOutcome>| Program {
        reported: Some(reported(bytes)),
        order: outcome.map(order),
    };
    let failed = ProgramOutcome::Failed {
        at: at("14:02:09"),
        why: "it ended with exit status: 1 before it had spoken with the server".to_owned(),
    };
    vec![
        of(b"old", None),
        Program {
            reported: Some(ProgramReport {
                update: ProgramUpdate::Preparing {
                    why: "disk: 12 MiB free at /var/lib/sleepwell-agent, 400 MiB needed".to_owned(),
                },
                ..reported(b"old")
            }),
            order: Some(order(ProgramOutcome::Pending)),
        },
        of(b"old", Some(failed)),
        of(b"other", None),
    ]
}

/// Returns four hosts, each with something wrong with itself.
pub(super) fn troubled_hosts() -> Vec<HostView> {
    let since = at("14:01:07");
    let troubles = [
        HostTrouble::LockedOut { since },
        HostTrouble::Doubled {
            since,
            heard_boot: "5e2a8c11-0f3b".to_owned(),
            other_boots: vec!["77f0b3d2-0e1a".to_owned()],
        },
        HostTrouble::ClockOff {
            since,
            ahead_ms: -95_000,
        },
        HostTrouble::UpdateFailed {
            since,
            digest: Digest::of(b"new"),
            version: "0.5.0".to_owned(),
            why: "it did not speak with the server within 60 s".to_owned(),
        },
    ];
    let mut hosts = hosts();
    hosts.truncate(1);
    let fine = hosts.remove(0);
    (1..)
        .zip(troubles)
        .map(|(n, trouble)| HostView {
            name: parsed(&format!("web-{n}")),
            troubles: vec![trouble],
            ..fine.clone()
        })
        .collect()
}

pub(super) fn changes() -> Vec<Change> {
    [undone(), judging(), held(), done()]
        .into_iter()
        .zip([4, 3, 2, 1])
        .map(|(view, id)| Change {
            id: ChangeId(id),
            ..view.change
        })
        .collect()
}

/// Returns 1.1 rehearsed on four hosts, the last of which is silent.
pub(super) fn rehearsal() -> Rehearsal {
    let host = |n: usize, step| RehearsedHost {
        host: parsed(&format!("web-{n}")),
        step,
        from: (n != 4).then(|| parsed("1.0")),
        to: parsed("1.1"),
        unknown_since: (n == 4).then(|| at("14:01:07")),
    };
    let ring = |name, hosts, begins_after_ms, at_deadline| RehearsedRing {
        name: parsed(name),
        hosts,
        bake_ms: 60_000,
        deadline_ms: 600_000,
        at_deadline,
        begins_after_ms: Some(begins_after_ms),
        passes_after_ms: Some(begins_after_ms + 60_000),
    };
    Rehearsal {
        service: parsed("shop"),
        environment: parsed("production"),
        release: parsed("1.1"),
        previous: Some(parsed("1.0")),
        max_unavailable: Some(2),
        rings: vec![
            ring("staff", vec![host(1, Some(1))], 0, AtDeadline::Hold),
            ring(
                "everyone",
                vec![host(2, None), host(3, Some(2)), host(4, Some(2))],
                60_000,
                AtDeadline::Go,
            ),
        ],
        obstacles: vec![Obstacle {
            code: "waiting_for".to_owned(),
            text: "it would be held: 3 of 4 hosts proved; waiting for web-4".to_owned(),
            hint: "see `sleepwell hosts`".to_owned(),
        }],
        done_at: Some(at("14:05:31")),
        now: at("14:03:31"),
    }
}

/// Returns a freeze of the server that is in force, one of a file to come, and one that is over.
pub(super) fn freezes() -> Vec<FreezeView> {
    let freeze = |name: &str, from: &str, to: &str, span: Option<(&str, &str)>| FreezeView {
        rule: FreezeRule {
            name: parsed(name),
            zone: parsed("Europe/Berlin"),
            window: Window::read(from, to).unwrap(),
        },
        environment: Some(parsed("production")),
        service: None,
        source: FreezeSource::Server,
        reason: "year's end".to_owned(),
        by: "mira".to_owned(),
        is_in_force: false,
        begins_at: span.map(|(begin, _)| begin.parse().unwrap()),
        ends_at: span.map(|(_, end)| end.parse().unwrap()),
    };
    let day = ("2026-11-19T11:00:00Z", "2026-11-19T17:00:00Z");
    let weekend = ("2026-11-20T15:00:00Z", "2026-11-23T07:00:00Z");
    let (thu, fri, mon) = ("2026-11-19 12:00", "fri 16:00", "mon 08:00");
    vec![
        FreezeView {
            is_in_force: true,
            ..freeze("today", thu, "2026-11-19 18:00", Some(day))
        },
        FreezeView {
            service: Some(parsed("shop")),
            source: FreezeSource::File,
            ..freeze("weekend", fri, mon, Some(weekend))
        },
        freeze("over", "2026-11-18 12:00", "2026-11-18 18:00", None),
    ]
}

/// Two schemas: one that a silent host keeps back, one that is being migrated.
pub(super) fn schemas() -> Vec<SchemaView> {
    let run = |version: &str, needs: Option<&str>, fits, hosts: &[&str]| SchemaRun {
        version: parsed(version),
        needs: needs.map(parsed),
        fits,
        hosts: hosts.iter().map(|name| parsed(name)).collect(),
    };
    let schema = |service: &str, version, becoming| Schema {
        service: parsed(service),
        environment: parsed("production"),
        version,
        becoming,
        point_of_no_return: None,
        by: "ci".to_owned(),
        at: at("13:02:11"),
        entry: EntryId::new(at("13:02:11"), 1),
    };
    let step = Migration {
        from: 3,
        to: 4,
        kind: MigrationKind::Expand,
        by: "ci".to_owned(),
        at: at("13:02:11"),
    };
    vec![
        SchemaView {
            schema: schema("ledger", 3, Some(step)),
            runs: vec![run("2.0", None, None, &["db-1"])],
        },
        SchemaView {
            schema: schema("shop", 14, None),
            runs: vec![
                run("1.0", Some(">=12 <14"), Some(false), &["web-4"]),
                run("1.1", Some(">=13 <15"), Some(true), &["web-1", "web-2"]),
            ],
        },
    ]
}

pub(super) fn ways_back() -> [WayBack; 3] {
    let open = |to: Option<&str>| WayBack {
        to: to.map(parsed),
        refused: None,
        hint: None,
    };
    let closed = WayBack {
        refused: Some("there is no way back to 1.0: it needs schema <14, and the schema is 14 since the step from 13 to 14 (contract, by ci), a point of no return; the oldest safe release is 1.1".to_owned()),
        hint: Some("go forward: mend it and ship a new version, or ship the oldest safe one: `sleepwell ship shop 1.1`".to_owned()),
        ..open(Some("1.0"))
    };
    [open(Some("1.0")), open(None), closed]
}

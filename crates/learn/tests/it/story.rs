//! The whole story of a release that was undone, as `sleepwell why chg-7` has it.

use std::fmt::Write as _;

use learn::why;
use model::deliver::{Command, DesiredState, Priority, Proof, RolloutState};
use model::judge::{Reason, VerdictState};
use model::{ActionId, Entry, Fact, Kind, PageId, Subject};

use crate::fixture::{START, World, at, entry, name, new, of, old, plain_fail};

fn on_host(mut entry: Entry) -> Entry {
    entry.subject = Subject::Host(name(1));
    entry
}

fn asked(version: &str, generation: u64, priority: Priority) -> Fact {
    Fact::HostAsked {
        host: name(1),
        service: "shop".parse().unwrap(),
        version: version.parse().unwrap(),
        generation,
        priority,
        state: DesiredState::Running,
    }
}

fn proved(version: &str, proof: Proof) -> Fact {
    Fact::HostProof {
        host: name(1),
        service: "shop".parse().unwrap(),
        proof,
        version: Some(version.parse().unwrap()),
        why: String::new(),
    }
}

fn undone_release() -> Vec<Entry> {
    let ring = || "canary".parse().unwrap();
    let verdict = |verdict| Fact::VerdictGiven {
        verdict: Box::new(verdict),
    };
    let mut collecting = of(VerdictState::Undecided, Reason::Collecting);
    collecting.evidence.metrics.clear();
    collecting.evidence.looks = 1;
    collecting.evidence.log_e = 0.0;
    collecting.evidence.started = at(3);
    let sleepwell = "sleepwell";
    vec![
        entry(
            1,
            0,
            Kind::Change,
            "jonas",
            &[],
            &Fact::RolloutPlanned {
                service: "shop".parse().unwrap(),
                environment: "production".parse().unwrap(),
                release: new(),
                previous: Some(old()),
                rings: vec![(ring(), 1), ("rest".parse().unwrap(), 7)],
            },
        ),
        entry(
            2,
            0,
            Kind::Action,
            sleepwell,
            &[1],
            &Fact::RingStarted {
                ring: ring(),
                hosts: vec![name(1)],
            },
        ),
        on_host(entry(
            3,
            0,
            Kind::Action,
            sleepwell,
            &[2],
            &asked("1.1", 2, Priority::Rollout),
        )),
        on_host(entry(
            4,
            1,
            Kind::Outcome,
            "host web-1",
            &[3],
            &proved("1.1", Proof::Pending),
        )),
        on_host(entry(
            5,
            2,
            Kind::Outcome,
            "host web-1",
            &[3],
            &proved("1.1", Proof::Converged),
        )),
        entry(
            6,
            2,
            Kind::Outcome,
            sleepwell,
            &[5],
            &Fact::RingProved {
                ring: ring(),
                hosts: 1,
            },
        ),
        entry(7, 3, Kind::Verdict, "judge", &[6], &verdict(collecting)),
        entry(8, 12, Kind::Verdict, "judge", &[7], &verdict(plain_fail())),
        entry(
            9,
            12,
            Kind::Action,
            "procedure undo",
            &[8],
            &Fact::ActionTaken {
                action: ActionId::new(START, 1),
                procedure: "undo".to_owned(),
                what: "undo".to_owned(),
                verdict: plain_fail().id,
            },
        ),
        entry(
            10,
            12,
            Kind::Action,
            "procedure undo",
            &[9],
            &Fact::Ordered {
                command: Command::Undo,
                reason: String::new(),
            },
        ),
        entry(
            11,
            12,
            Kind::Action,
            "procedure undo",
            &[8],
            &Fact::MessageQueued {
                page: PageId::new(START, 1),
                to: "mail to pay@example.org".to_owned(),
                title: "shop 1.1 is being undone".to_owned(),
            },
        ),
        entry(
            12,
            12,
            Kind::Action,
            sleepwell,
            &[10],
            &Fact::UndoStarted {
                to: Some("1.0".parse().unwrap()),
                hosts: 1,
            },
        ),
        on_host(entry(
            13,
            12,
            Kind::Action,
            sleepwell,
            &[12],
            &asked("1.0", 3, Priority::Rollback),
        )),
        entry(
            14,
            13,
            Kind::Outcome,
            sleepwell,
            &[11],
            &Fact::MessageAccepted {
                page: PageId::new(START, 1),
                to: "mail to pay@example.org".to_owned(),
                attempt: 1,
            },
        ),
        on_host(entry(
            15,
            14,
            Kind::Outcome,
            "host web-1",
            &[13],
            &proved("1.0", Proof::Converged),
        )),
        entry(
            16,
            14,
            Kind::Outcome,
            sleepwell,
            &[12, 15],
            &Fact::RolloutUndone {
                to: Some("1.0".parse().unwrap()),
                hosts: 1,
                after_ms: 12_300,
            },
        ),
    ]
}

/// Draws a story as indented text.
fn drawn(why: &model::api::change::Why) -> String {
    let mut text = format!("{}\n{}\n\n", why.subject, why.sentence);
    for item in &why.chain {
        let indent = "  ".repeat(item.depth);
        let time = item.at.time_of_day();
        writeln!(text, "{time} {indent}{} [{}]", item.text, item.actor).unwrap();
        for paragraph in &item.detail {
            writeln!(text, "         {indent}| {paragraph}").unwrap();
        }
    }
    text
}

#[test]
fn the_story_of_an_undone_release_reads_like_this() {
    let mut world = World::new(RolloutState::Undone { at: at(14) });
    world.touch(1);
    world.verdict = Some(plain_fail());
    world.entries = undone_release();
    let why = why::story(
        &Subject::Change(world.change.id),
        world.sentence(),
        &world.entries,
    );
    let expected = include_str!("undone.txt");
    assert_eq!(drawn(&why), expected);
}

#[test]
fn the_order_of_the_entries_does_not_matter() {
    let mut shuffled = undone_release();
    shuffled.reverse();
    // Entries of one instant keep the order they are given in, so only the times are compared.
    let times =
        |entries: &[Entry]| -> Vec<_> { why::chain(entries).iter().map(|item| item.at).collect() };
    assert_eq!(times(&shuffled), times(&undone_release()));
}

#[test]
fn the_timeline_of_a_change_leaves_nothing_out() {
    let mut world = World::new(RolloutState::Undone { at: at(14) });
    world.entries = undone_release();
    let view = learn::change::view(world.input());
    assert_eq!(view.timeline.len(), world.entries.len());
}

#[test]
fn a_story_of_many_hosts_shows_the_newest_reports_only() {
    let mut entries = vec![entry(
        1,
        0,
        Kind::Action,
        "sleepwell",
        &[],
        &Fact::RingStarted {
            ring: "rest".parse().unwrap(),
            hosts: (1..=40).map(name).collect(),
        },
    )];
    let reports: Vec<u64> = (2..42).collect();
    for &n in &reports {
        entries.push(on_host(entry(
            n,
            n,
            Kind::Outcome,
            "host",
            &[1],
            &proved("1.1", Proof::Converged),
        )));
    }
    entries.push(entry(
        50,
        60,
        Kind::Outcome,
        "sleepwell",
        &reports,
        &Fact::RingProved {
            ring: "rest".parse().unwrap(),
            hosts: 40,
        },
    ));
    let chain = why::chain(&entries);
    let events: Vec<&str> = chain.iter().map(|item| item.event.as_str()).collect();
    assert_eq!(
        events,
        [
            "ring_started",
            "host_proof",
            "host_proof",
            "host_proof",
            "ring_proved"
        ]
    );
    assert_eq!(
        chain[1].detail,
        ["Before this, 37 steps of hosts are left out."]
    );
    let depths: Vec<usize> = chain.iter().map(|item| item.depth).collect();
    assert_eq!(depths, [0, 1, 1, 1, 2]);
}

#[test]
fn the_end_is_shown_with_a_proof_even_where_it_names_none() {
    let done = Fact::RolloutDone {
        hosts: 1,
        after_ms: 4_000,
    };
    let report = |n| {
        let fact = proved("1.1", Proof::Converged);
        on_host(entry(n, n, Kind::Outcome, "host", &[], &fact))
    };
    let entries = [
        report(1),
        report(2),
        entry(3, 3, Kind::Outcome, "sleepwell", &[], &done),
        report(4),
    ];
    let chain = why::chain(&entries);
    let events: Vec<&str> = chain.iter().map(|item| item.event.as_str()).collect();
    assert_eq!(events, ["host_proof", "rollout_done"]);
    assert_eq!(chain[0].id, entries[1].id);
    assert_eq!(
        chain[1].detail,
        ["After this, 1 step of a host is left out."]
    );
}

#[test]
fn a_host_that_reverted_is_news() {
    let entries = [
        entry(
            1,
            0,
            Kind::Action,
            "sleepwell",
            &[],
            &Fact::RolloutResumed {
                ring: "rest".parse().unwrap(),
            },
        ),
        on_host(entry(
            2,
            1,
            Kind::Outcome,
            "host",
            &[],
            &proved("1.0", Proof::Reverted),
        )),
    ];
    assert_eq!(why::chain(&entries).len(), 2);
}

#[test]
fn the_story_of_a_host_shows_what_it_did() {
    let entries: Vec<Entry> = undone_release()
        .into_iter()
        .filter(|entry| matches!(entry.subject, Subject::Host(_)))
        .collect();
    assert_eq!(why::chain(&entries).len(), entries.len());
}

#[test]
fn what_is_said_of_another_change_names_it() {
    let begun = Fact::PartBegun {
        needs: vec![model::ChangeId(6)],
    };
    let mut live = entry(
        1,
        5,
        Kind::Outcome,
        "sleepwell",
        &[],
        &Fact::RolloutDone {
            hosts: 8,
            after_ms: 1_900,
        },
    );
    live.subject = Subject::Change(model::ChangeId(6));
    let entries = [live, entry(2, 5, Kind::Change, "sleepwell", &[1], &begun)];
    let own = Subject::Change(model::ChangeId(7));
    let why = why::story(&own, String::new(), &entries);
    let texts: Vec<&str> = why.chain.iter().map(|item| item.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "chg-6: Live on 8 of 8 hosts after 1.9 s, each proved from its running process.",
            "It begins: what it depends on is live (chg-6).",
        ]
    );
}

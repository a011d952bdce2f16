//! Where a change stands, in words and ring by ring.

use model::api::change::{PartView, RingState, SignalState};
use model::deliver::{
    Command, HeldReason, Part, Phase, Proof, RolloutState, Slot, Swap, Warm, Watch, WatchEnd,
};

use model::judge::{Reason, VerdictState};
use model::observe::ChangeState;
use model::{ChangeId, Fact, Kind};

use crate::fixture::{
    START, World, at, entry, host, host_id, metric, name, of, old, plain_fail, release, signal,
};

fn ring(ring: usize, phase: Phase) -> RolloutState {
    RolloutState::Ring {
        ring,
        phase,
        since: START,
    }
}

fn held(reason: HeldReason) -> RolloutState {
    RolloutState::Held {
        ring: 1,
        reason,
        since: START,
    }
}

fn ring_states(world: &World) -> Vec<RingState> {
    let view = learn::change::view(world.input());
    view.rings.iter().map(|ring| ring.state).collect()
}

fn undone_entries(actor: &str, why: &str) -> Vec<model::Entry> {
    let order = Fact::Ordered {
        command: Command::Undo,
        reason: why.to_owned(),
    };
    let undone = Fact::RolloutUndone {
        to: Some("1.0".parse().unwrap()),
        hosts: 1,
        after_ms: 12_300,
    };
    vec![
        entry(1, 31, Kind::Action, actor, &[], &order),
        entry(2, 38, Kind::Outcome, "sleepwell", &[1], &undone),
    ]
}

#[test]
fn a_planned_change_has_touched_nothing() {
    let world = World::new(RolloutState::Planned);
    assert_eq!(
        world.sentence(),
        "shop 1.1 is planned for 8 hosts in 2 rings; nothing has changed yet."
    );
    assert_eq!(
        ring_states(&world),
        [RingState::Waiting, RingState::Waiting]
    );
}

#[test]
fn a_ring_under_way_says_how_far_it_is() {
    let mut world = World::new(ring(0, Phase::Releasing));
    assert_eq!(
        world.sentence(),
        "shop 1.1 is on its way to ring canary: 0 of 8 hosts proved."
    );
    world.run_new(1..=1);
    world.rollout.rings[0].proved_at = Some(at(48));
    world.rollout.state = ring(0, Phase::Baking);
    assert_eq!(
        world.sentence(),
        "shop 1.1 is watched in ring canary for 12 s of at least 30 s, 1 of 8 hosts proved: no verdict yet."
    );
    world.verdict = Some(of(VerdictState::Undecided, Reason::Collecting));
    world.rollout.state = ring(0, Phase::Judging);
    assert_eq!(
        world.sentence(),
        "shop 1.1 is judged in ring canary, until 14:18:48 UTC at the latest, 1 of 8 hosts proved: no sign of harm so far, 1,540 requests on the canary."
    );
}

#[test]
fn the_eighth_server_is_named_with_its_silence() {
    let mut world = World::new(ring(1, Phase::Proving));
    world.run_new(1..=7);
    world.silence(8);
    assert_eq!(
        world.sentence(),
        "shop 1.1: 7 of 8 hosts proved; waiting for web-8, silent since 14:01:07 UTC."
    );
    world.rollout.state = held(HeldReason::WaitingFor {
        hosts: vec![name(8)],
        proved: 7,
        of: 8,
    });
    assert_eq!(
        world.sentence(),
        "shop 1.1 is held: 7 of 8 hosts proved; waiting for web-8, silent since 14:01:07 UTC."
    );
    let view = learn::change::view(world.input());
    assert_eq!(view.rings[0].state, RingState::Passed);
    assert_eq!(view.rings[1].state, RingState::Held);
    assert_eq!(view.rings[1].proved, 6);
    assert_eq!(view.rings[1].note, "7 of 8 hosts proved; waiting for web-8");
    assert_eq!(view.drifted.len(), 1);
    assert_eq!(view.drifted[0].host, name(8));
}

#[test]
fn several_missing_hosts_each_carry_their_trouble() {
    let mut world = World::new(ring(1, Phase::Proving));
    world.run_new(1..=5);
    world.silence(8);
    world.report(7, Proof::Blocked, "disk full");
    assert_eq!(
        world.sentence(),
        "shop 1.1: 5 of 8 hosts proved; waiting for web-6, web-7 (blocked, disk full) and web-8 (silent since 14:01:07 UTC)."
    );
}

#[test]
fn a_silent_host_is_unknown_whatever_it_said_last() {
    let mut world = World::new(RolloutState::Done { at: at(50) });
    world.run_new(1..=8);
    world.silence(8);
    let view = learn::change::view(world.input());
    let line = &view.rings[1].hosts[6];
    assert_eq!(line.proof, Proof::Unknown);
    assert_eq!(line.why, "silent since 14:01:07 UTC");
    assert_eq!(view.rings[1].proved, 6);
    assert_eq!(
        view.sentence,
        "shop 1.1 went live on every host, but now 7 of 8 hosts prove it; missing: web-8, silent since 14:01:07 UTC."
    );
}

#[test]
fn a_proof_of_an_older_order_does_not_count() {
    let mut world = World::new(ring(0, Phase::Proving));
    // The host was asked for 1.1 and still reports that it has converged on 1.0.
    world.hosts.get_mut(&host_id(1)).unwrap().wanted = Some(release(2));
    assert_eq!(
        world.sentence(),
        "shop 1.1: 0 of 8 hosts proved; waiting for web-1."
    );
    // And one whose process is none of our releases proves nothing either.
    world.hosts.get_mut(&host_id(1)).unwrap().running = None;
    assert_eq!(learn::change::view(world.input()).rings[0].proved, 0);
}

#[test]
fn a_host_that_was_never_heard_is_unknown_and_a_retired_one_counts_nowhere() {
    let mut world = World::new(ring(0, Phase::Proving));
    world.hosts.get_mut(&host_id(1)).unwrap().reported = None;
    assert_eq!(
        world.sentence(),
        "shop 1.1: 0 of 8 hosts proved; waiting for web-1, no report yet."
    );
    world.hosts.remove(&host_id(1));
    assert_eq!(world.sentence(), "shop 1.1: 0 of 7 hosts proved.");
    assert_eq!(
        learn::change::view(world.input()).rings[0].hosts[0].proof,
        Proof::Unknown
    );
}

#[test]
fn a_held_change_says_who_or_what_it_waits_for() {
    let mut world = World::new(held(HeldReason::Person {
        by: "amara".to_owned(),
    }));
    assert_eq!(world.sentence(), "shop 1.1 is held: amara said hold.");
    world.rollout.state = held(HeldReason::Blocked {
        host: name(3),
        why: "disk full".to_owned(),
    });
    assert_eq!(
        world.sentence(),
        "shop 1.1 is held: web-3 cannot run it until a person acts: disk full."
    );
    world.rollout.state = held(HeldReason::Verdict {
        state: "marginal".to_owned(),
        reason: "suspicion".to_owned(),
    });
    assert_eq!(
        world.sentence(),
        "shop 1.1 is held: the verdict is marginal (suspicion) and asks a person."
    );
    world.verdict = Some(of(VerdictState::Marginal, Reason::Suspicion));
    assert_eq!(
        world.sentence(),
        "shop 1.1 is held: some evidence of harm, not enough to be sure: payment errors are 3.8 times as likely on the canary (at least 1.5 times, 99 %); a person decides: sleepwell go chg-7 or sleepwell undo chg-7."
    );
}

#[test]
fn an_undo_under_way_counts_the_hosts_that_are_back() {
    let mut world = World::new(RolloutState::Undoing { since: at(32) });
    world.run_new(1..=1);
    world.verdict = Some(plain_fail());
    assert_eq!(
        world.sentence(),
        "shop 1.1 is being undone: payment errors are 25 times as likely on the canary (at least 10 times, 99 %); 0 of 1 host is back on 1.0."
    );
    let view = learn::change::view(world.input());
    assert_eq!(
        (view.rings[0].state, view.rings[1].state),
        (RingState::Undoing, RingState::Skipped)
    );
    assert_eq!(view.rings[0].note, "waiting for web-1");
    assert_eq!(view.rings[1].note, "", "its state says it all");

    *world.hosts.get_mut(&host_id(1)).unwrap() = host(1);
    assert_eq!(ring_states(&world)[0], RingState::Undone);
    world.entries = undone_entries("jonas", "too slow");
    assert_eq!(
        world.sentence(),
        "shop 1.1 is being undone by jonas: too slow; 1 of 1 host is back on 1.0."
    );
}

#[test]
fn an_undone_change_says_by_whom_and_why() {
    let mut world = World::new(RolloutState::Undone { at: at(38) });
    world.touch(1);
    world.verdict = Some(plain_fail());
    world.entries = undone_entries("procedure undo", "");
    assert_eq!(
        world.sentence(),
        "shop 1.1 was undone by itself after 12 s: payment errors were 25 times as likely on the canary (at least 10 times, 99 %)."
    );
    assert_eq!(ring_states(&world), [RingState::Undone, RingState::Skipped]);
    world.entries = undone_entries("jonas", "too slow");
    assert_eq!(
        world.sentence(),
        "shop 1.1 was undone by jonas after 12 s: too slow."
    );
    world.entries.clear();
    world.verdict = None;
    assert_eq!(
        world.sentence(),
        "shop 1.1 was undone by itself after 38 s."
    );
}

#[test]
fn an_undone_first_release_is_stopped() {
    let mut world = World::new(RolloutState::Undoing { since: at(32) });
    world.run_new(1..=1);
    world.rollout.previous = None;
    world.report(1, Proof::Stopped, "");
    assert_eq!(
        world.sentence(),
        "shop 1.1 is being undone; 1 of 1 host is stopped."
    );
}

#[test]
fn a_stuck_undo_names_the_hosts() {
    let mut world = World::new(RolloutState::Stuck {
        hosts: vec![name(8)],
        since: at(40),
    });
    world.run_new(1..=8);
    for n in 1..=7 {
        *world.hosts.get_mut(&host_id(n)).unwrap() = host(n);
    }
    world.silence(8);
    assert_eq!(
        world.sentence(),
        "shop 1.1 is not undone everywhere: 7 of 8 hosts are back on 1.0; still waiting for web-8, silent since 14:01:07 UTC."
    );
    assert_eq!(ring_states(&world), [RingState::Undone, RingState::Undoing]);
}

#[test]
fn a_done_change_is_live_on_every_host() {
    let mut world = World::new(RolloutState::Done { at: at(242) });
    world.run_new(1..=8);
    world.rollout.rings[0].passed_how = Some("not excluded: 2".to_owned());
    let view = learn::change::view(world.input());
    assert_eq!(
        view.sentence,
        "shop 1.1 is live on 8 of 8 hosts, each proved from its running process."
    );
    assert_eq!(
        view.rings[0].note,
        "no sign of harm by its deadline, but 2 times as likely is not excluded"
    );
    assert!(view.drifted.is_empty());
}

#[test]
fn a_live_change_says_how_long_it_stays_watched_and_what_came_of_it() {
    let mut world = World::new(RolloutState::Done { at: at(242) });
    world.run_new(1..=8);
    world.rollout.watch = Some(Watch {
        until: at(3_842),
        ended: None,
    });
    let live = "shop 1.1 is live on 8 of 8 hosts, each proved from its running process.";
    assert_eq!(
        world.sentence(),
        format!("{live} It stays watched until 15:07:02 UTC.")
    );
    let view = learn::change::view(world.input());
    assert_eq!(view.watched_until, Some(at(3_842)));
    let bad = plain_fail();
    world.rollout.watch.as_mut().unwrap().ended = Some(WatchEnd::Failed { verdict: bad.id });
    let why = learn::sentence::reason(&bad, learn::sentence::Tense::Is);
    world.verdict = Some(bad);
    assert_eq!(
        world.sentence(),
        format!("{live} Since then it went wrong: {why}.")
    );
    world.rollout.watch.as_mut().unwrap().ended = Some(WatchEnd::Quiet);
    assert_eq!(world.sentence(), live);
    assert_eq!(learn::change::view(world.input()).watched_until, None);
}

#[test]
fn what_runs_after_a_later_release_says_nothing_about_this_one() {
    let mut world = World::new(RolloutState::Done { at: at(242) });
    world.run_new(1..=8);
    for host in world.hosts.values_mut() {
        host.wanted = Some(release(3));
        host.running = Some(release(3));
    }
    let view = learn::change::view(world.input());
    assert_eq!(
        view.sentence,
        "shop 1.1 went live on 8 of 8 hosts after 4 min 2 s, each proved from its running process; another release followed."
    );
    assert_eq!((view.rings[0].proved, view.rings[1].proved), (1, 7));
}

#[test]
fn an_overtaken_change_names_the_other() {
    let mut world = World::new(RolloutState::Superseded {
        by: ChangeId(8),
        at: at(50),
    });
    world.rollout.rings[0].passed_at = Some(at(40));
    assert_eq!(
        world.sentence(),
        "shop 1.1 was overtaken by chg-8 before it reached every host."
    );
    let view = learn::change::view(world.input());
    assert_eq!(
        (view.rings[0].state, view.rings[1].state),
        (RingState::Passed, RingState::Skipped)
    );
    assert_eq!(view.rings[1].note, "overtaken by chg-8");
}

#[test]
fn hosts_that_run_something_else_are_listed_ring_or_not() {
    let mut world = World::new(ring(0, Phase::Baking));
    world.report(5, Proof::Drifted, "pid 4711 runs a deleted file");
    world.hosts.insert(host_id(9), host(9));
    world.hosts.insert(host_id(10), host(10));
    world.report(10, Proof::Reverted, "health deadline passed");
    world.report(2, Proof::Pending, "downloading");
    let view = learn::change::view(world.input());
    let drifted: Vec<String> = view
        .drifted
        .iter()
        .map(|line| line.host.to_string())
        .collect();
    assert_eq!(drifted, ["web-10", "web-5"]);
    assert_eq!(view.drifted[1].running, Some(old().version));
    assert_eq!(view.drifted[1].why, "pid 4711 runs a deleted file");
}

#[test]
fn signals_show_how_far_each_is_from_a_bad_verdict() {
    let mut world = World::new(ring(0, Phase::Judging));
    let mut verdict = plain_fail();
    let mut metrics = vec![metric()];
    for (name, log_e, cleared, total) in [
        ("a_suspicious", 3.5, false, 100),
        ("b_cleared", -2.0, true, 100),
        ("c_collecting", 0.0, false, 100),
        ("d_idle", 0.0, false, 0),
    ] {
        let mut other = metric();
        name.clone_into(&mut other.metric);
        other.log_e = log_e;
        other.cleared = cleared;
        other.canary.total = total;
        metrics.push(other);
        world.signals.insert(name.to_owned(), signal());
    }
    verdict.evidence.metrics = metrics;
    world.verdict = Some(verdict);
    world.signals.insert("e_new".to_owned(), signal());
    let view = learn::change::view(world.input());
    let states: Vec<_> = view
        .signals
        .iter()
        .map(|s| (s.name.as_str(), s.state))
        .collect();
    assert_eq!(
        states,
        [
            ("a_suspicious", SignalState::Suspicious),
            ("b_cleared", SignalState::Cleared),
            ("c_collecting", SignalState::Collecting),
            ("d_idle", SignalState::NoTraffic),
            ("e_new", SignalState::NoTraffic),
            ("payment_errors", SignalState::Bad),
        ]
    );
    assert!(view.signals[5].harm > 1.0 && view.signals[0].harm < 1.0);
    assert!(view.signals.iter().all(|signal| signal.harm >= 0.0));
    assert_eq!(view.verdict.unwrap().reason, "harm");
}

#[test]
fn a_signal_only_the_evidence_knows_is_still_shown() {
    let mut world = World::new(ring(0, Phase::Judging));
    world.signals.clear();
    world.verdict = Some(plain_fail());
    let view = learn::change::view(world.input());
    assert_eq!(view.signals.len(), 1);
    assert_eq!(view.signals[0].name, "payment_errors");
}

#[test]
fn an_excluded_host_is_named_and_counts_only_when_it_proves_the_release() {
    let mut world = World::new(RolloutState::Done { at: at(242) });
    world.run_new(1..=8);
    let host = world.rollout.rings.last_mut().unwrap().hosts.last_mut();
    host.unwrap().excluded = Some(model::deliver::Excluded {
        by: "jonas".into(),
        at: START,
    });
    assert_eq!(
        world.sentence(),
        "shop 1.1 is live on 8 of 8 hosts, each proved from its running process."
    );
    let last = world.hosts.values_mut().last().unwrap();
    last.unknown_since = Some(START - std::time::Duration::from_secs(113));
    assert_eq!(
        world.sentence(),
        "shop 1.1 is live on 7 of 7 hosts, each proved from its running process. Excluded and still owed the release: web-8, silent since 14:01:07 UTC."
    );
}

/// Returns what was shipped as one, in these states; shop is chg-7, stands behind ledger and in front of web.
fn parts(states: [ChangeState; 3]) -> Vec<PartView> {
    let parts = [
        ("ledger", 6, vec![]),
        ("shop", 7, vec![6]),
        ("web", 8, vec![7]),
    ];
    let view = |((service, change, needs), state): ((&str, u64, Vec<u64>), ChangeState)| PartView {
        part: Part {
            change: ChangeId(change),
            service: service.parse().unwrap(),
            version: "2.0".parse().unwrap(),
            needs: needs.into_iter().map(ChangeId).collect(),
        },
        state,
    };
    parts.into_iter().zip(states).map(view).collect()
}

#[test]
fn a_part_says_what_it_waits_for_and_what_it_goes_back_with() {
    use ChangeState::{Done, Planned, Running, Undoing, Undone};

    let mut world = World::new(RolloutState::Planned);
    world.parts = parts([Running, Planned, Planned]);
    assert_eq!(
        world.sentence(),
        "shop 1.1 waits until ledger 2.0 (chg-6) is live, on which it depends; nothing has changed yet."
    );
    world.parts = parts([Done, Planned, Planned]);
    assert!(
        world
            .sentence()
            .starts_with("shop 1.1 is planned for 8 hosts")
    );

    let mut world = World::new(RolloutState::Done { at: at(60) });
    world.run_new(1..=8);
    world.parts = parts([Done, Done, Running]);
    let ends = " It goes back if web 2.0 (chg-8) does, with which it was shipped.";
    assert!(world.sentence().ends_with(ends), "{}", world.sentence());
    world.parts = parts([Done, Done, Done]);
    assert!(!world.sentence().contains("goes back"));

    let mut world = World::new(RolloutState::Undoing { since: START });
    world.touch(1);
    let with = Fact::UndoneTogether {
        with: ChangeId(8),
        service: "web".parse().unwrap(),
        version: "2.0".parse().unwrap(),
    };
    world.entries = vec![entry(1, 31, Kind::Action, "procedure undo", &[], &with)];
    world.parts = parts([Undoing, Undoing, Undoing]);
    assert_eq!(
        world.sentence(),
        "shop 1.1 is being undone with web 2.0 (chg-8); 1 of 1 host is back on 1.0; web 2.0 (chg-8) goes back first."
    );
    world.rollout.state = RolloutState::Undone { at: at(42) };
    world.parts = parts([Undoing, Undone, Undone]);
    let undone = world.sentence();
    assert!(
        undone.starts_with("shop 1.1 was undone with web 2.0 (chg-8) after"),
        "{undone}"
    );
}

/// Web-1 is the idle slot, the others are routers.
fn swapping(state: RolloutState, is_back: bool) -> World {
    let mut world = World::new(state);
    world.rollout.swap = Some(Swap {
        to: Slot::Green,
        from: Some(Slot::Blue),
        live: Vec::new(),
        warm: None,
        is_back,
    });
    world.run_new(1..=8);
    world
}

#[test]
fn a_swap_says_which_slot_is_live_and_how_long_the_other_is_kept() {
    let mut world = swapping(RolloutState::Done { at: at(50) }, false);
    let live = "shop 1.1 is live in green: 8 of 8 hosts proved it, the routers among them.";
    assert_eq!(world.sentence(), live);
    world.rollout.swap.as_mut().unwrap().warm = Some(Warm {
        until: at(3_600),
        ended: None,
    });
    let warm = " The slot before, blue, is kept running until 15:03:00 UTC.";
    assert_eq!(world.sentence(), format!("{live}{warm}"));
}

#[test]
fn a_swap_back_says_where_everything_goes_and_what_is_stopped() {
    let undoing = RolloutState::Undoing { since: START };
    let mut world = swapping(undoing.clone(), false);
    assert_eq!(
        world.sentence(),
        "shop 1.1 is being undone; everything is to go to blue again first; 0 of 1 host is stopped."
    );
    assert_eq!(
        ring_states(&world),
        [RingState::Undoing, RingState::Undoing]
    );

    world = swapping(undoing, true);
    for n in 2..=8 {
        world.hosts.insert(host_id(n), host(n));
    }
    assert_eq!(ring_states(&world), [RingState::Undoing, RingState::Undone]);
    world.report(1, Proof::Stopped, "");
    assert_eq!(
        world.sentence(),
        "shop 1.1 is being undone; everything goes to blue again; 1 of 1 host is stopped."
    );
    assert_eq!(ring_states(&world), [RingState::Undone, RingState::Undone]);
}

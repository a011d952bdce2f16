//! What each verdict does to a ring.

use deliver::rollout::JUDGE_GRACE;
use model::ChangeId;
use model::deliver::{Command, HeldReason, Phase, Proof, RingSize};
use model::judge::verdict::f64Eq;
use model::judge::{Reason, VerdictState};

use crate::fleet::*;

/// Returns a world whose first ring is proved just now.
fn baking(setup: &Setup) -> World {
    let mut world = World::new(setup);
    world.turn();
    world.proves(1);
    world
}

fn held_by(state: &str, reason: &str) -> Option<HeldReason> {
    Some(HeldReason::Verdict {
        state: state.into(),
        reason: reason.into(),
    })
}

#[test]
fn verdict_of_another_ring_change_or_time_passes_nothing() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.judge(VerdictState::Pass, Reason::Cleared);
    world.now = world.now + secs(1);
    world.proves(1);
    assert_eq!(world.after(BAKE).facts, [], "given before the proof");
    world.judge_ring(1, VerdictState::Pass, Reason::Cleared);
    assert_eq!(world.turn().facts, [], "given for another ring");
    world.judge(VerdictState::Pass, Reason::Cleared);
    world.verdict.as_mut().unwrap().change = ChangeId(8);
    assert_eq!(world.turn().facts, [], "given for another change");
    world.judge(VerdictState::Pass, Reason::Cleared);
    assert_eq!(told(&world.turn()), ["ring_passed", "ring_started"]);
}

#[test]
fn pass_at_the_deadline_says_what_was_not_excluded() {
    for (odds_at_most, how) in [
        (Some(f64Eq(2.0)), "not excluded: odds up to 2"),
        (Some(f64Eq(1.25)), "not excluded: odds up to 1.25"),
        (None, "not excluded"),
    ] {
        let mut world = baking(&Setup::default());
        world.now = world.now + DEADLINE;
        world.judge(VerdictState::Pass, Reason::NotExcluded { odds_at_most });
        world.turn();
        assert_eq!(world.rollout.rings[0].passed_how.as_deref(), Some(how));
    }
}

#[test]
fn marginal_waits_until_the_deadline_and_then_asks_a_person() {
    let mut world = baking(&Setup::default());
    world.judge(VerdictState::Marginal, Reason::Suspicion);
    world.turn();
    assert_eq!(world.after(DEADLINE - secs(1)).facts, []);
    assert_eq!(world.phase(), Some(Phase::Judging));
    assert_eq!(told(&world.after(secs(1))), ["rollout_held"]);
    assert_eq!(world.held().cloned(), held_by("marginal", "suspicion"));
}

#[test]
fn undecided_is_held_at_the_deadline_with_its_reason() {
    let mut world = baking(&Setup::default());
    world.judge(VerdictState::Undecided, Reason::NoData);
    world.turn();
    world.after(DEADLINE);
    assert_eq!(world.held().cloned(), held_by("undecided", "no_data"));
}

#[test]
fn verdict_from_before_the_proof_still_names_the_reason_of_the_hold() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.judge(VerdictState::Undecided, Reason::NotEnoughTraffic);
    world.now = world.now + secs(1);
    world.proves(1);
    world.after(DEADLINE);
    assert_eq!(
        world.held().cloned(),
        held_by("undecided", "not_enough_traffic")
    );
}

#[test]
fn judge_gets_a_moment_behind_the_deadline_before_anybody_is_asked() {
    for collecting in [true, false] {
        let mut world = baking(&Setup::default());
        if collecting {
            world.judge(VerdictState::Undecided, Reason::Collecting);
        }
        world.after(DEADLINE);
        assert_eq!(world.phase(), Some(Phase::Judging));
        let reason = if collecting {
            "collecting"
        } else {
            "no_verdict"
        };
        assert_eq!(told(&world.after(JUDGE_GRACE)), ["rollout_held"]);
        assert_eq!(world.held().cloned(), held_by("undecided", reason));
    }
}

#[test]
fn deadline_before_the_end_of_the_bake_counts_from_that_end() {
    let mut setup = Setup::default();
    setup.rings[0].deadline = secs(1);
    let mut world = baking(&setup);
    world.after(BAKE);
    assert_eq!(world.phase(), Some(Phase::Judging));
    assert_eq!(told(&world.after(JUDGE_GRACE)), ["rollout_held"]);
}

#[test]
fn pass_that_comes_while_held_by_a_verdict_lets_the_ring_go_on() {
    let mut world = baking(&Setup::default());
    world.judge(VerdictState::Undecided, Reason::NoData);
    world.after(DEADLINE);
    world.judge(VerdictState::Pass, Reason::Cleared);
    let answer = world.after(secs(60));
    assert_eq!(
        told(&answer),
        ["rollout_resumed", "ring_passed", "ring_started"]
    );
}

#[test]
fn hold_that_changes_its_reason_is_told_again() {
    let mut world = baking(&Setup::default());
    world.judge(VerdictState::Undecided, Reason::NoData);
    world.after(DEADLINE);
    world.judge(VerdictState::Marginal, Reason::Suspicion);
    assert_eq!(told(&world.turn()), ["rollout_held"]);
    assert_eq!(world.held().cloned(), held_by("marginal", "suspicion"));
}

#[test]
fn last_ring_is_done_without_a_pass_when_nothing_is_left_to_compare_with() {
    for verdict in [None, Some((VerdictState::Undecided, Reason::NoControl))] {
        let mut world = World::new(&Setup {
            hosts: 2,
            rings: vec![ring("everyone", RingSize::Rest)],
            ..Setup::default()
        });
        world.turn();
        world.settle();
        if let Some((state, reason)) = verdict {
            world.judge(state, reason);
        }
        world.turn();
        assert_eq!(told(&world.after(BAKE)), ["ring_passed", "rollout_done"]);
        let how = world.rollout.rings[0].passed_how.as_deref();
        assert_eq!(how, Some("no control left"));
    }
}

#[test]
fn fail_in_any_phase_asks_nobody_more() {
    let setup = Setup {
        rings: vec![ring("everyone", model::deliver::RingSize::Rest)],
        ..Setup::default()
    };
    let mut world = World::new(&setup);
    world.turn();
    world.judge(VerdictState::Fail, Reason::Harm);
    world.turn();
    // Not even when a better verdict follows, which the judge does not give.
    world.judge(VerdictState::Pass, Reason::Cleared);
    for n in 1..=4 {
        world.obey(n);
        assert_eq!(asked(&world.after(BAKE)), NOBODY);
    }
    assert_eq!(asked(&world.order(Command::Go)), NOBODY);
    assert_eq!(asked(&world.order(Command::Undo)), [1]);
}

#[test]
fn fail_about_an_earlier_ring_counts_too() {
    let mut world = baking(&Setup::default());
    world.bake_and_pass();
    world.judge_ring(0, VerdictState::Fail, Reason::Harm);
    world.turn();
    world.proves(2);
    assert_eq!(world.after(BAKE).facts, []);
    assert!(world.rollout.failed.is_some());
}

#[test]
fn fail_without_a_procedure_that_undoes_asks_a_person() {
    let mut world = baking(&Setup {
        auto_undo: false,
        ..Setup::default()
    });
    world.judge(VerdictState::Fail, Reason::Harm);
    assert_eq!(told(&world.turn()), ["rollout_held"]);
    assert_eq!(world.held().cloned(), held_by("fail", "harm"));
    world.judge(VerdictState::Pass, Reason::Cleared);
    assert_eq!(world.after(DEADLINE).facts, [], "a person was asked");
    assert_eq!(world.held().cloned(), held_by("fail", "harm"));
}

#[test]
fn person_goes_past_a_failure_and_past_that_one_only() {
    let mut world = baking(&Setup {
        auto_undo: false,
        ..Setup::default()
    });
    world.judge(VerdictState::Fail, Reason::Harm);
    world.turn();
    let answer = world.order(Command::Go);
    assert_eq!(
        told(&answer),
        ["rollout_resumed", "ring_passed", "ring_started"]
    );
    assert_eq!(
        world.rollout.rings[0].passed_how.as_deref(),
        Some("by anna")
    );
    world.proves(2);
    world.after(secs(1));
    assert_eq!(world.phase(), Some(Phase::Baking));
    world.judge(VerdictState::Fail, Reason::Harm);
    assert_eq!(told(&world.turn()), ["rollout_held"]);
}

#[test]
fn go_does_not_pass_a_failure_the_person_has_not_seen() {
    let mut world = baking(&Setup {
        auto_undo: false,
        ..Setup::default()
    });
    world.judge(VerdictState::Marginal, Reason::Suspicion);
    world.after(DEADLINE);
    world.judge(VerdictState::Fail, Reason::Harm);
    assert_eq!(told(&world.order(Command::Go)), ["rollout_held"]);
    assert_eq!(world.held().cloned(), held_by("fail", "harm"));
}

#[test]
fn go_does_not_pass_a_failure_that_is_about_to_be_undone() {
    let mut world = baking(&Setup::default());
    world.judge(VerdictState::Marginal, Reason::Suspicion);
    world.after(DEADLINE);
    world.judge(VerdictState::Fail, Reason::Harm);
    world.turn();
    for _ in 0..2 {
        let answer = world.order(Command::Go);
        assert_eq!((answer.facts, answer.ask), (vec![], vec![]));
    }
    assert_eq!(asked(&world.order(Command::Undo)), [1]);
}

#[test]
fn host_that_went_back_by_itself_stops_the_releasing() {
    let mut world = World::new(&Setup {
        rings: vec![ring("everyone", model::deliver::RingSize::Rest)],
        max_unavailable: 3,
        ..Setup::default()
    });
    assert_eq!(asked(&world.turn()), [1, 2, 3]);
    world.answers(1, Proof::Reverted);
    world.obey(2);
    assert_eq!(asked(&world.proves(3)), NOBODY, "web-4 keeps what works");
    world.judge(
        VerdictState::Fail,
        Reason::Unhealthy {
            host: "web-1".parse().unwrap(),
            failed_checks: 3,
        },
    );
    world.turn();
    assert_eq!(asked(&world.order(Command::Undo)), [1, 2, 3]);
}

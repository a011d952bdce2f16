//! No ring passes before the judge has looked behind its bake at what the hosts say by then.

use deliver::rollout::JUDGE_GRACE;
use model::deliver::{Command, HeldReason, Phase};
use model::judge::{Reason, VerdictState};

use crate::fleet::*;

/// Returns worlds with one ring of one host, proved just now, that would pass without a verdict of its
/// own: a first release, a release without signals, the last ring.
fn passing_unjudged() -> [World; 3] {
    let setup = Setup {
        hosts: 1,
        rings: vec![ring("everyone", model::deliver::RingSize::Rest)],
        ..Setup::default()
    };
    let first = Setup {
        is_first: true,
        ..setup.clone()
    };
    let without_signals = Setup {
        judged: false,
        ..setup.clone()
    };
    [first, without_signals, setup].map(|setup| {
        let mut world = World::new(&setup);
        world.turn();
        world.proves(1);
        world.judge_looks = false;
        world
    })
}

#[test]
fn ring_waits_for_a_look_behind_its_bake() {
    for mut world in passing_unjudged() {
        world.now = world.now + BAKE - secs(1);
        world.judge_looks_now();
        assert_eq!(world.after(secs(1)).facts, [], "looked at too early");
        assert_eq!(world.phase(), Some(Phase::Judging));
        world.judge_looks_now();
        assert_eq!(told(&world.turn()), ["ring_passed", "rollout_done"]);
    }
}

#[test]
fn crash_or_failed_check_after_the_look_has_to_be_looked_at_first() {
    for crash in [true, false] {
        for mut world in passing_unjudged() {
            world.now = world.now + BAKE;
            world.judge_looks_now();
            let reported = world.get(1).reported.as_mut().unwrap();
            if crash {
                reported.unexpected_exits = 2;
            } else {
                reported.failed_checks = 3;
            }
            assert_eq!(world.turn().facts, []);
            assert_eq!(world.phase(), Some(Phase::Judging));
            world.judge_looks_now();
            let host = "web-1".parse().unwrap();
            world.judge(VerdictState::Fail, Reason::Crashing { host, exits: 2 });
            assert_eq!(world.after(secs(1)).facts, []);
            assert!(world.rollout.failed.is_some());
        }
    }
}

#[test]
fn pass_from_before_the_newest_report_passes_nothing() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.proves(1);
    world.now = world.now + BAKE;
    world.judge_looks = false;
    world.judge_looks_now();
    world.judge(VerdictState::Pass, Reason::Cleared);
    world.get(1).reported.as_mut().unwrap().unexpected_exits = 1;
    assert_eq!(world.turn().facts, []);
    world.judge_looks_now();
    assert_eq!(told(&world.turn()), ["ring_passed", "ring_started"]);
}

#[test]
fn judge_that_stays_away_is_told_to_a_person_and_its_return_lets_the_ring_go_on() {
    for mut world in passing_unjudged() {
        world.after(DEADLINE);
        assert_eq!(world.phase(), Some(Phase::Judging));
        assert_eq!(told(&world.after(JUDGE_GRACE)), ["rollout_held"]);
        let held = HeldReason::Verdict {
            state: "undecided".into(),
            reason: "no_verdict".into(),
        };
        assert_eq!(world.held(), Some(&held));
        world.judge_looks_now();
        assert_eq!(
            told(&world.turn()),
            ["rollout_resumed", "ring_passed", "rollout_done"]
        );
    }
}

#[test]
fn person_may_go_on_without_the_judge() {
    for mut world in passing_unjudged() {
        world.after(DEADLINE + JUDGE_GRACE);
        world.order(Command::Go);
        let how = world.rollout.rings[0].passed_how.as_deref();
        assert_eq!(how, Some("by anna"));
    }
}

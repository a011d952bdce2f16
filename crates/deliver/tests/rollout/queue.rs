//! A later rollout waits for an earlier one, or takes over.

use deliver::rollout::{
    Begin, Place, Refusal, Unfinished, accept_order, arms, begin, place, superseded, take_over,
    wait,
};
use model::deliver::{
    Command, Host, IfRunning, Order, Phase, Proof, Queued, RingSize, Rollout, RolloutState,
};
use model::judge::{Reason, Verdict, VerdictState};
use model::{ChangeId, EntryId, Fact};

use crate::fleet::*;

fn newcomer() -> model::deliver::ReleaseRef {
    release(3, Setup::default().environment()).to_ref()
}

fn one(rollout: &Rollout) -> [Unfinished<'_>; 1] {
    [Unfinished {
        rollout,
        verdict: None,
    }]
}

fn in_state(state: RolloutState) -> Rollout {
    Rollout {
        state,
        ..Setup::default().rollout()
    }
}

fn placed(rollout: &Rollout, verdict: Option<&Verdict>, wish: IfRunning) -> Place {
    place(&newcomer(), &[Unfinished { rollout, verdict }], wish).unwrap()
}

fn takes_over() -> Place {
    Place {
        supersedes: vec![ChangeId(7)],
        behind: None,
    }
}

fn waits() -> Place {
    Place {
        supersedes: vec![],
        behind: Some(ChangeId(7)),
    }
}

#[test]
fn a_rollout_takes_over_from_one_on_its_way_and_waits_when_it_is_told_to() {
    let since = t0();
    let running = RolloutState::Ring {
        ring: 1,
        phase: Phase::Baking,
        since,
    };
    let held = RolloutState::Held {
        ring: 0,
        reason: model::deliver::HeldReason::Person { by: "anna".into() },
        since,
    };
    for state in [RolloutState::Planned, running, held] {
        let earlier = in_state(state);
        assert_eq!(placed(&earlier, None, IfRunning::Supersede), takes_over());
        assert_eq!(placed(&earlier, None, IfRunning::Queue), waits());
    }
    assert_eq!(
        place(&newcomer(), &[], IfRunning::Queue).unwrap(),
        Place::default()
    );
}

#[test]
fn nobody_takes_over_from_an_undo() {
    let since = t0();
    let undoing = RolloutState::Undoing { since };
    let stuck = RolloutState::Stuck {
        hosts: names(&["web-1"]),
        since,
    };
    for state in [undoing, stuck] {
        assert_eq!(
            placed(&in_state(state), None, IfRunning::Supersede),
            waits()
        );
    }
    // Nor from one that was ordered, or that follows from a verdict, and has not begun.
    let mut ordered = in_state(RolloutState::Done { at: since });
    ordered.order = Some(Order {
        command: Command::Undo,
        by: "anna".into(),
        entry: EntryId::new(t0(), 1),
        at: t0(),
    });
    assert_eq!(placed(&ordered, None, IfRunning::Supersede), waits());

    let mut world = World::new(&Setup::default());
    world.turn();
    world.judge(VerdictState::Fail, Reason::Harm);
    let verdict = world.verdict.clone();
    let mut failed = world.rollout.clone();
    assert_eq!(
        placed(&failed, verdict.as_ref(), IfRunning::Supersede),
        waits()
    );
    failed.auto_undo = false;
    assert_eq!(
        placed(&failed, verdict.as_ref(), IfRunning::Supersede),
        takes_over(),
        "a fix forward"
    );
}

#[test]
fn whoever_takes_over_takes_over_from_those_that_wait_as_well() {
    let mut undoing = in_state(RolloutState::Undoing { since: t0() });
    undoing.change = ChangeId(5);
    let mut waiting = in_state(RolloutState::Planned);
    waiting.queued = Some(Queued {
        behind: ChangeId(5),
        refused: None,
    });
    let unfinished = [&undoing, &waiting].map(|rollout| Unfinished {
        rollout,
        verdict: None,
    });
    let over = place(&newcomer(), &unfinished, IfRunning::Supersede).unwrap();
    let expected = Place {
        supersedes: vec![ChangeId(7)],
        behind: Some(ChangeId(5)),
    };
    assert_eq!(over, expected);
    let behind = place(&newcomer(), &unfinished, IfRunning::Queue).unwrap();
    assert_eq!(behind, waits());
}

#[test]
fn the_same_release_is_not_brought_twice_at_once() {
    let running = Setup::default().rollout();
    let same = running.release.clone();
    let refusal = place(&same, &one(&running), IfRunning::Supersede).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "`shop` 1.2 is on its way there already: chg-7 is not over"
    );
    assert!(refusal.hint().contains("sleepwell watch chg-7"));
    let undoing = in_state(RolloutState::Undoing { since: t0() });
    assert!(place(&same, &one(&undoing), IfRunning::Supersede).is_ok());
}

/// Returns a world in which an earlier rollout has asked hosts 1 and 2, of which 2 has not answered, and a
/// later one has taken over.
fn taken_over() -> World {
    let mut earlier = World::new(&Setup {
        hosts: 4,
        rings: vec![
            ring("pair", RingSize::Count(2)),
            ring("rest", RingSize::Rest),
        ],
        max_unavailable: 2,
        ..Setup::default()
    });
    earlier.turn();
    earlier.proves(1);
    let later = Setup {
        hosts: 4,
        max_unavailable: 1,
        ..Setup::default()
    };
    let mut world = World::new(&later);
    let mut rollout = world.rollout.clone();
    rollout.change = ChangeId(8);
    rollout.release = newcomer();
    take_over(&mut rollout, &[&earlier.rollout]).unwrap();
    world.rollout = rollout;
    world.hosts = earlier.hosts.clone();
    world.set_generation_above(&earlier);
    world
}

#[test]
fn hosts_of_the_earlier_one_are_in_no_arm_and_count_as_away_until_they_settle() {
    let mut world = taken_over();
    let sides = arms(&world.rollout, &world.hosts, world.now);
    assert_eq!(sides.canary, []);
    let control: Vec<_> = sides.control.iter().map(|(host, _)| *host).collect();
    assert_eq!(control, [host_id(3), host_id(4)]);
    // One may be away, and host 2 is: nobody is asked who would be a second one.
    assert_eq!(asked(&world.turn()), NOBODY);
    world.obey(2);
    assert_eq!(asked(&world.turn()), [1]);
}

#[test]
fn a_host_that_never_settles_on_the_earlier_release_is_named() {
    let mut world = taken_over();
    let desired = world.get(2).desired.clone().unwrap();
    let mut pending = reported(Proof::Pending, desired.generation, world.now);
    pending.generation_applied = desired.generation - 1;
    world.get(2).reported = Some(pending);
    world.turn();
    assert_eq!(world.held(), None);
    world.after(secs(120));
    let held = world.held().unwrap();
    assert!(
        matches!(held, model::deliver::HeldReason::WaitingFor { hosts, .. } if *hosts == names(&["web-2"])),
        "{held:?}"
    );
}

#[test]
fn an_undo_of_the_later_one_brings_the_hosts_of_the_earlier_one_back_too() {
    let mut world = taken_over();
    world.obey(2);
    world.turn();
    let undo = world.order(Command::Undo);
    assert_eq!(asked(&undo), [1, 2]);
    world.settle();
    assert!(world.is_undone());
    for n in [1, 2] {
        let wanted = world.get(n).desired.as_ref().unwrap().release;
        assert_eq!(wanted, world.rollout.previous.as_ref().unwrap().number);
    }
}

#[test]
fn the_later_one_goes_everywhere() {
    let mut world = taken_over();
    for _ in 0..4 {
        world.settle();
        world.bake_and_pass();
    }
    assert!(world.is_done());
    let wanted = |world: &mut World, n| world.get(n).desired.as_ref().unwrap().release;
    for n in 1..=4 {
        assert_eq!(wanted(&mut world, n), newcomer().number);
    }
}

#[test]
fn a_host_nobody_would_bring_anywhere_refuses_the_later_one() {
    let mut earlier = World::new(&Setup {
        hosts: 2,
        max_unavailable: 2,
        rings: vec![ring("everyone", RingSize::Rest)],
        ..Setup::default()
    });
    earlier.turn();
    let mut later = Setup {
        hosts: 1,
        ..Setup::default()
    }
    .rollout();
    let refusal = take_over(&mut later, &[&earlier.rollout]).unwrap_err();
    let expected = Refusal::LeavesBehind {
        host: "web-2".parse().unwrap(),
        change: ChangeId(7),
    };
    assert_eq!(refusal, expected);
    assert!(refusal.hint().contains("sleepwell undo chg-7"));
}

#[test]
fn a_superseded_one_ends_with_the_name_of_the_later() {
    let mut world = World::new(&Setup::default());
    world.turn();
    let by = ChangeId(8);
    let (next, fact) = superseded(&world.rollout, by, world.now);
    let at = world.now;
    assert_eq!(next.state, RolloutState::Superseded { by, at });
    assert_eq!(fact, Fact::RolloutSuperseded { by });
    world.rollout = next;
    assert_eq!(world.after(secs(9_999)).facts, []);
}

/// Returns a world whose rollout waits for chg-6.
fn waiting() -> World {
    let mut world = World::new(&Setup::default());
    let (_, fact) = wait(&mut world.rollout, ChangeId(6));
    assert_eq!(fact.to_body()["behind"], "chg-6");
    world
}

#[test]
fn a_waiting_rollout_asks_nobody_and_takes_no_order_but_the_undo() {
    let mut world = waiting();
    assert_eq!(world.after(secs(9_999)).ask, []);
    assert_eq!(world.rollout.state, RolloutState::Planned);
    let order = |command| Order {
        command,
        by: "anna".into(),
        entry: EntryId::new(t0(), 1),
        at: t0(),
    };
    for command in [Command::Hold, Command::Go] {
        let refusal = accept_order(&world.rollout, order(command), ChangeId(7)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "chg-7 has not begun; it waits for the end of chg-6"
        );
    }
    let undo = world.order(Command::Undo);
    assert_eq!(asked(&undo), NOBODY);
    assert!(world.is_undone());
    assert_eq!(world.rollout.queued, None);
}

#[test]
fn a_waiting_rollout_begins_with_the_hosts_and_the_release_of_its_turn() {
    let setup = Setup::default();
    let waiting = waiting().rollout;
    let went_live = newcomer();
    let hosts: Vec<Host> = (1..=6).map(host).collect();
    let release = setup.release();
    let with = |hosts| Begin {
        release: &release,
        previous: Some(went_live.clone()),
        brought_by: None,
        hosts,
        now: t0() + secs(60),
    };
    let (begun, facts) = begin(&waiting, with(&hosts));
    assert_eq!(begun.queued, None);
    assert_eq!(begun.hosts().count(), 6);
    assert_eq!(begun.previous, Some(went_live.clone()));
    assert_eq!(
        (begun.change, begun.started_at),
        (ChangeId(7), t0() + secs(60))
    );
    assert!(matches!(facts[0].1, Fact::RolloutPlanned { .. }));

    // Without a host it cannot begin; that is said once, and it tries again.
    let (still, facts) = begin(&waiting, with(&[]));
    assert!(matches!(facts[0].1, Fact::RolloutNotBegun { .. }));
    assert!(still.queued.as_ref().unwrap().refused.is_some());
    let (again, facts) = begin(&still, with(&[]));
    assert_eq!((again, facts.len()), (still.clone(), 0));
    assert_eq!(begin(&still, with(&hosts)).0.queued, None);
}

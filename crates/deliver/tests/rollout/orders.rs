//! Undo, hold and go, in every state.

use deliver::rollout::{OrderRefusal, Wanted, accept_order, undo_of_finished};
use model::deliver::{
    Command, HeldReason, Order, Phase, Priority, Proof, RingSize, Rollout, RolloutState,
};
use model::judge::{Reason, VerdictState};
use model::{ChangeId, EntryId};

use crate::fleet::*;

fn held_by_anna() -> HeldReason {
    HeldReason::Person { by: "anna".into() }
}

fn done() -> World {
    let mut world = World::new(&Setup {
        rings: vec![ring("everyone", RingSize::Rest)],
        ..Setup::default()
    });
    world.settle();
    world.after(BAKE);
    assert!(world.is_done());
    world
}

#[test]
fn hold_stops_the_asking_and_go_resumes_it() {
    let mut world = World::new(&Setup {
        rings: vec![ring("everyone", RingSize::Rest)],
        ..Setup::default()
    });
    world.turn();
    assert_eq!(told(&world.order(Command::Hold)), ["rollout_held"]);
    assert_eq!(world.held(), Some(&held_by_anna()));
    assert_eq!(asked(&world.proves(1)), NOBODY);
    assert_eq!(world.order(Command::Hold).facts, [], "it is held already");
    let answer = world.order(Command::Go);
    assert_eq!(told(&answer), ["rollout_resumed"]);
    assert_eq!(asked(&answer), [2]);
}

#[test]
fn rollout_held_before_it_began_begins_with_go() {
    let mut world = World::new(&Setup::default());
    let answer = world.order(Command::Hold);
    assert_eq!(
        (told(&answer), asked(&answer)),
        (vec!["rollout_held".into()], vec![])
    );
    let answer = world.order(Command::Go);
    assert_eq!(told(&answer), ["rollout_resumed", "ring_started"]);
    assert_eq!(asked(&answer), [1]);
}

#[test]
fn bake_goes_on_while_a_person_holds() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.order(Command::Hold);
    assert_eq!(told(&world.proves(1)), ["ring_proved"]);
    world.now = world.now + BAKE;
    world.judge(VerdictState::Pass, Reason::Cleared);
    assert_eq!(world.turn().facts, []);
    assert_eq!(
        told(&world.order(Command::Go)),
        ["rollout_resumed", "ring_passed", "ring_started"]
    );
}

#[test]
fn failure_that_comes_while_a_person_holds_is_kept() {
    let mut world = World::new(&Setup {
        auto_undo: false,
        ..Setup::default()
    });
    world.turn();
    world.order(Command::Hold);
    world.judge(VerdictState::Fail, Reason::Harm);
    assert_eq!(world.turn().facts, []);
    assert_eq!(world.held(), Some(&held_by_anna()));
    assert_eq!(
        told(&world.order(Command::Go)),
        ["rollout_resumed", "rollout_held"]
    );
    assert!(matches!(world.held(), Some(HeldReason::Verdict { state, .. }) if state == "fail"));
}

#[test]
fn go_on_a_rollout_that_is_not_held_is_void() {
    let mut world = World::new(&Setup::default());
    world.turn();
    let answer = world.order(Command::Go);
    assert!(answer.order_done && answer.facts.is_empty() && answer.ask.is_empty());
}

#[test]
fn go_past_a_verdict_passes_the_ring_in_the_persons_name() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.proves(1);
    world.judge(VerdictState::Undecided, Reason::NoData);
    world.after(DEADLINE);
    let answer = world.order(Command::Go);
    assert_eq!(
        told(&answer),
        ["rollout_resumed", "ring_passed", "ring_started"]
    );
    assert_eq!(
        world.rollout.rings[0].passed_how.as_deref(),
        Some("by anna")
    );
}

#[test]
fn go_past_a_verdict_still_waits_for_a_host_that_fell_silent() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.proves(1);
    world.after(DEADLINE + secs(60));
    assert!(world.held().is_some());
    world.get(1).unknown_since = Some(t0());
    assert_eq!(
        told(&world.order(Command::Go)),
        ["rollout_resumed", "rollout_held"]
    );
    let answer = world.is_back(1);
    assert_eq!(
        told(&answer),
        ["rollout_resumed", "ring_passed", "ring_started"]
    );
    assert_eq!(
        world.rollout.rings[0].passed_how.as_deref(),
        Some("by anna")
    );
}

#[test]
fn undo_asks_every_touched_host_at_once_whatever_the_budget() {
    let mut world = done();
    let answer = world.order(Command::Undo);
    assert_eq!(asked(&answer), [1, 2, 3, 4]);
    assert!(answer.ask.iter().all(|a| a.priority == Priority::Rollback));
    assert_eq!(told(&answer), ["watch_ended", "undo_started"]);
    for n in 1..=3 {
        assert_eq!(world.proves(n).facts, []);
    }
    assert_eq!(told(&world.proves(4)), ["rollout_undone"]);
}

#[test]
fn undo_of_a_first_release_stops_it() {
    let mut world = World::new(&Setup {
        is_first: true,
        ..Setup::default()
    });
    world.turn();
    world.proves(1);
    let answer = world.order(Command::Undo);
    assert_eq!(answer.ask[0].what, Wanted::Stopped);
    // The word of before the order is no proof.
    let now = world.now;
    world.get(1).reported = Some(reported(Proof::Stopped, 1, now));
    assert_eq!(world.turn().facts, []);
    assert_eq!(told(&world.proves(1)), ["rollout_undone"]);
}

#[test]
fn undo_before_anybody_was_asked_is_over_at_once() {
    let mut world = World::new(&Setup::default());
    let answer = world.order(Command::Undo);
    assert_eq!(told(&answer), ["undo_started", "rollout_undone"]);
    assert_eq!(asked(&answer), NOBODY);
}

#[test]
fn undo_leaves_every_kind_of_hold() {
    let holds: [fn(&mut World); 4] = [
        |world| drop(world.order(Command::Hold)),
        |world| drop(world.goes_silent(1)),
        |world| drop(world.answers(1, Proof::Blocked)),
        |world| {
            world.proves(1);
            world.after(DEADLINE + secs(60));
        },
    ];
    for hold in holds {
        let mut world = World::new(&Setup::default());
        world.turn();
        hold(&mut world);
        assert!(world.held().is_some());
        assert_eq!(asked(&world.order(Command::Undo)), [1]);
    }
}

#[test]
fn orders_during_and_after_an_undo_are_void() {
    let mut world = done();
    world.order(Command::Undo);
    for command in [Command::Hold, Command::Go, Command::Undo] {
        let answer = world.order(command);
        assert!(answer.order_done && answer.facts.is_empty() && answer.ask.is_empty());
    }
    world.settle();
    assert!(world.is_undone());
    for command in [Command::Hold, Command::Go, Command::Undo] {
        let answer = world.order(command);
        assert!(answer.order_done && answer.facts.is_empty() && answer.ask.is_empty());
    }
}

#[test]
fn hold_and_go_on_a_finished_rollout_are_void() {
    let mut world = done();
    for command in [Command::Hold, Command::Go] {
        assert_eq!(world.order(command).facts, []);
        assert!(world.is_done());
    }
}

#[test]
fn host_retired_during_an_undo_is_waited_for_no_longer() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.goes_silent(1);
    world.order(Command::Undo);
    world.get(1).retired = true;
    assert_eq!(told(&world.turn()), ["rollout_undone"]);
}

#[test]
fn only_the_newest_finished_rollout_is_undone() {
    let world = done();
    assert_eq!(undo_of_finished(&world.rollout, ChangeId(7)), Ok(()));
    let refusal = undo_of_finished(&world.rollout, ChangeId(9)).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "chg-7 is not the newest rollout of its service there; chg-9 came after it"
    );
    assert_eq!(refusal.hint(), "undo chg-9 first: `sleepwell undo chg-9`");

    let mut under_way = World::new(&Setup::default()).rollout;
    assert_eq!(undo_of_finished(&under_way, ChangeId(9)), Ok(()));
    under_way.state = RolloutState::Superseded {
        by: ChangeId(9),
        at: t0(),
    };
    assert!(undo_of_finished(&under_way, ChangeId(9)).is_err());
}

#[test]
fn held_phase_is_found_again_after_go() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.proves(1);
    world.order(Command::Hold);
    world.order(Command::Go);
    assert_eq!(world.phase(), Some(Phase::Baking));
}

#[test]
fn an_undo_that_was_taken_is_not_replaced_by_a_later_order() {
    let rollout = Setup::default().rollout();
    let change = rollout.change;
    let order = |command, n| Order {
        command,
        by: "jonas".into(),
        entry: EntryId::new(t0(), n),
        at: t0(),
    };
    let undo = accept_order(&rollout, order(Command::Undo, 1), change).unwrap();
    for command in [Command::Hold, Command::Go] {
        let refused = accept_order(&undo, order(command, 2), change).unwrap_err();
        assert_eq!(refused, OrderRefusal::Undoing { change, command });
    }
    assert_eq!(
        accept_order(&undo, order(Command::Undo, 3), change).unwrap(),
        undo
    );
    let hold = accept_order(&rollout, order(Command::Hold, 1), change).unwrap();
    let replaced = accept_order(&hold, order(Command::Undo, 2), change).unwrap();
    assert_eq!(
        replaced.order.map(|order| order.command),
        Some(Command::Undo)
    );
}

fn order_by_anna(command: Command) -> Order {
    Order {
        command,
        by: "anna".into(),
        entry: EntryId::new(t0(), 1),
        at: t0(),
    }
}

fn held_for(reason: HeldReason) -> Rollout {
    let state = RolloutState::Held {
        ring: 0,
        reason,
        since: t0(),
    };
    Rollout {
        state,
        ..Setup::default().rollout()
    }
}

#[test]
fn go_on_a_rollout_that_waits_for_hosts_is_refused_and_says_for_whom() {
    let waiting = |hosts: &[&str]| HeldReason::WaitingFor {
        hosts: names(hosts),
        proved: 2,
        of: 9,
    };
    let refusal = |reason| {
        let rollout = held_for(reason);
        let refused = accept_order(&rollout, order_by_anna(Command::Go), rollout.change);
        let refused = refused.unwrap_err();
        format!("{refused}; {}", refused.hint())
    };
    assert_eq!(
        refusal(waiting(&["web-3", "web-4"])),
        "chg-7 waits for web-3, web-4 (2 of 9 hosts proved the release), and no word stands in for a proof; \
         it goes on by itself when they prove it, see `sleepwell hosts`; to take it back: `sleepwell undo chg-7`"
    );
    let seven = [
        "web-3", "web-4", "web-5", "web-6", "web-7", "web-8", "web-9",
    ];
    assert!(refusal(waiting(&seven)).contains("web-6, web-7 and 2 more (2 of 9"));
    let blocked = |why: &str| HeldReason::Blocked {
        host: "web-1".parse().unwrap(),
        why: why.into(),
    };
    assert_eq!(
        refusal(blocked("the disk is full.")),
        "chg-7 waits until web-1 can run the release: the disk is full; \
         mend that on web-1 and it goes on by itself; to take it back: `sleepwell undo chg-7`"
    );
    assert!(refusal(blocked("")).starts_with("chg-7 waits until web-1 can run the release; mend"));
}

#[test]
fn hold_and_undo_of_a_rollout_that_waits_for_hosts_are_taken() {
    let waiting = HeldReason::WaitingFor {
        hosts: names(&["web-3"]),
        proved: 2,
        of: 3,
    };
    let rollout = held_for(waiting);
    for command in [Command::Hold, Command::Undo] {
        let taken = accept_order(&rollout, order_by_anna(command), rollout.change).unwrap();
        assert_eq!(taken.order.map(|order| order.command), Some(command));
    }
    // And go takes back a hold that was not carried out yet.
    let held = accept_order(&rollout, order_by_anna(Command::Hold), rollout.change).unwrap();
    let taken = accept_order(&held, order_by_anna(Command::Go), rollout.change).unwrap();
    assert_eq!(taken.order.map(|order| order.command), Some(Command::Go));
}

#[test]
fn go_on_a_rollout_held_by_a_person_or_a_verdict_is_taken() {
    let verdict = HeldReason::Verdict {
        state: "undecided".into(),
        reason: "no_data".into(),
    };
    for reason in [held_by_anna(), verdict] {
        let rollout = held_for(reason);
        let taken = accept_order(&rollout, order_by_anna(Command::Go), rollout.change);
        assert!(taken.is_ok(), "{taken:?}");
    }
}

#[test]
fn an_undo_that_is_stuck_asks_again_when_it_is_ordered_again() {
    let mut world = World::new(&Setup::default());
    world.turn();
    world.proves(1);
    assert_eq!(asked(&world.order(Command::Undo)), [1]);
    let first = world.get(1).desired.as_ref().unwrap().generation;
    world.now = world.now + deliver::rollout::UNDO_DEADLINE;
    assert_eq!(told(&world.turn()), ["rollout_stuck"]);
    assert_eq!(
        asked(&world.turn()),
        [0usize; 0],
        "by itself it does not ask again"
    );
    let again = world.order(Command::Undo);
    assert_eq!(asked(&again), [1]);
    assert_eq!(told(&again), ["undo_started"]);
    assert!(world.get(1).desired.as_ref().unwrap().generation > first);
    world.obey(1);
    world.proves(1);
    assert!(world.is_undone());
}

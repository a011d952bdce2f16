//! Several services shipped as one: in order, judged as one, back the other way round.

use std::collections::BTreeMap;

use deliver::rollout::{Ordered, UNDO_DEADLINE, order, place, undo_with};
use model::deliver::{
    Command, IfRunning, Order, Part, Phase, Proof, Queued, RingSize, Rollout, RolloutState,
    Together, WatchEnd,
};
use model::{ChangeId, EntryId, Fact, ServiceName};

use crate::fleet::*;

/// The change in hand; [`Setup`] gives it this number.
const OWN: ChangeId = ChangeId(7);
/// Of the other part.
const OTHER: ChangeId = ChangeId(8);

fn service(name: &str) -> ServiceName {
    name.parse().unwrap()
}

fn names_of(services: &[&str]) -> Vec<ServiceName> {
    services.iter().map(|name| service(name)).collect()
}

/// Returns the order of `shipped`, where each `a: b c` says what `a` depends on.
fn ordered(shipped: &[&str], depends_on: &[&str]) -> Result<Vec<String>, String> {
    let depends_on: BTreeMap<ServiceName, Vec<ServiceName>> = depends_on
        .iter()
        .map(|line| {
            let (name, needs) = line.split_once(": ").unwrap();
            let needs: Vec<&str> = needs.split(' ').collect();
            (service(name), names_of(&needs))
        })
        .collect();
    let shown = |one: Ordered| {
        let needs: Vec<&str> = one.needs.iter().map(ServiceName::as_str).collect();
        format!("{}({})", one.service, needs.join(" "))
    };
    order(&names_of(shipped), &depends_on)
        .map(|ordered| ordered.into_iter().map(shown).collect())
        .map_err(|circle| circle.to_string())
}

#[test]
fn each_goes_out_behind_what_it_depends_on_and_otherwise_as_it_was_named() {
    let found = ordered(
        &["web", "mail", "shop", "ledger"],
        &["web: shop", "shop: ledger"],
    );
    let expected = ["mail()", "ledger()", "shop(ledger)", "web(shop)"];
    assert_eq!(found.unwrap(), expected);
    assert_eq!(ordered(&["b", "a"], &[]).unwrap(), ["b()", "a()"]);
}

#[test]
fn a_service_that_is_not_shipped_still_puts_two_others_in_order() {
    let found = ordered(
        &["web", "ledger"],
        &["web: pay", "pay: queue", "queue: ledger"],
    );
    assert_eq!(found.unwrap(), ["ledger()", "web(ledger)"]);
}

#[test]
fn a_circle_is_named_with_everything_on_it() {
    let circle = |shipped: &[&str], depends_on: &[&str]| ordered(shipped, depends_on).unwrap_err();
    assert_eq!(
        circle(&["a", "b"], &["a: b", "b: a"]),
        "these services depend on each other in a circle: `a` -> `b` -> `a`"
    );
    let through = circle(&["web", "a", "b"], &["web: a", "a: x", "x: b", "b: a"]);
    assert!(
        through.ends_with("circle: `a` -> `x` -> `b` -> `a`"),
        "{through}"
    );
    // Nothing of it is to be ordered.
    assert!(ordered(&["a", "b"], &["a: x", "x: a"]).is_ok());
}

fn part(change: ChangeId, needs: &[ChangeId]) -> Part {
    Part {
        change,
        service: service(if change == OWN { "shop" } else { "other" }),
        version: "1.2".parse().unwrap(),
        needs: needs.to_vec(),
    }
}

/// Returns a world of one ring, shipped with another part in a state.
fn beside(needs: [&[ChangeId]; 2], other: RolloutState) -> World {
    let mut world = World::new(&Setup {
        hosts: 2,
        rings: vec![ring("everyone", RingSize::Rest)],
        max_unavailable: 2,
        ..Setup::default()
    });
    let together = Together {
        parts: vec![part(OWN, needs[0]), part(OTHER, needs[1])],
        freed_at: None,
    };
    world.rollout.together = Some(together.clone());
    world.parts = vec![Rollout {
        change: OTHER,
        together: Some(together),
        state: other,
        ..Setup::default().rollout()
    }];
    world
}

fn running() -> RolloutState {
    RolloutState::Ring {
        ring: 0,
        phase: Phase::Baking,
        since: t0(),
    }
}

fn done(world: &World) -> RolloutState {
    RolloutState::Done { at: world.now }
}

fn undo() -> Order {
    Order {
        command: Command::Undo,
        by: "anna".into(),
        entry: EntryId::new(t0(), 9),
        at: t0(),
    }
}

#[test]
fn a_part_begins_when_what_it_needs_is_live_and_not_before() {
    let mut world = beside([&[OTHER], &[]], running());
    let waiting = world.turn();
    assert_eq!((asked(&waiting), told(&waiting)), (vec![], vec![]));
    assert_eq!(world.rollout.state, RolloutState::Planned);
    world.parts[0].state = done(&world);
    let begins = world.after(secs(1));
    assert_eq!(told(&begins), ["part_begun", "ring_started"]);
    assert_eq!(asked(&begins), [1, 2]);
}

#[test]
fn a_part_that_needs_nothing_of_the_others_waits_for_nobody() {
    let mut world = beside([&[], &[OWN]], RolloutState::Planned);
    assert_eq!(told(&world.turn()), ["ring_started"]);
}

#[test]
fn a_part_of_which_nothing_is_known_is_not_live() {
    let mut world = beside([&[OTHER], &[]], running());
    world.parts.clear();
    assert_eq!(asked(&world.turn()), NOBODY);
}

#[test]
fn a_waiting_part_that_was_held_goes_on_waiting() {
    let mut world = beside([&[OTHER], &[]], running());
    world.order(Command::Hold);
    assert!(world.held().is_some());
    world.order(Command::Go);
    assert_eq!(world.rollout.state, RolloutState::Planned);
    assert_eq!(asked(&world.turn()), NOBODY);
    world.parts[0].state = done(&world);
    assert_eq!(asked(&world.turn()), [1, 2]);
}

/// Returns a world whose own release is live, and what needs it is being undone as well.
fn needed_and_undone() -> World {
    let mut world = beside([&[], &[OWN]], RolloutState::Planned);
    world.turn();
    world.settle();
    world.after(BAKE);
    assert!(world.is_done());
    world.parts[0].order = Some(undo());
    world
}

#[test]
fn an_undo_lets_what_needs_it_go_back_first() {
    let mut world = needed_and_undone();
    let begins = world.order(Command::Undo);
    assert_eq!(told(&begins), ["watch_ended", "undo_started"]);
    assert_eq!(asked(&begins), NOBODY);
    world.parts[0].order = None;
    world.parts[0].state = RolloutState::Undoing { since: world.now };
    assert_eq!(asked(&world.after(secs(30))), NOBODY);
    world.parts[0].state = RolloutState::Undone { at: world.now };
    assert_eq!(asked(&world.after(secs(1))), [1, 2]);
    world.settle();
    assert!(world.is_undone());
}

#[test]
fn a_part_that_has_changed_no_host_is_undone_at_once_and_never_owns_a_ring() {
    let mut world = beside([&[], &[OWN]], RolloutState::Planned);
    world.rollout.queued = Some(Queued {
        behind: ChangeId(3),
        refused: None,
    });
    world.parts[0].order = Some(undo());
    world.order(Command::Undo);
    assert!(world.is_undone(), "{:?}", world.rollout.state);
}

#[test]
fn an_undo_waits_for_none_that_is_stuck_and_has_its_whole_time_afterwards() {
    let mut world = needed_and_undone();
    world.order(Command::Undo);
    world.after(UNDO_DEADLINE * 2);
    assert!(matches!(world.rollout.state, RolloutState::Undoing { .. }));
    world.parts[0].order = None;
    world.parts[0].state = RolloutState::Stuck {
        hosts: names(&["web-1"]),
        since: t0(),
    };
    assert_eq!(asked(&world.turn()), [1, 2]);
    world.obey(1);
    world.answers(2, Proof::Blocked);
    world.after(UNDO_DEADLINE - secs(1));
    assert!(matches!(world.rollout.state, RolloutState::Undoing { .. }));
    assert_eq!(told(&world.after(secs(1))), ["rollout_stuck"]);
}

#[test]
fn an_undo_does_not_wait_for_what_it_needs_itself_or_what_stays() {
    for (needs, state) in [
        (
            [&[OTHER][..], &[][..]],
            RolloutState::Undoing { since: t0() },
        ),
        ([&[], &[OWN]], RolloutState::Done { at: t0() }),
    ] {
        let mut world = beside(needs, RolloutState::Done { at: t0() });
        world.turn();
        world.parts[0].state = state;
        assert_eq!(asked(&world.order(Command::Undo)), [1, 2]);
    }
}

#[test]
fn a_part_stays_watched_while_another_is_under_way_and_as_long_behind_the_last() {
    let mut world = beside([&[], &[OWN]], RolloutState::Planned);
    world.turn();
    world.settle();
    world.after(BAKE);
    assert!(world.is_done());
    world.parts[0].state = running();
    for _ in 0..3 {
        assert_eq!(told(&world.after(WATCH)), [] as [String; 0]);
        assert!(world.rollout.watched_until().is_some());
    }
    world.now = world.now + secs(5);
    world.parts[0].state = done(&world);
    world.turn();
    let until = world.now + WATCH;
    world.after(WATCH - secs(5));
    assert_eq!(world.rollout.watched_until(), Some(until));
    let ended = Fact::WatchEnded {
        how: WatchEnd::Quiet,
    };
    world.now = until;
    world.turn();
    assert_eq!(world.facts.last(), Some(&ended));
}

#[test]
fn an_undo_of_one_part_is_left_at_the_others_and_where_a_later_release_stands_refused() {
    let world = beside([&[], &[OWN]], running());
    let part = &world.parts[0];
    let ordered = undo_with(part, undo(), OTHER).unwrap().unwrap();
    assert_eq!(ordered.order, Some(undo()));
    assert_eq!(
        undo_with(&ordered, undo(), OTHER),
        Ok(None),
        "it is ordered"
    );
    for state in [
        RolloutState::Undone { at: t0() },
        RolloutState::Undoing { since: t0() },
        RolloutState::Superseded { by: OWN, at: t0() },
    ] {
        let part = Rollout {
            state,
            ..part.clone()
        };
        assert_eq!(undo_with(&part, undo(), ChangeId(9)), Ok(None));
    }
    let live = Rollout {
        state: RolloutState::Done { at: t0() },
        ..part.clone()
    };
    let refusal = undo_with(&live, undo(), ChangeId(9)).unwrap_err();
    assert!(
        refusal.to_string().contains("chg-9 came after it"),
        "{refusal}"
    );
}

#[test]
fn what_was_shipped_together_is_waited_for_and_not_broken_up() {
    use deliver::rollout::Unfinished;

    let world = beside([&[], &[OWN]], running());
    let unfinished = [Unfinished {
        rollout: &world.rollout,
        verdict: None,
    }];
    let newcomer = release(3, Setup::default().environment()).to_ref();
    let place = place(&newcomer, &unfinished, IfRunning::Supersede).unwrap();
    assert_eq!((place.supersedes, place.behind), (vec![], Some(OWN)));
}

//! What must hold at every turn of every test, written down a second time and without the planner's
//! own helpers, so that a mistake has to be made twice to stay unseen.

use std::collections::BTreeSet;
use std::time::Duration;

use deliver::rollout::{HostFacts, JudgeFacts, Plan, Wanted, plan};
use model::deliver::{
    Command, DesiredState, HeldReason, Priority, Proof, ReleaseNumber, RingHost, Rollout,
    RolloutState,
};
use model::judge::VerdictState;
use model::{Fact, HostId, Timestamp};

use crate::fleet::World;
use crate::swaps;

/// Checks an answer before it is stored.
pub(crate) fn check(world: &mut World, answer: &Plan) {
    asks_are_few_and_distinct(world, answer);
    budget_is_kept(world, answer);
    rings_are_asked_in_order(&answer.next);
    rings_pass_for_a_reason(world, answer);
    failure_stops_the_release(world, answer);
    done_means_proved(world, answer);
    undo_is_at_once(world, answer);
    swaps::check(world, answer);
    held_by_a_person_asks_nothing(answer);
    orders_are_consumed(world, answer);
    json_changes_nothing(world, answer);
}

/// Checks the world after the answer was stored.
pub(crate) fn check_rest(world: &World, answer: &Plan) {
    asking_again_changes_nothing(world);
    nothing_changes_before(world, answer.wake_at);
}

pub(crate) fn facts<'a>(world: &'a World, host: &RingHost) -> Option<&'a HostFacts> {
    world.hosts.get(&host.id)
}

pub(crate) fn is_retired(world: &World, host: &RingHost) -> bool {
    facts(world, host).is_some_and(|facts| facts.retired)
}

/// Tells whether nobody has to wait for the host.
pub(crate) fn is_let_off(world: &World, host: &RingHost) -> bool {
    is_retired(world, host) || host.excluded.is_some()
}

fn is_silent(world: &World, host: &RingHost) -> bool {
    facts(world, host).is_none_or(|facts| facts.unknown_since.is_some())
}

pub(crate) fn proves(world: &World, host: &RingHost, release: ReleaseNumber) -> bool {
    let Some(facts) = facts(world, host) else {
        return false;
    };
    let (Some(desired), Some(reported)) = (&facts.desired, &facts.reported) else {
        return false;
    };
    facts.unknown_since.is_none()
        && desired.release == release
        && desired.state == DesiredState::Running
        && reported.proof == Proof::Converged
        && reported.generation_applied == desired.generation
}

fn is_unavailable(world: &World, host: &RingHost) -> bool {
    !is_let_off(world, host)
        && (is_silent(world, host)
            || host.touched && !proves(world, host, world.rollout.release.number))
}

/// Returns the hosts that were asked for the rollout's own release.
fn asked_for_release(answer: &Plan) -> BTreeSet<HostId> {
    let release = answer.next.release.clone();
    let mut wanted = vec![Wanted::Release(release.clone())];
    wanted.extend(
        answer
            .next
            .swap
            .as_ref()
            .map(|swap| Wanted::Routed(release, swap.to)),
    );
    let asks = answer.ask.iter().filter(|ask| wanted.contains(&ask.what));
    asks.map(|ask| ask.host).collect()
}

fn asks_are_few_and_distinct(world: &World, answer: &Plan) {
    let distinct: BTreeSet<HostId> = answer.ask.iter().map(|ask| ask.host).collect();
    assert_eq!(distinct.len(), answer.ask.len(), "a host is asked twice");
    for ask in &answer.ask {
        let ring = answer.next.rings.iter().find(|r| r.name == ask.ring);
        let hosts = ring.map(|ring| &ring.hosts);
        // The slot before is in no ring, and asks to it are about no ring's release.
        let hosts = hosts.or(answer.next.swap.as_ref().map(|swap| &swap.live));
        let host = hosts.unwrap().iter().find(|h| h.id == ask.host).unwrap();
        assert!(host.is_changed(), "asked and not remembered");
        assert!(!is_retired(world, host), "a retired host is asked");
    }
}

fn budget_is_kept(world: &World, answer: &Plan) {
    let asked = asked_for_release(answer);
    let before = world.rollout.hosts();
    let unavailable = before.filter(|h| is_unavailable(world, h)).count();
    let taken = world
        .rollout
        .hosts()
        .filter(|h| asked.contains(&h.id) && h.excluded.is_none())
        .filter(|h| !is_unavailable(world, h))
        .count();
    let budget = world.rollout.plan.max_unavailable;
    let budget = budget.map_or(usize::MAX, |hosts| hosts as usize);
    assert!(
        taken == 0 || unavailable + taken <= budget,
        "{unavailable} unavailable, {taken} asked, budget {budget}"
    );
}

fn rings_are_asked_in_order(next: &Rollout) {
    for (index, ring) in next.rings.iter().enumerate() {
        let touched = ring.hosts.iter().any(|h| h.touched);
        let passed = next.rings[..index].iter().all(|r| r.passed_at.is_some());
        assert!(!touched || passed, "ring {index} is asked before its time");
    }
}

fn rings_pass_for_a_reason(world: &World, answer: &Plan) {
    for (index, ring) in answer.next.rings.iter().enumerate() {
        if world.rollout.rings[index].passed_at.is_some() || ring.passed_at.is_none() {
            continue;
        }
        for host in ring.hosts.iter().filter(|h| !is_let_off(world, h)) {
            let release = world.rollout.release.number;
            assert!(proves(world, host, release), "{} has not proved", host.name);
        }
        let how = ring.passed_how.as_deref().unwrap();
        if how == "no hosts left" {
            continue;
        }
        let proved_at = ring.proved_at.unwrap();
        let bake_ends = proved_at + world.rollout.plan.rings[index].bake;
        assert!(
            how.starts_with("by ") || was_looked_at(world, bake_ends),
            "passed `{how}` unseen"
        );
        let baked = world.now >= bake_ends;
        assert!(baked || how.starts_with("by "), "passed `{how}` half baked");
        if how == "pass" || how.starts_with("not excluded") {
            let verdict = world.verdict.as_ref().unwrap();
            let fits = verdict.ring == index && verdict.at >= proved_at;
            assert!(fits && verdict.state == VerdictState::Pass);
        }
    }
}

/// Tells whether the judge looked at that time or later, and no touched host had another crash or failed
/// check since.
fn was_looked_at(world: &World, from: Timestamp) -> bool {
    let look = world.last_look.as_ref().unwrap();
    let touched = world.rollout.rings.iter().flat_map(|ring| &ring.hosts);
    let unchanged = |host: &RingHost| {
        let said = facts(world, host).and_then(|facts| facts.reported.as_ref());
        let seen = look.seen.get(&host.id);
        said.map(|r| (r.unexpected_exits, r.failed_checks))
            == seen.map(|s| (s.unexpected_exits, s.failed_checks))
    };
    look.at >= from && touched.filter(|h| h.touched).all(unchanged)
}

/// Follows the failed verdicts on its own: from the first one on nobody is asked for the release, until
/// `go` makes the planner write down whom it heeded.
fn failure_stops_the_release(world: &mut World, answer: &Plan) {
    if world.rollout.overruled != answer.next.overruled {
        world.has_failed = false;
    }
    let fails = world
        .verdict
        .as_ref()
        .filter(|v| v.state == VerdictState::Fail);
    let overruled = answer.next.overruled.as_ref().and_then(|o| o.verdict);
    let goes_forward = matches!(
        answer.next.state,
        RolloutState::Planned | RolloutState::Ring { .. } | RolloutState::Held { .. }
    );
    if goes_forward && fails.is_some_and(|v| Some(v.id) != overruled) {
        world.has_failed = true;
    }
    if world.has_failed {
        assert!(
            asked_for_release(answer).is_empty(),
            "asked for a bad release"
        );
        let was_done = matches!(world.rollout.state, RolloutState::Done { .. });
        let is_done = matches!(answer.next.state, RolloutState::Done { .. });
        assert!(was_done || !is_done, "a bad release is done");
    }
}

fn done_means_proved(world: &World, answer: &Plan) {
    let is_done = matches!(answer.next.state, RolloutState::Done { .. });
    if !is_done || matches!(world.rollout.state, RolloutState::Done { .. }) {
        return;
    }
    for host in answer.next.hosts().filter(|h| !is_let_off(world, h)) {
        let proved = proves(world, host, answer.next.release.number);
        assert!(proved && host.touched, "done without {}", host.name);
    }
    let done = |(_, fact): &_| matches!(fact, Fact::RolloutDone { .. });
    assert!(answer.facts.iter().any(done));
}

fn undo_is_at_once(world: &World, answer: &Plan) {
    let is_ordered = world
        .rollout
        .order
        .as_ref()
        .is_some_and(|o| o.command == Command::Undo);
    let is_undoing = match answer.next.state {
        RolloutState::Undoing { .. } | RolloutState::Stuck { .. } => true,
        RolloutState::Undone { .. } => !matches!(world.rollout.state, RolloutState::Undone { .. }),
        RolloutState::Planned
        | RolloutState::Ring { .. }
        | RolloutState::Held { .. }
        | RolloutState::Superseded { .. }
        | RolloutState::Done { .. } => {
            let refused = |(_, fact): &_| matches!(fact, Fact::UndoRefused { .. });
            let is_refused = answer.facts.iter().any(refused);
            assert!(!is_ordered || is_refused, "an undo is put off");
            false
        }
    };
    if !is_undoing || answer.next.swap.is_some() {
        return;
    }
    if world.gate.as_ref().and_then(deliver::gate::back).is_some() {
        assert_eq!(answer.ask, [], "asked back to what does not fit any more");
        return;
    }
    let together = answer.next.together.as_ref();
    if together.is_some_and(|together| together.freed_at.is_none()) {
        // What was shipped with it and needs it goes back first.
        let needs_it = |part: &&Rollout| {
            let parts = part.together.iter().flat_map(|together| &together.parts);
            let own = parts.filter(|one| one.change == part.change);
            own.flat_map(|one| &one.needs)
                .any(|need| *need == answer.next.change)
        };
        let is_going = |part: &Rollout| {
            part.order.is_some() || matches!(part.state, RolloutState::Undoing { .. })
        };
        assert!(
            world.parts.iter().filter(needs_it).any(is_going),
            "an undo waits for nobody"
        );
        assert!(answer.ask.is_empty(), "asked back out of order");
        return;
    }
    let is_ordered_again = is_ordered && matches!(world.rollout.state, RolloutState::Stuck { .. });
    for host in answer
        .next
        .hosts()
        .filter(|h| h.is_changed() && !is_retired(world, h))
    {
        let Some(facts) = facts(world, host) else {
            continue;
        };
        let is_asked_back = facts
            .desired
            .as_ref()
            .is_some_and(|d| match &answer.next.previous {
                Some(previous) => {
                    (d.release, d.redeploy) == (previous.number, previous.redeploy)
                        && d.state == DesiredState::Running
                }
                None => d.state == DesiredState::Stopped,
            });
        let asks = answer.ask.iter().filter(|a| a.host == host.id);
        let asks: Vec<Priority> = asks.map(|a| a.priority).collect();
        if is_asked_back && is_ordered_again {
            // Who gave up is asked once more; who is back need not be.
            assert!(
                asks.is_empty() || asks == [Priority::Rollback],
                "{}",
                host.name
            );
            continue;
        }
        let expected = if is_asked_back {
            vec![]
        } else {
            vec![Priority::Rollback]
        };
        assert_eq!(asks, expected, "{} on its way back", host.name);
    }
    let touched: BTreeSet<HostId> = answer
        .next
        .hosts()
        .filter(|h| h.is_changed())
        .map(|h| h.id)
        .collect();
    assert!(answer.ask.iter().all(|ask| touched.contains(&ask.host)));
}

fn held_by_a_person_asks_nothing(answer: &Plan) {
    let is_held = matches!(
        &answer.next.state,
        RolloutState::Held {
            reason: HeldReason::Person { .. },
            ..
        }
    );
    assert!(
        !is_held || answer.ask.is_empty(),
        "asks while a person holds"
    );
}

fn orders_are_consumed(world: &World, answer: &Plan) {
    assert_eq!(answer.order_done, world.rollout.order.is_some());
    assert_eq!(answer.next.order, None);
}

/// A server that was killed and read its rollout back plans the same.
fn json_changes_nothing(world: &World, answer: &Plan) {
    let stored = serde_json::to_string(&world.rollout).unwrap();
    let read: Rollout = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, world.rollout);
    let judge = JudgeFacts {
        verdict: world.verdict.as_ref(),
        last_look: world.last_look.as_ref(),
    };
    let again = plan(&read, &world.hosts, judge, world.gates(), world.now);
    assert_eq!(&again, answer, "the same question, another answer");
}

fn asking_again_changes_nothing(world: &World) {
    assert_quiet(world, world.now);
}

fn nothing_changes_before(world: &World, wake_at: Option<Timestamp>) {
    let before = match wake_at {
        Some(at) => {
            assert!(at > world.now, "woken in the past");
            at - Duration::from_micros(1)
        }
        None => world.now + Duration::from_secs(86_400 * 30),
    };
    assert_quiet(world, before);
}

fn assert_quiet(world: &World, at: Timestamp) {
    let answer = world.plan_at(at);
    assert_eq!(answer.ask, [], "asked again at {at}");
    assert_eq!(answer.facts, [], "told again at {at}");
    assert_eq!(answer.next, world.rollout, "changed at {at}");
    assert!(!answer.order_done);
}

//! Redeploys: when one is due, how it begins, whom it asks, and what ends it.

use std::time::Duration;

use deliver::redeploy::{Due, Redeploy, begin, due};
use deliver::rollout::{Refusal, Start, Wanted, start};
use model::deliver::freeze::Window;
use model::deliver::{
    Command, FreezeRule, HeldReason, Host, Overdue, RedeployRule, Release, Rollout, RolloutState,
    Within,
};
use model::judge::{Reason, VerdictState};
use model::time::Zone;
use model::{ChangeId, Fact, Timestamp};

use crate::fleet::*;

const DAY: Duration = Duration::from_secs(86_400);

fn month() -> RedeployRule {
    RedeployRule {
        every: 30 * DAY,
        within: None,
    }
}

/// Returns a rollout that is done at `at`, with a rule.
fn done(change: u64, at: Timestamp, rule: RedeployRule) -> Rollout {
    let mut rollout = Setup::default().rollout();
    rollout.previous = None;
    rollout.change = ChangeId(change);
    rollout.plan.redeploy = Some(rule);
    rollout.state = RolloutState::Done { at };
    rollout
}

/// Returns the redeploy of what `live` brought, as it begins.
fn redeploy_of(live: &Rollout, change: u64, now: Timestamp) -> Rollout {
    let (release, hosts) = (release_of(live), hosts());
    let new = Redeploy {
        change: ChangeId(change),
        release: &release,
        history: &[live],
        under_way: None,
        hosts: &hosts,
        overdue: None,
        by: "jonas".into(),
        now,
    };
    begin(new).unwrap().0
}

fn release_of(live: &Rollout) -> Release {
    let mut release = Setup::default().release();
    release.number = live.release.number;
    release.version = live.release.version.clone();
    release.digest = live.release.digest;
    let environments = &mut release.definition.environments;
    environments.insert(live.environment.clone(), live.plan.clone());
    release
}

fn hosts() -> Vec<Host> {
    (1..=4).map(host).collect()
}

/// Returns a world in which a redeploy of what every host proves begins.
fn world() -> World {
    let mut world = World::new(&Setup::default());
    let mut live = world.rollout.clone();
    live.change = ChangeId(6);
    live.release = live.previous.take().unwrap();
    live.state = RolloutState::Done { at: t0() };
    world.rollout = redeploy_of(&live, 9, t0());
    world
}

#[test]
fn it_is_due_so_long_after_every_host_was_deployed_to() {
    let live = done(7, t0(), month());
    let second = Duration::from_secs(1);
    let at = t0() + 30 * DAY;
    assert_eq!(due(&[&live], false, &[], at - second), Due::Later(at));
    let overdue = Overdue {
        every_ms: 30 * 86_400_000,
        since: t0(),
    };
    assert_eq!(due(&[&live], false, &[], at), Due::Now(overdue));
    assert_eq!(
        due(&[&live], true, &[], at),
        Due::No,
        "another is under way"
    );
    let mut without = live.clone();
    without.plan.redeploy = None;
    assert_eq!(due(&[&without], false, &[], at), Due::No);
    assert_eq!(due(&[], false, &[], at), Due::No);
}

#[test]
fn the_release_that_runs_there_shipped_again_sets_no_host_up() {
    let first = done(7, t0(), month());
    let mut again = done(8, t0() + 10 * DAY, month());
    again.previous = Some(again.release.clone());
    let at = t0() + 30 * DAY;
    assert!(matches!(
        due(&[&again, &first], false, &[], at),
        Due::Now(_)
    ));
    let mut redeployed = again.clone();
    redeployed.release.redeploy = Some(redeployed.change);
    let later = Due::Later(at + 10 * DAY);
    assert_eq!(due(&[&redeployed, &first], false, &[], at), later);
}

#[test]
fn one_that_was_taken_back_is_not_tried_again_at_once() {
    let live = done(7, t0(), month());
    let at = t0() + 30 * DAY;
    let mut undone = redeploy_of(&live, 8, at);
    undone.state = RolloutState::Undone { at: at + DAY };
    let later = Due::Later(at + 30 * DAY);
    assert_eq!(due(&[&undone, &live], false, &[], at + 2 * DAY), later);
}

#[test]
fn a_window_and_a_freeze_postpone_it_to_the_first_moment_that_suits_both() {
    let rule = RedeployRule {
        within: Some(Within {
            from: "tue 09:00".parse().unwrap(),
            to: "tue 16:00".parse().unwrap(),
            zone: Zone::utc(),
        }),
        ..month()
    };
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    // 30 days later it is Wednesday, 2026-02-04.
    let live = done(7, time("2026-01-05T12:00:00Z"), rule);
    let look = |freezes: &[FreezeRule], now: &str| due(&[&live], false, freezes, time(now));
    let opens = Due::Later(time("2026-02-10T09:00:00Z"));
    assert_eq!(look(&[], "2026-02-04T12:00:00Z"), opens);
    assert!(matches!(look(&[], "2026-02-10T15:59:59Z"), Due::Now(_)));
    let next = Due::Later(time("2026-02-17T09:00:00Z"));
    assert_eq!(look(&[], "2026-02-10T16:00:00Z"), next);
    let freeze = FreezeRule {
        name: "lunch".parse().unwrap(),
        zone: Zone::utc(),
        window: Window::read("tue 08:00", "tue 13:00").unwrap(),
    };
    let thaws = Due::Later(time("2026-02-10T13:00:00Z"));
    assert_eq!(
        look(std::slice::from_ref(&freeze), "2026-02-10T09:00:00Z"),
        thaws
    );
    assert!(matches!(
        look(&[freeze], "2026-02-10T13:00:00Z"),
        Due::Now(_)
    ));
}

#[test]
fn only_what_runs_there_is_redeployed_and_only_while_nothing_else_is_under_way() {
    let live = done(7, t0(), month());
    let mut other = release_of(&live);
    other.number.0 += 1;
    other.version = "3.0".parse().unwrap();
    let (release, hosts) = (release_of(&live), hosts());
    let new = |release, history, under_way| Redeploy {
        change: ChangeId(9),
        release,
        history,
        under_way,
        hosts: &hosts,
        overdue: None,
        by: "jonas".into(),
        now: t0(),
    };
    let history = [&live];
    let refused = begin(new(&other, &history, None)).unwrap_err();
    assert!(
        matches!(refused, Refusal::NotLive { live: Some(_), .. }),
        "{refused}"
    );
    let refused = begin(new(&release, &[], None)).unwrap_err();
    assert!(
        matches!(refused, Refusal::NotLive { live: None, .. }),
        "{refused}"
    );
    let change = ChangeId(8);
    let refused = begin(new(&release, &history, Some(change))).unwrap_err();
    assert_eq!(refused, Refusal::Occupied { change });
    let (rollout, facts) = begin(new(&release, &history, None)).unwrap();
    assert!(rollout.is_redeploy());
    assert!(!rollout.auto_undo);
    assert_eq!(rollout.previous, Some(live.release.clone()));
    let facts: Vec<Fact> = facts.into_iter().map(|(_, fact)| fact).collect();
    assert!(matches!(
        facts[0],
        Fact::RedeployOrdered { overdue: None, .. }
    ));
    assert!(matches!(facts[1], Fact::RolloutPlanned { .. }));
}

#[test]
fn hosts_that_prove_the_release_are_asked_for_it_anew_ring_by_ring() {
    let mut world = world();
    let plan = world.turn();
    assert_eq!(asked(&plan), [1]);
    let wanted = Wanted::Release(world.rollout.release.clone());
    assert_eq!(plan.ask[0].what, wanted);
    assert_eq!(world.rollout.release.redeploy, Some(ChangeId(9)));
    // What it proves so far is the process it had.
    world.after(secs(1));
    assert!(world.rollout.rings[0].proved_at.is_none());
    world.proves(1);
    assert_eq!(asked(&world.bake_and_pass()), [2]);
    world.proves(2);
    world.bake_and_pass();
    world.settle();
    world.bake_and_pass();
    assert!(world.is_done(), "{:?}", world.rollout.state);
    let hosts = world.hosts.values();
    assert!(
        hosts
            .map(|host| host.desired.as_ref().unwrap().redeploy)
            .eq([Some(ChangeId(9)); 4])
    );
}

#[test]
fn a_host_whose_agent_knows_no_redeploys_is_named() {
    let mut world = world();
    world.turn();
    world.obey(1);
    world.get(1).reported.as_mut().unwrap().redeploy = None;
    world.turn();
    match world.held() {
        Some(HeldReason::Blocked { host, why }) => {
            assert_eq!(host.as_str(), "web-1");
            assert!(
                why.starts_with("its agent is older than redeploys"),
                "{why}"
            );
        }
        other => panic!("{other:?}"),
    }
    world.get(1).reported.as_mut().unwrap().redeploy = Some(ChangeId(9));
    world.turn();
    assert_eq!(world.held(), None, "a newer agent did it");
}

#[test]
fn a_failed_one_is_held_until_a_person_decides() {
    let mut world = world();
    world.turn();
    world.proves(1);
    world.judge(VerdictState::Fail, Reason::Harm);
    let plan = world.turn();
    assert!(matches!(world.held(), Some(HeldReason::Verdict { .. })));
    assert_eq!(asked(&plan), NOBODY);
    assert_eq!(asked(&world.after(DEADLINE)), NOBODY);
    // Undone by a person, the host is asked for the folder it had.
    let plan = world.order(Command::Undo);
    let back = Wanted::Release(world.rollout.previous.clone().unwrap());
    assert_eq!((asked(&plan), &plan.ask[0].what), (vec![1], &back));
    world.proves(1);
    assert!(world.is_undone());
}

#[test]
fn what_was_redeployed_shipped_again_is_nothing_to_do() {
    let live = done(7, t0(), month());
    let mut redeployed = redeploy_of(&live, 9, t0());
    redeployed.state = RolloutState::Done { at: t0() };
    let release = release_of(&live);
    let hosts = hosts();
    let again = start(Start {
        change: ChangeId(10),
        release: &release,
        previous: Some(redeployed.release.clone()),
        brought_by: None,
        environment: redeployed.environment.clone(),
        hosts: &hosts,
        redeploy: false,
        by: "jonas".into(),
        now: t0(),
    });
    let (again, _) = again.unwrap();
    assert_eq!(again.release.redeploy, Some(ChangeId(9)));
    assert!(!again.is_redeploy());
}

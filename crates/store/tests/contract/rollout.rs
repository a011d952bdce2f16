use std::collections::BTreeMap;
use std::time::Duration;

use model::deliver::{
    EnvironmentPlan, Queued, ReleaseNumber, ReleaseRef, Rollout, RolloutState, Slot, Swap, Warm,
    WarmEnd, Watch, WatchEnd,
};
use model::judge::{Control, Evidence, LastLook, Reason, Verdict, VerdictState};
use model::{ActionId, ChangeId, Digest, EntryId, Labels, VerdictId};
use store::{Error, Store, action, judgement, rollout};

use super::at;

pub(crate) fn example(change: u64) -> Rollout {
    Rollout {
        change: ChangeId(change),
        service: "shop".parse().unwrap(),
        environment: "production".parse().unwrap(),
        release: ReleaseRef {
            number: ReleaseNumber(change),
            version: format!("1.{change}").parse().unwrap(),
            digest: Digest::of(b"shop"),
            redeploy: None,
        },
        previous: None,
        plan: EnvironmentPlan {
            hosts: Labels::default(),
            expected: None,
            max_unavailable: Some(1),
            rings: vec![],
            warmup: Duration::from_secs(10),
            watch: Duration::ZERO,
            freeze: Vec::new(),
            if_running: model::deliver::IfRunning::default(),
            redeploy: None,
            blue_green: None,
        },
        rings: vec![],
        state: RolloutState::Planned,
        started_at: at(0),
        started_by: "test".into(),
        order: None,
        auto_undo: true,
        judged: true,
        failed: None,
        no_way_back: None,
        overruled: None,
        freeze_override: None,
        last_entry: None,
        queued: None,
        together: None,
        watch: None,
        swap: None,
    }
}

pub(crate) async fn a_decision_on_stale_state_is_refused(store: Store) {
    store
        .write(|tx| rollout::insert(tx, &example(1)))
        .await
        .unwrap();
    let read = store
        .read(|tx| rollout::get(tx, ChangeId(1)))
        .await
        .unwrap()
        .unwrap();
    let save = |mut r: Rollout, version, second| {
        r.state = RolloutState::Undoing { since: at(second) };
        store.write(move |tx| rollout::save(tx, &r, version))
    };
    save(read.rollout.clone(), read.version, 1).await.unwrap();
    let late = save(read.rollout, read.version, 2).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
    let now = store
        .read(|tx| rollout::get(tx, ChangeId(1)))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(now.rollout.state, RolloutState::Undoing { since: at(1) });
}

pub(crate) async fn two_rollouts_never_own_one_service(store: Store) {
    store
        .write(|tx| rollout::insert(tx, &example(1)))
        .await
        .unwrap();
    let second = store.write(|tx| rollout::insert(tx, &example(2))).await;
    assert!(matches!(second, Err(Error::Exists(_))), "{second:?}");
    let mut first = example(1);
    first.state = RolloutState::Done { at: at(9) };
    store
        .write(move |tx| rollout::save(tx, &first, 1))
        .await
        .unwrap();
    store
        .write(|tx| rollout::insert(tx, &example(2)))
        .await
        .unwrap();
    let running = store.read(rollout::running_changes).await.unwrap();
    assert_eq!(running, [ChangeId(2)]);
}

pub(crate) async fn a_rollout_that_waits_owns_nothing(store: Store) {
    let mut waiting = example(2);
    waiting.queued = Some(Queued {
        behind: ChangeId(1),
        refused: None,
    });
    let behind = waiting.clone();
    store
        .write(move |tx| {
            rollout::insert(tx, &example(1))?;
            rollout::insert(tx, &behind)
        })
        .await
        .unwrap();
    let running = store.read(rollout::running_changes).await.unwrap();
    assert_eq!(running, [ChangeId(1), ChangeId(2)]);
    let newest = |tx: &mut store::Tx<'_>| {
        let (service, place) = ("shop".parse().unwrap(), "production".parse().unwrap());
        rollout::newest_standing(tx, &service, &place)
    };
    let standing = store.read(newest).await.unwrap().unwrap();
    assert_eq!(standing.rollout.change, ChangeId(1));

    // It cannot begin while the one before it owns the rings.
    waiting.queued = None;
    let begun = waiting.clone();
    let early = store.write(move |tx| rollout::save(tx, &begun, 1)).await;
    assert!(matches!(early, Err(Error::Exists(_))), "{early:?}");
    let mut first = example(1);
    first.state = RolloutState::Superseded {
        by: ChangeId(2),
        at: at(9),
    };
    store
        .write(move |tx| {
            rollout::save(tx, &first, 1)?;
            rollout::save(tx, &waiting, 1)
        })
        .await
        .unwrap();
    let standing = store.read(newest).await.unwrap().unwrap();
    assert_eq!(standing.rollout.change, ChangeId(2));
}

pub(crate) async fn a_watched_rollout_is_looked_after_and_in_nobodys_way(store: Store) {
    let mut first = example(1);
    first.state = RolloutState::Done { at: at(9) };
    first.watch = Some(Watch {
        until: at(99),
        ended: None,
    });
    let watched = first.clone();
    store
        .write(move |tx| {
            rollout::insert(tx, &watched)?;
            rollout::insert(tx, &example(2))
        })
        .await
        .unwrap();
    let looked_after = || store.read(rollout::looked_after);
    assert_eq!(looked_after().await.unwrap(), [ChangeId(1), ChangeId(2)]);
    let running = store.read(rollout::running_changes).await.unwrap();
    assert_eq!(running, [ChangeId(2)]);

    first.watch.as_mut().unwrap().ended = Some(WatchEnd::Quiet);
    first.swap = Some(Swap {
        to: Slot::Green,
        from: Some(Slot::Blue),
        live: Vec::new(),
        warm: Some(Warm {
            until: at(99),
            ended: None,
        }),
        is_back: false,
    });
    let warm = first.clone();
    store
        .write(move |tx| rollout::save(tx, &warm, 1))
        .await
        .unwrap();
    assert_eq!(looked_after().await.unwrap(), [ChangeId(1), ChangeId(2)]);

    let swap = first.swap.as_mut().unwrap();
    swap.warm.as_mut().unwrap().ended = Some(WarmEnd::Stopped);
    store
        .write(move |tx| rollout::save(tx, &first, 2))
        .await
        .unwrap();
    assert_eq!(looked_after().await.unwrap(), [ChangeId(2)]);
}

pub(crate) async fn an_action_is_taken_once(store: Store) {
    let take = |n: u128| {
        store.write(move |tx| {
            action::insert(
                tx,
                "undo/chg-1/fail/0",
                ActionId::new(at(0), n),
                ChangeId(1),
                at(0),
            )
        })
    };
    take(1).await.unwrap();
    let again = take(2).await;
    assert!(matches!(again, Err(Error::Exists(_))), "{again:?}");
    let keys = store
        .read(|tx| action::keys(tx, ChangeId(1)))
        .await
        .unwrap();
    assert_eq!(keys.len(), 1);
}

pub(crate) fn verdict(id: VerdictId) -> Verdict {
    Verdict {
        id,
        change: ChangeId(1),
        ring: 0,
        state: VerdictState::Fail,
        reason: Reason::Harm,
        at: at(1),
        evidence: Evidence {
            started: at(0),
            looks: 1,
            alpha: 0.01,
            rule: "global".into(),
            log_e: 5.0,
            beside: None,
            needed: 4.6,
            metrics: vec![],
            control: Control::Hosts { hosts: 7 },
            excluded: vec![],
            unattributed: 0,
            definition: Digest::of(b""),
            judge_version: "1".into(),
            inputs_digest: Digest::of(b""),
        },
    }
}

pub(crate) async fn a_verdict_is_handled_once(store: Store) {
    let verdict = verdict(VerdictId::new(at(1), 1));
    let (id, stored) = (verdict.id, verdict.clone());
    let entry = EntryId::new(at(1), 1);
    store
        .write(move |tx| judgement::insert(tx, &stored, entry))
        .await
        .unwrap();
    let mut waiting = store.read(|tx| judgement::unhandled(tx, 10)).await.unwrap();
    assert_eq!(waiting.len(), 1);
    let (named, read) = waiting.remove(0);
    assert_eq!((named, read.unwrap()), (id, (verdict, entry)));
    assert!(
        store
            .write(move |tx| judgement::mark_handled(tx, id))
            .await
            .unwrap()
    );
    assert!(
        !store
            .write(move |tx| judgement::mark_handled(tx, id))
            .await
            .unwrap()
    );
    let waiting = store.read(|tx| judgement::unhandled(tx, 10)).await.unwrap();
    assert!(waiting.is_empty(), "{waiting:?}");
}

pub(crate) async fn tests_of_changes_that_are_over_are_forgotten(store: Store) {
    let done = |change: u64, service: &str| Rollout {
        service: service.parse().unwrap(),
        state: RolloutState::Done { at: at(9) },
        ..example(change)
    };
    let watched = Rollout {
        watch: Some(Watch {
            until: at(99),
            ended: None,
        }),
        ..done(3, "shop")
    };
    let all = [
        done(1, "shop"),
        done(2, "till"),
        watched,
        example(4),
        done(5, "shop"),
    ];
    let tests = store.write(move |tx| {
        for one in &all {
            rollout::insert(tx, one)?;
            let look = LastLook {
                at: at(1),
                seen: BTreeMap::new(),
            };
            judgement::save_test(tx, one.change, &look, &"a test")?;
        }
        let place = (&all[0].service, &all[0].environment);
        judgement::forget_tests_before(tx, place, ChangeId(4))?;
        let mut left = vec![];
        for one in &all {
            let test: Option<String> = judgement::test(tx, one.change)?;
            left.extend(test.map(|_| one.change.0));
        }
        Ok::<_, Error>(left)
    });
    assert_eq!(tests.await.unwrap(), [2, 3, 4, 5]);
}

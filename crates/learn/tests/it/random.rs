//! Whatever the journal holds, the walk ends and every line says something.

use std::collections::BTreeSet;

use learn::{change, sentence, why};
use model::deliver::{HeldReason, Phase, Proof, RolloutState};
use model::{ChangeId, Entry, Kind, Subject, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::facts::every_fact;
use crate::fixture::{World, at, entry_id, host_id, name, verdict};

fn body() -> impl Strategy<Value = Value> {
    let known = proptest::sample::select(every_fact()).prop_map(|(fact, _)| fact.to_body());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    let damaged = (known.clone(), any::<prop::sample::Index>(), leaf.clone()).prop_map(
        |(mut body, at, value)| {
            let fields = body.as_object_mut().expect("facts are objects");
            let keys: Vec<String> = fields.keys().cloned().collect();
            fields.insert(at.get(&keys).clone(), value);
            body
        },
    );
    prop_oneof![
        known,
        damaged,
        leaf,
        ".*".prop_map(|name| json!({ "fact": name })),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let one = (
        0u64..30,
        any::<i64>(),
        any::<bool>(),
        prop::collection::vec(0u64..40, 0..5),
        ".*",
        body(),
    );
    prop::collection::vec(one, 0..30).prop_map(|rows| {
        rows.into_iter()
            .map(|(id, at, of_change, causes, actor, body)| Entry {
                id: entry_id(id),
                at: Timestamp::from_micros(at),
                subject: if of_change {
                    Subject::Change(ChangeId(7))
                } else {
                    Subject::Server
                },
                kind: Kind::Signal,
                actor,
                causes: causes.into_iter().map(entry_id).collect(),
                body,
            })
            .collect()
    })
}

fn proof() -> impl Strategy<Value = Proof> {
    proptest::sample::select(vec![
        Proof::Converged,
        Proof::Pending,
        Proof::Reverted,
        Proof::Drifted,
        Proof::Stopped,
        Proof::Blocked,
        Proof::Unknown,
    ])
}

fn state() -> impl Strategy<Value = RolloutState> {
    let ring = 0usize..5;
    let phase = proptest::sample::select(vec![
        Phase::Releasing,
        Phase::Proving,
        Phase::Baking,
        Phase::Judging,
    ]);
    let hosts = || prop::collection::vec((1usize..20).prop_map(name), 0..12);
    let reason =
        prop_oneof![
            ".*".prop_map(|by| HeldReason::Person { by }),
            (hosts(), 0usize..9, 0usize..9)
                .prop_map(|(hosts, proved, of)| HeldReason::WaitingFor { hosts, proved, of }),
            ".*".prop_map(|why| HeldReason::Blocked { host: name(3), why }),
            (".*", ".*").prop_map(|(state, reason)| HeldReason::Verdict { state, reason }),
            ".*".prop_map(|why| HeldReason::Incompatible { why }),
            ".*".prop_map(|why| HeldReason::NoWayBack { why }),
            (0u64..1 << 40).prop_map(|s| HeldReason::Frozen {
                rule: "weekend".parse().unwrap(),
                until: at(s),
            }),
        ];
    prop_oneof![
        Just(RolloutState::Planned),
        (ring.clone(), phase).prop_map(|(ring, phase)| RolloutState::Ring {
            ring,
            phase,
            since: at(0)
        }),
        (ring, reason).prop_map(|(ring, reason)| RolloutState::Held {
            ring,
            reason,
            since: at(0)
        }),
        Just(RolloutState::Undoing { since: at(0) }),
        Just(RolloutState::Undone { at: at(9) }),
        hosts().prop_map(|hosts| RolloutState::Stuck {
            hosts,
            since: at(0)
        }),
        Just(RolloutState::Superseded {
            by: ChangeId(8),
            at: at(9)
        }),
        Just(RolloutState::Done { at: at(9) }),
    ]
}

proptest! {
    #[test]
    fn every_entry_is_told_in_one_line(entries in entries()) {
        for entry in &entries {
            let told = sentence::of(entry);
            prop_assert!(!told.text.is_empty());
            prop_assert!(!told.text.contains(|c: char| c.is_control()), "{:?}", told.text);
        }
    }

    #[test]
    fn every_walk_ends_and_effects_stand_below_their_causes(entries in entries()) {
        let chain = why::chain(&entries);
        prop_assert!(chain.is_sorted_by_key(|item| item.at));
        let ids: BTreeSet<_> = chain.iter().map(|item| item.id).collect();
        prop_assert_eq!(ids.len(), chain.len(), "an entry stands twice");
        for (i, item) in chain.iter().enumerate() {
            for cause in chain[..i].iter().filter(|other| item.causes.contains(&other.id)) {
                prop_assert!(item.depth > cause.depth);
            }
        }
    }

    #[test]
    fn every_change_has_a_sentence_and_a_page(
        state in state(),
        entries in entries(),
        proofs in prop::collection::vec((1usize..12, proof(), any::<bool>(), any::<bool>()), 0..12),
        judged in any::<bool>(),
        now in any::<i64>(),
        first in any::<bool>(),
    ) {
        let mut world = World::new(state);
        for (n, proof, silent, touched) in proofs {
            if n > 8 {
                world.hosts.remove(&host_id(n - 8));
            } else if world.hosts.contains_key(&host_id(n)) {
                world.report(n, proof, "a\nreason");
                if silent {
                    world.silence(n);
                }
                if touched {
                    world.touch(n);
                }
            }
        }
        world.entries = entries;
        world.verdict = judged.then(verdict);
        world.now = Timestamp::from_micros(now);
        if first {
            world.rollout.previous = None;
        }
        let view = change::view(world.input());
        prop_assert!(view.sentence.starts_with("shop 1.1") && view.sentence.ends_with('.'));
        prop_assert!(!view.sentence.contains(|c: char| c.is_control()), "{:?}", view.sentence);
        prop_assert_eq!(view.rings.len(), 2);
        for ring in &view.rings {
            prop_assert!(ring.proved <= ring.hosts.len());
        }
        for (id, host) in &world.hosts {
            let lines = view.rings.iter().flat_map(|ring| &ring.hosts);
            let line = lines.into_iter().find(|line| line.host == host.name);
            if host.unknown_since.is_some() {
                prop_assert_eq!(line.map(|line| line.proof), Some(Proof::Unknown), "{}", id);
            }
        }
    }
}

//! A whole rollout: several signals in several rings under one budget, looked at every second.

use std::collections::BTreeMap;
use std::time::Duration;

use model::Timestamp;
use model::deliver::AtDeadline;
use model::judge::VerdictState;

use super::counts::{World, signal};
use crate::{Batch, Look, Test};

/// Returns the second at which a rollout of `rings` fails that has a signal of each of `worlds` and stays in each
/// ring for `ring_s` seconds; nothing when it comes to its end.
pub fn fails(worlds: &[World], rings: usize, ring_s: u64, seed: u64) -> Option<u64> {
    let names: Vec<String> = (0..worlds.len()).map(|n| format!("signal {n}")).collect();
    let seeds = |n: usize| seed * 1_000 + n as u64;
    let named = |n: usize| names[n].clone();
    let signals = (0..worlds.len()).map(|n| (named(n), signal(0.5, 0.0)));
    let history = |(n, world): (usize, &World)| (named(n), world.history(seeds(n), 3_600));
    let history = worlds.iter().enumerate().map(history).collect();
    let mut test = Test::start(&signals.collect(), rings, &history, at(0));
    let mut streams: Vec<_> = worlds
        .iter()
        .enumerate()
        .map(|(n, world)| world.run(seeds(n), 1))
        .collect();
    (1..=ring_s * rings as u64).find(|&second| {
        let batches = streams.iter_mut().map(|next| Batch::Counts(next()));
        let metrics = names.iter().cloned().zip(batches).collect();
        let ring = ((second - 1) / ring_s) as usize;
        test.look(&look(at(second), ring, metrics)).state == VerdictState::Fail
    })
}

fn at(second: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(second)
}

/// A ring whose hosts have not all proved the release may fail and not pass: it is looked at to its end.
fn look(at: Timestamp, ring: usize, metrics: BTreeMap<String, Batch>) -> Look {
    Look {
        at,
        ring,
        metrics,
        control_hosts: 4,
        canary_hosts: 4,
        conditions: vec![],
        ring_proved_at: None,
        bake: Duration::ZERO,
        deadline: Duration::ZERO,
        at_deadline: AtDeadline::Go,
        first_release: false,
        unattributed: 0,
        beside: vec![],
        excluded: vec![],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: World = World {
        canary_per_s: 10.0,
        control_per_s: 10.0,
        canary_share: 0.01,
        control_share: 0.01,
        noise: 0.0,
        swing: 0.5,
    };

    #[test]
    fn a_harmless_rollout_comes_to_its_end() {
        let failed = (1..=40).filter(|seed| fails(&[CALM, CALM], 3, 300, *seed).is_some());
        assert_eq!(failed.count(), 0);
    }

    #[test]
    fn harm_in_one_of_two_signals_is_found_soon() {
        let bad = World {
            canary_share: 0.05,
            ..CALM
        };
        for seed in 1..=10 {
            let found = fails(&[CALM, bad], 3, 300, seed).expect("it is found");
            assert!(found < 600, "{found} s: not in its first two rings");
        }
    }
}
